//! The schema of a catalogue file, and how one becomes a [`Provider`]. The crate's front page describes the fields.

use std::collections::BTreeMap;

use http::HeaderName;
use keyward_secret::{AccountId, Destination, Origin};
use serde::Deserialize;

use crate::{
    CatalogueError, Override, Provider, Support, Upstream,
    classes::Classes,
    compat::{Compat, CompatText},
    model_path::ModelPath,
    overrides::{check_base_path, parse_base_url},
    paths::Paths,
    pattern::Pattern,
    probe::{Probe, ProbeText},
    provider::{Placement, Refusal},
    usage::UsageText,
    verdict::{RuleText, Rules},
};

const ACCOUNT: &str = "{account_id}";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Definition {
    slug: Box<str>,
    #[serde(default)]
    aliases: Vec<Box<str>>,
    name: Box<str>,
    keys_page: Option<Box<str>>,
    key_hint: Option<Box<str>>,
    refused: Option<Box<str>>,
    origin: String,
    #[serde(default)]
    base_path: String,
    target_header: Option<String>,
    retry_delay: Option<Box<str>>,
    version: Option<Version>,
    credential: Credential,
    websocket: Option<WebSocket>,
    compat: Option<CompatText>,
    #[serde(default)]
    model_paths: Vec<Box<str>>,
    #[serde(default)]
    refuse: Vec<Refuse>,
    classes: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    also: Vec<Also>,
    #[serde(default)]
    errors: Vec<RuleText>,
    probe: Option<ProbeText>,
    usage: Option<UsageText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Version {
    known: Vec<String>,
    insert: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credential {
    header: String,
    scheme: Box<str>,
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    query: Vec<Box<str>>,
    #[serde(default)]
    subprotocols: Vec<Box<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebSocket {
    path: String,
    model: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refuse {
    path: String,
    reason: Box<str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Also {
    origin: String,
    classes: BTreeMap<String, Vec<String>>,
}

/// Where the provider is, once the operator's word is taken into account.
struct Place {
    origins: Vec<Origin>,
    base_path: String,
    destination: Destination,
    support: Support,
}

impl Definition {
    /// Reads the catalogue file of `slug`.
    pub(crate) fn parse(slug: &str, text: &str) -> Result<Self, CatalogueError> {
        let definition: Self =
            toml::from_str(text).map_err(|error| CatalogueError::syntax(slug, error))?;
        if definition.slug.as_ref() != slug {
            return Err(definition.at("slug", "it is not the name of the file"));
        }
        Ok(definition)
    }

    pub(crate) fn slug(&self) -> &str {
        &self.slug
    }

    /// The slug and its aliases.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.slug.as_ref()).chain(self.aliases.iter().map(AsRef::as_ref))
    }

    fn at(
        &self,
        field: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> CatalogueError {
        CatalogueError::field(&self.slug, field, source)
    }

    /// Builds the provider; its upstreams are numbered from `first_index` on.
    pub(crate) fn build(
        mut self,
        change: &Override,
        first_index: usize,
    ) -> Result<Provider, CatalogueError> {
        let compat = self.compat.take();
        let usage = self.usage.take();
        let insert = self.version.as_ref().map(|version| version.insert.as_str());
        let place = self.place(change, insert)?;
        let refusals = self.refusals(insert)?;
        let target_header = match &self.target_header {
            Some(name) => Some(self.header("target_header", name)?),
            None => None,
        };
        let mut upstreams = Vec::with_capacity(place.origins.len());
        let own = (&self.classes, "classes", place.base_path.as_str(), insert);
        let lists = std::iter::once(own).chain(
            self.also
                .iter()
                .map(|also| (&also.classes, "also.classes", "", None)),
        );
        for (offset, (origin, (lists, field, base_path, insert))) in
            place.origins.into_iter().zip(lists).enumerate()
        {
            let classes = Classes::build(lists, insert)
                .map_err(|(entry, reason)| self.at(&format!("{field}.{entry}"), reason))?;
            upstreams.push(Upstream::build(
                first_index + offset,
                origin,
                base_path,
                classes,
            ));
        }
        let paths = Paths::build(
            &place.base_path,
            self.version.as_ref().map_or(&[], |version| &version.known),
            insert,
            self.websocket
                .as_ref()
                .map(|websocket| websocket.path.as_str()),
        );
        let placement = self.placement()?;
        let compat = self.compat(compat, &placement, insert)?;
        let model_paths = self.model_paths(insert)?;
        let errors = std::mem::take(&mut self.errors);
        let errors = Rules::build(errors, self.retry_delay.as_deref())
            .map_err(|reason| self.at("errors", reason))?;
        let probe = self.probe.take().map(Probe::build).transpose();
        let probe = probe.map_err(|reason| self.at("probe", reason))?;
        let usage = usage.map(|text| text.build(insert)).transpose();
        let usage = usage.map_err(|reason| self.at("usage", reason))?;
        let usage = usage.unwrap_or_default();
        Ok(Provider {
            errors,
            probe,
            usage,
            overridden: change.base_url.is_some(),
            relayed: change.relay,
            support: place.support,
            upstreams: upstreams.into(),
            destination: place.destination,
            paths,
            placement,
            compat,
            model_paths,
            websocket_model: self.websocket.and_then(|websocket| websocket.model),
            target_header,
            refusals,
            slug: self.slug,
            aliases: self.aliases.into(),
            name: self.name,
            keys_page: self.keys_page,
            key_hint: self.key_hint,
        })
    }

    fn place(&self, change: &Override, insert: Option<&str>) -> Result<Place, CatalogueError> {
        if let Some(reason) = &self.refused {
            let field = match change {
                Override {
                    base_url: Some(_), ..
                } => Some("base_url"),
                Override {
                    account_id: Some(_),
                    ..
                } => Some("account_id"),
                _ => None,
            };
            if let Some(field) = field {
                return Err(self.at(field, format!("the provider cannot be used: {reason}")));
            }
        }
        let account = self.account(change)?;
        if let Some(url) = &change.base_url {
            let url = match account {
                Some(account) => url.replace(ACCOUNT, account),
                None if url.contains(ACCOUNT) => {
                    return Err(self.at(
                        "base_url",
                        "`{account_id}` in it needs the field `account_id`",
                    ));
                }
                None => url.clone(),
            };
            let (origin, base_path) = parse_base_url(&url, insert, change.danger_plain_http)
                .map_err(|error| self.at("base_url", error))?;
            let text = origin.to_string();
            let destination = if change.danger_plain_http {
                Destination::danger_parse_plain_http([text.as_str()])
            } else {
                Destination::parse([text.as_str()])
            };
            return Ok(Place {
                destination: destination.map_err(|error| self.at("base_url", error))?,
                origins: vec![origin],
                base_path,
                support: Support::Ready,
            });
        }
        if change.danger_plain_http {
            return Err(self.at("danger_plain_http", "it means nothing without `base_url`"));
        }
        if change.relay {
            return Err(self.at("relay", "it means nothing without `base_url`"));
        }
        self.built_in_place(account)
    }

    fn built_in_place(&self, account: Option<&str>) -> Result<Place, CatalogueError> {
        let texts = || {
            std::iter::once(self.origin.as_str())
                .chain(self.also.iter().map(|also| also.origin.as_str()))
        };
        let destination = Destination::parse(texts()).map_err(|error| self.at("origin", error))?;
        let origins = texts().map(Origin::parse).collect::<Result<Vec<_>, _>>();
        let origins = origins.map_err(|error| self.at("origin", error))?;
        let (base_path, support) = match (&self.refused, account) {
            (Some(reason), _) => (
                String::new(),
                Support::Refused {
                    reason: reason.clone(),
                },
            ),
            (None, None) if self.base_path.contains(ACCOUNT) => {
                let reason = format!(
                    "its URLs name an account; set `account_id` below `[providers.{}]` in the configuration",
                    self.slug
                );
                (
                    String::new(),
                    Support::Refused {
                        reason: reason.into(),
                    },
                )
            }
            (None, account) => (
                self.base_path.replace(ACCOUNT, account.unwrap_or_default()),
                Support::Ready,
            ),
        };
        check_base_path(&base_path).map_err(|reason| self.at("base_path", reason))?;
        Ok(Place {
            origins,
            base_path,
            destination,
            support,
        })
    }

    fn account<'a>(&self, change: &'a Override) -> Result<Option<&'a str>, CatalogueError> {
        let Some(account) = change.account_id.as_deref() else {
            return Ok(None);
        };
        let named = match &change.base_url {
            Some(url) => url.contains(ACCOUNT),
            None => self.base_path.contains(ACCOUNT),
        };
        if !named {
            let reason = match change.base_url {
                Some(_) => "`base_url` does not hold `{account_id}`",
                None => "the provider's URLs name no account",
            };
            return Err(self.at("account_id", reason));
        }
        // A plain token: it becomes a segment of the path.
        AccountId::parse(account).map_err(|error| self.at("account_id", error))?;
        Ok(Some(account))
    }

    fn refusals(&self, insert: Option<&str>) -> Result<Box<[Refusal]>, CatalogueError> {
        self.refuse
            .iter()
            .map(|refuse| {
                let pattern = Pattern::parse(&refuse.path, insert)
                    .map_err(|reason| self.at("refuse.path", reason))?;
                let reason = refuse.reason.clone();
                Ok(Refusal { pattern, reason })
            })
            .collect()
    }

    fn compat(
        &self,
        text: Option<CompatText>,
        placement: &Placement,
        insert: Option<&str>,
    ) -> Result<Option<Compat>, CatalogueError> {
        text.map(|text| text.build(&placement.headers, insert))
            .transpose()
            .map_err(|reason| self.at("compat", reason))
    }

    fn model_paths(&self, insert: Option<&str>) -> Result<Box<[ModelPath]>, CatalogueError> {
        self.model_paths
            .iter()
            .map(|text| {
                ModelPath::parse(text, insert).map_err(|reason| self.at("model_paths", reason))
            })
            .collect()
    }

    fn placement(&self) -> Result<Placement, CatalogueError> {
        let credential = &self.credential;
        let names = std::iter::once(&credential.header).chain(&credential.headers);
        let headers = names
            .map(|name| self.header("credential.headers", name))
            .collect::<Result<Box<[_]>, _>>()?;
        Ok(Placement {
            header: self.header("credential.header", &credential.header)?,
            scheme: credential.scheme.clone(),
            headers,
            query: credential.query.clone().into(),
            subprotocols: credential.subprotocols.clone().into(),
        })
    }

    fn header(&self, field: &str, name: &str) -> Result<HeaderName, CatalogueError> {
        HeaderName::try_from(name).map_err(|error| self.at(field, error))
    }
}
