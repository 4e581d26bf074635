//! What the registry needs of a store.

use std::{collections::HashMap, time::SystemTime};

use keyward_auth::{TokenId, TokenRecord};
use keyward_registry::{
    Batch, BoxFuture, CustomProviderRecord, Feed, GatewayRecord, Loaded, Part, ProviderKeyId,
    ProviderKeyRecord, RegistryStore, RouteDeploymentRecord, RouteId, RouteVersionId,
    RouteVersionRecord, Row, SecretsStoreRecord, StoreError, Subject, Tampered,
};
use keyward_secret::AccountId;
use keyward_vault::SecretRecord;
use sqlx::sqlite::SqliteConnection;

use super::{
    SqliteStore, accounts, by_id, provider_keys, rotations, route_history, routes, tokens,
    vault::Current, versions,
};
use crate::{audit::Line, column::Columns, failure::Failure};

impl RegistryStore for SqliteStore {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, StoreError>> {
        Box::pin(async {
            self.load_all()
                .await
                .map_err(|failure| failure.registry("read the database"))
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            self.door
                .commit(&batch.changes, &Line::of(&batch.audit))
                .await
                .map_err(|failure| failure.registry("store the change"))
        })
    }

    fn feed_after(&self, revision: u64) -> BoxFuture<'_, Result<Feed, StoreError>> {
        Box::pin(async move {
            self.changed_after(revision)
                .await
                .map_err(|failure| failure.registry("read the change feed"))
        })
    }

    fn read<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        Box::pin(async move {
            self.read_one(subject)
                .await
                .map_err(|failure| failure.registry("read a row"))
        })
    }

    fn route_versions(
        &self,
        account: AccountId,
        route: RouteId,
        part: Part,
    ) -> BoxFuture<'_, Result<Vec<RouteVersionRecord>, StoreError>> {
        Box::pin(async move {
            let read = async {
                let mut transaction = self.read().await?;
                let keys = self.authenticator();
                route_history::list(&mut transaction, keys, (account, route), part).await
            };
            read.await
                .map_err(|failure| failure.registry("list the versions of a route"))
        })
    }

    fn find_route_version(
        &self,
        account: AccountId,
        route: RouteId,
        id: RouteVersionId,
    ) -> BoxFuture<'_, Result<Option<RouteVersionRecord>, StoreError>> {
        Box::pin(async move {
            let read = async {
                let mut transaction = self.read().await?;
                let keys = self.authenticator();
                route_history::find_version(&mut transaction, keys, account, route, id).await
            };
            read.await
                .map_err(|failure: Failure| failure.registry("read a version of a route"))
        })
    }

    fn route_deployments(
        &self,
        account: AccountId,
        route: RouteId,
        part: Part,
    ) -> BoxFuture<'_, Result<Vec<RouteDeploymentRecord>, StoreError>> {
        Box::pin(async move {
            let read = async {
                let mut transaction = self.read().await?;
                let keys = self.authenticator();
                route_history::list(&mut transaction, keys, (account, route), part).await
            };
            read.await
                .map_err(|failure| failure.registry("list the deployments of a route"))
        })
    }

    fn save_last_used<'a>(
        &'a self,
        keys: &'a [(ProviderKeyId, SystemTime)],
        tokens: &'a [(TokenId, SystemTime)],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.keep_last_used(keys, tokens)
                .await
                .map_err(|failure| failure.registry("keep when keys were last used"))
        })
    }
}

impl SqliteStore {
    async fn load_all(&self) -> Result<Loaded, Failure> {
        let keys = self.authenticator();
        let mut transaction = self.read().await?;
        let mut loaded = Loaded {
            revision: revision(&mut transaction).await?,
            accounts: accounts::list(&mut transaction).await?,
            ..Loaded::default()
        };
        let gateways = by_id::list::<GatewayRecord>(&mut transaction, keys).await?;
        loaded.gateways = genuine(gateways, &mut loaded.tampered);
        let provider_keys = by_id::list_used::<ProviderKeyRecord>(&mut transaction, keys).await?;
        for (key, used) in genuine(provider_keys, &mut loaded.tampered) {
            loaded
                .keys_last_used
                .extend(used.map(|used| (key.id, used)));
            loaded.provider_keys.push(key);
        }
        let secrets_stores = by_id::list::<SecretsStoreRecord>(&mut transaction, keys).await?;
        loaded.secrets_stores = genuine(secrets_stores, &mut loaded.tampered);
        let custom_providers = by_id::list::<CustomProviderRecord>(&mut transaction, keys).await?;
        loaded.custom_providers = genuine(custom_providers, &mut loaded.tampered);
        loaded.routes = routes::list(&mut transaction, keys, &mut loaded.tampered).await?;
        loaded.secrets = self
            .load_secrets(&mut transaction, &mut loaded.tampered)
            .await?;
        let rotations = rotations::list(&mut transaction, keys).await?;
        loaded.rotations = genuine(rotations, &mut loaded.tampered);
        let beside = versions::list_beside(&mut transaction, keys).await?;
        loaded.beside = genuine(beside, &mut loaded.tampered);
        let tokens = by_id::list_used::<TokenRecord>(&mut transaction, keys).await?;
        for (token, used) in genuine(tokens, &mut loaded.tampered) {
            loaded
                .tokens_last_used
                .extend(used.map(|used| (token.id, used)));
            loaded.tokens.push(token);
        }
        Ok(loaded)
    }

