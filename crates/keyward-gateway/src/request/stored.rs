//! What is stored for a request: the provider key that it means, opened, and a custom provider's headers.

use std::sync::Arc;

use keyward_auth::Entry;
use keyward_providers::{Class, Route};
use keyward_registry::{Alias, Gateway as GatewayView, KeyStatus, OpenHeadersError, ProviderKey};

use super::{Step, access::Entered};
use crate::{
    Gateway,
    credentials::{Injected, Unusable},
    customs::Prepared,
    gateway::ProviderEntry,
    head::Field,
    respond::{Denied, Refusal},
    traffic::Series,
    worker::State,
};

/// How many aliases an error names at most: there may be thousands.
const SHOWN_ALIASES: usize = 100;

/// What is stored is for authenticated requests alone.
const NEEDS_TOKEN: Refusal = Refusal::Unauthorized(Denied::StoredNeedsToken);

impl<'a> Step<'a> {
    /// What is stored for this request: the key, with the headers of a custom provider. Headers alone do where
    /// the gateway has no key for it.
    pub(super) fn stored(
        &self,
        gateway: &Gateway,
        state: &mut State,
        entered: &Entered<'_>,
        entry: &ProviderEntry,
        custom: Option<&Prepared>,
        route: &Route<'_>,
    ) -> Result<Arc<Injected>, Refusal> {
        let (view, token) = (entered.view, entered.token);
        if let Some(custom) = custom
            && !matches!(custom.headers, Ok(None))
            && view.keys_for(entry.provider.slug()).next().is_none()
        {
            let token = token.ok_or(NEEDS_TOKEN)?;
            self.check(token, entry, None, route.class)?;
            state.counted = state.keyless.find(view.record(), entry.provider.slug());
            if let Some(headers) = self.headers(Some(token), custom)? {
                return Ok(Arc::clone(headers));
            }
        }
        let key = self.stored_key(state, view, token, entry, route.class)?;
        let opened = self.opened(gateway, state, (token, entry), key, custom, route);
        let Ok((injected, headers)) = opened else {
            state.counted = Some(Series::of_key(&key.record));
            return opened.map(|(injected, _headers)| injected);
        };
        state.counted.clone_from(&injected.series);
        self.touch(&key.last_used);
        Ok(match headers {
            Some(headers) => state.customs.join(key.record.id, &injected, headers),
            None => injected,
        })
    }

