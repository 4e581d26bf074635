//! The one door: every write is rows, revision, change feed and audit line in one transaction.

use keyward_auth::TokenRecord;
use keyward_registry::{
    Change, CustomProviderRecord, GatewayRecord, ProviderKeyRecord, RouteChange,
    RouteDeploymentRecord, RouteVersionRecord, RowAuthenticator, SecretsStoreRecord, Subject,
};
use keyward_vault::{SealState, SecretRecord};
use sqlx::{SqlitePool, sqlite::SqliteConnection};
use tokio::sync::watch;

use crate::{
    audit::{Chain, Line, RowEntry},
    checkpoint::Checkpointer,
    failure::Failure,
    seal,
    sqlite::{
        accounts, by_id, custom_providers, gateways, provider_keys, rotations, route_history,
        routes, secrets, secrets_stores, tokens, versions,
    },
};

/// What a write needs. Whoever writes rows goes through here.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) pool: SqlitePool,
    pub(crate) authenticator: RowAuthenticator,
    pub(crate) chain: Chain,
    pub(crate) checkpointer: Checkpointer,
    /// The number of the newest line that is durable and was written by this process; 0 before the first.
    pub(crate) newest_line: watch::Sender<i64>,
}

/// Asks for a checkpoint when the write is over, also where its caller gave up waiting.
struct CheckpointAfter<'a>(&'a Checkpointer);

impl Drop for CheckpointAfter<'_> {
    fn drop(&mut self) {
        self.0.request();
    }
}

impl Door {
    /// Carries out the changes in their order, or none. Returns the new revision when it is durable.
    pub(crate) async fn commit(&self, changes: &[Change], line: &Line) -> Result<u64, Failure> {
        let destroys = changes.iter().any(destroys_a_value);
        let _after = destroys.then(|| CheckpointAfter(&self.checkpointer));
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let revision = next_revision(&mut transaction).await?;
        let mut rows = Vec::with_capacity(changes.len());
        for change in changes {
            let subject = change.subject();
            if let Some(id) = self.clear_place(&mut transaction, change).await? {
                let account = subject.account().to_string();
                rows.push(RowEntry::removed(subject.kind(), account, id));
            }
            let mac = self.carry_out(&mut transaction, change, revision).await?;
            rows.push(RowEntry::of(change, revision, mac.as_deref()));
            feed(&mut transaction, &subject, revision).await?;
        }
        let seq = self
            .chain
            .append(&mut transaction, line, revision, &rows)
            .await?;
        transaction.commit().await?;
        self.newest_line.send_replace(seq);
        Ok(revision.cast_unsigned())
    }

