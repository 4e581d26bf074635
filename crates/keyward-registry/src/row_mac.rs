//! Authentication codes of the rows that decide.
//!
//! Who can write to the database but not read the keyring can change a row, and cannot make the code that
//! goes with it: the row then counts as absent. The code covers every field that decides, the kind of row
//! and its revision; not what is only shown or measured (when a key was last used, evidence).

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use hmac::{Hmac, KeyInit, Mac};
use keyward_auth::{Models, Scope, TokenRecord};
use keyward_vault::{
    KeyId, SecretRecord, SecretsStoreId, Vault, VersionNumber, VersionRecord, rotation::Rotation,
};
use sha2::{Digest, Sha256};

use crate::{
    AccountRecord, CustomProviderRecord, ExpiresAction, GatewayRecord, ProviderKeyRecord,
    RouteDeploymentRecord, RouteRecord, RouteVersionRecord, SecretsStoreRecord,
};

const LABEL: &str = "keyward row authentication v1";

/// Makes and checks the authentication codes of rows, under a key that is derived from the keyring.
#[derive(Clone)]
pub struct RowAuthenticator(Arc<Vault>);

/// The code of one row: the number of the keyring key, and an HMAC-SHA256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RowMac {
    key: KeyId,
    tag: [u8; 32],
}

/// A row that decides something.
pub trait DecidingRow {
    /// The kind of row, so that no row's code serves a row of another kind.
    const KIND: &'static str;

    /// Writes every deciding field.
    fn write(&self, out: &mut Canonical);
}

/// Bytes in which no two different rows are the same: every field behind its length.
#[derive(Default)]
pub struct Canonical(Vec<u8>);

impl RowAuthenticator {
    /// Derives its keys from the keyring of `vault`.
    #[must_use]
    pub const fn new(vault: Arc<Vault>) -> Self {
        Self(vault)
    }

    /// The code of `row` at `revision`, under the newest key. `None` only if the keyring has none.
    #[must_use]
    pub fn mac<R: DecidingRow>(&self, row: &R, revision: u64) -> Option<RowMac> {
        let key = self.0.newest_key();
        let tag = self.compute(key, row, revision)?.finalize().into_bytes();
        Some(RowMac {
            key,
            tag: tag.into(),
        })
    }

    /// Whether `mac` is the code of `row` at `revision`. Compares in constant time.
    #[must_use]
    pub fn verify<R: DecidingRow>(&self, row: &R, revision: u64, mac: &RowMac) -> bool {
        self.compute(mac.key, row, revision)
            .is_some_and(|hmac| hmac.verify(&mac.tag.into()).is_ok())
    }

    fn compute<R: DecidingRow>(&self, key: KeyId, row: &R, revision: u64) -> Option<Hmac<Sha256>> {
        let subkey = self.0.subkey(key, LABEL)?;
        let mut hmac = Hmac::<Sha256>::new_from_slice(subkey.expose()).ok()?;
        hmac.update(&canonical(row, revision).0);
        Some(hmac)
    }
}

fn canonical<R: DecidingRow>(row: &R, revision: u64) -> Canonical {
    let mut out = Canonical::default();
    out.text(R::KIND);
    out.number(revision);
    row.write(&mut out);
    out
}

/// The SHA-256 of what the code of `row` at `revision` covers. Takes no key: who holds a copy of the database
/// alone can compare a row with what the audit log says of it.
#[must_use]
pub fn row_digest<R: DecidingRow>(row: &R, revision: u64) -> [u8; 32] {
    Sha256::digest(canonical(row, revision).0).into()
}

impl fmt::Debug for RowAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowAuthenticator").finish_non_exhaustive()
    }
}

impl fmt::Debug for RowMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RowMac(key {})", self.key)
    }
}

impl RowMac {
    /// The key's number as four big-endian bytes, then the 32 bytes of the tag.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 36] {
        let mut bytes = [0; 36];
        let (key, tag) = bytes.split_at_mut(4);
        key.copy_from_slice(&self.key.get().to_be_bytes());
        tag.copy_from_slice(&self.tag);
        bytes
    }

    /// Reads [`to_bytes`](Self::to_bytes) back.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (key, tag) = bytes.split_first_chunk::<4>()?;
        Some(Self {
            key: KeyId::new(u32::from_be_bytes(*key))?,
            tag: tag.try_into().ok()?,
        })
    }
}

impl fmt::Debug for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Canonical({} bytes)", self.0.len())
    }
}

