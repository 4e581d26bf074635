//! Tables that the operator names: `[webhooks.NAME]` and `[rotation.NAME]`. In the file only: a variable could not tell
//! names apart, and whoever sets one must choose neither where events go nor what is run.

use std::{fmt, path::PathBuf, time::Duration};

use keyward_gateway::webhooks::WebhookUrl;
use keyward_registry::{Alias, GatewayId, ProviderSlug};
use serde::Deserialize;

use super::Argv;

/// What a table is called: 1 to 32 of `a-z`, `0-9` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct TableName(String);

/// `[webhooks.NAME]`: who is told what happens to provider keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookSection {
    pub(crate) url: Url,
    pub(crate) secret_file: PathBuf,
    /// Empty: every event.
    #[serde(default)]
    pub(crate) events: Vec<String>,
}

/// `[rotation.NAME]`: keys that get a new value again and again, and the command that writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotationSection {
    pub(crate) command: Argv,
    pub(crate) keys: Vec<KeyName>,
    pub(crate) every: Span,
    pub(crate) overlap: Option<Span>,
    #[serde(default = "yes")]
    pub(crate) verify: bool,
    pub(crate) command_timeout_secs: Option<LongTimeout>,
}

/// A provider key, by its place.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyName {
    pub(crate) gateway: Parsed<GatewayId>,
    pub(crate) provider: Parsed<ProviderSlug>,
    #[serde(default)]
    pub(crate) alias: Parsed<Alias>,
}

/// Where events are sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Url(pub(crate) WebhookUrl);

/// A time, as digits and `s`, `m`, `h` or `d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Span(Duration);

/// 1 to 600 seconds: some providers take their time to make a key.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u64")]
pub(crate) struct LongTimeout(Duration);

/// Something that is read from its text.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "String", bound = "T: Named")]
pub(crate) struct Parsed<T>(pub(crate) T);

/// What a name in the configuration can be.
pub(crate) trait Named: Sized {
    fn read(text: &str) -> Result<Self, keyward_registry::ParseIdError>;
}

const fn yes() -> bool {
    true
}

impl TableName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TableName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if (1..=32).contains(&name.len()) && name.bytes().all(is_plain) {
            Ok(Self(name))
        } else {
            Err("a name of a table is 1 to 32 of `a-z`, `0-9` and `-`")
        }
    }
}

impl TryFrom<String> for Url {
    type Error = keyward_gateway::webhooks::ParseReceiverError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        WebhookUrl::parse(&text).map(Self)
    }
}

impl Span {
    /// Ten years: what is rarer is not scheduled.
    const MOST: u64 = 3650 * 24 * 60 * 60;

    pub(crate) const fn duration(self) -> Duration {
        self.0
    }
}

impl TryFrom<String> for Span {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const RULE: &str =
            "a time is digits and a unit, such as `90s`, `15m`, `12h` or `30d`, at most ten years";
        let (digits, unit) = text
            .len()
            .checked_sub(1)
            .and_then(|at| text.split_at_checked(at))
            .ok_or(RULE)?;
        let unit = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return Err(RULE),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(RULE);
        }
        let number: u64 = digits.parse().map_err(|_too_many| RULE)?;
        let seconds = number.checked_mul(unit).filter(|all| *all <= Self::MOST);
        Ok(Self(Duration::from_secs(seconds.ok_or(RULE)?)))
    }
}

impl RotationSection {
    pub(crate) fn command_timeout(&self) -> Duration {
        let timeout = self.command_timeout_secs;
        timeout.map_or(Duration::from_secs(60), |timeout| timeout.0)
    }
}

impl TryFrom<u64> for LongTimeout {
    type Error = &'static str;

    fn try_from(secs: u64) -> Result<Self, Self::Error> {
        match secs {
            1..=600 => Ok(Self(Duration::from_secs(secs))),
            _ => Err("a command of a rotation may take 1 to 600 seconds"),
        }
    }
}

impl<T: Named> TryFrom<String> for Parsed<T> {
    type Error = keyward_registry::ParseIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        T::read(&text).map(Self)
    }
}

macro_rules! named {
    ($($type:ty),+) => {$(
        impl Named for $type {
            fn read(text: &str) -> Result<Self, keyward_registry::ParseIdError> {
                Self::parse(text)
            }
        }
    )+};
}

named!(GatewayId, ProviderSlug, Alias);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Span;

    #[test]
    fn a_span_is_digits_and_a_unit() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("15m", 900),
            ("12h", 43_200),
            ("30d", 2_592_000),
            ("3650d", 315_360_000),
        ] {
            let span = Span::try_from(text.to_owned()).unwrap();
            assert_eq!(span.duration(), Duration::from_secs(seconds), "{text}");
        }
        for text in [
            "",
            "d",
            "30",
            "30 d",
            "-1d",
            "+1d",
            "1.5h",
            "1w",
            "3651d",
            "99999999999999999999d",
            "1\u{e4}",
        ] {
            assert!(Span::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
