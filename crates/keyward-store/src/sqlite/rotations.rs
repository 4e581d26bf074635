//! The last rotation of each secret in its table.

use std::time::Duration;

use keyward_registry::{RowAuthenticator, Tampered};
use keyward_secret::AccountId;
use keyward_vault::{
    SecretId, VersionNumber,
    rotation::{Phase, Reason, Rotation},
    status::Charge,
};
use sqlx::sqlite::SqliteConnection;

use super::authentic::{StoredRow, authentic, honoured, seal_row};
use crate::{
    column::{Columns, millis},
    failure::Failure,
};

impl StoredRow for Rotation {
    fn parse(columns: Columns<'_>) -> Option<Self> {
        let from = match columns.get::<Option<u32>>("from_version")? {
            None => None,
            Some(number) => Some(VersionNumber::new(number)?),
        };
        let overlap = u64::try_from(columns.get::<i64>("overlap")?).ok()?;
        Some(Self {
            account: columns.parse("account")?,
            secret: columns.parse("secret")?,
            request: columns.parse("request")?,
            from,
            to: VersionNumber::new(columns.get("to_version")?)?,
            overlap: Duration::from_millis(overlap),
            verify: columns.flag("verify")?,
            phase: Phase::parse(columns.get("phase")?)?,
            phase_since: columns.time("phase_since")?,
            begun_at: columns.time("begun_at")?,
            reason: reason(columns)?,
            attempts: columns.get("attempts")?,
        })
    }

    fn label(columns: Columns<'_>) -> String {
        columns.text("secret").unwrap_or_default()
    }
}

/// The outer `None`: unreadable. The inner: there is none.
fn reason(columns: Columns<'_>) -> Option<Option<Reason>> {
    let charge = match columns.get::<Option<&str>>("reason_charge")? {
        None => None,
        Some(text) => Some(Charge::parse(text)?),
    };
    let code = columns.get::<Option<u16>>("reason_code")?;
    match columns.get::<Option<&str>>("reason")? {
        None => (charge, code).eq(&(None, None)).then_some(None),
        Some(text) => Reason::parse(text, charge, code).map(Some),
    }
}

/// Makes the rotation, or puts it in the place of the secret's last one.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    record: &Rotation,
    revision: i64,
) -> Result<Vec<u8>, Failure> {
    let mac = seal_row(record, keys, revision)?;
    let overlap = i64::try_from(record.overlap.as_millis()).unwrap_or(i64::MAX);
    let reason = record.reason.as_ref();
    sqlx::query(
        "INSERT INTO rotations (account, secret, request, from_version, to_version, overlap, verify,
             phase, phase_since, begun_at, reason, reason_charge, reason_code, attempts, revision, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         ON CONFLICT (account, secret) DO UPDATE
         SET request = excluded.request, from_version = excluded.from_version,
             to_version = excluded.to_version, overlap = excluded.overlap, verify = excluded.verify,
             phase = excluded.phase, phase_since = excluded.phase_since,
             begun_at = excluded.begun_at, reason = excluded.reason,
             reason_charge = excluded.reason_charge, reason_code = excluded.reason_code,
             attempts = excluded.attempts, revision = excluded.revision, mac = excluded.mac",
    )
    .bind(record.account.to_string())
    .bind(record.secret.to_string())
    .bind(record.request.as_str())
    .bind(record.from.map(|number| i64::from(number.get())))
    .bind(i64::from(record.to.get()))
    .bind(overlap)
    .bind(i64::from(record.verify))
    .bind(record.phase.as_str())
    .bind(millis(record.phase_since))
    .bind(millis(record.begun_at))
    .bind(reason.map(Reason::as_str))
    .bind(reason.and_then(Reason::charge).map(Charge::as_str))
    .bind(reason.and_then(Reason::code).map(i64::from))
    .bind(i64::from(record.attempts))
    .bind(revision)
    .bind(mac.as_slice())
    .execute(connection)
    .await?;
    Ok(mac)
}

pub(crate) async fn delete(
    connection: &mut SqliteConnection,
    account: AccountId,
    secret: SecretId,
) -> Result<(), Failure> {
    sqlx::query("DELETE FROM rotations WHERE account = $1 AND secret = $2")
        .bind(account.to_string())
        .bind(secret.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// The rotation of a secret; one that is not honoured is reported, and absent.
pub(crate) async fn find(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    account: AccountId,
    secret: SecretId,
) -> Result<Option<Rotation>, Failure> {
    let row = sqlx::query("SELECT * FROM rotations WHERE account = $1 AND secret = $2")
        .bind(account.to_string())
        .bind(secret.to_string())
        .fetch_optional(connection)
        .await?;
    Ok(row.and_then(|row| honoured(&row, keys)))
}

/// Every rotation, each with whether it is honoured.
pub(crate) async fn list(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
) -> Result<Vec<Result<Rotation, Tampered>>, Failure> {
    let rows = sqlx::query("SELECT * FROM rotations ORDER BY account, secret")
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().map(|row| authentic(row, keys)).collect())
}