impl Canonical {
    /// Bytes behind their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.0.extend_from_slice(bytes);
    }

    /// A text behind its length.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// A number as eight bytes.
    pub fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    /// A time in whole milliseconds since 1970, which is what the store keeps.
    pub fn time(&mut self, time: SystemTime) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.number(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    }

    /// Whether something is there, and if so, what.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.number(u64::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// How many there are, and each.
    pub fn list<T>(
        &mut self,
        values: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.number(u64::try_from(values.len()).unwrap_or(u64::MAX));
        values.for_each(|value| write(self, value));
    }

    fn scope(&mut self, scope: &Scope) {
        match scope {
            Scope::All => self.number(0),
            Scope::Only(names) => {
                self.number(1);
                self.list(names.iter(), |out, name| out.text(name));
            }
        }
    }
}

/// An account decides nothing and has no code; the audit log tells of it all the same.
impl DecidingRow for AccountRecord {
    const KIND: &'static str = "account";

    fn write(&self, out: &mut Canonical) {
        out.bytes(self.id.as_bytes());
        out.text(&self.name);
        out.time(self.created_at);
    }
}

impl DecidingRow for GatewayRecord {
    const KIND: &'static str = "gateway";

    fn write(&self, out: &mut Canonical) {
        out.bytes(self.account.as_bytes());
        out.text(self.id.as_str());
        // The settings as the store keeps them. Field order is that of the type.
        out.text(&serde_json::to_string(&self.settings).unwrap_or_default());
        out.time(self.created_at);
        out.time(self.modified_at);
    }
}

impl DecidingRow for ProviderKeyRecord {
    const KIND: &'static str = "provider_key";

    fn write(&self, out: &mut Canonical) {
        out.bytes(self.id.as_bytes());
        out.bytes(self.account.as_bytes());
        out.text(self.gateway.as_str());
        out.text(self.provider.as_str());
        out.text(self.alias.as_str());
        out.bytes(self.secret.as_bytes());
        out.number(u64::from(self.default_config));
        out.option(self.rate_limit, Canonical::number);
        out.option(self.rate_limit_period, Canonical::number);
        out.option(self.disabled_at, Canonical::time);
        out.option(self.expires_at, Canonical::time);
        out.text(self.status.as_str());
        out.option(self.status_reason.as_deref(), Canonical::text);
        out.option(self.status_since, Canonical::time);
        out.time(self.created_at);
        out.time(self.modified_at);
        // At the end and only where they are not as earlier releases had them, so that the codes of those stay right.
        if let Some(code) = self.status_code {
            out.text("status_code");
            out.number(code.into());
        }
        if self.expires_action != ExpiresAction::Stop {
            out.text("expires_action");
            out.text(self.expires_action.as_str());
        }
        if let Some(limits) = &self.spend_limits {
            out.text("spend_limits");
            // As the store keeps them. Field order is that of the type.
            out.text(&serde_json::to_string(limits).unwrap_or_default());
        }
    }
}

impl DecidingRow for CustomProviderRecord {
    const KIND: &'static str = "custom_provider";

    fn write(&self, out: &mut Canonical) {
        out.bytes(self.id.as_bytes());
        out.bytes(self.account.as_bytes());
        out.text(self.slug.as_str());
        out.text(&self.base_url.to_string());
        out.text(self.placement.as_str());
        out.number(u64::from(self.enabled));
        // The details as the store keeps them. Field order is that of the type.
        out.text(&serde_json::to_string(&self.details).unwrap_or_default());
        out.option(self.headers.as_ref(), |out, headers| {
            out.number(headers.number.get().into());
            out.bytes(&Sha256::digest(headers.sealed.as_bytes()));
            out.list(headers.masks.iter(), |out, (name, mask)| {
                out.text(name);
                out.text(mask);
            });
        });
        out.number(self.headers_sealed.into());
        out.time(self.created_at);
        out.time(self.modified_at);
    }
}

impl DecidingRow for RouteRecord {
    const KIND: &'static str = "route";

    fn write(&self, out: &mut Canonical) {
        out.bytes(self.id.as_bytes());
        out.bytes(self.account.as_bytes());
        out.text(self.gateway.as_str());
        out.text(self.name.as_str());
        out.bytes(self.deployed.as_bytes());
        out.number(self.versions.into());
        out.number(self.deployments.into());
        out.time(self.created_at);
        out.time(self.modified_at);
    }
}

impl DecidingRow for RouteVersionRecord {
    const KIND: &'static str = "route_version";

    fn write(&self, out: &mut Canonical) {
        out.bytes(self.id.as_bytes());
        out.bytes(self.account.as_bytes());
        out.bytes(self.route.as_bytes());
        out.number(self.number.into());
        out.text(&self.elements);
        out.option(self.comment.as_deref(), Canonical::text);
        out.time(self.created_at);
    }
}

