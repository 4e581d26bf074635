//! How a request is sent: with how much patience, and how often. Pure.

use std::{num::NonZeroU8, ops::RangeInclusive, time::Duration};

use http::{HeaderMap, HeaderValue};
use keyward_registry::{Backoff as Kept, GatewaySettings};
use keyward_routes::{Attempts, Backoff};

use crate::respond::Refusal;

pub(crate) const TIMEOUT: &str = "cf-aig-request-timeout";
pub(crate) const ATTEMPTS: &str = "cf-aig-max-attempts";
pub(crate) const DELAY: &str = "cf-aig-retry-delay";
pub(crate) const BACKOFF: &str = "cf-aig-backoff";

/// The longest time to the first byte of an answer that may be asked for, in milliseconds. Ours: the reference names none.
const LONGEST_TIMEOUT: u64 = 10 * 60 * 1000;
/// The longest delay that a request may ask for, in milliseconds (wire-spec §2.1).
const LONGEST_DELAY: u64 = 5_000;
/// The most attempts (wire-spec §2.1).
const MOST_ATTEMPTS: u64 = 5;
/// What is waited where attempts are asked for, and no delay. A guess: the reference names none.
const DELAY_UNLESS_SAID: Duration = Duration::from_millis(500);

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handling {
    /// How long the answer may take to begin. None: as long as the forwarder allows.
    pub(crate) timeout: Option<Duration>,
    pub(crate) attempts: Attempts,
}

impl Handling {
    /// What the gateway's settings say.
    pub(crate) fn of_gateway(settings: &GatewaySettings) -> Self {
        let delay = settings.retry_delay.map(u64::from);
        let most = settings.retry_max_attempts.and_then(NonZeroU8::new);
        Self {
            timeout: None,
            attempts: Attempts {
                most: most.unwrap_or(NonZeroU8::MIN),
                delay: delay.map_or(DELAY_UNLESS_SAID, Duration::from_millis),
                backoff: settings.retry_backoff.map(backoff).unwrap_or_default(),
            },
        }
    }

    /// The same with what a request's headers say in its place.
    pub(crate) fn with_headers(self, headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut handling = self;
        let problem = "is no whole number of milliseconds from 1 to 600000";
        if let Some(millis) = number(headers, TIMEOUT, 1..=LONGEST_TIMEOUT, problem)? {
            handling.timeout = Some(Duration::from_millis(millis));
        }
        let problem = "is no whole number from 1 to 5";
        if let Some(most) = number(headers, ATTEMPTS, 1..=MOST_ATTEMPTS, problem)? {
            let most = u8::try_from(most).ok().and_then(NonZeroU8::new);
            handling.attempts.most = most.unwrap_or(NonZeroU8::MIN);
        }
        let problem = "is no whole number of milliseconds from 0 to 5000";
        if let Some(millis) = number(headers, DELAY, 0..=LONGEST_DELAY, problem)? {
            handling.attempts.delay = Duration::from_millis(millis);
        }
        if let Some(value) = one(headers, BACKOFF)? {
            handling.attempts.backoff = match value.as_bytes() {
                b"constant" => Backoff::Constant,
                b"linear" => Backoff::Linear,
                b"exponential" => Backoff::Exponential,
                _ => {
                    return Err(Refusal::Header {
                        name: BACKOFF,
                        problem: "is none of `constant`, `linear` and `exponential`",
                    });
                }
            };
        }
        Ok(handling)
    }

    /// What an element of a route says.
    pub(crate) fn of_model(model: &keyward_routes::Model) -> Self {
        let retries = u8::try_from(model.retries()).unwrap_or(u8::MAX);
        Self {
            timeout: model.timeout(),
            attempts: Attempts {
                most: NonZeroU8::MIN.saturating_add(retries),
                delay: DELAY_UNLESS_SAID,
                backoff: Backoff::Exponential,
            },
        }
    }

    /// How long the next attempt may take, after `made` others. The last of several waits for as long as it takes: there is
    /// nothing left to try instead (wire-spec §6.4).
    pub(crate) fn patience(&self, made: u8) -> Option<Duration> {
        let most = self.attempts.most.get();
        let is_last_of_several = most > 1 && made.saturating_add(1) >= most;
        self.timeout.filter(|_| !is_last_of_several)
    }

