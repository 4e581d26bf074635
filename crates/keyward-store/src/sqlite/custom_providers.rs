//! Custom providers in their table.

use keyward_registry::{CustomProviderId, CustomProviderRecord, RowAuthenticator, SealedHeaders};
use keyward_vault::{SealedRecord, VersionNumber};
use sqlx::sqlite::SqliteConnection;

use super::{
    authentic::{StoredRow, seal_row},
    by_id::{self, row_by_id},
};
use crate::{
    column::{Columns, millis},
    failure::Failure,
};

impl StoredRow for CustomProviderRecord {
    fn parse(columns: Columns<'_>) -> Option<Self> {
        Some(Self {
            id: columns.parse("id")?,
            account: columns.parse("account")?,
            slug: columns.parse("slug")?,
            base_url: columns.parse("base_url")?,
            placement: columns.parse("placement")?,
            enabled: columns.flag("enabled")?,
            details: serde_json::from_str(columns.get("details")?).ok()?,
            headers: parse_headers(columns)?,
            headers_sealed: u32::try_from(columns.get::<i64>("headers_sealed")?).ok()?,
            created_at: columns.time("created_at")?,
            modified_at: columns.time("modified_at")?,
        })
    }
}

row_by_id!(CustomProviderRecord, CustomProviderId, "custom_providers");

/// The outer `None`: unreadable. The inner: there are none.
fn parse_headers(columns: Columns<'_>) -> Option<Option<SealedHeaders>> {
    let Some(sealed) = columns.get::<Option<&[u8]>>("headers")? else {
        return Some(None);
    };
    let number = u32::try_from(columns.get::<i64>("headers_number")?).ok()?;
    Some(Some(SealedHeaders {
        number: VersionNumber::new(number)?,
        sealed: SealedRecord::parse(sealed).ok()?,
        masks: serde_json::from_str(columns.get("headers_masks")?).ok()?,
    }))
}

/// Makes or replaces the provider, in a place that was [cleared](clear_place). A conflict where another has its
/// slug, or another account its id.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    record: &CustomProviderRecord,
    revision: i64,
) -> Result<Vec<u8>, Failure> {
    let mac = seal_row(record, keys, revision)?;
    let details = serde_json::to_string(&record.details).map_err(Failure::damaged)?;
    let headers = record.headers.as_ref();
    let masks = headers
        .map(|headers| serde_json::to_string(&headers.masks))
        .transpose()
        .map_err(Failure::damaged)?;
    let done = sqlx::query(
        "INSERT INTO custom_providers (id, account, slug, base_url, placement, enabled, details,
             headers, headers_number, headers_masks, headers_sealed, created_at, modified_at,
             revision, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (id) DO UPDATE
         SET slug = excluded.slug, base_url = excluded.base_url, placement = excluded.placement,
             enabled = excluded.enabled, details = excluded.details, headers = excluded.headers,
             headers_number = excluded.headers_number, headers_masks = excluded.headers_masks,
             headers_sealed = excluded.headers_sealed, created_at = excluded.created_at,
             modified_at = excluded.modified_at, revision = excluded.revision, mac = excluded.mac
         WHERE custom_providers.account = excluded.account",
    )
    .bind(record.id.to_string())
    .bind(record.account.to_string())
    .bind(record.slug.as_str())
    .bind(record.base_url.to_string())
    .bind(record.placement.as_str())
    .bind(i64::from(record.enabled))
    .bind(details)
    .bind(headers.map(|headers| headers.sealed.as_bytes()))
    .bind(headers.map(|headers| i64::from(headers.number.get())))
    .bind(masks)
    .bind(i64::from(record.headers_sealed))
    .bind(millis(record.created_at))
    .bind(millis(record.modified_at))
    .bind(revision)
    .bind(mac.as_slice())
    .execute(connection)
    .await?;
    if done.rows_affected() == 0 {
        return Err(Failure::Conflict);
    }
    Ok(mac)
}

/// A row that is not honoured is absent, so it must not keep its slug from a provider that is made anew. Returns the
/// id of a row that was removed.
pub(crate) async fn clear_place(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    record: &CustomProviderRecord,
) -> Result<Option<String>, Failure> {
    let row =
        sqlx::query("SELECT * FROM custom_providers WHERE account = $1 AND slug = $2 AND id <> $3")
            .bind(record.account.to_string())
            .bind(record.slug.as_str())
            .bind(record.id.to_string())
            .fetch_optional(&mut *connection)
            .await?;
    by_id::clear::<CustomProviderRecord>(connection, keys, record.account, row).await
}