    /// The key, ready to be injected, and a custom provider's headers.
    fn opened<'p>(
        &self,
        gateway: &Gateway,
        state: &mut State,
        (token, entry): (Option<&Arc<Entry>>, &ProviderEntry),
        key: &ProviderKey,
        custom: Option<&'p Prepared>,
        route: &Route<'_>,
    ) -> Result<(Arc<Injected>, Option<&'p Arc<Injected>>), Refusal> {
        self.check_usable(key, entry)?;
        let headers = match custom {
            Some(custom) => self.headers(token, custom)?,
            None => None,
        };
        Ok((self.open(gateway, state, entry, key, route)?, headers))
    }

    /// A custom provider's headers. They may hold credentials, so they are for authenticated requests alone.
    pub(super) fn headers<'p>(
        &self,
        token: Option<&Arc<Entry>>,
        custom: &'p Prepared,
    ) -> Result<Option<&'p Arc<Injected>>, Refusal> {
        match &custom.headers {
            Ok(None) => Ok(None),
            _ if token.is_none() => Err(NEEDS_TOKEN),
            Ok(headers) => Ok(headers.as_ref()),
            Err(error) => Err(headers_refused(custom, error)),
        }
    }

    /// The stored key for this request. It is for authenticated requests alone, whatever the gateway says.
    fn stored_key<'v>(
        &self,
        state: &mut State,
        view: &'v GatewayView,
        token: Option<&Arc<Entry>>,
        entry: &ProviderEntry,
        class: Class,
    ) -> Result<&'v Arc<ProviderKey>, Refusal> {
        let token = token.ok_or(NEEDS_TOKEN)?;
        let alias = self.alias()?;
        let Some(key) = view.key(entry.provider.slug(), alias) else {
            self.check(token, entry, None, class)?;
            state.counted = state.keyless.find(view.record(), entry.provider.slug());
            return Err(self.no_such_key(token, entry, view, alias));
        };
        self.check(token, entry, Some(alias), class)?;
        Ok(key)
    }

    fn alias(&self) -> Result<&'a str, Refusal> {
        let refuse = |problem| Refusal::Header {
            name: "cf-aig-byok-alias",
            problem,
        };
        match self.head.alias {
            Field::Absent => Ok(Alias::DEFAULT),
            Field::Once(value) => {
                let text = value.to_str().map_err(|_bytes| refuse("is not text"))?;
                Ok(text.trim_ascii())
            }
            Field::Repeated => Err(refuse("stands in the request more than once")),
        }
    }

    /// Tells which aliases there are, of those that the token may use. An alias is ignored where the provider
    /// has no key at all (wire-spec §3.2).
    fn no_such_key(
        &self,
        token: &Entry,
        entry: &ProviderEntry,
        view: &GatewayView,
        alias: &str,
    ) -> Refusal {
        let gateway = self.address.gateway.to_owned();
        let provider = entry.provider.slug().to_owned();
        let allowed = &token.record.grant.aliases;
        let mut keys = view.keys_for(&provider).peekable();
        let has_none = keys.peek().is_none();
        let names: Vec<_> = keys
            .map(|key| key.record.alias.as_str())
            .filter(|name| allowed.allows(name))
            .take(SHOWN_ALIASES)
            .map(|name| format!("'{name}'"))
            .collect();
        // What is no alias is not repeated: it may be anything.
        let alias =
            Alias::parse(alias).map_or_else(|_invalid| "?".to_owned(), |alias| alias.to_string());
        if has_none {
            Refusal::KeyMissing { gateway, provider }
        } else {
            Refusal::AliasUnknown {
                gateway,
                provider,
                alias,
                configured: names.join(", "),
            }
        }
    }

    fn check_usable(&self, key: &ProviderKey, entry: &ProviderEntry) -> Result<(), Refusal> {
        let record = &key.record;
        if record.is_usable(self.now) {
            return Ok(());
        }
        let gateway = self.address.gateway.to_owned();
        let provider = entry.provider.slug().to_owned();
        let alias = record.alias.to_string();
        if record.disabled_at.is_some() {
            return Err(Refusal::KeyDisabled {
                gateway,
                provider,
                alias,
            });
        }
        let status = match record.status {
            // Not usable and not refused by anyone: its date has passed.
            KeyStatus::Active => KeyStatus::Expired,
            status => status,
        };
        Err(Refusal::KeyNotActive {
            gateway,
            provider,
            alias,
            status: status.as_str(),
        })
    }

    fn open(
        &self,
        gateway: &Gateway,
        state: &mut State,
        entry: &ProviderEntry,
        key: &ProviderKey,
        route: &Route<'_>,
    ) -> Result<Arc<Injected>, Refusal> {
        let origin = route.upstream.origin();
        let vault = gateway.registry().vault();
        let found = state.credentials.find(vault, key, &entry.provider, origin);
        found.map_err(|unusable| {
            let gateway = self.address.gateway.to_owned();
            let provider = entry.provider.slug().to_owned();
            let alias = key.record.alias.to_string();
            match unusable {
                Unusable::Elsewhere { sealed_for } => Refusal::KeyElsewhere {
                    gateway,
                    provider,
                    alias,
                    sealed_for,
                    wanted: origin.to_string(),
                },
                Unusable::Damaged => Refusal::KeyDamaged {
                    gateway,
                    provider,
                    alias,
                },
            }
        })
    }
}

fn headers_refused(custom: &Prepared, error: &OpenHeadersError) -> Refusal {
    let provider = custom.entry.provider.slug().to_owned();
    let slug = custom.slug().to_owned();
    match error {
        OpenHeadersError::Elsewhere { sealed_for } => Refusal::HeadersElsewhere {
            provider,
            slug,
            sealed_for: sealed_for.clone(),
            wanted: custom.origin().to_string(),
        },
        _ => Refusal::HeadersDamaged { provider, slug },
    }
}
