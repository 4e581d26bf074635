//! For how long a provider takes no more requests with a key, as its answer says it. Pure.
//!
//! Read are `Retry-After` in seconds or as a date (RFC 9110 §10.2.3), `retry-after-ms` (OpenAI and Azure),
//! `x-ratelimit-remaining-*` with `x-ratelimit-reset-*` (OpenAI, Groq and those that follow them: `1s`, `6m0s`, `17ms`)
//! and `anthropic-ratelimit-*-remaining` with `-reset` (RFC 3339). What cannot be read says nothing.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

/// The longest that a key is passed over for what an answer says: longer ones are asked again after this.
pub(crate) const LONGEST: Duration = Duration::from_secs(60 * 60);
/// For a limit of which nothing else is told. A guess: most limits are per minute, and refill gradually.
const UNTOLD: Duration = Duration::from_secs(5);
/// Whoever says "at once" and has refused is asked again after this.
const SHORTEST: Duration = Duration::from_secs(1);
/// How long an account without money is passed over at first. A guess: somebody must pay meanwhile.
const NO_FUNDS: Duration = Duration::from_secs(5 * 60);

/// What may be used up, with when it is filled up again.
const PAIRS: [(&str, &str, Reset); 6] = [
    (
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
        Reset::In,
    ),
    (
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens",
        Reset::In,
    ),
    (
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
        Reset::At,
    ),
    (
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
        Reset::At,
    ),
    (
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
        Reset::At,
    ),
    (
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
        Reset::At,
    ),
];

#[derive(Clone, Copy)]
enum Reset {
    /// After a duration.
    In,
    /// At a time.
    At,
}

/// Until when the key of an answer that says "too many requests" is passed over.
///
/// The first of these that the answer has: `retry-after-ms`, `Retry-After`, the latest reset of what is used up; else
/// 5 seconds. At least one second, at most an hour.
pub(crate) fn limited_until(headers: &HeaderMap, now: SystemTime) -> SystemTime {
    let left = retry_after(headers, now)
        .or_else(|| used_up(headers, now))
        .unwrap_or(UNTOLD);
    now + left.clamp(SHORTEST, LONGEST)
}

/// Until when a key is passed over whose answer, whatever its status, says that nothing more is left. `None` where it
/// says nothing of the kind.
pub(crate) fn used_up_until(headers: &HeaderMap, now: SystemTime) -> Option<SystemTime> {
    let left = used_up(headers, now)?;
    (!left.is_zero()).then(|| now + left.min(LONGEST))
}

/// Until when a key whose account has no money is passed over: five minutes at first, twice as long each time it is
/// found so again (`in_a_row`, from 1), at most an hour.
pub(crate) fn out_of_funds_until(in_a_row: u32, now: SystemTime) -> SystemTime {
    let times = 1_u32
        .checked_shl(in_a_row.saturating_sub(1))
        .unwrap_or(u32::MAX);
    now + NO_FUNDS.saturating_mul(times).min(LONGEST)
}

/// How long the answer asks to wait.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let millis = text(headers, "retry-after-ms").and_then(decimal);
    if let Some(millis) = millis {
        return duration(millis / 1000.0);
    }
    let value = text(headers, header::RETRY_AFTER.as_str())?;
    match decimal(value) {
        Some(seconds) => duration(seconds),
        None => Some(from_then(
            httpdate::parse_http_date(value).ok()?,
            headers,
            now,
        )),
    }
}

/// How long until the last of what is used up is filled up again.
fn used_up(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let resets = PAIRS.iter().filter_map(|(remaining, reset, kind)| {
        if text(headers, remaining).and_then(decimal)? > 0.0 {
            return None;
        }
        let reset = text(headers, reset)?;
        match kind {
            Reset::In => parse_duration(reset),
            Reset::At => {
                let at: jiff::Timestamp = reset.parse().ok()?;
                let at = SystemTime::try_from(at).ok()?;
                Some(from_then(at, headers, now))
            }
        }
    });
    resets.max()
}

/// How long it is until the provider's `then`: by its own clock, where the answer tells that.
fn from_then(then: SystemTime, headers: &HeaderMap, now: SystemTime) -> Duration {
    let asked = text(headers, header::DATE.as_str())
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .unwrap_or(now);
    then.duration_since(asked).unwrap_or_default()
}

