//! What needs somebody's attention first, and the command that mends it. Decided from what the control plane
//! lists, without asking it anything more.

use std::time::Duration;

use jiff::Timestamp;

use crate::profile::Name;

/// What ends within this time is told beforehand.
const SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A provider key, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) gateway: String,
    pub(crate) provider: String,
    pub(crate) alias: String,
    /// `active`, `expired`, `invalid` or `disabled`.
    pub(crate) status: String,
    pub(crate) reason: String,
    pub(crate) expires: Option<Timestamp>,
}

/// The token that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) expires: Option<Timestamp>,
}

/// One thing to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attention {
    pub(crate) urgency: Urgency,
    pub(crate) what: String,
    pub(crate) command: String,
}

/// How urgent it is; the first is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// Requests fail: the provider does not take the key, or it cannot be read.
    Invalid,
    /// Requests fail: the end that somebody set has passed.
    Expired,
    /// Nothing works through this token any more when it ends.
    TokenEnds,
    /// Requests will fail.
    KeyEnds,
    /// There is nothing that requests could use.
    NoKeys,
}

/// Everything to mend, the worst first. `profile` is the one that is used: the commands name it.
pub(crate) fn attention(
    keys: &[Key],
    token: &Token,
    profile: Option<&Name>,
    now: Timestamp,
) -> Vec<Attention> {
    let profile = profile.map_or_else(String::new, |name| format!(" --profile {name}"));
    let ends_soon = |end: Option<Timestamp>| {
        let soon = now.checked_add(SOON).ok()?;
        end.filter(|end| *end <= soon)
    };
    let mut found: Vec<_> = keys
        .iter()
        .filter_map(|key| of_key(key, &profile, ends_soon(key.expires)))
        .collect();
    if let Some(end) = ends_soon(token.expires) {
        found.push(Attention {
            urgency: Urgency::TokenEnds,
            what: format!("this API token {} ends at {end}", token.id),
            command: format!(
                "keyward tokens create NAME --api --permission NAME --out FILE{profile}"
            ),
        });
    }
    if keys.is_empty() {
        found.push(Attention {
            urgency: Urgency::NoKeys,
            what: "no provider key is stored".to_owned(),
            command: format!("keyward keys add openai{profile}"),
        });
    }
    // Stable: what is equally urgent stays in the order of the gateways.
    found.sort_by_key(|one| one.urgency);
    found
}

fn of_key(key: &Key, profile: &str, soon: Option<Timestamp>) -> Option<Attention> {
    let Key {
        gateway,
        provider,
        alias,
        reason,
        ..
    } = key;
    let told = format!("key {provider}/{alias} in gateway {gateway}");
    let because = if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    };
    let (urgency, what) = match (key.status.as_str(), soon) {
        ("invalid", _) => (Urgency::Invalid, format!("{told} is invalid{because}")),
        ("expired", _) => (Urgency::Expired, format!("{told} has expired{because}")),
        // Somebody switched it off, and knows.
        ("disabled", _) | (_, None) => return None,
        (_, Some(end)) => (Urgency::KeyEnds, format!("{told} expires at {end}")),
    };
    let alias = match alias.as_str() {
        "default" => String::new(),
        alias => format!(" --alias {alias}"),
    };
    // The gateway always: one that is not named is the profile's or the environment's, whose key may be a good one.
    let name = format!("{provider} --gateway {gateway}{alias}{profile}");
    // An end that has passed or will pass stays with the key: a new value alone would not do.
    let command = match urgency {
        Urgency::Invalid => format!("keyward keys rotate {name}"),
        _ => format!("keyward keys rotate {name} && keyward keys update {name} --expires-on DATE"),
    };
    Some(Attention {
        urgency,
        what,
        command,
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Key, Token, Urgency, attention};
    use crate::profile::Name;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn key(provider: &str, status: &str, expires: Option<&str>) -> Key {
        Key {
            gateway: "default".into(),
            provider: provider.into(),
            alias: "default".into(),
            status: status.into(),
            reason: String::new(),
            expires: expires.map(at),
        }
    }

    const NOW: &str = "2027-01-01T00:00:00Z";

    fn urgencies(keys: &[Key], token_ends: Option<&str>) -> Vec<Urgency> {
        let token = Token {
            id: "x".into(),
            expires: token_ends.map(at),
        };
        let found = attention(keys, &token, None, at(NOW));
        found.iter().map(|one| one.urgency).collect()
    }

    #[test]
    fn the_worst_comes_first() {
        let keys = [
            key("groq", "active", Some("2027-01-05T00:00:00Z")),
            key("cohere", "active", Some("2027-02-05T00:00:00Z")),
            key("mistral", "disabled", Some("2027-01-02T00:00:00Z")),
            key("openai", "expired", Some("2026-12-01T00:00:00Z")),
            key("anthropic", "invalid", None),
        ];
        assert_eq!(
            urgencies(&keys, Some("2027-01-02T00:00:00Z")),
            [
                Urgency::Invalid,
                Urgency::Expired,
                Urgency::TokenEnds,
                Urgency::KeyEnds
            ]
        );
    }

    #[test]
    fn what_is_well_is_not_mentioned() {
        assert!(urgencies(&[key("openai", "active", None)], None).is_empty());
        assert_eq!(urgencies(&[], None), [Urgency::NoKeys]);
    }

    #[test]
    fn the_command_names_the_gateway_and_what_is_not_the_default() {
        let mut bad = key("openai", "invalid", None);
        bad.reason = "the provider refuses it".into();
        let token = Token {
            id: "x".into(),
            expires: None,
        };
        let found = attention(std::slice::from_ref(&bad), &token, None, at(NOW));
        assert_eq!(
            found[0].command,
            "keyward keys rotate openai --gateway default"
        );
        assert!(
            found[0]
                .what
                .ends_with("is invalid: the provider refuses it")
        );
        bad.gateway = "production".into();
        bad.alias = "team-a".into();
        let work = Name::parse("work").unwrap();
        let found = attention(&[bad], &token, Some(&work), at(NOW));
        assert_eq!(
            found[0].command,
            "keyward keys rotate openai --gateway production --alias team-a --profile work"
        );
        let none = attention(&[], &token, Some(&work), at(NOW));
        assert_eq!(none[0].command, "keyward keys add openai --profile work");
    }
}
