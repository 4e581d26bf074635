//! Secrets stores in their table.

use keyward_registry::{RowAuthenticator, SecretsStoreRecord};
use keyward_vault::SecretsStoreId;
use sqlx::sqlite::SqliteConnection;

use super::{
    authentic::{StoredRow, honoured, seal_row},
    by_id::row_by_id,
};
use crate::{
    column::{Columns, millis},
    failure::Failure,
};

impl StoredRow for SecretsStoreRecord {
    fn parse(columns: Columns<'_>) -> Option<Self> {
        Some(Self {
            id: columns.parse("id")?,
            account: columns.parse("account")?,
            name: columns.text("name")?,
            created_at: columns.time("created_at")?,
            modified_at: columns.time("modified_at")?,
        })
    }
}

row_by_id!(SecretsStoreRecord, SecretsStoreId, "secrets_stores");

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
