//! Moments as people read them: how long ago or how far to come, with the exact time in UTC.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use askama::filters::HtmlSafe;

use crate::moment;

/// A moment: how long ago, with the exact time in UTC.
pub(crate) struct When {
    relative: String,
    /// As `datetime` takes it.
    machine: String,
    exact: String,
}

/// A moment with the exact time beside it, for who has no pointer to hold over it.
pub(crate) struct Long<'a>(&'a When);

impl When {
    /// Of a moment as answers carry it. None: it is none.
    pub(crate) fn new(text: &str, now: SystemTime) -> Option<Self> {
        let then = moment::parse(text)?;
        let machine = moment::format(then)?;
        let exact = machine.replace('T', " ").replace('Z', " UTC");
        Some(Self {
            relative: relative(then, now),
            machine,
            exact,
        })
    }

    pub(crate) fn long(&self) -> Long<'_> {
        Long(self)
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            relative,
            machine,
            exact,
        } = self;
        write!(
            f,
            r#"<time datetime="{machine}" title="{exact}">{relative}</time>"#
        )
    }
}

impl fmt::Display for Long<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(when) = self;
        write!(f, r#"{when} <span class="muted">· {}</span>"#, when.exact)
    }
}

impl HtmlSafe for Long<'_> {}

impl HtmlSafe for When {}

/// How long ago, or how far to come. What is older than 30 days is told by its date.
fn relative(then: SystemTime, now: SystemTime) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let (is_past, distance) = match now.duration_since(then) {
        Ok(since) => (true, since),
        Err(error) => (false, error.duration()),
    };
    let seconds = distance.as_secs();
    // What is past is told in whole units that have gone by; what is to come, by the nearest.
    let count = |unit: u64| {
        if is_past {
            seconds / unit
        } else {
            (seconds + unit / 2) / unit
        }
    };
    let amount = match seconds {
        0..MINUTE => return if is_past { "now" } else { "in a moment" }.to_owned(),
        MINUTE..HOUR => format!("{} min", count(MINUTE)),
        HOUR..DAY => format!("{} h", count(HOUR)),
        _ => match count(DAY) {
            1 => "1 day".to_owned(),
            31.. if is_past => return date(then),
            days => format!("{days} days"),
        },
    };
    if is_past {
        format!("{amount} ago")
    } else {
        format!("in {amount}")
    }
}

fn date(then: SystemTime) -> String {
    let text = moment::format(then).unwrap_or_default();
    text.split('T').next().unwrap_or_default().to_owned()
}

/// Whole days since a moment as answers carry it.
pub(crate) fn days_since(text: &str, now: SystemTime) -> Option<u64> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let since = now.duration_since(moment::parse(text)?).ok()?;
    Some(since.as_secs() / DAY.as_secs())
}

/// The moment that a browser's field for date and time holds, in UTC. What is none is left for the route to refuse.
pub(crate) fn typed_moment(text: &str) -> String {
    match text.len() {
        // 2027-01-15T08:00
        16 => format!("{text}:00Z"),
        // 2027-01-15T08:00:00
        19 => format!("{text}Z"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{When, days_since, relative, typed_moment};

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[track_caller]
    fn check(then: u64, now: u64, expected: &str) {
        let base = 1_800_000_000;
        assert_eq!(relative(at(base + then), at(base + now)), expected);
    }

    #[test]
    fn moments_are_told_by_their_distance() {
        check(0, 59, "now");
        check(0, 60, "1 min ago");
        check(0, 3_599, "59 min ago");
        check(0, 3_600, "1 h ago");
        check(0, 86_400, "1 day ago");
        check(0, 86_400 * 30, "30 days ago");
        check(0, 86_400 * 31, "2027-01-15");
        check(30, 0, "in a moment");
        check(7_200, 0, "in 2 h");
        check(86_400 * 40 - 1, 0, "in 40 days");
    }

    #[test]
    fn the_exact_time_stands_beside() {
        let when = When::new("2027-01-15T08:00:00Z", at(1_800_000_060)).unwrap();
        assert_eq!(
            when.to_string(),
            r#"<time datetime="2027-01-15T08:00:00Z" title="2027-01-15 08:00:00 UTC">1 min ago</time>"#
        );
        assert!(When::new("never", at(0)).is_none());
        assert_eq!(
            days_since("2027-01-15T08:00:00Z", at(1_800_000_000 + 86_400 * 90)),
            Some(90)
        );
    }

    #[test]
    fn what_a_browser_sends_is_a_moment_in_utc() {
        assert_eq!(typed_moment("2027-01-15T08:00"), "2027-01-15T08:00:00Z");
        assert_eq!(typed_moment("2027-01-15T08:00:30"), "2027-01-15T08:00:30Z");
        assert_eq!(typed_moment("2027-01-15T08:00:00Z"), "2027-01-15T08:00:00Z");
        assert_eq!(typed_moment("soon"), "soon");
    }
}
