//! Provider keys in their table.

use std::time::SystemTime;

use keyward_registry::{
    ExpiresAction, KeyStatus, ProviderKeyId, ProviderKeyRecord, RowAuthenticator,
};
use sqlx::sqlite::SqliteConnection;

use super::{
    authentic::{StoredRow, seal_row},
    by_id::{self, row_by_id},
};
use crate::{
    column::{Columns, millis, optional_millis, spend_limits},
    failure::Failure,
};

impl StoredRow for ProviderKeyRecord {
    fn parse(columns: Columns<'_>) -> Option<Self> {
        let number = |name| {
            columns
                .get::<Option<i64>>(name)
                .map(|number| number.map(i64::cast_unsigned))
        };
        Some(Self {
            id: columns.parse("id")?,
            account: columns.parse("account")?,
            gateway: columns.parse("gateway")?,
            provider: columns.parse("provider")?,
            alias: columns.parse("alias")?,
            secret: columns.parse("secret")?,
            default_config: columns.flag("default_config")?,
            rate_limit: number("rate_limit")?,
            rate_limit_period: number("rate_limit_period")?,
            spend_limits: columns.spend_limits()?,
            disabled_at: columns.optional_time("disabled_at")?,
            expires_at: columns.optional_time("expires_at")?,
            expires_action: match columns.get::<Option<&str>>("expires_action")? {
                None => ExpiresAction::Stop,
                Some(text) => ExpiresAction::parse(text)?,
            },
            status: KeyStatus::parse(columns.get("status")?)?,
            status_reason: columns.get("status_reason")?,
            status_code: columns.get("status_code")?,
            status_since: columns.optional_time("status_since")?,
            created_at: columns.time("created_at")?,
            modified_at: columns.time("modified_at")?,
        })
    }
}

row_by_id!(ProviderKeyRecord, ProviderKeyId, "provider_keys");

/// Makes or replaces the key, in a place that was [cleared](clear_place). A conflict where another key has its
/// place, or another account its id. What is measured of it stays.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    record: &ProviderKeyRecord,
    revision: i64,
) -> Result<Vec<u8>, Failure> {
    let mac = seal_row(record, keys, revision)?;
    let is_default = record.expires_action == ExpiresAction::Stop;
    let expires_action = (!is_default).then(|| record.expires_action.as_str());
    let done = sqlx::query(
        "INSERT INTO provider_keys (id, account, gateway, provider, alias, secret, default_config,
             rate_limit, rate_limit_period, disabled_at, expires_at, status, status_reason,
             status_since, created_at, modified_at, revision, mac, status_code, expires_action,
             spend_limits)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
             $19, $20, $21)
         ON CONFLICT (id) DO UPDATE
         SET gateway = excluded.gateway, provider = excluded.provider, alias = excluded.alias,
             secret = excluded.secret, default_config = excluded.default_config,
             rate_limit = excluded.rate_limit, rate_limit_period = excluded.rate_limit_period,
             disabled_at = excluded.disabled_at, expires_at = excluded.expires_at,
             status = excluded.status, status_reason = excluded.status_reason,
             status_since = excluded.status_since, created_at = excluded.created_at,
             modified_at = excluded.modified_at, revision = excluded.revision, mac = excluded.mac,
             status_code = excluded.status_code, expires_action = excluded.expires_action,
             spend_limits = excluded.spend_limits
         WHERE provider_keys.account = excluded.account",
    )
    .bind(record.id.to_string())
    .bind(record.account.to_string())
    .bind(record.gateway.as_str())
    .bind(record.provider.as_str())
    .bind(record.alias.as_str())
    .bind(record.secret.to_string())
    .bind(i64::from(record.default_config))
    .bind(record.rate_limit.map(u64::cast_signed))
    .bind(record.rate_limit_period.map(u64::cast_signed))
    .bind(optional_millis(record.disabled_at))
    .bind(optional_millis(record.expires_at))
    .bind(record.status.as_str())
    .bind(record.status_reason.as_deref())
    .bind(optional_millis(record.status_since))
    .bind(millis(record.created_at))
    .bind(millis(record.modified_at))
    .bind(revision)
    .bind(mac.as_slice())
    .bind(record.status_code.map(i64::from))
    .bind(expires_action)
    .bind(spend_limits(record.spend_limits.as_ref())?)
    .execute(connection)
    .await?;
    if done.rows_affected() == 0 {
        return Err(Failure::Conflict);
    }
    Ok(mac)
}

/// A row that is not honoured is absent, so it must not keep its place from a key that is made anew. Returns the
/// id of a row that was removed.
pub(crate) async fn clear_place(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    record: &ProviderKeyRecord,
) -> Result<Option<String>, Failure> {
    let row = sqlx::query(
        "SELECT * FROM provider_keys
         WHERE account = $1 AND gateway = $2 AND provider = $3 AND alias = $4 AND id <> $5",
    )
    .bind(record.account.to_string())
    .bind(record.gateway.as_str())
    .bind(record.provider.as_str())
    .bind(record.alias.as_str())
    .bind(record.id.to_string())
    .fetch_optional(&mut *connection)
    .await?;
    by_id::clear::<ProviderKeyRecord>(connection, keys, record.account, row).await
}

/// Never moves a time back; leaves out keys that do not exist.
pub(crate) async fn save_last_used(
    connection: &mut SqliteConnection,
    id: ProviderKeyId,
    at: SystemTime,
) -> Result<(), Failure> {
    sqlx::query(
        "UPDATE provider_keys SET last_used_at = $2
         WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
    )
    .bind(id.to_string())
    .bind(millis(at))
    .execute(connection)
    .await?;
    Ok(())
}
