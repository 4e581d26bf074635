//! Gateway tokens and API tokens: what their pages share.

pub(crate) mod add;
pub(crate) mod detail;
pub(crate) mod family;
pub(crate) mod list;
mod made;
mod permissions;
pub(crate) mod revoke;
pub(crate) mod roll;

use std::{collections::BTreeMap, fmt, time::SystemTime};

use keyward_routes::SpendLimits;
use keyward_secret::SecretBytes;
use serde::{Deserialize, Deserializer, de};

use self::family::Family;

use super::{
    gateways::spend,
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
    not_before: Option<String>,
    expires_on: Option<String>,
    policies: Vec<Policy>,
    condition: Option<Condition>,
    spend_limits: Option<SpendLimits>,
}

#[derive(Debug, Deserialize)]
struct Policy {
    resources: BTreeMap<String, Narrowing>,
    permission_groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    name: String,
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
        #[serde(default)]
        models: Vec<String>,
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
        format!("{}/{}", self.family().path(), self.id)
    }

    fn family(&self) -> Family {
        match self.kind.as_str() {
            "api" => family::API,
            _ => family::GATEWAY,
        }
    }

    /// How much may be spent with it, a rule in a line.
    pub(crate) fn spend_limits(&self) -> Vec<String> {
        spend::lines(self.spend_limits.as_ref())
    }

    pub(crate) fn not_before(&self, now: SystemTime) -> Option<When> {
        When::new(self.not_before.as_deref()?, now)
    }

    /// The names of its permissions, with what each allows.
    pub(crate) fn permissions(&self) -> Vec<(&str, &'static str)> {
        let groups = self
            .policies
            .iter()
            .flat_map(|policy| &policy.permission_groups);
        let names = groups.map(|group| group.name.as_str());
        names
            .map(|name| (name, permissions::about_name(name)))
            .collect()
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

    /// The first provider that it is for; none named is every one.
    fn provider(&self) -> Option<&str> {
        match self.narrowing()? {
            Narrowing::To { providers, .. } => providers.first().map(String::as_str),
            Narrowing::Nothing(_) => None,
        }
    }

    /// What it may do, in words.
    pub(crate) fn scope(&self) -> String {
        match self.family().is_api() {
            true => format!("{}; {}", self.may(), self.places()),
            false => self.places(),
        }
    }

    /// Its permissions, without those that others of them include.
    fn may(&self) -> String {
        let names: Vec<_> = self
            .permissions()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        if permissions::is_everything(&names) {
            return "every permission".to_owned();
        }
        let is_included = |name: &str| {
            let write = name.strip_suffix("Read").map(|what| format!("{what}Write"));
            write.is_some_and(|write| names.contains(&write.as_str()))
        };
        let own = names.iter().filter(|name| !is_included(name));
        own.copied().collect::<Vec<_>>().join(", ")
    }

    /// Where it may do it, in words.
    pub(crate) fn places(&self) -> String {
        let mut words = vec![named("gateway", &self.gateways())];
        if let Some(Narrowing::To {
            providers,
            aliases,
            classes,
            models,
        }) = self.narrowing()
        {
            words.push(named("provider", providers));
            if !aliases.is_empty() {
                words.push(format!("keys called {} only", listed(aliases)));
            }
            if !classes.is_empty() {
                let classes: Vec<_> = classes.iter().map(|name| name.replace('_', " ")).collect();
                words.push(format!("{} only", listed(&classes)));
            }
            if !models.is_empty() {
                words.push(format!("models {} only", listed(models)));
            }
        } else {
            words.push("every provider".to_owned());
        }
        words.join("; ")
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

/// `every gateway`, `gateway one`, `gateways one and two`.
fn named(what: &str, names: &[impl AsRef<str>]) -> String {
    match names.len() {
        0 => format!("every {what}"),
        1 => format!("{what} {}", listed(names)),
        _ => format!("{what}s {}", listed(names)),
    }
}

fn listed(names: &[impl AsRef<str>]) -> String {
    let names: Vec<_> = names.iter().map(AsRef::as_ref).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
        None => String::new(),
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

/// The token that the page's path names, if it is of that kind.
async fn find(visit: &Visit, family: Family) -> Result<Token, Problem> {
    let id = visit.parameter("id");
    let token: Token = visit.get(To::new("token_show").at("id", id)).await?.result;
    if token.family() == family {
        Ok(token)
    } else {
        Err(Problem::token_not_found(id))
    }
}
