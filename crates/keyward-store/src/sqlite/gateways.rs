//! Gateways in their table.

use keyward_registry::{GatewayId, GatewayRecord, RowAuthenticator};
use sqlx::sqlite::SqliteConnection;

use super::{
    authentic::{StoredRow, seal_row},
    by_id::{self, row_by_id},
};
use crate::{
    column::{Columns, millis},
    failure::Failure,
};

impl StoredRow for GatewayRecord {
    fn parse(columns: Columns<'_>) -> Option<Self> {
        Some(Self {
            account: columns.parse("account")?,
            id: columns.parse("id")?,
            settings: serde_json::from_str(columns.get("settings")?).ok()?,
            created_at: columns.time("created_at")?,
            modified_at: columns.time("modified_at")?,
        })
    }
}

row_by_id!(GatewayRecord, GatewayId, "gateways");

/// Makes or replaces the gateway. A conflict where a genuine one of this name was made at another time: it is
/// another gateway.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    record: &GatewayRecord,
    revision: i64,
) -> Result<Vec<u8>, Failure> {
    let known = by_id::find::<GatewayRecord>(connection, keys, record.account, &record.id).await?;
    if known.is_some_and(|known| millis(known.created_at) != millis(record.created_at)) {
        return Err(Failure::Conflict);
    }
    let mac = seal_row(record, keys, revision)?;
    let settings = serde_json::to_string(&record.settings).map_err(Failure::damaged)?;
    sqlx::query(
        "INSERT INTO gateways (account, id, settings, created_at, modified_at, revision, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (account, id) DO UPDATE
         SET settings = excluded.settings, created_at = excluded.created_at,
             modified_at = excluded.modified_at, revision = excluded.revision, mac = excluded.mac",
    )
    .bind(record.account.to_string())
    .bind(record.id.as_str())
    .bind(settings)
    .bind(millis(record.created_at))
    .bind(millis(record.modified_at))
    .bind(revision)
    .bind(mac.as_slice())
    .execute(connection)
    .await?;
    Ok(mac)
}
