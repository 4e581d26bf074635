//! `[limits]`: where rate limits are counted.

use std::{num::NonZeroU64, path::PathBuf};

use keyward_limits_redis::{OnLoss, RedisUrl, Settings};
use serde::Deserialize;

use super::Config;
use crate::{failure::Failure, private_file, secret_input};

/// Where rate limits are counted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsSection {
    /// Default: in memory.
    pub(crate) store: CounterStore,
    pub(crate) url: Option<CountersUrl>,
    /// The password, where Redis asks for one.
    pub(crate) password_file: Option<PathBuf>,
    /// What becomes of requests while Redis does not decide. Must be set: each way is wrong for somebody.
    pub(crate) on_loss: Option<LossWord>,
    /// How many instances share a limit while they cannot count together.
    pub(crate) instances: Option<NonZeroU64>,
}

/// Where counters are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CounterStore {
    #[default]
    Memory,
    Redis,
}

/// What becomes of requests that cannot be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LossWord {
    Open,
    Closed,
    Share,
}

/// Where the Redis is. Holds no password.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct CountersUrl(pub(crate) RedisUrl);

impl TryFrom<String> for CountersUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        // The text itself is not told: it may hold a password.
        let parsed = text.parse();
        parsed
            .map(Self)
            .map_err(|error| format!("the URL of Redis cannot be used: {error}"))
    }
}

/// A Redis, and what becomes of requests without it.
struct Named<'a> {
    url: &'a RedisUrl,
    on_loss: OnLoss,
}

impl LimitsSection {
    /// What rules between the fields refuse. Opens nothing.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.named().map(drop)
    }

    fn named(&self) -> Result<Option<Named<'_>>, Failure> {
        let refuse = |what: &str, at: &str, help: &str| {
            Err(Failure::new(what).at(format!("`[limits] {at}`")).help(help))
        };
        if self.store == CounterStore::Memory {
            let is_set = [
                (self.url.is_some(), "url"),
                (self.password_file.is_some(), "password_file"),
                (self.on_loss.is_some(), "on_loss"),
                (self.instances.is_some(), "instances"),
            ];
            return match is_set.iter().find(|(is_set, _)| *is_set) {
                None => Ok(None),
                Some((_, name)) => refuse(
                    "a setting of Redis is there, but limits are counted in memory",
                    name,
                    "set `store = \"redis\"`, or leave it out",
                ),
            };
        }
        let Some(CountersUrl(url)) = &self.url else {
            return refuse(
                "limits are to be counted in Redis, and no URL says where that is",
                "url",
                "set it, such as `url = \"redis://127.0.0.1:6379\"`",
            );
        };
        let on_loss = match (self.on_loss, self.instances) {
            (None, _) => {
                return refuse(
                    "nothing says what becomes of requests while Redis cannot be reached",
                    "on_loss",
                    "set it: \"open\" lets them through uncounted, \"closed\" refuses them, \"share\" gives each instance its part of the limit",
                );
            }
            (Some(LossWord::Share), None) => {
                return refuse(
                    "each instance is to have its share, and nothing says of how many",
                    "instances",
                    "set it to the number of instances that count in this Redis",
                );
            }
            (Some(LossWord::Share), Some(instances)) => OnLoss::Share(instances),
            (Some(_), Some(_)) => {
                return refuse(
                    "the number of instances is there, but they share nothing",
                    "instances",
                    "set `on_loss = \"share\"`, or leave it out",
                );
            }
            (Some(LossWord::Open), None) => OnLoss::Open,
            (Some(LossWord::Closed), None) => OnLoss::Closed,
        };
        Ok(Some(Named { url, on_loss }))
    }
}

impl Config {
    /// The Redis that counts limits, if one does. Reads the password and the authorities: one that cannot be read stops the
    /// start.
    pub(crate) fn counters(&self) -> Result<Option<Settings>, Failure> {
        let Some(Named { url, on_loss }) = self.limits.named()? else {
            return Ok(None);
        };
        let read = |path: &PathBuf| {
            if private_file::is_open_to_others(path) {
                tracing::warn!(
                    password_file = %path.display(),
                    "others may read the password of Redis; `chmod 600` shuts them out"
                );
            }
            secret_input::read_line(path).map_err(|failure| {
                failure.in_file(path).help(
                    "`[limits] password_file` names a file with the password in one line; correct the path, or leave it out",
                )
            })
        };
        Ok(Some(Settings {
            url: url.clone(),
            password: self.limits.password_file.as_ref().map(read).transpose()?,
            extra_ca_pem: match url.has_tls() {
                true => self.extra_authorities()?,
                false => Vec::new(),
            },
            on_loss,
            deadline: keyward_limits_redis::RedisCounters::DEADLINE,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::LimitsSection;

    #[track_caller]
    fn check(text: &str, refused_at: Option<&str>) {
        let section: LimitsSection = toml::from_str(text).unwrap();
        let told = section.check().map_err(|failure| failure.to_string());
        match refused_at {
            None => assert!(told.is_ok(), "{text}: {told:?}"),
            Some(at) => {
                let told = told.unwrap_err();
                assert!(told.contains(&format!("`[limits] {at}`")), "{told}");
            }
        }
    }

    #[test]
    fn settings_that_belong_together_are_there_together() {
        const REDIS: &str = "store = \"redis\"\n";
        const URL: &str = "url = \"redis://127.0.0.1\"\n";
        check("", None);
        check("store = \"memory\"", None);
        check(URL, Some("url"));
        check("password_file = \"x\"", Some("password_file"));
        check("on_loss = \"open\"", Some("on_loss"));
        check("instances = 2", Some("instances"));
        check(REDIS, Some("url"));
        check(&format!("{REDIS}{URL}"), Some("on_loss"));
        for word in ["open", "closed"] {
            let text = format!("{REDIS}{URL}on_loss = \"{word}\"\n");
            check(&text, None);
            check(&format!("{text}instances = 2"), Some("instances"));
        }
        let share = format!("{REDIS}{URL}on_loss = \"share\"\n");
        check(&share, Some("instances"));
        check(&format!("{share}instances = 2"), None);
    }

    #[test]
    fn a_url_that_is_refused_is_not_told() {
        let text = "url = \"redis://:hunter2@127.0.0.1\"";
        let error = toml::from_str::<LimitsSection>(text).unwrap_err();
        assert!(!error.message().contains("hunter2"), "{error}");
        assert!(error.message().contains("password"), "{error}");
    }
}
