//! What is stored for a request: the provider key that it means, opened, and a custom provider's headers.

use std::sync::Arc;

use keyward_auth::Entry;
use keyward_providers::{Class, Route};
use keyward_registry::{
    Alias, Gateway as GatewayView, KeyStatus, OpenHeadersError, ProviderKey, ProviderKeyRecord,
};

use keyward_vault::rotation::Reason;

use super::{
    Step,
    access::Entered,
    others::{Others, When},
};
use crate::{
    Gateway,
    credentials::{Injected, Opening, Unusable},
    customs::Prepared,
    gateway::ProviderEntry,
    head::Field,
    health::Health,
    respond::{Denied, Refusal, moment},
    traffic::Series,
    worker::{State, Trace},
};

/// How many aliases an error names at most: there may be thousands.
const SHOWN_ALIASES: usize = 100;

/// What is stored for a request.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) injected: Arc<Injected>,
    pub(super) others: Option<Box<Others>>,
    pub(super) is_pooled: bool,
}

impl Stored {
    pub(super) const fn of(injected: Arc<Injected>) -> Self {
        Self {
            injected,
            others: None,
            is_pooled: false,
        }
    }
}

/// What is stored is for authenticated requests alone.
pub(super) const NEEDS_TOKEN: Refusal = Refusal::Unauthorized(Denied::StoredNeedsToken);

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
    ) -> Result<Stored, Refusal> {
        let (view, token) = (entered.view, entered.token);
        if let Some(custom) = custom
            && !matches!(custom.headers, Ok(None))
            && view.keys_for(entry.provider.slug()).next().is_none()
        {
            let token = token.ok_or(NEEDS_TOKEN)?;
            self.check(token, entry, None, route.class)?;
            state.counted = state.keyless.find(view.record(), entry.provider.slug());
            if let Some(headers) = self.headers(Some(token), custom)? {
                return Ok(Stored::of(Arc::clone(headers)));
            }
        }
        if matches!(self.head.alias, Field::Absent)
            && let Some(pool) = view.record().settings.pools.find(entry.provider.slug())
        {
            return self.pooled(gateway, state, entered, entry, custom, route, pool);
        }
        let key = self.stored_key(state, view, token, entry, route.class)?;
        let opened = self.opened(gateway, state, (token, entry), key, custom, route);
        let (injected, headers) = match opened {
            Ok(opened) => opened,
            Err(refusal) => {
                state.counted = Some(Series::of_key(&key.record));
                return Err(refusal);
            }
        };
        state.counted.clone_from(&injected.series);
        self.touch(&key.last_used);
        let mut others = Others::default();
        if injected.is_value(key.current.as_ref()) {
            self.add_previous(&mut others, gateway, state, entry, key, headers, route);
        }
        Ok(Stored {
            injected: match headers {
                Some(headers) => state.customs.join(key.record.id, &injected, headers),
                None => injected,
            },
            others: others.boxed(),
            is_pooled: false,
        })
    }

    /// The value that is being replaced, which the request is sent with where the provider refuses the new one.
    #[expect(
        clippy::too_many_arguments,
        reason = "what the steps of one request share"
    )]
    pub(super) fn add_previous(
        &self,
        others: &mut Others,
        gateway: &Gateway,
        state: &mut State,
        entry: &ProviderEntry,
        key: &ProviderKey,
        headers: Option<&Arc<Injected>>,
        route: &Route<'_>,
    ) {
        if key.previous().is_none() {
            return;
        }
        let opening = opening(gateway, entry, route);
        // One that does not open any more is no way out, and no reason to refuse what is sent with the new one.
        if let Ok(previous) = state.credentials.find_previous(key, opening) {
            others.add(beside(previous, headers), When::Refused);
        }
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
        let unusable = self.check_usable(key, entry).err();
        if let Some(refusal) = &unusable
            && !matches!(refusal, Refusal::KeyNotActive { .. })
        {
            return Err(refusal.clone());
        }
        let headers = match custom {
            Some(custom) => self.headers(token, custom)?,
            None => None,
        };
        let injected = match (self.open(gateway, state, entry, key, route), unusable) {
            (Ok(injected), None) => injected,
            // Where a provider has no probe, a request now and then is the only way to learn that it takes the key again.
            (Ok(injected), Some(refusal)) => {
                let health = injected.health.as_deref();
                let tries =
                    self.may_try(key, &injected, route) && health.is_some_and(Health::take_trial);
                match tries {
                    true => injected,
                    // The new value of a rotation is refused, and the old one is still there.
                    false => self
                        .stands_in(gateway, state, entry, key, route)
                        .ok_or(refusal)?,
                }
            }
            (Err(_), Some(refusal)) | (Err(refusal), None) => return Err(refusal),
        };
        Ok((injected, headers))
    }

    /// Whether this request may be the one that tries a key which the provider refused: its answer must say something.
    pub(super) fn may_try(
        &self,
        key: &ProviderKey,
        injected: &Injected,
        route: &Route<'_>,
    ) -> bool {
        let record = &key.record;
        let is_refused = record.status != KeyStatus::Active
            && record.disabled_at.is_none()
            && !record.is_stopped_by_date(self.now);
        let health = injected.health.as_deref();
        is_refused
            && self.trace == Trace::Left
            && self.proves(route)
            && health.is_some_and(Health::has_trial)
    }

    /// The value that is being replaced, where the new one is refused and nobody knows that the old one is too.
    pub(super) fn stands_in(
        &self,
        gateway: &Gateway,
        state: &mut State,
        entry: &ProviderEntry,
        key: &ProviderKey,
        route: &Route<'_>,
    ) -> Option<Arc<Injected>> {
        let rotation = key.rotation()?;
        if matches!(rotation.reason, Some(Reason::BothRefused { .. })) {
            return None;
        }
        let opening = opening(gateway, entry, route);
        state.credentials.find_previous(key, opening).ok()
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
    pub(super) fn no_such_key(
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

    pub(super) fn check_usable(
        &self,
        key: &ProviderKey,
        entry: &ProviderEntry,
    ) -> Result<(), Refusal> {
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
        if record.status == KeyStatus::Active {
            return Err(Refusal::KeyPast {
                gateway,
                provider,
                alias,
                at: record.expires_at.and_then(moment).unwrap_or_default(),
            });
        }
        Err(Refusal::KeyNotActive {
            gateway,
            provider,
            alias,
            status: record.status.as_str(),
            why: why(record),
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
        let found = state.credentials.find(key, opening(gateway, entry, route));
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

/// Since when a key is not active, and why, as far as that is known.
fn why(record: &ProviderKeyRecord) -> String {
    let since = record.status_since.and_then(moment);
    let since = since.map(|since| format!("since {since}"));
    let parts = [since, record.status_reason.clone()];
    let told: Vec<_> = parts.into_iter().flatten().collect();
    match told.is_empty() {
        true => "by what its provider answered".to_owned(),
        false => told.join(": "),
    }
}

pub(super) fn opening<'o>(
    gateway: &'o Gateway,
    entry: &'o ProviderEntry,
    route: &'o Route<'_>,
) -> Opening<'o> {
    Opening {
        vault: gateway.registry().vault(),
        healths: gateway.healths(),
        provider: &entry.provider,
        origin: route.upstream.origin(),
    }
}

/// A key with the headers of a custom provider. Not kept: it is for the rare request that is sent again.
pub(super) fn beside(key: Arc<Injected>, headers: Option<&Arc<Injected>>) -> Arc<Injected> {
    match headers {
        Some(headers) => Arc::new(key.beside(headers)),
        None => key,
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
