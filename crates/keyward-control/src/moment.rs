//! Moments as the wire writes them: RFC 3339.

use std::time::SystemTime;

use jiff::Timestamp;

/// Writes `time` in UTC, to the second, such as `2026-11-24T13:01:16Z`.
///
/// `None` for a moment outside the years that RFC 3339 can write.
pub(crate) fn format(time: SystemTime) -> Option<String> {
    let exact = Timestamp::try_from(time).ok()?;
    let whole = Timestamp::from_second(exact.as_second()).ok()?;
    Some(whole.to_string())
}

/// Writes a moment in milliseconds since 1970 in UTC, to the millisecond, such as `2026-11-24T13:01:16.250Z`.
pub(crate) fn format_millis(millis: u64) -> Option<String> {
    let exact = Timestamp::from_millisecond(i64::try_from(millis).ok()?).ok()?;
    Some(format!("{exact:.3}"))
}

/// Reads an RFC 3339 moment with any offset.
pub(crate) fn parse(text: &str) -> Option<SystemTime> {
    let timestamp: Timestamp = text.parse().ok()?;
    SystemTime::try_from(timestamp).ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use proptest::prelude::*;

    use super::{format, parse};

    #[test]
    fn moments_are_written_in_utc_to_the_second() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_750);
        assert_eq!(format(time).as_deref(), Some("2027-01-15T08:00:00Z"));
        let offset = parse("2027-01-15T10:00:00+02:00").unwrap();
        assert_eq!(format(offset).as_deref(), Some("2027-01-15T08:00:00Z"));
    }

    #[test]
    fn what_is_not_a_moment_is_refused() {
        for text in [
            "",
            "2027",
            "2027-01-15",
            "2027-01-15T08:00:00",
            "tomorrow",
            "2027-13-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whole_seconds_round_trip(seconds in 0_u64..250_000_000_000) {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            prop_assert_eq!(parse(&format(time).unwrap()), Some(time));
        }

        #[test]
        fn arbitrary_text_never_panics(text in "[0-9TZtz:+.\\[\\]-]{0,40}|.{0,40}") {
            let _may_be_refused = parse(&text);
        }
    }
}