    /// Appends lines that tell of no change.
    pub(crate) async fn append(&self, lines: &[Line]) -> Result<(), Failure> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let revision: i64 = sqlx::query_scalar("SELECT value FROM revision")
            .fetch_one(&mut *transaction)
            .await?;
        let mut newest = None;
        for line in lines {
            let seq = self
                .chain
                .append(&mut transaction, line, revision, &[])
                .await?;
            newest = Some(seq);
        }
        transaction.commit().await?;
        if let Some(seq) = newest {
            self.newest_line.send_replace(seq);
        }
        Ok(())
    }

    /// Keeps the seal. The feed does not tell of it: no row that is served depends on it.
    pub(crate) async fn save_seal(
        &self,
        state: &SealState,
        expected: Option<u64>,
        line: &Line,
    ) -> Result<(), Failure> {
        // A slot that was removed would still open from the log.
        let _after = CheckpointAfter(&self.checkpointer);
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let revision = next_revision(&mut transaction).await?;
        seal::save(&mut transaction, state, expected).await?;
        let seq = self
            .chain
            .append(&mut transaction, line, revision, &[RowEntry::seal(state)])
            .await?;
        transaction.commit().await?;
        self.newest_line.send_replace(seq);
        Ok(())
    }

    /// Takes away a row that is not honoured and stands where `change` puts another. Returns its id.
    async fn clear_place(
        &self,
        connection: &mut SqliteConnection,
        change: &Change,
    ) -> Result<Option<String>, Failure> {
        let keys = &self.authenticator;
        if let Change::PutProviderKey(record) = change {
            provider_keys::clear_place(connection, keys, record).await
        } else if let Change::PutCustomProvider(record) = change {
            custom_providers::clear_place(connection, keys, record).await
        } else if let Change::Route(RouteChange::PutRoute(record)) = change {
            routes::clear_place(connection, keys, record).await
        } else {
            Ok(None)
        }
    }

    /// Returns the code of the row that was written; none where it has none, or was removed.
    async fn carry_out(
        &self,
        connection: &mut SqliteConnection,
        change: &Change,
        revision: i64,
    ) -> Result<Option<Vec<u8>>, Failure> {
        use keyward_auth::Change as Token;
        use keyward_vault::Change as Vault;
        let keys = &self.authenticator;
        let mac = match change {
            Change::PutAccount(record) => {
                accounts::put(connection, record, revision).await?;
                None
            }
            Change::PutGateway(record) => {
                Some(gateways::put(connection, keys, record, revision).await?)
            }
            Change::DeleteGateway { account, id } => {
                by_id::delete::<GatewayRecord>(connection, *account, id).await?;
                None
            }
            Change::PutProviderKey(record) => {
                Some(provider_keys::put(connection, keys, record, revision).await?)
            }
            Change::DeleteProviderKey { account, id } => {
                by_id::delete::<ProviderKeyRecord>(connection, *account, id).await?;
                None
            }
            Change::PutSecretsStore(record) => {
                Some(secrets_stores::put(connection, keys, record, revision).await?)
            }
            Change::DeleteSecretsStore { account, id } => {
                by_id::delete::<SecretsStoreRecord>(connection, *account, id).await?;
                None
            }
            Change::PutCustomProvider(record) => {
                Some(custom_providers::put(connection, keys, record, revision).await?)
            }
            Change::DeleteCustomProvider { account, id } => {
                by_id::delete::<CustomProviderRecord>(connection, *account, id).await?;
                None
            }
            Change::Route(change) => self.carry_out_route(connection, change, revision).await?,
            Change::Vault(Vault::PutSecret(record)) => {
                Some(secrets::put(connection, keys, record, revision).await?)
            }
            Change::Vault(Vault::PutVersion(record)) => {
                Some(versions::put(connection, keys, record, revision).await?)
            }
            Change::Vault(Vault::PutRotation(record)) => {
                Some(rotations::put(connection, keys, record, revision).await?)
            }
            Change::Vault(Vault::DeleteSecret { account, secret }) => {
                rotations::delete(connection, *account, *secret).await?;
                versions::delete_all(connection, *account, *secret).await?;
                by_id::delete::<SecretRecord>(connection, *account, secret).await?;
                None
            }
            Change::Token(Token::PutToken(record)) => {
                Some(tokens::put(connection, keys, record, revision).await?)
            }
            Change::Token(Token::DeleteToken { account, id }) => {
                by_id::delete::<TokenRecord>(connection, *account, id).await?;
                None
            }
        };
        Ok(mac)
    }

    async fn carry_out_route(
        &self,
        connection: &mut SqliteConnection,
        change: &RouteChange,
        revision: i64,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let keys = &self.authenticator;
        let mac = match change {
            RouteChange::PutRoute(record) => {
                Some(routes::put(connection, keys, record, revision).await?)
            }
            RouteChange::PutVersion(record) => {
                Some(route_history::put_version(connection, keys, record, revision).await?)
            }
            RouteChange::PutDeployment(record) => {
                Some(route_history::put_deployment(connection, keys, record, revision).await?)
            }
            RouteChange::DeleteRoute { account, id } => {
                routes::delete(connection, *account, *id).await?;
                None
            }
            RouteChange::DeleteVersion {
                account,
                route,
                number,
            } => {
                route_history::delete::<RouteVersionRecord>(connection, *account, *route, *number)
                    .await?;
                None
            }
            RouteChange::DeleteDeployment {
                account,
                route,
                number,
            } => {
                route_history::delete::<RouteDeploymentRecord>(
                    connection, *account, *route, *number,
                )
                .await?;
                None
            }
        };
        Ok(mac)
    }
}

fn destroys_a_value(change: &Change) -> bool {
    match change {
        // Sealed headers that were there before may be gone.
        Change::Vault(keyward_vault::Change::DeleteSecret { .. })
        | Change::PutCustomProvider(_)
        | Change::DeleteCustomProvider { .. } => true,
        Change::Vault(keyward_vault::Change::PutVersion(version)) => version.sealed.is_none(),
        Change::Vault(
            keyward_vault::Change::PutSecret(_) | keyward_vault::Change::PutRotation(_),
        )
        | Change::PutAccount(_)
        | Change::PutGateway(_)
        | Change::DeleteGateway { .. }
        | Change::PutProviderKey(_)
        | Change::DeleteProviderKey { .. }
        | Change::PutSecretsStore(_)
        | Change::DeleteSecretsStore { .. }
        | Change::Route(_)
        | Change::Token(_) => false,
    }
}

async fn next_revision(connection: &mut SqliteConnection) -> Result<i64, Failure> {
    let revision = sqlx::query_scalar("UPDATE revision SET value = value + 1 RETURNING value")
        .fetch_one(connection)
        .await?;
    Ok(revision)
}

async fn feed(
    connection: &mut SqliteConnection,
    subject: &Subject,
    revision: i64,
) -> Result<(), Failure> {
    sqlx::query(
        "INSERT INTO feed (kind, account, id, revision) VALUES ($1, $2, $3, $4)
         ON CONFLICT (kind, account, id) DO UPDATE SET revision = excluded.revision",
    )
    .bind(subject.kind())
    .bind(subject.account().to_string())
    .bind(subject.id())
    .bind(revision)
    .execute(connection)
    .await?;
    Ok(())
}