    async fn load_secrets(
        &self,
        connection: &mut SqliteConnection,
        tampered: &mut Vec<Tampered>,
    ) -> Result<Vec<Current>, Failure> {
        let keys = self.authenticator();
        let secrets = by_id::list::<SecretRecord>(connection, keys).await?;
        let versions = versions::list_current(connection, keys).await?;
        let mut versions: HashMap<_, _> = genuine(versions, tampered)
            .into_iter()
            .map(|version| ((version.account, version.secret), version))
            .collect();
        let joined = genuine(secrets, tampered).into_iter().map(|secret| {
            let version = versions.remove(&(secret.account, secret.id));
            (secret, version)
        });
        Ok(joined.collect())
    }

    async fn changed_after(&self, after: u64) -> Result<Feed, Failure> {
        let mut transaction = self.read().await?;
        let revision = revision(&mut transaction).await?;
        let rows =
            sqlx::query("SELECT kind, account, id FROM feed WHERE revision > $1 ORDER BY revision")
                .bind(i64::try_from(after).unwrap_or(i64::MAX))
                .fetch_all(&mut *transaction)
                .await?;
        let subjects = rows.iter().map(|row| {
            let columns = Columns(row);
            let account = columns.parse("account")?;
            Subject::parse(columns.get("kind")?, account, columns.get("id")?)
        });
        let subjects: Option<_> = subjects.collect();
        let subjects =
            subjects.ok_or_else(|| Failure::damaged("an entry of the feed does not parse"))?;
        Ok(Feed { revision, subjects })
    }

    async fn read_one(&self, subject: &Subject) -> Result<Option<Row>, Failure> {
        let keys = self.authenticator();
        let mut transaction = self.read().await?;
        let connection = &mut *transaction;
        Ok(match subject {
            Subject::Account(id) => accounts::find(connection, *id).await?.map(Row::Account),
            Subject::Gateway(account, id) => {
                let found = by_id::find::<GatewayRecord>(connection, keys, *account, id).await?;
                found.map(Row::Gateway)
            }
            Subject::ProviderKey(account, id) => {
                let found =
                    by_id::find::<ProviderKeyRecord>(connection, keys, *account, id).await?;
                found.map(Row::ProviderKey)
            }
            Subject::SecretsStore(account, id) => {
                let found =
                    by_id::find::<SecretsStoreRecord>(connection, keys, *account, id).await?;
                found.map(Row::SecretsStore)
            }
            Subject::CustomProvider(account, id) => {
                let found =
                    by_id::find::<CustomProviderRecord>(connection, keys, *account, id).await?;
                found.map(|provider| Row::CustomProvider(Box::new(provider)))
            }
            Subject::Route(account, id) => routes::find(connection, keys, *account, *id)
                .await?
                .map(|route| Row::Route(Box::new(route))),
            Subject::Secret(account, id) => self
                .current(connection, *account, *id)
                .await?
                .map(|secret| Row::Secret(Box::new(secret))),
            Subject::Token(account, id) => {
                let found = by_id::find::<TokenRecord>(connection, keys, *account, id).await?;
                found.map(Row::Token)
            }
        })
    }

    pub(super) async fn keep_last_used(
        &self,
        keys: &[(ProviderKeyId, SystemTime)],
        tokens: &[(TokenId, SystemTime)],
    ) -> Result<(), Failure> {
        if keys.is_empty() && tokens.is_empty() {
            return Ok(());
        }
        let mut transaction = self.door.pool.begin_with("BEGIN IMMEDIATE").await?;
        for (id, at) in keys {
            provider_keys::save_last_used(&mut transaction, *id, *at).await?;
        }
        for (id, at) in tokens {
            tokens::save_last_used(&mut transaction, *id, *at).await?;
        }
        Ok(transaction.commit().await?)
    }
}

async fn revision(connection: &mut SqliteConnection) -> Result<u64, Failure> {
    let revision: i64 = sqlx::query_scalar("SELECT value FROM revision")
        .fetch_one(connection)
        .await?;
    Ok(revision.cast_unsigned())
}

/// The rows that are honoured; the others are named in `tampered`.
fn genuine<R>(rows: Vec<Result<R, Tampered>>, tampered: &mut Vec<Tampered>) -> Vec<R> {
    let mut honoured = Vec::with_capacity(rows.len());
    for row in rows {
        match row {
            Ok(record) => honoured.push(record),
            Err(row) => tampered.push(row),
        }
    }
    honoured
}