    /// Whether it is how every request is sent.
    pub(crate) fn is_plain(&self) -> bool {
        self.timeout.is_none() && self.attempts.most == NonZeroU8::MIN
    }
}

const fn backoff(kept: Kept) -> Backoff {
    match kept {
        Kept::Constant => Backoff::Constant,
        Kept::Linear => Backoff::Linear,
        Kept::Exponential => Backoff::Exponential,
    }
}

fn number(
    headers: &HeaderMap,
    name: &'static str,
    range: RangeInclusive<u64>,
    problem: &'static str,
) -> Result<Option<u64>, Refusal> {
    let Some(value) = one(headers, name)? else {
        return Ok(None);
    };
    let is_plain = |text: &&str| {
        (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let digits = value.to_str().ok().filter(is_plain);
    let number = digits.and_then(|text| text.parse().ok());
    let within = number.filter(|number| range.contains(number));
    within.map(Some).ok_or(Refusal::Header { name, problem })
}

fn one<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h HeaderValue>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Refusal::Header {
            name,
            problem: "stands in the request more than once",
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderName, HeaderValue};
    use keyward_registry::GatewaySettings;
    use keyward_routes::Backoff;

    use super::Handling;

    fn read(lines: &[(&'static str, &'static str)]) -> Result<Handling, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let gateway = Handling::of_gateway(&GatewaySettings::default());
        gateway
            .with_headers(&headers)
            .map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_request_says_how_it_is_sent_and_the_gateway_otherwise() {
        assert!(read(&[]).unwrap().is_plain());
        let settings = GatewaySettings {
            retry_max_attempts: Some(3),
            retry_delay: Some(60_000),
            retry_backoff: Some(keyward_registry::Backoff::Linear),
            ..GatewaySettings::default()
        };
        let gateway = Handling::of_gateway(&settings);
        assert_eq!(gateway.attempts.most.get(), 3);
        assert_eq!(gateway.attempts.delay, Duration::from_secs(60));
        let mut headers = HeaderMap::new();
        headers.insert("cf-aig-max-attempts", HeaderValue::from_static("2"));
        let both = gateway.with_headers(&headers).unwrap();
        assert_eq!(both.attempts.most.get(), 2);
        assert_eq!(both.attempts.backoff, Backoff::Linear);
        let said = read(&[
            ("cf-aig-request-timeout", "1500"),
            ("cf-aig-max-attempts", "5"),
            ("cf-aig-retry-delay", "0"),
            ("cf-aig-backoff", "exponential"),
        ])
        .unwrap();
        assert_eq!(said.timeout, Some(Duration::from_millis(1500)));
        assert_eq!(said.attempts.delay, Duration::ZERO);
        assert_eq!(said.attempts.backoff, Backoff::Exponential);
    }

    #[test]
    fn the_last_of_several_attempts_has_all_the_time() {
        let one = read(&[("cf-aig-request-timeout", "10")]).unwrap();
        assert_eq!(one.patience(0), Some(Duration::from_millis(10)));
        let two = [
            ("cf-aig-request-timeout", "10"),
            ("cf-aig-max-attempts", "2"),
        ];
        let two = read(&two).unwrap();
        assert_eq!(two.patience(0), Some(Duration::from_millis(10)));
        assert_eq!(two.patience(1), None);
    }

    #[test]
    fn what_is_out_of_range_is_refused_by_name() {
        for (name, values) in [
            (
                "cf-aig-request-timeout",
                &["", "0", "600001", "1.5", "-1", "+1", "1s", "99999999999"][..],
            ),
            ("cf-aig-max-attempts", &["0", "6", "two"]),
            ("cf-aig-retry-delay", &["5001", "fast"]),
            ("cf-aig-backoff", &["", "none", "Exponential"]),
        ] {
            for value in values {
                let refused = read(&[(name, value)]).unwrap_err();
                assert!(refused.contains(name), "{name}: {value}: {refused}");
            }
        }
        let twice = [("cf-aig-max-attempts", "1"), ("cf-aig-max-attempts", "2")];
        assert!(read(&twice).unwrap_err().contains("more than once"));
    }
}
