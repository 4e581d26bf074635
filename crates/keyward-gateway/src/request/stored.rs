//! What is stored for a request: the provider key that it means, opened, and a custom provider's headers.

use std::sync::Arc;

use keyward_auth::Entry;
use keyward_providers::Route;
use keyward_registry::{
    Alias, Gateway as GatewayView, OpenHeadersError, ProviderKey, ProviderKeyRecord,
};
use keyward_routes::SpendLimits;
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
    pub(super) behind: Behind,
}

/// Where what is injected comes from, and what there is behind it.
#[derive(Debug, Default)]
pub(super) struct Behind {
    pub(super) others: Option<Box<Others>>,
    pub(super) is_pooled: bool,
    /// Whether one of the keys has a limit.
    pub(super) has_limited_key: bool,
    /// Whether one of the keys has budgets.
    pub(super) has_budgeted_key: bool,
}

impl Stored {
    pub(super) fn of(injected: Arc<Injected>) -> Self {
        Self {
            injected,
            behind: Behind::default(),
        }
    }
}

/// What a request is for, which decides where a value may be opened for.
#[derive(Clone, Copy)]
pub(super) struct Asked<'q> {
    pub(super) gateway: &'q Gateway,
    pub(super) entry: &'q ProviderEntry,
    pub(super) custom: Option<&'q Prepared>,
    pub(super) route: &'q Route<'q>,
}

impl<'q> Asked<'q> {
    pub(super) fn slug(self) -> &'q str {
        self.entry.provider.slug()
    }

    pub(super) fn opening(self) -> Opening<'q> {
        Opening {
            vault: self.gateway.registry().vault(),
            healths: self.gateway.healths(),
            provider: &self.entry.provider,
            origin: self.route.upstream.origin(),
            surface: self.route.surface,
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
        state: &mut State,
        entered: &Entered<'_>,
        asked: Asked<'_>,
    ) -> Result<Stored, Refusal> {
        let (view, token) = (entered.view, entered.token);
        if let Some(custom) = asked.custom
            && !matches!(custom.headers, Ok(None))
            && view.keys_for(asked.slug()).next().is_none()
        {
            let token = token.ok_or(NEEDS_TOKEN)?;
            self.check(token, asked.entry, None, asked.route.class)?;
            state.counted = state.keyless.find(view.record(), asked.slug());
            if let Some(headers) = self.headers(Some(token), custom)? {
                return Ok(Stored::of(Arc::clone(headers)));
            }
        }
        if matches!(self.head.alias, Field::Absent)
            && let Some(pool) = view.record().settings.pools.find(asked.slug())
        {
            return self.pooled(state, entered, asked, pool);
        }
        let key = self.stored_key(state, view, token, asked)?;
        let (injected, headers) = match self.opened(state, token, key, asked) {
            Ok(opened) => opened,
            Err(refusal) => {
                state.counted = Some(Series::of_key(&key.record));
                return Err(refusal);
            }
        };
        let mut others = Others::default();
        let injected = self.begin_with(state, &mut others, key, injected, headers, asked);
        Ok(Stored {
            injected,
            behind: Behind {
                others: others.boxed(),
                is_pooled: false,
                has_limited_key: key.record.rate_limit.is_some(),
                has_budgeted_key: has_budgets(&key.record),
            },
        })
    }

    /// What a request is sent with first, with what it counts under, and behind it the value that is being replaced,
    /// which it is sent with where the provider refuses the new one.
    pub(super) fn begin_with(
        &self,
        state: &mut State,
        others: &mut Others,
        key: &ProviderKey,
        injected: Arc<Injected>,
        headers: Option<&Arc<Injected>>,
        asked: Asked<'_>,
    ) -> Arc<Injected> {
        state.counted = injected.stored.as_ref().map(|stored| stored.series.clone());
        self.touch(&key.last_used);
        if key.previous().is_some()
            && injected.is_value(key.current.as_ref())
            // One that does not open any more is no way out, and no reason to refuse what is sent with the new one.
            && let Ok(previous) = state.credentials.find_previous(key, asked.opening())
        {
            others.add(beside(previous, headers), When::Refused);
        }
        match headers {
            Some(headers) => state.customs.join(key.record.id, &injected, headers),
            None => injected,
        }
    }

    /// The key, ready to be injected, and a custom provider's headers.
    fn opened<'q>(
        &self,
        state: &mut State,
        token: Option<&Arc<Entry>>,
        key: &ProviderKey,
        asked: Asked<'q>,
    ) -> Result<(Arc<Injected>, Option<&'q Arc<Injected>>), Refusal> {
        let refused = match self.check_usable(key, asked.entry) {
            Ok(()) => None,
            Err(refusal @ Refusal::KeyNotActive { .. }) => Some(refusal),
            Err(refusal) => return Err(refusal),
        };
        let headers = match asked.custom {
            Some(custom) => self.headers(token, custom)?,
            None => None,
        };
        let opened = self.open(state, key, asked);
        let Some(refused) = refused else {
            return Ok((opened?, headers));
        };
        let tried = opened.ok().filter(|injected| {
            // Where a provider has no probe, a request now and then is the only way to learn that it takes the key again.
            let stored = injected.stored.as_ref();
            let health = stored.map(|stored| &stored.health);
            self.may_try(injected, asked.route) && health.is_some_and(|health| health.take_trial())
        });
        let injected = tried.or_else(|| self.stands_in(state, key, asked));
        Ok((injected.ok_or(refused)?, headers))
    }

    /// Whether this request may be the one that tries a key which the provider refused: its answer must say something.
    pub(super) fn may_try(&self, injected: &Injected, route: &Route<'_>) -> bool {
        let stored = injected.stored.as_ref();
        self.trace == Trace::Left
            && self.proves(route)
            && stored.is_some_and(|stored| stored.health.has_trial())
    }

    /// The value that is being replaced, for a request whose new one is refused, where nobody knows that the old one is
    /// refused too.
    pub(super) fn stands_in(
        &self,
        state: &mut State,
        key: &ProviderKey,
        asked: Asked<'_>,
    ) -> Option<Arc<Injected>> {
        let rotation = key.rotation()?;
        if matches!(rotation.reason, Some(Reason::BothRefused { .. })) {
            return None;
        }
        let opened = state.credentials.find_previous(key, asked.opening());
        opened.ok()
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
        asked: Asked<'_>,
    ) -> Result<&'v Arc<ProviderKey>, Refusal> {
        let (entry, class) = (asked.entry, asked.route.class);
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
        // Before what its provider says: past its date a key is not tried, and no old value stands in for it.
        if record.is_stopped_by_date(self.now) {
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
        state: &mut State,
        key: &ProviderKey,
        asked: Asked<'_>,
    ) -> Result<Arc<Injected>, Refusal> {
        let found = state.credentials.find(key, asked.opening());
        found.map_err(|unusable| {
            let gateway = self.address.gateway.to_owned();
            let provider = asked.slug().to_owned();
            let alias = key.record.alias.to_string();
            match unusable {
                Unusable::Elsewhere { sealed_for } => Refusal::KeyElsewhere {
                    gateway,
                    provider,
                    alias,
                    sealed_for,
                    wanted: asked.route.upstream.origin().to_string(),
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

/// Whether the key has budgets that count.
pub(crate) fn has_budgets(record: &ProviderKeyRecord) -> bool {
    let limits = record.spend_limits.as_ref();
    limits.is_some_and(SpendLimits::is_enabled)
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
