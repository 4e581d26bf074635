//! Versions of secrets in their table.

use keyward_registry::{RowAuthenticator, Tampered};
use keyward_secret::AccountId;
use keyward_vault::{SealedRecord, SecretId, VersionNumber, VersionRecord, VersionState};
use sqlx::sqlite::SqliteConnection;

use super::authentic::{StoredRow, authentic, honoured, seal_row};
use crate::{
    column::{Columns, list, millis},
    failure::Failure,
};

impl StoredRow for VersionRecord {
    fn parse(columns: Columns<'_>) -> Option<Self> {
        let sealed = match columns.get::<Option<Vec<u8>>>("sealed")? {
            None => None,
            Some(bytes) => Some(SealedRecord::parse(bytes).ok()?),
        };
        Some(Self {
            account: columns.parse("account")?,
            secret: columns.parse("secret")?,
            number: VersionNumber::new(columns.get("number")?)?,
            state: VersionState::parse(columns.get("state")?)?,
            sealed,
            preview: columns.text("preview")?,
            created_at: columns.time("created_at")?,
            changed_at: columns.time("changed_at")?,
        })
    }

    fn label(columns: Columns<'_>) -> String {
        let secret = columns.text("secret").unwrap_or_default();
        let number = columns.get::<i64>("number").unwrap_or_default();
        format!("{secret}/{number}")
    }
}

/// Makes or replaces the version. A conflict where a genuine one of this number is destroyed and would get a
/// value again: its number is taken.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    record: &VersionRecord,
    revision: i64,
) -> Result<Vec<u8>, Failure> {
    let known = find(
        connection,
        keys,
        record.account,
        record.secret,
        record.number,
    )
    .await?;
    let is_destroyed = known.is_some_and(|known| known.state == VersionState::Destroyed);
    if is_destroyed && record.sealed.is_some() {
        return Err(Failure::Conflict);
    }
    let mac = seal_row(record, keys, revision)?;
    sqlx::query(
        "INSERT INTO secret_versions (account, secret, number, state, sealed, preview, created_at,
             changed_at, revision, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (account, secret, number) DO UPDATE
         SET state = excluded.state, sealed = excluded.sealed, preview = excluded.preview,
             created_at = excluded.created_at, changed_at = excluded.changed_at,
             revision = excluded.revision, mac = excluded.mac",
    )
    .bind(record.account.to_string())
    .bind(record.secret.to_string())
    .bind(i64::from(record.number.get()))
    .bind(record.state.as_str())
    .bind(record.sealed.as_ref().map(SealedRecord::as_bytes))
    .bind(&record.preview)
    .bind(millis(record.created_at))
    .bind(millis(record.changed_at))
    .bind(revision)
    .bind(mac.as_slice())
    .execute(connection)
    .await?;
    Ok(mac)
}

pub(crate) async fn delete_all(
    connection: &mut SqliteConnection,
    account: AccountId,
    secret: SecretId,
) -> Result<(), Failure> {
    sqlx::query("DELETE FROM secret_versions WHERE account = $1 AND secret = $2")
        .bind(account.to_string())
        .bind(secret.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) async fn find(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    account: AccountId,
    secret: SecretId,
    number: VersionNumber,
) -> Result<Option<VersionRecord>, Failure> {
    let row = sqlx::query(
        "SELECT * FROM secret_versions WHERE account = $1 AND secret = $2 AND number = $3",
    )
    .bind(account.to_string())
    .bind(secret.to_string())
    .bind(i64::from(number.get()))
    .fetch_optional(connection)
    .await?;
    Ok(row.and_then(|row| honoured(&row, keys)))
}

/// The versions of a secret, rising; those that are not honoured are reported and left out.
pub(crate) async fn list_of(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    account: AccountId,
    secret: SecretId,
) -> Result<Vec<VersionRecord>, Failure> {
    let rows = sqlx::query(
        "SELECT * FROM secret_versions WHERE account = $1 AND secret = $2 ORDER BY number",
    )
    .bind(account.to_string())
    .bind(secret.to_string())
    .fetch_all(connection)
    .await?;
    Ok(rows.iter().filter_map(|row| honoured(row, keys)).collect())
}

/// The versions that these secrets name as their current ones; those that are not honoured are reported and left
/// out.
pub(crate) async fn current_of(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    account: AccountId,
    secrets: &[SecretId],
) -> Result<Vec<VersionRecord>, Failure> {
    let rows = sqlx::query(
        "SELECT secret_versions.* FROM secrets
         JOIN secret_versions ON secret_versions.account = secrets.account
             AND secret_versions.secret = secrets.id AND secret_versions.number = secrets.current
         WHERE secrets.account = $1 AND secrets.id IN (SELECT value FROM json_each($2))",
    )
    .bind(account.to_string())
    .bind(list(secrets.iter().map(SecretId::to_string)))
    .fetch_all(connection)
    .await?;
    Ok(rows.iter().filter_map(|row| honoured(row, keys)).collect())
}

/// The version that each secret names as its current one.
pub(crate) async fn list_current(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
) -> Result<Vec<Result<VersionRecord, Tampered>>, Failure> {
    let rows = sqlx::query(
        "SELECT secret_versions.* FROM secret_versions
         JOIN secrets ON secrets.account = secret_versions.account
             AND secrets.id = secret_versions.secret AND secrets.current = secret_versions.number",
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.iter().map(|row| authentic(row, keys)).collect())
}

/// The versions that a rotation keeps beside a current one.
pub(crate) async fn list_beside(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
) -> Result<Vec<Result<VersionRecord, Tampered>>, Failure> {
    let rows = sqlx::query("SELECT * FROM secret_versions WHERE state IN ('staged', 'retiring')")
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().map(|row| authentic(row, keys)).collect())
}
