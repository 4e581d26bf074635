//! A provider key joined with the values of its secret: the current one, and those that a rotation keeps beside it.

use std::{collections::HashMap, fmt, sync::Arc, time::SystemTime};

use keyward_auth::LastUsed;
use keyward_secret::AccountId;
use keyward_vault::{
    SealedRecord, SecretId, SecretRecord, VersionNumber, VersionRecord, VersionState,
    rotation::{Phase, Rotation},
};

use crate::{ProviderKeyRecord, SecretScope};

/// A provider key, joined with the current value of its secret.
#[derive(Clone, Debug)]
pub struct ProviderKey {
    /// The record.
    pub record: ProviderKeyRecord,
    /// Its secret; absent where it was deleted or its row fails its authentication.
    pub secret: Option<Arc<SecretRecord>>,
    /// The current value, sealed; absent where [`missing`](Self::missing) says why.
    pub current: Option<CurrentValue>,
    /// When it was last used; one counter through every change of the key.
    pub last_used: LastUsed,
    rotating: Option<Arc<Rotating>>,
}

/// Why a provider key has no value that could be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each wants other words")]
pub enum MissingValue {
    /// Its secret was deleted, or the secret's row fails its authentication.
    Secret,
    /// The secret has no scope `ai_gateway`.
    Scope,
    /// The version's row is missing or fails its authentication.
    Version,
}

/// A version of a secret with its value: the current one, or one that a rotation keeps beside it.
#[derive(Clone)]
pub struct CurrentValue {
    /// Its number.
    pub version: VersionNumber,
    /// The sealed value. Opening it needs no store.
    pub sealed: SealedRecord,
    /// What may be shown of it.
    pub preview: String,
    /// Since when it is what it is.
    pub since: SystemTime,
}

/// A secret, the row of its current version, and its last rotation.
#[derive(Clone, Debug)]
pub(crate) struct Joined {
    pub(crate) secret: Arc<SecretRecord>,
    pub(crate) current: Option<VersionRecord>,
    pub(crate) rotating: Option<Arc<Rotating>>,
}

/// A rotation with the values that stand beside the current one.
#[derive(Debug)]
pub(crate) struct Rotating {
    pub(super) rotation: Rotation,
    staged: Option<CurrentValue>,
    previous: Option<CurrentValue>,
}

impl ProviderKey {
    pub(super) fn join(
        record: ProviderKeyRecord,
        secret: Option<&Joined>,
        last_used: LastUsed,
    ) -> Self {
        let is_ours = |joined: &&Joined| SecretScope::AiGateway.is_of(&joined.secret);
        let usable = secret.filter(is_ours);
        let current = usable.and_then(|joined| {
            let version = joined.current.as_ref()?;
            let is_current = joined.secret.current == Some(version.number);
            is_current.then(|| CurrentValue::of(version)).flatten()
        });
        Self {
            record,
            secret: secret.map(|joined| Arc::clone(&joined.secret)),
            current,
            last_used,
            rotating: secret.and_then(|joined| joined.rotating.clone()),
        }
    }

    /// The last rotation of its secret.
    #[must_use]
    pub fn rotation(&self) -> Option<&Rotation> {
        self.rotating.as_ref().map(|rotating| &rotating.rotation)
    }

    /// The value that waits to be proven.
    #[must_use]
    pub fn staged(&self) -> Option<&CurrentValue> {
        self.beside()?.staged.as_ref()
    }

    /// The value that was current before, while the rotation overlaps.
    #[must_use]
    pub fn previous(&self) -> Option<&CurrentValue> {
        self.beside()?.previous.as_ref()
    }

    /// As for the current value: only where gateways may use the secret.
    fn beside(&self) -> Option<&Rotating> {
        let secret = self.secret.as_ref()?;
        let rotating = self.rotating.as_deref()?;
        SecretScope::AiGateway.is_of(secret).then_some(rotating)
    }

    /// What its secret's comment says: the description people see.
    #[must_use]
    pub fn description(&self) -> &str {
        self.secret
            .as_ref()
            .map_or("", |secret| secret.comment.as_str())
    }

    /// Why there is no value that could be used; `None` where there is one.
    #[must_use]
    pub fn missing(&self) -> Option<MissingValue> {
        match (&self.current, &self.secret) {
            (Some(_), _) => None,
            (None, None) => Some(MissingValue::Secret),
            (None, Some(secret)) if !SecretScope::AiGateway.is_of(secret) => {
                Some(MissingValue::Scope)
            }
            (None, Some(_)) => Some(MissingValue::Version),
        }
    }

    pub(super) fn order(&self) -> (&str, &str) {
        (self.record.provider.as_str(), self.record.alias.as_str())
    }
}

impl CurrentValue {
    fn of(version: &VersionRecord) -> Option<Self> {
        Some(Self {
            version: version.number,
            sealed: version.sealed.clone()?,
            preview: version.preview.clone(),
            since: version.changed_at,
        })
    }
}

impl fmt::Debug for CurrentValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentValue")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Rotating {
    /// Takes what the rotation's phase says out of the versions that stand beside the current one.
    pub(crate) fn join<'a>(
        rotation: Rotation,
        beside: impl IntoIterator<Item = &'a VersionRecord>,
    ) -> Self {
        let mut joined = Self {
            rotation,
            staged: None,
            previous: None,
        };
        for version in beside {
            let (number, phase) = (version.number, joined.rotation.phase);
            match (version.state, phase) {
                (VersionState::Staged, Phase::Staged) if number == joined.rotation.to => {
                    joined.staged = CurrentValue::of(version);
                }
                (VersionState::Retiring, Phase::Overlapping)
                    if Some(number) == joined.rotation.from =>
                {
                    joined.previous = CurrentValue::of(version);
                }
                _ => {}
            }
        }
        joined
    }
}

/// Joins each rotation with the versions that stand beside the current one.
pub(super) fn rotations_by_secret(
    rotations: Vec<Rotation>,
    beside: Vec<VersionRecord>,
) -> HashMap<(AccountId, SecretId), Arc<Rotating>> {
    let mut versions: HashMap<_, Vec<VersionRecord>> = HashMap::new();
    for version in beside {
        let id = (version.account, version.secret);
        versions.entry(id).or_default().push(version);
    }
    let joined = rotations.into_iter().map(|rotation| {
        let id = (rotation.account, rotation.secret);
        let beside = versions.remove(&id).unwrap_or_default();
        (id, Arc::new(Rotating::join(rotation, &beside)))
    });
    joined.collect()
}
