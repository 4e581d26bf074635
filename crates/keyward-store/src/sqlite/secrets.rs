//! Secrets in their table.

use keyward_registry::RowAuthenticator;
use keyward_secret::AccountId;
use keyward_vault::{SecretId, SecretRecord, SecretsStoreId, VersionNumber};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{
    authentic::{StoredRow, honoured, seal_row},
    by_id::row_by_id,
};
use crate::{
    column::{Columns, list as json_list, millis},
    failure::Failure,
};

impl StoredRow for SecretRecord {
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
}

row_by_id!(SecretRecord, SecretId, "secrets");

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

/// Those of these secrets that there are, by id; those that are not honoured are reported and left out.
pub(crate) async fn find_several(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    account: AccountId,
    ids: &[SecretId],
) -> Result<Vec<SecretRecord>, Failure> {
    let rows: Vec<SqliteRow> = sqlx::query(
        "SELECT * FROM secrets
         WHERE account = $1 AND id IN (SELECT value FROM json_each($2)) ORDER BY id",
    )
    .bind(account.to_string())
    .bind(json_list(ids.iter().map(SecretId::to_string)))
    .fetch_all(connection)
    .await?;
    Ok(rows.iter().filter_map(|row| honoured(row, keys)).collect())
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
