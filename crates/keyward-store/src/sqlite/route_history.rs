//! The versions and the deployments of routes in their tables. A row is made and removed, and never changed.

use keyward_registry::{
    Part, RouteDeploymentRecord, RouteId, RouteVersionId, RouteVersionRecord, RowAuthenticator,
};
use keyward_secret::AccountId;
use sqlx::sqlite::SqliteConnection;

use super::authentic::{StoredRow, honoured, seal_row};
use crate::{
    column::{Columns, millis},
    failure::Failure,
};

/// A row that stands under its account (`$1`), its route (`$2`) and its number (`$3`).
pub(crate) trait HistoryRow: StoredRow {
    /// Selects those of a route, the newest first: at most `$3` of them, behind the first `$4`.
    const LIST: &'static str;
    /// Deletes the one row.
    const DELETE: &'static str;
    /// Deletes those of a route.
    const DELETE_ALL: &'static str;
}

macro_rules! history_row {
    ($record:ty, $table:literal) => {
        impl HistoryRow for $record {
            const LIST: &'static str = concat!(
                "SELECT * FROM ",
                $table,
                " WHERE account = $1 AND route = $2 ORDER BY number DESC LIMIT $3 OFFSET $4"
            );
            const DELETE: &'static str = concat!(
                "DELETE FROM ",
                $table,
                " WHERE account = $1 AND route = $2 AND number = $3"
            );
            const DELETE_ALL: &'static str =
                concat!("DELETE FROM ", $table, " WHERE account = $1 AND route = $2");
        }
    };
}

history_row!(RouteVersionRecord, "route_versions");
history_row!(RouteDeploymentRecord, "route_deployments");

impl StoredRow for RouteVersionRecord {
    fn parse(columns: Columns<'_>) -> Option<Self> {
        Some(Self {
            id: columns.parse("id")?,
            account: columns.parse("account")?,
            route: columns.parse("route")?,
            number: columns.get("number")?,
            elements: columns.get::<&str>("elements")?.into(),
            comment: columns.get("comment")?,
            created_at: columns.time("created_at")?,
        })
    }

    fn label(columns: Columns<'_>) -> String {
        numbered(columns)
    }
}

impl StoredRow for RouteDeploymentRecord {
    fn parse(columns: Columns<'_>) -> Option<Self> {
        Some(Self {
            id: columns.parse("id")?,
            account: columns.parse("account")?,
            route: columns.parse("route")?,
            number: columns.get("number")?,
            version: columns.parse("version")?,
            comment: columns.get("comment")?,
            created_at: columns.time("created_at")?,
        })
    }

    fn label(columns: Columns<'_>) -> String {
        numbered(columns)
    }
}

fn numbered(columns: Columns<'_>) -> String {
    let route = columns.text("route").unwrap_or_default();
    let number: i64 = columns.get("number").unwrap_or_default();
    format!("{route}/{number}")
}

/// Makes a version. A conflict where its number is taken.
pub(crate) async fn put_version(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    record: &RouteVersionRecord,
    revision: i64,
) -> Result<Vec<u8>, Failure> {
    let mac = seal_row(record, keys, revision)?;
    sqlx::query(
        "INSERT INTO route_versions (account, route, number, id, elements, comment, created_at,
             revision, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(record.account.to_string())
    .bind(record.route.to_string())
    .bind(i64::from(record.number))
    .bind(record.id.to_string())
    .bind(&*record.elements)
    .bind(record.comment.as_deref())
    .bind(millis(record.created_at))
    .bind(revision)
    .bind(mac.as_slice())
    .execute(connection)
    .await?;
    Ok(mac)
}

/// Makes a deployment. A conflict where its number is taken.
pub(crate) async fn put_deployment(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    record: &RouteDeploymentRecord,
    revision: i64,
) -> Result<Vec<u8>, Failure> {
    let mac = seal_row(record, keys, revision)?;
    sqlx::query(
        "INSERT INTO route_deployments (account, route, number, id, version, comment, created_at,
             revision, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(record.account.to_string())
    .bind(record.route.to_string())
    .bind(i64::from(record.number))
    .bind(record.id.to_string())
    .bind(record.version.to_string())
    .bind(record.comment.as_deref())
    .bind(millis(record.created_at))
    .bind(revision)
    .bind(mac.as_slice())
    .execute(connection)
    .await?;
    Ok(mac)
}

/// Removes one row, if it is there.
pub(crate) async fn delete<R: HistoryRow>(
    connection: &mut SqliteConnection,
    account: AccountId,
    route: RouteId,
    number: u32,
) -> Result<(), Failure> {
    sqlx::query(R::DELETE)
        .bind(account.to_string())
        .bind(route.to_string())
        .bind(i64::from(number))
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes everything that is kept of a route but the route. Its id is as it stands in the rows, whatever it is.
pub(crate) async fn delete_all(
    connection: &mut SqliteConnection,
    account: AccountId,
    route: &str,
) -> Result<(), Failure> {
    for delete in [
        RouteVersionRecord::DELETE_ALL,
        RouteDeploymentRecord::DELETE_ALL,
    ] {
        sqlx::query(delete)
            .bind(account.to_string())
            .bind(route)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// One version; one that is not honoured is reported, and absent.
pub(crate) async fn find_version(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    account: AccountId,
    route: RouteId,
    id: RouteVersionId,
) -> Result<Option<RouteVersionRecord>, Failure> {
    let row =
        sqlx::query("SELECT * FROM route_versions WHERE account = $1 AND route = $2 AND id = $3")
            .bind(account.to_string())
            .bind(route.to_string())
            .bind(id.to_string())
            .fetch_optional(connection)
            .await?;
    Ok(row.and_then(|row| honoured(&row, keys)))
}

/// Rows of a route, the newest first; those that are not honoured are reported, and absent.
pub(crate) async fn list<R: HistoryRow>(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    (account, route): (AccountId, RouteId),
    part: Part,
) -> Result<Vec<R>, Failure> {
    let rows = sqlx::query(R::LIST)
        .bind(account.to_string())
        .bind(route.to_string())
        .bind(i64::from(part.most))
        .bind(i64::from(part.skipped))
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().filter_map(|row| honoured(row, keys)).collect())
}
