//! Secrets stores in their table.

use keyward_registry::{RowAuthenticator, RowMac, SecretsStoreRecord, Tampered};
use keyward_secret::AccountId;
use keyward_vault::SecretsStoreId;
use sqlx::sqlite::SqliteConnection;

use super::authentic::{StoredRow, authentic, honoured, seal_row};
use crate::{
    column::{Columns, millis},
    failure::Failure,
};

impl StoredRow for SecretsStoreRecord {
    const KIND: &'static str = "secrets_store";

    fn parse(columns: Columns<'_>) -> Option<Self> {
        Some(Self {
            id: columns.parse("id")?,
            account: columns.parse("account")?,
            name: columns.text("name")?,
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

/// Makes or replaces the store. A conflict where a genuine one of the account has its name; one that is not
/// honoured is absent and does not keep the name from it.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    record: &SecretsStoreRecord,
    revision: i64,
) -> Result<Vec<u8>, Failure> {
    let rows =
        sqlx::query("SELECT * FROM secrets_stores WHERE account = $1 AND name = $2 AND id <> $3")
            .bind(record.account.to_string())
            .bind(&record.name)
            .bind(record.id.to_string())
            .fetch_all(&mut *connection)
            .await?;
    let is_taken = |row| honoured::<SecretsStoreRecord>(row, keys).is_some();
    if rows.iter().any(is_taken) {
        return Err(Failure::Conflict);
    }
    let mac = seal_row(record, keys, revision)?;
    sqlx::query(
        "INSERT INTO secrets_stores (account, id, name, created_at, modified_at, revision, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (account, id) DO UPDATE
         SET name = excluded.name, created_at = excluded.created_at,
             modified_at = excluded.modified_at, revision = excluded.revision, mac = excluded.mac",
    )
    .bind(record.account.to_string())
    .bind(record.id.to_string())
    .bind(&record.name)
    .bind(millis(record.created_at))
    .bind(millis(record.modified_at))
    .bind(revision)
    .bind(mac.as_slice())
    .execute(connection)
    .await?;
    Ok(mac)
}

pub(crate) async fn delete(
    connection: &mut SqliteConnection,
    account: AccountId,
    id: SecretsStoreId,
) -> Result<(), Failure> {
    sqlx::query("DELETE FROM secrets_stores WHERE account = $1 AND id = $2")
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
    id: SecretsStoreId,
) -> Result<Option<SecretsStoreRecord>, Failure> {
    let row = sqlx::query("SELECT * FROM secrets_stores WHERE account = $1 AND id = $2")
        .bind(account.to_string())
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    Ok(row.and_then(|row| honoured(&row, keys)))
}

pub(crate) async fn list(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
) -> Result<Vec<Result<SecretsStoreRecord, Tampered>>, Failure> {
    let rows = sqlx::query("SELECT * FROM secrets_stores ORDER BY account, id")
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().map(|row| authentic(row, keys)).collect())
}
