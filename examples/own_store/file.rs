//! The store: reads the whole file, changes it in memory, writes a new one and puts it in the old one's place.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use keyward_secret::AccountId;
use keyward_vault::{
    BoxFuture, Change, SealState, SecretId, SecretRecord, StoreError, VaultStore, VersionNumber,
    VersionRecord, rotation::Rotation,
};

use super::stored;

/// Keeps a vault's seal and secrets in one file of mode 0600.
pub(crate) struct FileStore {
    path: PathBuf,
    /// Held over a whole change: one writer at a time, within this process.
    turn: Mutex<()>,
}

#[derive(Clone, Default)]
struct Content {
    seal: Option<SealState>,
    secrets: BTreeMap<(AccountId, SecretId), SecretRecord>,
    versions: BTreeMap<(AccountId, SecretId, VersionNumber), VersionRecord>,
    rotations: BTreeMap<(AccountId, SecretId), Rotation>,
}

impl FileStore {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            turn: Mutex::default(),
        }
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, attempted: &'static str) -> Result<Content, StoreError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::default()),
            Err(error) => return Err(StoreError::unavailable(attempted, error)),
        };
        let file: stored::File = serde_json::from_slice(&bytes)
            .map_err(|error| StoreError::damaged(attempted, error))?;
        Content::read(&file).map_err(|error| StoreError::damaged(attempted, error))
    }

    fn write(&self, attempted: &'static str, content: &Content) -> Result<(), StoreError> {
        let unavailable = |error: io::Error| StoreError::unavailable(attempted, error);
        let bytes = serde_json::to_vec_pretty(&content.to_file())
            .map_err(|error| StoreError::unavailable(attempted, error))?;
        let new = self.path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .map_err(unavailable)?;
        file.write_all(&bytes)
            .and_then(|()| file.sync_all())
            .map_err(unavailable)?;
        // The name is durable only once its directory is.
        fs::rename(&new, &self.path)
            .and_then(|()| File::open(self.path.parent().unwrap_or(Path::new("."))))
            .and_then(|directory| directory.sync_all())
            .map_err(unavailable)
    }

    fn save(&self, mut state: SealState, expected: Option<u64>) -> Result<(), StoreError> {
        const ATTEMPTED: &str = "save the seal";
        let _turn = self.turn();
        let mut content = self.read(ATTEMPTED)?;
        let found = content.seal.as_ref().map(|seal| seal.revision);
        if found != expected {
            return Err(StoreError::conflict(ATTEMPTED));
        }
        state.revision = expected.unwrap_or(0) + 1;
        content.seal = Some(state);
        self.write(ATTEMPTED, &content)
    }

    fn change(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        const ATTEMPTED: &str = "change the secrets";
        let _turn = self.turn();
        let mut content = self.read(ATTEMPTED)?;
        for change in changes {
            content.carry_out(change);
        }
        // All or none: nothing is written before everything is known to hold.
        if !content.everything_has_a_secret() {
            return Err(StoreError::conflict(ATTEMPTED));
        }
        self.write(ATTEMPTED, &content)
    }
}

impl VaultStore for FileStore {
    fn load_seal(&self) -> BoxFuture<'_, Result<Option<SealState>, StoreError>> {
        ready(move || Ok(self.read("load the seal")?.seal))
    }

    fn save_seal(
        &self,
        state: SealState,
        expected: Option<u64>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        ready(move || self.save(state, expected))
    }

    fn find_secret(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, Result<Option<(SecretRecord, Option<VersionRecord>)>, StoreError>> {
        ready(move || Ok(self.read("find a secret")?.current(account, secret)))
    }

    fn find_secrets<'a>(
        &'a self,
        account: AccountId,
        secrets: &'a [SecretId],
    ) -> BoxFuture<'a, Result<Vec<(SecretRecord, Option<VersionRecord>)>, StoreError>> {
        ready(move || {
            let content = self.read("find secrets")?;
            let sought: BTreeSet<_> = secrets.iter().collect();
            let found = sought
                .into_iter()
                .filter_map(|secret| content.current(account, *secret));
            Ok(found.collect())
        })
    }

    fn list_secrets(
        &self,
        account: AccountId,
    ) -> BoxFuture<'_, Result<Vec<SecretRecord>, StoreError>> {
        ready(move || {
            let content = self.read("list secrets")?;
            let mut found: Vec<_> = content
                .secrets
                .into_values()
                .filter(|secret| secret.account == account)
                .collect();
            found.sort_by(|a, b| (a.name.as_bytes(), a.id).cmp(&(b.name.as_bytes(), b.id)));
            Ok(found)
        })
    }

    fn list_versions(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, Result<Vec<VersionRecord>, StoreError>> {
        ready(move || {
            let content = self.read("list versions")?;
            let found = content.versions.into_values();
            Ok(found
                .filter(|version| (version.account, version.secret) == (account, secret))
                .collect())
        })
    }

    fn find_rotation(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, Result<Option<Rotation>, StoreError>> {
        ready(move || {
            let content = self.read("find a rotation")?;
            Ok(content.rotations.get(&(account, secret)).cloned())
        })
    }

    fn apply(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<(), StoreError>> {
        ready(move || self.change(changes))
    }
}

/// A future around work that blocks for the time of a small file. A store for more uses a runtime's files, or its
/// threads for blocking work.
fn ready<'a, T>(work: impl FnOnce() -> T + Send + 'a) -> BoxFuture<'a, T> {
    Box::pin(async move { work() })
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Content {
    fn current(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> Option<(SecretRecord, Option<VersionRecord>)> {
        let found = self.secrets.get(&(account, secret))?;
        let current = found
            .current
            .and_then(|number| self.versions.get(&(account, secret, number)));
        Some((found.clone(), current.cloned()))
    }

    fn carry_out(&mut self, change: Change) {
        match change {
            Change::PutSecret(secret) => {
                self.secrets.insert((secret.account, secret.id), secret);
            }
            Change::PutVersion(version) => {
                let key = (version.account, version.secret, version.number);
                self.versions.insert(key, version);
            }
            Change::PutRotation(rotation) => {
                let key = (rotation.account, rotation.secret);
                self.rotations.insert(key, *rotation);
            }
            Change::DeleteSecret { account, secret } => {
                self.secrets.remove(&(account, secret));
                self.rotations.remove(&(account, secret));
                self.versions
                    .retain(|key, _| (key.0, key.1) != (account, secret));
            }
        }
    }

    fn everything_has_a_secret(&self) -> bool {
        let versions = self.versions.keys().map(|key| (key.0, key.1));
        let mut all = versions.chain(self.rotations.keys().copied());
        all.all(|secret| self.secrets.contains_key(&secret))
    }

    fn to_file(&self) -> stored::File {
        stored::File {
            seal: self.seal.as_ref().map(Into::into),
            secrets: self.secrets.values().map(Into::into).collect(),
            versions: self.versions.values().map(Into::into).collect(),
            rotations: self.rotations.values().map(Into::into).collect(),
        }
    }

    fn read(file: &stored::File) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut content = Self {
            seal: file.seal.as_ref().map(stored::Seal::read).transpose()?,
            ..Self::default()
        };
        for secret in &file.secrets {
            content.carry_out(Change::PutSecret(secret.read()?));
        }
        for version in &file.versions {
            content.carry_out(Change::PutVersion(version.read()?));
        }
        for rotation in &file.rotations {
            content.carry_out(Change::PutRotation(Box::new(rotation.read()?)));
        }
        Ok(content)
    }
}
