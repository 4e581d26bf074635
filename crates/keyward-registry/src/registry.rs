//! The handle through which everything is changed.

mod custom_providers;
mod gateways;
mod key_status;
mod provider_keys;
mod rotations;
mod routes;
mod secrets;
mod secrets_stores;
mod tokens;
mod verifying;

use std::{
    sync::{
        Arc, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use keyward_providers::Catalogue;
use keyward_secret::AccountId;
use keyward_vault::{SecretId, Vault, VersionState};
use tokio::sync::{Mutex, MutexGuard};

pub use self::{
    custom_providers::{CustomProviderEdit, NewCustomProvider},
    key_status::StatusReason,
    provider_keys::{KeyEdit, KeySource, NewProviderKey},
    routes::NewRoute,
    secrets::{DeletedSecret, NewSecret, SecretCopy, SecretEdit},
    secrets_stores::{Contents, DeletedSecretsStore},
    tokens::{MAX_OVERLAP, NewTokenRequest, TokenMinted, TokenUpdate},
};
use crate::{
    AccountRecord, Actor, AuditLine, Batch, Change, ChangeError, InUse, RefusedAttempt,
    RegistryStore, Row, SecretLimits, SecretsStoreRecord, Snapshot, SnapshotReader, StoreError,
    Subject, Tampered,
    refusals::Refusals,
    secret_list::SecretList,
    snapshot::{Joined, Published, Rotating},
};

/// The handle through which everything is changed and read.
///
/// Writes are made one after another: each decides on the newest snapshot, is stored, and is published to
/// every reader before its call returns. Reads take the snapshot and never wait.
///
/// A write whose call failed, or was dropped before its end, may be stored all the same. It is published by
/// the next write, or by [`settle`](Self::settle).
#[derive(Debug)]
pub struct Registry {
    store: Arc<dyn RegistryStore>,
    vault: Arc<Vault>,
    catalogue: Arc<Catalogue>,
    published: Arc<Published>,
    secrets: SecretList,
    secret_limits: SecretLimits,
    tampered: Vec<Tampered>,
    /// Held over a whole write, so that what it decided on is still so when it is stored.
    writer: Mutex<()>,
    /// Set while the store may hold what is not published.
    behind: AtomicBool,
    /// Refused attempts that the audit log does not tell of yet.
    refusals: Refusals,
    /// Who serves requests over this registry.
    servers: std::sync::Mutex<Vec<Weak<dyn InUse>>>,
}

impl Registry {
    /// Reads everything from `store`, and reports the rows that fail their authentication.
    ///
    /// # Errors
    ///
    /// When the store does not answer or holds what cannot be read.
    pub async fn open(
        store: Arc<dyn RegistryStore>,
        vault: Arc<Vault>,
        catalogue: Arc<Catalogue>,
    ) -> Result<Self, StoreError> {
        let mut loaded = store.load().await?;
        let tampered = std::mem::take(&mut loaded.tampered);
        for row in &tampered {
            tracing::error!(
                kind = row.kind,
                id = row.id,
                "a row was changed outside Keyward and is not honoured; restore it from a backup, or make it anew"
            );
        }
        let secrets = SecretList::default();
        let snapshot = Snapshot::build_with(loaded, &secrets);
        Ok(Self {
            store,
            vault,
            catalogue,
            published: Arc::new(Published::new(snapshot)),
            secrets,
            secret_limits: SecretLimits::default(),
            tampered,
            writer: Mutex::new(()),
            behind: AtomicBool::new(false),
            refusals: Refusals::default(),
            servers: std::sync::Mutex::default(),
        })
    }

    /// Sets how much of secrets an account may have. What exists already stays.
    #[must_use]
    pub const fn with_secret_limits(mut self, limits: SecretLimits) -> Self {
        self.secret_limits = limits;
        self
    }

    /// The newest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.published.current()
    }

    /// A reader for one worker.
    #[must_use]
    pub fn reader(&self) -> SnapshotReader {
        SnapshotReader::new(Arc::clone(&self.published))
    }

    /// The providers there are.
    #[must_use]
    pub const fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// The vault that opens and seals values.
    #[must_use]
    pub const fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    /// The store, for what is not a change: last used, checks of health.
    #[must_use]
    pub const fn store(&self) -> &Arc<dyn RegistryStore> {
        &self.store
    }

    /// The rows that were found changed behind Keyward's back when the store was read.
    #[must_use]
    pub fn tampered(&self) -> &[Tampered] {
        &self.tampered
    }

    /// Makes an account with its first secrets store. Used when a vault is set up; no request makes one.
    ///
    /// # Errors
    ///
    /// When the store refuses.
    pub async fn create_account(
        &self,
        account: AccountRecord,
        actor: Actor,
    ) -> Result<(), ChangeError> {
        let _turn = self.turn().await?;
        let at = account.created_at;
        let subject = Subject::Account(account.id);
        let first = SecretsStoreRecord::first_of(account.id, at);
        let changes = vec![Change::PutAccount(account), Change::PutSecretsStore(first)];
        Ok(self
            .commit(changes, actor, "account.create", subject, at)
            .await?)
    }

    /// Publishes what is stored and was not published: a change is durable before readers see it, and the
    /// store may fail between the two. Then a revoked token would be good until the next write.
    /// The data plane calls this every second; where nothing is outstanding it costs one load.
    ///
    /// # Errors
    ///
    /// When the store does not answer; it is tried again at the next call.
    pub async fn settle(&self) -> Result<(), StoreError> {
        if self.behind.load(Ordering::Acquire) {
            let _turn = self.turn().await?;
        }
        Ok(())
    }

    /// Takes note of an attempt that was refused, for the audit log. Short, and without I/O: attempts that are
    /// alike are merged, their number is bounded, and [`keep_refused`](Self::keep_refused) writes them.
    pub fn note_refused(&self, attempt: RefusedAttempt) {
        self.refusals.note(attempt);
    }

    /// Writes refused attempts to the audit log, as far as they are due and within the budget of lines: 1,000 at
    /// once and one more a minute, for those without a good token and for those with one apart. Call it every
    /// second; with `is_last` once more at the end, which waits for nothing to be due.
    ///
    /// # Errors
    ///
    /// When the store does not answer. The attempts are tried again at the next call.
    pub async fn keep_refused(&self, now: SystemTime, is_last: bool) -> Result<(), StoreError> {
        let attempts = if is_last {
            self.refusals.take_all(now)
        } else {
            self.refusals.take(now)
        };
        if attempts.is_empty() {
            return Ok(());
        }
        let kept = self.store.append_refused(attempts.clone()).await;
        if kept.is_err() {
            attempts
                .into_iter()
                .for_each(|attempt| self.refusals.note(attempt));
        }
        kept
    }

    pub(crate) fn servers(&self) -> std::sync::MutexGuard<'_, Vec<Weak<dyn InUse>>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other write is under way, and lets none decide on a picture that is not the newest.
    async fn turn(&self) -> Result<MutexGuard<'_, ()>, StoreError> {
        let turn = self.writer.lock().await;
        if self.behind.load(Ordering::Acquire) {
            self.catch_up().await?;
        }
        Ok(turn)
    }

    /// Stores the changes and publishes them. The caller holds the writer's turn.
    async fn commit(
        &self,
        changes: Vec<Change>,
        actor: Actor,
        action: &'static str,
        subject: Subject,
        at: SystemTime,
    ) -> Result<(), StoreError> {
        let audit = AuditLine {
            at,
            actor,
            action,
            subject,
        };
        // Before the first await: whatever ends this call from here on, what was stored is published later.
        self.behind.store(true, Ordering::Release);
        self.store.commit(Batch { changes, audit }).await?;
        self.catch_up().await
    }

    /// Brings the snapshot up to what the store holds, from the change feed.
    async fn catch_up(&self) -> Result<(), StoreError> {
        let mut snapshot = Snapshot::clone(&self.published.current());
        let feed = self.store.feed_after(snapshot.revision).await?;
        // Accounts and gateways before what stands in them, secrets last: a key that is new brings its
        // secret along, and a secret that changed finds its keys.
        let mut subjects = feed.subjects;
        subjects.sort_by_key(|subject| match subject {
            Subject::Account(_) => 0,
            Subject::Gateway(..) | Subject::SecretsStore(..) | Subject::CustomProvider(..) => 1,
            Subject::ProviderKey(..) | Subject::Route(..) => 2,
            Subject::Secret(..) => 3,
            Subject::Token(..) => 4,
        });
        for subject in &subjects {
            self.refresh(&mut snapshot, subject).await?;
        }
        snapshot.revision = feed.revision;
        self.published.publish(snapshot);
        self.behind.store(false, Ordering::Release);
        Ok(())
    }

    async fn refresh(&self, snapshot: &mut Snapshot, subject: &Subject) -> Result<(), StoreError> {
        let row = self.store.read(subject).await?;
        match (subject, row) {
            (_, Some(Row::Account(account))) => snapshot.put_account(account),
            (_, Some(Row::Gateway(gateway))) => snapshot.put_gateway(gateway),
            (Subject::Gateway(account, id), _) => snapshot.remove_gateway(*account, id),
            (_, Some(Row::ProviderKey(key))) => {
                let joined = self.join(key.account, key.secret).await?;
                snapshot.put_provider_key(key, joined.as_ref());
            }
            (Subject::ProviderKey(account, id), _) => snapshot.remove_provider_key(*account, *id),
            (_, Some(Row::CustomProvider(provider))) => snapshot.put_custom_provider(*provider),
            (Subject::CustomProvider(account, id), _) => {
                snapshot.remove_custom_provider(*account, *id);
            }
            (_, Some(Row::Route(route))) => snapshot.put_route(route.0, route.1),
            (Subject::Route(account, id), _) => snapshot.remove_route(*account, *id),
            (_, Some(Row::SecretsStore(store))) => snapshot.put_secrets_store(store),
            (Subject::SecretsStore(account, id), _) => {
                snapshot.remove_secrets_store(*account, *id);
            }
            (Subject::Secret(account, id), _) => {
                let joined = self.join(*account, *id).await?;
                if joined.is_none() {
                    self.secrets.remove(*account, *id);
                }
                snapshot.put_secret(*account, *id, joined.as_ref());
            }
            (_, Some(Row::Token(token))) => snapshot.put_token(token),
            (Subject::Token(_, id), _) => snapshot.remove_token(*id),
            (Subject::Account(_), _) => {}
        }
        Ok(())
    }

    /// A secret with what of its versions may be used.
    async fn join(&self, account: AccountId, id: SecretId) -> Result<Option<Joined>, StoreError> {
        let failed = |error| StoreError::unavailable("read a secret", error);
        let found = self.store.find_secret(account, id).await.map_err(failed)?;
        let Some((secret, current)) = found else {
            return Ok(None);
        };
        let rotation = self
            .store
            .find_rotation(account, id)
            .await
            .map_err(failed)?;
        let rotating = match rotation {
            Some(rotation) if rotation.phase.is_open() => {
                let versions = self.store.list_versions(account, id).await;
                let versions = versions.map_err(failed)?;
                let is_beside =
                    |state| matches!(state, VersionState::Staged | VersionState::Retiring);
                let beside = versions.iter().filter(|version| is_beside(version.state));
                Some(Rotating::join(rotation, beside))
            }
            rotation => rotation.map(|over| Rotating::join(over, [])),
        };
        Ok(Some(Joined {
            secret: self.secrets.put(secret),
            current,
            rotating: rotating.map(Arc::new),
        }))
    }
}
