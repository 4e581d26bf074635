//! (gateway, provider, alias) → a bound credential, without a store.
//!
//! The sealed value stands in the snapshot. A worker opens it on first use and keeps it bound for as long as
//! the same version of the same key is current: nothing is shared between workers, nothing is looked up.

use std::{collections::HashMap, sync::Arc};

use keyward_forward::Scrubber;
use keyward_providers::{Provider, Surface};
use keyward_registry::{CurrentValue, ProviderKey, ProviderKeyId, Snapshot};
use keyward_secret::{AccountId, BoundCredential, Origin};
use keyward_vault::{RecordId, SecretId, Vault, VersionNumber};

use crate::{
    cut::KeyUse,
    health::{Health, Healths, ValueId},
    traffic::Series,
};

/// What is ready to be injected, and what removes it from answers.
#[derive(Clone, Debug)]
pub(crate) struct Injected {
    /// The key; none where it is the client's own, which goes through as it came.
    pub(crate) credential: Option<BoundCredential>,
    /// The headers of a custom provider.
    pub(crate) more: Arc<[BoundCredential]>,
    pub(crate) scrubber: Arc<Scrubber>,
    /// Which stored value the key is; none where it is the client's own.
    pub(crate) stored: Option<StoredValue>,
}

/// A stored value, as requests use it.
#[derive(Clone, Debug)]
pub(crate) struct StoredValue {
    pub(crate) of: KeyUse,
    /// What its requests count under.
    pub(crate) series: Series,
    pub(crate) health: Arc<Health>,
}

impl StoredValue {
    /// The key that it is of, as it stands now.
    pub(crate) fn key<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s Arc<ProviderKey>> {
        snapshot.provider_key(self.health.id().account, self.of.id)
    }
}

impl Injected {
    pub(crate) fn new(credential: BoundCredential, stored: Option<StoredValue>) -> Self {
        Self {
            stored,
            scrubber: Arc::new(Scrubber::new(&credential)),
            credential: Some(credential),
            more: Arc::default(),
        }
    }

    /// A custom provider's headers without a key.
    pub(crate) fn of_headers(headers: Vec<BoundCredential>) -> Self {
        Self {
            credential: None,
            scrubber: Arc::new(Scrubber::for_all(headers.iter().cloned())),
            more: headers.into(),
            stored: None,
        }
    }

    /// This key with the headers of `headers` besides.
    pub(crate) fn beside(&self, headers: &Self) -> Self {
        let all = headers.more.iter().chain(&self.credential).cloned();
        Self {
            scrubber: Arc::new(Scrubber::for_all(all)),
            more: Arc::clone(&headers.more),
            ..self.clone()
        }
    }

    /// Which stored key it is.
    pub(crate) fn key(&self) -> Option<ProviderKeyId> {
        self.stored.as_ref().map(|stored| stored.of.id)
    }

    /// What is cut with it.
    pub(crate) fn use_of_key(&self) -> Option<KeyUse> {
        self.stored.as_ref().map(|stored| stored.of)
    }

    /// Whether it is this value of its key.
    pub(crate) fn is_value(&self, value: Option<&CurrentValue>) -> bool {
        let versions = self.stored.as_ref().zip(value);
        versions.is_some_and(|(stored, value)| stored.of.version == value.version)
    }

    fn may_go_to(&self, origin: &Origin) -> bool {
        let mut all = self.more.iter().chain(&self.credential);
        all.all(|bound| bound.may_go_to(origin))
    }
}

/// Why a stored key cannot be used.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// It is sealed for other origins.
    Elsewhere { sealed_for: String },
    /// Its record is missing, does not open, or cannot stand in a header.
    Damaged,
}

/// One worker's opened credentials.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    current: Opened,
    /// Of keys that are being rotated: the value that is replaced.
    previous: Opened,
}

type Opened = HashMap<Place, (Value, Arc<Injected>)>;

/// Which key it is, and for which of the provider's ways of taking one.
type Place = (AccountId, ProviderKeyId, Surface);

/// Which value it is: the version of the secret.
type Value = (SecretId, VersionNumber);

