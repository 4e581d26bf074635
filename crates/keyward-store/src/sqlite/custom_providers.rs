//! Custom providers in their table.

use keyward_registry::{
    CustomProviderId, CustomProviderRecord, RowAuthenticator, RowMac, SealedHeaders, Tampered,
};
use keyward_secret::AccountId;
use keyward_vault::{SealedRecord, VersionNumber};
use sqlx::sqlite::SqliteConnection;

use super::authentic::{StoredRow, authentic, honoured, seal_row};
use crate::{
    column::{Columns, millis},
    failure::Failure,
};

impl StoredRow for CustomProviderRecord {
    const KIND: &'static str = "custom_provider";

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

    fn mac(&self, keys: &RowAuthenticator, revision: u64) -> Option<RowMac> {
        keys.mac(self, revision)
    }

    fn verify(&self, keys: &RowAuthenticator, revision: u64, mac: &RowMac) -> bool {
        keys.verify(self, revision, mac)
    }
}

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

/// Makes or replaces the provider. A conflict where another has its slug, or another account its id.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    record: &CustomProviderRecord,
    revision: i64,
) -> Result<Vec<u8>, Failure> {
    clear_place(connection, keys, record).await?;
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

/// A row that is not honoured is absent, so it must not keep its slug from a provider that is made anew.
async fn clear_place(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    record: &CustomProviderRecord,
) -> Result<(), Failure> {
    let row =
        sqlx::query("SELECT * FROM custom_providers WHERE account = $1 AND slug = $2 AND id <> $3")
            .bind(record.account.to_string())
            .bind(record.slug.as_str())
            .bind(record.id.to_string())
            .fetch_optional(&mut *connection)
            .await?;
    if let Some(row) = row
        && honoured::<CustomProviderRecord>(&row, keys).is_none()
    {
        sqlx::query("DELETE FROM custom_providers WHERE id = $1")
            .bind(CustomProviderRecord::label(Columns(&row)))
            .execute(connection)
            .await?;
    }
    Ok(())
}

pub(crate) async fn delete(
    connection: &mut SqliteConnection,
    account: AccountId,
    id: CustomProviderId,
) -> Result<(), Failure> {
    sqlx::query("DELETE FROM custom_providers WHERE account = $1 AND id = $2")
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
    id: CustomProviderId,
) -> Result<Option<CustomProviderRecord>, Failure> {
    let row = sqlx::query("SELECT * FROM custom_providers WHERE account = $1 AND id = $2")
        .bind(account.to_string())
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    Ok(row.and_then(|row| honoured(&row, keys)))
}

pub(crate) async fn list(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
) -> Result<Vec<Result<CustomProviderRecord, Tampered>>, Failure> {
    let rows = sqlx::query("SELECT * FROM custom_providers ORDER BY account, id")
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().map(|row| authentic(row, keys)).collect())
}
