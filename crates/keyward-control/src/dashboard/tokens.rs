//! Gateway tokens: what their pages share.

pub(crate) mod add;
pub(crate) mod detail;
pub(crate) mod list;
pub(crate) mod revoke;
pub(crate) mod roll;

use std::{collections::BTreeMap, fmt, time::SystemTime};

use keyward_secret::SecretBytes;
use serde::{Deserialize, Deserializer, de};

use super::{
    visit::{To, Visit},
    when::When,
};
use crate::envelope::Problem;

/// A token as answers carry it.
#[derive(Debug, Deserialize)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) name: String,
    kind: String,
    pub(crate) status: String,
    issued_on: Option<String>,
    last_used_on: Option<String>,
    expires_on: Option<String>,
    policies: Vec<Policy>,
    condition: Option<Condition>,
}

#[derive(Debug, Deserialize)]
struct Policy {
    resources: BTreeMap<String, Narrowing>,
}

/// What of a gateway it is for.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Narrowing {
    To {
        #[serde(default)]
        providers: Vec<String>,
        #[serde(default)]
        aliases: Vec<String>,
        #[serde(default)]
        classes: Vec<String>,
    },
    /// `"*"`.
    Nothing(#[expect(dead_code, reason = "there is one such text")] String),
}

#[derive(Debug, Deserialize)]
struct Condition {
    request_ip: RequestIp,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RequestIp {
    #[serde(rename = "in")]
    allow: Vec<String>,
    #[serde(rename = "not_in")]
    deny: Vec<String>,
}

impl Token {
    pub(crate) fn path(&self) -> String {
        format!("/tokens/{}", self.id)
    }

    pub(crate) fn issued(&self, now: SystemTime) -> Option<When> {
        When::new(self.issued_on.as_deref()?, now)
    }

    pub(crate) fn last_used(&self, now: SystemTime) -> Option<When> {
        When::new(self.last_used_on.as_deref()?, now)
    }

    pub(crate) fn expires(&self, now: SystemTime) -> Option<When> {
        When::new(self.expires_on.as_deref()?, now)
    }

    fn narrowing(&self) -> Option<&Narrowing> {
        self.policies.first()?.resources.values().next()
    }

    /// The gateways it is for; none named is every one.
    pub(crate) fn gateways(&self) -> Vec<&str> {
        const INFIX: &str = ".ai-gateway.";
        let resources = self
            .policies
            .iter()
            .flat_map(|policy| policy.resources.keys());
        let named = resources.filter_map(|name| Some(name.split_once(INFIX)?.1));
        named.collect()
    }

    /// What it may do, in words.
    pub(crate) fn scope(&self) -> String {
        let gateways = match self.gateways().as_slice() {
            [] => "every gateway".to_owned(),
            names => names.join(", "),
        };
        let Some(Narrowing::To {
            providers,
            aliases,
            classes,
        }) = self.narrowing()
        else {
            return format!("every provider in {gateways}");
        };
        let providers = match providers.as_slice() {
            [] => "every provider".to_owned(),
            names => names.join(", "),
        };
        let mut words = format!("{providers} in {gateways}");
        if !aliases.is_empty() {
            words.push_str(&format!(", keys {} only", aliases.join(", ")));
        }
        if !classes.is_empty() {
            words.push_str(&format!(", {} only", classes.join(", ")));
        }
        words
    }

    /// From where it may be used, in words.
    pub(crate) fn networks(&self) -> String {
        let Some(Condition { request_ip }) = &self.condition else {
            return "anywhere".to_owned();
        };
        let mut words = match request_ip.allow.as_slice() {
            [] => "anywhere".to_owned(),
            networks => networks.join(", "),
        };
        if !request_ip.deny.is_empty() {
            words.push_str(&format!(", but not {}", request_ip.deny.join(", ")));
        }
        words
    }
}

/// The text of a token, read into memory that is erased, and shown once.
pub(crate) struct Text(SecretBytes);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the text of a token")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(SecretBytes::copy_from(text.as_bytes())))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl fmt::Display for Text {
    /// For the one page that shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(self.0.expose()).unwrap_or_default())
    }
}

/// The gateway token that the page's path names.
async fn find(visit: &Visit) -> Result<Token, Problem> {
    let id = visit.parameter("id");
    let token: Token = visit.get(To::new("token_show").at("id", id)).await?.result;
    if token.kind == "gateway" {
        Ok(token)
    } else {
        Err(Problem::token_not_found(id))
    }
}