/// Reads `1s`, `6m0s`, `1h2m3.5s`, `17ms`: numbers with their units, as Go writes durations. A number alone is
/// seconds.
fn parse_duration(text: &str) -> Option<Duration> {
    if let Some(seconds) = decimal(text) {
        return duration(seconds);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let is_digit = |byte: char| byte.is_ascii_digit() || byte == '.';
        let unit_at = rest.find(|byte| !is_digit(byte))?;
        let (number, behind) = rest.split_at_checked(unit_at)?;
        let next_at = behind.find(is_digit).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(next_at)?;
        let in_seconds = match unit {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += decimal(number)? * in_seconds;
        rest = behind;
    }
    (!text.is_empty()).then(|| duration(seconds))?
}

/// A number of at most 20 digits, with or without a fraction. Nothing else that Rust would read as one (`1e9`, `inf`).
fn decimal(text: &str) -> Option<f64> {
    let is_plain = (1..=20).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_plain.then(|| text.parse().ok())?
}

fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.min(LONGEST.as_secs_f64())).ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim_ascii)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use http::{HeaderMap, HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::{LONGEST, limited_until, out_of_funds_until, used_up_until};

    /// 2026-11-27T02:00:00Z.
    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_744_800)
    }

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&str, &str)| {
            (
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            )
        };
        lines.iter().map(line).collect()
    }

    #[track_caller]
    fn check(lines: &[(&str, &str)], expected: Duration) {
        let until = limited_until(&headers(lines), now());
        assert_eq!(until.duration_since(now()).unwrap(), expected, "{lines:?}");
    }

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn retry_after_says_how_long() {
        check(&[("retry-after", "20")], secs(20));
        check(&[("retry-after", "1.5")], Duration::from_millis(1500));
        check(
            &[("retry-after", "Fri, 27 Nov 2026 02:01:30 GMT")],
            secs(90),
        );
        check(
            &[("retry-after-ms", "2500"), ("retry-after", "3")],
            Duration::from_millis(2500),
        );
    }

    #[test]
    fn a_date_is_read_by_the_clock_that_wrote_it() {
        check(
            &[
                ("date", "Fri, 27 Nov 2026 03:00:00 GMT"),
                ("retry-after", "Fri, 27 Nov 2026 03:00:10 GMT"),
            ],
            secs(10),
        );
        check(
            &[
                ("date", "Fri, 27 Nov 2026 03:00:00 GMT"),
                ("anthropic-ratelimit-tokens-remaining", "0"),
                ("anthropic-ratelimit-tokens-reset", "2026-11-27T03:00:40Z"),
            ],
            secs(40),
        );
    }

    #[test]
    fn the_last_reset_of_what_is_used_up_says_how_long() {
        check(
            &[
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "6m0s"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "1s"),
            ],
            secs(360),
        );
        check(
            &[
                ("x-ratelimit-remaining-requests", "59"),
                ("x-ratelimit-reset-requests", "8m"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "2m59.56s"),
            ],
            Duration::from_millis(179_560),
        );
        check(
            &[
                ("anthropic-ratelimit-input-tokens-remaining", "0"),
                (
                    "anthropic-ratelimit-input-tokens-reset",
                    "2026-11-27T02:00:12Z",
                ),
                ("anthropic-ratelimit-requests-remaining", "10"),
                ("anthropic-ratelimit-requests-reset", "2026-11-27T02:59:00Z"),
            ],
            secs(12),
        );
    }

    #[test]
    fn nothing_that_can_be_read_is_five_seconds() {
        check(&[], secs(5));
        for value in [
            "soon",
            "-1",
            "1e9",
            "inf",
            "",
            "12x",
            "99999999999999999999999",
        ] {
            check(&[("retry-after", value)], secs(5));
        }
        check(
            &[
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "later"),
            ],
            secs(5),
        );
    }

    #[test]
    fn it_is_a_second_at_least_and_an_hour_at_most() {
        check(&[("retry-after", "0")], secs(1));
        check(&[("retry-after", "Thu, 26 Nov 2026 00:00:00 GMT")], secs(1));
        check(&[("retry-after", "86400")], LONGEST);
        check(&[("retry-after", "99999999999999999999")], LONGEST);
        check(&[("retry-after", "Sat, 27 Nov 2055 00:00:00 GMT")], LONGEST);
    }

    #[test]
    fn an_answer_without_more_says_so_before_the_first_refusal() {
        let used_up = [
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "17ms"),
        ];
        let until = used_up_until(&headers(&used_up), now()).unwrap();
        assert_eq!(
            until.duration_since(now()).unwrap(),
            Duration::from_millis(17)
        );
        for lines in [
            &[][..],
            &[("retry-after", "20")],
            &[("x-ratelimit-remaining-requests", "0")],
            &[
                ("x-ratelimit-remaining-requests", "1"),
                ("x-ratelimit-reset-requests", "1m"),
            ],
            &[
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "0s"),
            ],
        ] {
            assert_eq!(used_up_until(&headers(lines), now()), None, "{lines:?}");
        }
    }

    #[test]
    fn no_money_is_waited_for_ever_longer() {
        let minutes = |in_a_row| {
            let until = out_of_funds_until(in_a_row, now());
            until.duration_since(now()).unwrap().as_secs() / 60
        };
        let waits: Vec<_> = (0..7).map(minutes).collect();
        assert_eq!(waits, [5, 5, 10, 20, 40, 60, 60]);
        assert_eq!(minutes(u32::MAX), 60);
    }

    proptest! {
        /// Whatever a provider sends: never less than a second, never more than an hour.
        #[test]
        fn whatever_stands_there_is_bounded(
            retry in "[0-9a-zA-Z:., -]{0,40}",
            millis in "[0-9.]{0,24}",
            reset in "[0-9.hmsdnuµ]{0,24}",
            at in "[0-9TZ:.+-]{0,30}",
        ) {
            let lines = [
                ("retry-after", retry),
                ("retry-after-ms", millis),
                ("x-ratelimit-remaining-requests", "0".to_owned()),
                ("x-ratelimit-reset-requests", reset),
                ("anthropic-ratelimit-requests-remaining", "0".to_owned()),
                ("anthropic-ratelimit-requests-reset", at),
            ];
            for from in 0..lines.len() {
                let mut map = HeaderMap::new();
                for (name, value) in &lines[from..] {
                    map.insert(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
                }
                let left = limited_until(&map, now()).duration_since(now()).unwrap();
                prop_assert!((secs(1)..=LONGEST).contains(&left));
                if let Some(until) = used_up_until(&map, now()) {
                    let left = until.duration_since(now()).unwrap();
                    prop_assert!(!left.is_zero() && left <= LONGEST);
                }
            }
        }
    }
}
