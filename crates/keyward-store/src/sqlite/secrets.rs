//! Secrets in their table.

use keyward_registry::{RowAuthenticator, RowMac, Tampered};
use keyward_secret::AccountId;
use keyward_vault::{SecretId, SecretRecord, SecretsStoreId, VersionNumber};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::authentic::{StoredRow, authentic, honoured, seal_row};
use crate::{
    column::{Columns, list as json_list, millis},
    failure::Failure,
};

impl StoredRow for SecretRecord {
    const KIND: &'static str = "secret";

    fn parse(columns: Columns<'_>) -> Option<Self> {
        let current = match columns.get::<Option<u32>>("current")? {
            None => None,
            Some(number) => Some(VersionNumber::new(number)?),
        };
        let account = columns.parse("account")?;
        let store = match columns.get::<Option<&str>>("store")? {
            None => SecretsStoreId::first_of(account),
            Some(id) => id.parse().ok()?,
        };
        Some(Self {
            id: columns.parse("id")?,
            account,
            store,
            name: columns.text("name")?,
            comment: columns.text("comment")?,
            scopes: columns.list("scopes")?,
            current,
            created_at: columns.time("created_at")?,
            modified_at: columns.time("modified_at")?,
        })
    }

    fn mac(&self, keys: &RowAuthenticator, revision: u64) -> Option<RowMac> {
        keys.mac(self, revision)
    }

    fn verify(&self, keys: &RowAuthenticator, revision: u64, mac: &RowMac) -> bool {
        keys.verify(self, revision, mac)
    }
}

pub(crate) async fn put(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    record: &SecretRecord,
    revision: i64,
) -> Result<Vec<u8>, Failure> {
    let mac = seal_row(record, keys, revision)?;
    let is_first = record.store == SecretsStoreId::first_of(record.account);
    let store = (!is_first).then(|| record.store.to_string());
    sqlx::query(
        "INSERT INTO secrets (account, id, name, comment, scopes, current, created_at, modified_at,
             revision, mac, store)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (account, id) DO UPDATE
         SET name = excluded.name, comment = excluded.comment, scopes = excluded.scopes,
             current = excluded.current, created_at = excluded.created_at,
             modified_at = excluded.modified_at, revision = excluded.revision, mac = excluded.mac,
             store = excluded.store",
    )
    .bind(record.account.to_string())
    .bind(record.id.to_string())
    .bind(&record.name)
    .bind(&record.comment)
    .bind(json_list(&record.scopes))
    .bind(record.current.map(|number| i64::from(number.get())))
    .bind(millis(record.created_at))
    .bind(millis(record.modified_at))
    .bind(revision)
    .bind(mac.as_slice())
    .bind(store)
    .execute(connection)
    .await?;
    Ok(mac)
}

pub(crate) async fn delete(
    connection: &mut SqliteConnection,
    account: AccountId,
    id: SecretId,
) -> Result<(), Failure> {
    sqlx::query("DELETE FROM secrets WHERE account = $1 AND id = $2")
        .bind(account.to_string())
        .bind(id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) async fn find(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    account: AccountId,
    id: SecretId,
) -> Result<Option<SecretRecord>, Failure> {
    let row = sqlx::query("SELECT * FROM secrets WHERE account = $1 AND id = $2")
        .bind(account.to_string())
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    Ok(row.and_then(|row| honoured(&row, keys)))
}

/// The secrets of an account by name, then id; those that are not honoured are reported and left out.
pub(crate) async fn list_of(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    account: AccountId,
) -> Result<Vec<SecretRecord>, Failure> {
    let rows: Vec<SqliteRow> =
        sqlx::query("SELECT * FROM secrets WHERE account = $1 ORDER BY name, id")
            .bind(account.to_string())
            .fetch_all(connection)
            .await?;
    Ok(rows.iter().filter_map(|row| honoured(row, keys)).collect())
}

pub(crate) async fn list(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
) -> Result<Vec<Result<SecretRecord, Tampered>>, Failure> {
    let rows = sqlx::query("SELECT * FROM secrets ORDER BY account, id")
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().map(|row| authentic(row, keys)).collect())
}
