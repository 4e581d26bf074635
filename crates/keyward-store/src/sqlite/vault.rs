//! What the vault needs of a store.

use std::collections::HashMap;

use keyward_registry::{Actor, Change};
use keyward_secret::AccountId;
use keyward_vault::{
    BoxFuture, SealState, SecretId, SecretRecord, StoreError, VaultStore, VersionRecord,
    rotation::Rotation,
};
use sqlx::sqlite::SqliteConnection;

use super::{SqliteStore, by_id, rotations, secrets, versions};
use crate::{audit::Line, failure::Failure, seal};

/// A secret with its current version.
pub(super) type Current = (SecretRecord, Option<VersionRecord>);

impl SqliteStore {
    /// A secret and its current version; either is absent where its row is not honoured.
    pub(super) async fn current(
        &self,
        connection: &mut SqliteConnection,
        account: AccountId,
        id: SecretId,
    ) -> Result<Option<Current>, Failure> {
        let keys = self.authenticator();
        let Some(secret) = by_id::find::<SecretRecord>(connection, keys, account, &id).await?
        else {
            return Ok(None);
        };
        let version = match secret.current {
            None => None,
            Some(number) => versions::find(connection, keys, account, id, number).await?,
        };
        Ok(Some((secret, version)))
    }

    /// The same for several, in two queries.
    async fn current_of(
        &self,
        account: AccountId,
        ids: &[SecretId],
    ) -> Result<Vec<Current>, Failure> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let keys = self.authenticator();
        let mut transaction = self.read().await?;
        let secrets = secrets::find_several(&mut transaction, keys, account, ids).await?;
        let versions = versions::current_of(&mut transaction, keys, account, ids).await?;
        let mut versions: HashMap<_, _> = versions
            .into_iter()
            .map(|version| ((version.secret, version.number), version))
            .collect();
        let current = secrets.into_iter().map(|secret| {
            let number = secret.current;
            let version = number.and_then(|number| versions.remove(&(secret.id, number)));
            (secret, version)
        });
        Ok(current.collect())
    }

    /// Changes that come without an audit line of their own: the line names the first row.
    pub(super) async fn apply_plain(
        &self,
        changes: Vec<Change>,
        actor: &'static str,
        action: &str,
    ) -> Result<(), Failure> {
        let Some(subject) = changes.first().map(Change::subject) else {
            return Ok(());
        };
        let line = Line::about(Self::now(), &Actor::Command(actor), action, &subject);
        self.door.commit(&changes, &line).await.map(drop)
    }
}

impl VaultStore for SqliteStore {
    fn load_seal(&self) -> BoxFuture<'_, Result<Option<SealState>, StoreError>> {
        Box::pin(async {
            let load = async {
                let mut transaction = self.read().await?;
                seal::load(&mut transaction).await
            };
            load.await.map_err(|failure| failure.vault("read the seal"))
        })
    }

    fn save_seal(
        &self,
        state: SealState,
        expected: Option<u64>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let actor = Actor::Command("vault");
            let line = Line::about_vault(Self::now(), &actor, "vault.seal", state.vault);
            self.door
                .save_seal(&state, expected, &line)
                .await
                .map_err(|failure| failure.vault("keep the seal"))
        })
    }

    fn find_secret(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, Result<Option<Current>, StoreError>> {
        Box::pin(async move {
            let find = async {
                let mut transaction = self.read().await?;
                self.current(&mut transaction, account, secret).await
            };
            find.await.map_err(|failure| failure.vault("read a secret"))
        })
    }

    fn find_secrets<'a>(
        &'a self,
        account: AccountId,
        secrets: &'a [SecretId],
    ) -> BoxFuture<'a, Result<Vec<Current>, StoreError>> {
        Box::pin(async move {
            let find = self.current_of(account, secrets);
            find.await.map_err(|failure| failure.vault("read secrets"))
        })
    }

    fn list_secrets(
        &self,
        account: AccountId,
    ) -> BoxFuture<'_, Result<Vec<SecretRecord>, StoreError>> {
        Box::pin(async move {
            let list = async {
                let mut transaction = self.read().await?;
                secrets::list_of(&mut transaction, self.authenticator(), account).await
            };
            list.await.map_err(|failure| failure.vault("list secrets"))
        })
    }

    fn list_versions(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, Result<Vec<VersionRecord>, StoreError>> {
        Box::pin(async move {
            let list = async {
                let mut transaction = self.read().await?;
                versions::list_of(&mut transaction, self.authenticator(), account, secret).await
            };
            list.await.map_err(|failure| failure.vault("list versions"))
        })
    }

    fn find_rotation(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, Result<Option<Rotation>, StoreError>> {
        Box::pin(async move {
            let find = async {
                let mut transaction = self.read().await?;
                rotations::find(&mut transaction, self.authenticator(), account, secret).await
            };
            find.await
                .map_err(|failure| failure.vault("read a rotation"))
        })
    }

    fn apply(&self, changes: Vec<keyward_vault::Change>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let changes = changes.into_iter().map(Change::Vault).collect();
            self.apply_plain(changes, "vault", "secret.change")
                .await
                .map_err(|failure| failure.vault("change secrets"))
        })
    }
}
