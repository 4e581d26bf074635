//! Following a rotation: a line for each phase, and on a terminal the time that is left.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use http::Method;
use jiff::Timestamp;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use super::{super::Target, rotated_to};
use crate::{
    client::{Client, text},
    clock,
    failure::Failure,
    output::{Output, print, remark},
};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// When the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// The rotation has begun.
    Begun,
    /// The new value is in use.
    Current,
    /// The old value is erased.
    Over,
}

impl Until {
    /// What whoever reads `output` waits for: people for the end, programs until the new value is in use.
    pub(super) fn of(output: Output) -> Self {
        match output {
            Output::Table => Self::Over,
            Output::Records | Output::Json => Self::Current,
        }
    }
}

pub(super) struct Watch<'a> {
    pub(super) client: &'a Client,
    pub(super) name: &'a Target,
    /// Where the rotation is shown.
    pub(super) path: &'a str,
    pub(super) output: Output,
}

impl Watch<'_> {
    /// Tells of each phase as it comes. An error where the new value is not, or no more, in use.
    pub(super) async fn follow(&self, mut rotation: Value, until: Until) -> Result<(), Failure> {
        let request = text(&rotation, "request_id");
        let timer = Timer::new(self.output);
        // One for the whole time: what listens anew each time misses a Ctrl-C that comes between two.
        let mut interrupts = signal(SignalKind::interrupt())
            .map_err(|error| Failure::new("cannot catch signals").caused_by(&error))?;
        let mut told = String::new();
        loop {
            let phase = text(&rotation, "phase");
            if text(&rotation, "request_id") != request {
                timer.clear();
                return Err(Failure::new("another rotation of the key has begun")
                    .help(self.help("rotation")));
            }
            if phase != told {
                timer.clear();
                self.tell(&rotation, &told)?;
                told.clone_from(&phase);
            }
            let is_last = match phase.as_str() {
                "staged" => until == Until::Begun,
                "overlapping" => until != Until::Over,
                "finished" => true,
                _ => return Err(self.ended(&rotation)),
            };
            if is_last {
                return Ok(());
            }
            timer.show(&rotation);
            tokio::select! {
                _asked = interrupts.recv() => {
                    timer.clear();
                    return Err(self.left());
                }
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            rotation = self.client.send(Method::GET, self.path, None).await?;
        }
    }

    fn tell(&self, rotation: &Value, before: &str) -> Result<(), Failure> {
        if self.output == Output::Json {
            return print(rotation);
        }
        let (from, to) = (text(rotation, "from_version"), text(rotation, "to_version"));
        let rotated = || rotated_to(self.name, &text(rotation, "to_preview"), &to);
        match text(rotation, "phase").as_str() {
            "staged" => {
                let provider = &self.name.provider;
                print(format_args!(
                    "version {to} is staged: {provider} is asked about it"
                ))
            }
            "overlapping" => print(format_args!(
                "{}\nversion {from} is kept until {}; {}",
                rotated(),
                text(rotation, "ends_at"),
                self.help("roll-back"),
            )),
            "finished" if before == "overlapping" => print(format_args!(
                "version {from} is erased\nrevoke the old key at the provider"
            )),
            "finished" => print(format_args!(
                "{}\nrevoke the old key at the provider",
                rotated()
            )),
            _ => Ok(()),
        }
    }

    /// The new value is not in use.
    fn ended(&self, rotation: &Value) -> Failure {
        let reason = text(rotation, "reason_text");
        let from = text(rotation, "from_version");
        let what = match text(rotation, "phase").as_str() {
            "rolled_back" => {
                format!("the rotation was rolled back, and version {from} is in use again")
            }
            _ => "the new value was not taken, and nothing changed".to_owned(),
        };
        Failure::found(what)
            .because(reason)
            .help(match text(rotation, "reason").as_str() {
                "unproven" => "try again, or add --no-verify to use it without asking the provider",
                _ => "make a new key at the provider, and rotate again",
            })
    }

    fn left(&self) -> Failure {
        remark("");
        Failure::left("nobody watches any more; the rotation goes on").help(format!(
            "`keyward keys rotation {0} --watch` watches it, {1}",
            self.options(),
            self.help("roll-back"),
        ))
    }

    fn help(&self, command: &str) -> String {
        let does = match command {
            "roll-back" => "takes the old value back",
            _ => "shows it",
        };
        format!("`keyward keys {command} {}` {does}", self.options())
    }

    /// What names the key on the command line.
    fn options(&self) -> String {
        let Target {
            provider,
            gateway,
            alias,
        } = self.name;
        let mut options = provider.to_string();
        if gateway.as_str() != "default" {
            options.push_str(&format!(" --gateway {gateway}"));
        }
        if alias.as_str() != "default" {
            options.push_str(&format!(" --alias {alias}"));
        }
        options
    }
}

/// The time that is left, in a line that is written over: for people alone.
struct Timer {
    is_shown: bool,
}

impl Timer {
    fn new(output: Output) -> Self {
        Self {
            is_shown: output == Output::Table && io::stderr().is_terminal(),
        }
    }

    fn show(&self, rotation: &Value) {
        if !self.is_shown {
            return;
        }
        let line = match text(rotation, "ends_at").parse::<Timestamp>() {
            Ok(end) => left(end, clock::now().try_into().unwrap_or(end)),
            Err(_none) => "waiting for the provider".to_owned(),
        };
        self.write(&format!("\r{line}; Ctrl-C leaves it running\u{1b}[K"));
    }

    fn clear(&self) {
        if self.is_shown {
            self.write("\r\u{1b}[K");
        }
    }

    fn write(&self, text: &str) {
        let mut out = anstream::stderr();
        // Where standard error is closed, nobody looks.
        let _nobody_looks = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// How long the old value is kept yet.
fn left(end: Timestamp, now: Timestamp) -> String {
    let seconds = end.duration_since(now).as_secs().max(0);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("the old value is erased in {minutes}:{seconds:02}"),
        hours => format!("the old value is erased in {hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::left;

    #[test]
    fn the_time_that_is_left_reads_like_a_clock() {
        for (seconds, expected) in [
            (-5, "0:00"),
            (9, "0:09"),
            (600, "10:00"),
            (90_061, "25:01:01"),
        ] {
            let now = Timestamp::UNIX_EPOCH;
            let told = left(now + SignedDuration::from_secs(seconds), now);
            assert_eq!(told, format!("the old value is erased in {expected}"));
        }
    }
}