impl DecidingRow for RouteDeploymentRecord {
    const KIND: &'static str = "route_deployment";

    fn write(&self, out: &mut Canonical) {
        out.bytes(self.id.as_bytes());
        out.bytes(self.account.as_bytes());
        out.bytes(self.route.as_bytes());
        out.number(self.number.into());
        out.bytes(self.version.as_bytes());
        out.option(self.comment.as_deref(), Canonical::text);
        out.time(self.created_at);
    }
}

impl DecidingRow for SecretRecord {
    const KIND: &'static str = "secret";

    fn write(&self, out: &mut Canonical) {
        out.bytes(self.id.as_bytes());
        out.bytes(self.account.as_bytes());
        out.text(&self.name);
        out.text(&self.comment);
        out.list(self.scopes.iter(), |out, scope| out.text(scope));
        out.option(self.current, |out, number| out.number(number.get().into()));
        out.time(self.created_at);
        out.time(self.modified_at);
        // Rows of the first store are older than stores are: their codes say nothing of it.
        if self.store != SecretsStoreId::first_of(self.account) {
            out.bytes(self.store.as_bytes());
        }
    }
}

impl DecidingRow for SecretsStoreRecord {
    const KIND: &'static str = "secrets_store";

    fn write(&self, out: &mut Canonical) {
        out.bytes(self.id.as_bytes());
        out.bytes(self.account.as_bytes());
        out.text(&self.name);
        out.time(self.created_at);
        out.time(self.modified_at);
    }
}

impl DecidingRow for VersionRecord {
    const KIND: &'static str = "secret_version";

    fn write(&self, out: &mut Canonical) {
        out.bytes(self.account.as_bytes());
        out.bytes(self.secret.as_bytes());
        out.number(self.number.get().into());
        out.text(self.state.as_str());
        let digest = self
            .sealed
            .as_ref()
            .map(|sealed| Sha256::digest(sealed.as_bytes()));
        out.option(digest, |out, digest| out.bytes(&digest));
        out.text(&self.preview);
        out.time(self.created_at);
        out.time(self.changed_at);
    }
}

impl DecidingRow for Rotation {
    const KIND: &'static str = "rotation";

    fn write(&self, out: &mut Canonical) {
        let version = |out: &mut Canonical, number: VersionNumber| out.number(number.get().into());
        out.bytes(self.account.as_bytes());
        out.bytes(self.secret.as_bytes());
        out.text(self.request.as_str());
        out.option(self.from, version);
        version(out, self.to);
        // Whole milliseconds, as the store keeps them.
        out.number(u64::try_from(self.overlap.as_millis()).unwrap_or(u64::MAX));
        out.number(u64::from(self.verify));
        out.text(self.phase.as_str());
        out.time(self.phase_since);
        out.time(self.begun_at);
        out.option(self.reason, |out, reason| {
            out.text(reason.as_str());
            out.option(reason.charge(), |out, charge| out.text(charge.as_str()));
            out.option(reason.code(), |out, code| out.number(code.into()));
        });
        out.number(self.attempts.into());
    }
}

impl DecidingRow for TokenRecord {
    const KIND: &'static str = "token";

    fn write(&self, out: &mut Canonical) {
        let grant = &self.grant;
        out.text(self.id.as_str());
        out.text(self.kind.prefix());
        out.bytes(self.digest.as_bytes());
        out.text(&self.name);
        out.bytes(grant.account.as_bytes());
        let names: Vec<_> = grant.permissions.names().collect();
        out.list(names.into_iter(), Canonical::text);
        for scope in [&grant.gateways, &grant.providers, &grant.aliases] {
            out.scope(scope);
        }
        out.number(grant.classes.bits().into());
        for networks in [&grant.networks.allow, &grant.networks.deny] {
            out.list(networks.iter(), |out, network| {
                out.text(&network.to_string())
            });
        }
        out.option(grant.not_before, Canonical::time);
        out.option(grant.expires_at, Canonical::time);
        out.number(u64::from(grant.disabled));
        out.time(self.issued_at);
        out.time(self.modified_at);
        // At the end and only where it is there, so that the codes of earlier releases stay right.
        if let Some(retiring) = &self.retiring {
            out.text("retiring");
            out.bytes(retiring.digest.as_bytes());
            out.time(retiring.until);
        }
        if let Models::Only(patterns) = &grant.models {
            out.text("models");
            out.list(patterns.iter(), |out, pattern| out.text(pattern.as_str()));
        }
        if let Some(limits) = &self.spend_limits {
            out.text("spend_limits");
            out.text(limits);
        }
    }
}
