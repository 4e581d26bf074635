//! (gateway, provider, alias) → a bound credential, without a store.
//!
//! The sealed value stands in the snapshot. A worker opens it on first use and keeps it bound for as long as
//! the same version of the same key is current: nothing is shared between workers, nothing is looked up.

use std::{collections::HashMap, sync::Arc};

use keyward_forward::Scrubber;
use keyward_providers::Provider;
use keyward_registry::{ProviderKey, ProviderKeyId, Snapshot};
use keyward_secret::{AccountId, BoundCredential, Origin};
use keyward_vault::{RecordId, SecretId, Vault, VersionNumber};

use crate::{cut::KeyUse, traffic::Series};

/// What is ready to be injected, and what removes it from answers.
#[derive(Clone, Debug)]
pub(crate) struct Injected {
    /// The key; none where it is the client's own, which goes through as it came.
    pub(crate) credential: Option<BoundCredential>,
    /// The headers of a custom provider.
    pub(crate) more: Arc<[BoundCredential]>,
    pub(crate) scrubber: Arc<Scrubber>,
    /// Which value it is; none where it is the client's own.
    pub(crate) of: Option<KeyUse>,
    /// What its requests count under.
    pub(crate) series: Option<Series>,
}

impl Injected {
    pub(crate) fn new(credential: BoundCredential, of: Option<KeyUse>) -> Self {
        Self {
            of,
            series: None,
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
            of: None,
            series: None,
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
pub(crate) struct Credentials(HashMap<Place, (Value, Arc<Injected>)>);

/// Which key it is.
type Place = (AccountId, ProviderKeyId);

/// Which value it is: the version of the secret.
type Value = (SecretId, VersionNumber);

impl Credentials {
    /// The credential of `key` for `origin`, opened now if it was not before.
    pub(crate) fn find(
        &mut self,
        vault: &Vault,
        key: &ProviderKey,
        provider: &Provider,
        origin: &Origin,
    ) -> Result<Arc<Injected>, Unusable> {
        let current = key.current.as_ref().ok_or(Unusable::Damaged)?;
        let place = (key.record.account, key.record.id);
        let value = (key.record.secret, current.version);
        if let Some((known, injected)) = self.0.get(&place)
            && *known == value
            && injected.may_go_to(origin)
        {
            return Ok(Arc::clone(injected));
        }
        let id = RecordId {
            account: key.record.account,
            secret: key.record.secret,
            version: current.version,
        };
        let opened =
            vault
                .open(&current.sealed, &id, origin)
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
        let credential = provider
            .bind(opened.value, opened.destination)
            .map_err(|_invalid| Unusable::Damaged)?;
        let of = KeyUse {
            id: key.record.id,
            secret: key.record.secret,
            version: current.version,
        };
        let injected = Arc::new(Injected {
            series: Some(Series::of_key(&key.record)),
            ..Injected::new(credential, Some(of))
        });
        self.0.insert(place, (value, Arc::clone(&injected)));
        Ok(injected)
    }

    /// Lets go of what is no longer current, so that a replaced or deleted value does not stay in memory.
    pub(crate) fn retain(&mut self, snapshot: &Snapshot) {
        self.0.retain(|(account, id), (value, _)| {
            let key = snapshot.provider_key(*account, *id);
            key.is_some_and(|key| {
                let current = key.current.as_ref().map(|current| current.version);
                current.map(|version| (key.record.secret, version)) == Some(*value)
            })
        });
    }
}