/// What opening a value takes.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub(crate) vault: &'a Vault,
    pub(crate) healths: &'a Healths,
    pub(crate) provider: &'a Provider,
    pub(crate) origin: &'a Origin,
    /// As the route says it.
    pub(crate) surface: Surface,
}

impl Credentials {
    /// The current value of `key`, opened now if it was not before.
    pub(crate) fn find(
        &mut self,
        key: &ProviderKey,
        opening: Opening<'_>,
    ) -> Result<Arc<Injected>, Unusable> {
        let value = key.current.as_ref().ok_or(Unusable::Damaged)?;
        find(&mut self.current, key, value, opening)
    }

    /// The value that is being replaced, for as long as it may be used.
    pub(crate) fn find_previous(
        &mut self,
        key: &ProviderKey,
        opening: Opening<'_>,
    ) -> Result<Arc<Injected>, Unusable> {
        let value = key.previous().ok_or(Unusable::Damaged)?;
        find(&mut self.previous, key, value, opening)
    }

    /// Lets go of what is no longer current, so that a replaced or deleted value does not stay in memory.
    pub(crate) fn retain(&mut self, snapshot: &Snapshot) {
        retain(&mut self.current, snapshot, |key| key.current.as_ref());
        retain(&mut self.previous, snapshot, ProviderKey::previous);
    }
}

fn find(
    opened: &mut Opened,
    key: &ProviderKey,
    value: &CurrentValue,
    opening: Opening<'_>,
) -> Result<Arc<Injected>, Unusable> {
    let place = (key.record.account, key.record.id, opening.surface);
    let version = (key.record.secret, value.version);
    if let Some((known, injected)) = opened.get(&place)
        && *known == version
        && injected.may_go_to(opening.origin)
    {
        return Ok(Arc::clone(injected));
    }
    let injected = Arc::new(open(key, value, opening)?);
    opened.insert(place, (version, Arc::clone(&injected)));
    Ok(injected)
}

fn open(
    key: &ProviderKey,
    value: &CurrentValue,
    opening: Opening<'_>,
) -> Result<Injected, Unusable> {
    let Opening {
        provider, origin, ..
    } = opening;
    let credential = bound(opening.vault, key, value, provider, origin, opening.surface)?;
    let of = KeyUse {
        id: key.record.id,
        secret: key.record.secret,
        version: value.version,
    };
    let stored = StoredValue {
        of,
        series: Series::of_key(&key.record),
        health: opening.healths.of(ValueId::of(key, value.version)),
    };
    Ok(Injected::new(credential, Some(stored)))
}

/// A value of `key`, opened for `origin` and bound to where it may go.
pub(crate) fn bound(
    vault: &Vault,
    key: &ProviderKey,
    value: &CurrentValue,
    provider: &Provider,
    origin: &Origin,
    surface: Surface,
) -> Result<BoundCredential, Unusable> {
    let id = RecordId {
        account: key.record.account,
        secret: key.record.secret,
        version: value.version,
    };
    let opened =
        vault
            .open(&value.sealed, &id, origin)
            .map_err(|error| match error.sealed_for() {
                Some(sealed_for) => Unusable::Elsewhere {
                    sealed_for: sealed_for.to_string(),
                },
                None => {
                    tracing::error!(
                        key = %key.record.id,
                        error = &error as &dyn std::error::Error,
                        "a stored key does not open"
                    );
                    Unusable::Damaged
                }
            })?;
    provider
        .bind_on(surface, opened.value, opened.destination)
        .map_err(|_invalid| Unusable::Damaged)
}

/// Keeps what is still the value that `of` gives of its key.
fn retain(
    opened: &mut Opened,
    snapshot: &Snapshot,
    of: impl Fn(&ProviderKey) -> Option<&CurrentValue>,
) {
    opened.retain(|(account, id, _), (value, _)| {
        let key = snapshot.provider_key(*account, *id);
        key.is_some_and(|key| {
            let version = of(key).map(|value| value.version);
            version.map(|version| (key.record.secret, version)) == Some(*value)
        })
    });
}
