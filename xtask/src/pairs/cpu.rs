//! CPU time of a process, from `/proc`.

use std::{collections::HashMap, ffi::OsString, fs, io, time::Duration};

/// What the threads of a process have spent up to one moment.
#[derive(Debug)]
pub(crate) struct Reading {
    nanos_by_thread: HashMap<OsString, u64>,
    user_ticks: u64,
    system_ticks: u64,
}

impl Reading {
    /// Reads what the process `pid` has spent so far.
    ///
    /// The total is the scheduler's own, in nanoseconds, for each thread. The kernel splits it into user and system by
    /// sampling at every timer tick; `stat` has that split, for the process, in ticks of 10 ms.
    pub(crate) fn take(pid: u32) -> io::Result<Self> {
        let mut nanos_by_thread = HashMap::new();
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let thread = thread?;
            // A thread may end between the listing and the look at it.
            let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else {
                continue;
            };
            let nanos = parse_schedstat(&text).ok_or_else(|| malformed("schedstat"))?;
            nanos_by_thread.insert(thread.file_name(), nanos);
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (user_ticks, system_ticks) = parse_stat(&stat).ok_or_else(|| malformed("stat"))?;
        Ok(Self {
            nanos_by_thread,
            user_ticks,
            system_ticks,
        })
    }

    /// What was spent since `before`, but for threads that have ended since: a proxy's workers do not.
    pub(crate) fn since(&self, before: &Self) -> Cpu {
        let spent = self.nanos_by_thread.iter().map(|(thread, nanos)| {
            nanos.saturating_sub(
                before
                    .nanos_by_thread
                    .get(thread)
                    .copied()
                    .unwrap_or_default(),
            )
        });
        Cpu {
            total: Duration::from_nanos(spent.sum()),
            user_ticks: self.user_ticks.saturating_sub(before.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(before.system_ticks),
        }
    }
}

/// CPU time that a process spent between two readings.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    total: Duration,
    user_ticks: u64,
    system_ticks: u64,
}

impl Cpu {
    /// Microseconds for each of `requests`.
    pub(crate) fn total_micros(&self, requests: u32) -> f64 {
        self.total.as_secs_f64() * 1e6 / f64::from(requests)
    }

    /// The part of [`Self::total_micros`] that was spent in user mode.
    pub(crate) fn user_micros(&self, requests: u32) -> f64 {
        let ticks = self.user_ticks + self.system_ticks;
        if ticks == 0 {
            return 0.0;
        }
        self.total_micros(requests) * as_f64(self.user_ticks) / as_f64(ticks)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "ticks of one run are far below 2^52"
)]
fn as_f64(ticks: u64) -> f64 {
    ticks as f64
}

fn malformed(file: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{file} has another form than proc(5) says"),
    )
}

fn parse_schedstat(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// User and system ticks. The command's name may hold blanks and parentheses, so fields count from its end.
fn parse_stat(text: &str) -> Option<(u64, u64)> {
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_fields_count_from_the_end_of_the_name() {
        let text = "42 (a (b) c) S 1 42 42 0 -1 4194304 100 0 0 0 17 23 0 0 20 0 1 0 100 1 1";
        assert_eq!(parse_stat(text), Some((17, 23)));
    }

    #[test]
    fn user_time_is_the_sampled_share_of_the_total() {
        let cpu = Cpu {
            total: Duration::from_millis(300),
            user_ticks: 10,
            system_ticks: 20,
        };
        assert!((cpu.total_micros(20_000) - 15.0).abs() < 1e-9);
        assert!((cpu.user_micros(20_000) - 5.0).abs() < 1e-9);
    }

    #[test]
    fn threads_are_counted_from_where_they_stood() {
        let reading = |threads: &[(&str, u64)]| Reading {
            nanos_by_thread: threads
                .iter()
                .map(|&(thread, nanos)| (thread.into(), nanos))
                .collect(),
            user_ticks: 0,
            system_ticks: 0,
        };
        let before = reading(&[("1", 100), ("2", 50)]);
        let after = reading(&[("1", 130), ("3", 7)]);
        assert_eq!(after.since(&before).total, Duration::from_nanos(37));
    }

    #[test]
    fn this_process_has_spent_something() {
        let reading = Reading::take(std::process::id()).unwrap();
        assert!(reading.nanos_by_thread.values().sum::<u64>() > 0);
    }
}
