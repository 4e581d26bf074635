//! The versions and the deployments of routes in their tables. A row is made and removed, and never changed.

use keyward_registry::{
    Part, RouteDeploymentRecord, RouteId, RouteVersionId, RouteVersionRecord, RowAuthenticator,
};
use keyward_secret::AccountId;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::authentic::{StoredRow, honoured, seal_row};
use crate::{
    column::{Columns, millis},
    failure::Failure,
};

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

pub(crate) async fn delete_version(
    connection: &mut SqliteConnection,
    account: AccountId,
    route: RouteId,
    number: u32,
) -> Result<(), Failure> {
    sqlx::query("DELETE FROM route_versions WHERE account = $1 AND route = $2 AND number = $3")
        .bind(account.to_string())
        .bind(route.to_string())
        .bind(i64::from(number))
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) async fn delete_deployment(
    connection: &mut SqliteConnection,
    account: AccountId,
    route: RouteId,
    number: u32,
) -> Result<(), Failure> {
    sqlx::query("DELETE FROM route_deployments WHERE account = $1 AND route = $2 AND number = $3")
        .bind(account.to_string())
        .bind(route.to_string())
        .bind(i64::from(number))
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes everything that is kept of a route but the route.
pub(crate) async fn delete_all(
    connection: &mut SqliteConnection,
    account: AccountId,
    route: RouteId,
) -> Result<(), Failure> {
    for delete in [
        "DELETE FROM route_versions WHERE account = $1 AND route = $2",
        "DELETE FROM route_deployments WHERE account = $1 AND route = $2",
    ] {
        sqlx::query(delete)
            .bind(account.to_string())
            .bind(route.to_string())
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

/// Versions of a route, the newest first; those that are not honoured are reported, and absent.
pub(crate) async fn versions(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    (account, route): (AccountId, RouteId),
    part: Part,
) -> Result<Vec<RouteVersionRecord>, Failure> {
    let sql = "SELECT * FROM route_versions WHERE account = $1 AND route = $2
               ORDER BY number DESC LIMIT $3 OFFSET $4";
    let rows = part_of(connection, sql, (account, route), part).await?;
    Ok(rows.iter().filter_map(|row| honoured(row, keys)).collect())
}

/// Deployments of a route, the newest first; those that are not honoured are reported, and absent.
pub(crate) async fn deployments(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    (account, route): (AccountId, RouteId),
    part: Part,
) -> Result<Vec<RouteDeploymentRecord>, Failure> {
    let sql = "SELECT * FROM route_deployments WHERE account = $1 AND route = $2
               ORDER BY number DESC LIMIT $3 OFFSET $4";
    let rows = part_of(connection, sql, (account, route), part).await?;
    Ok(rows.iter().filter_map(|row| honoured(row, keys)).collect())
}

async fn part_of(
    connection: &mut SqliteConnection,
    sql: &'static str,
    (account, route): (AccountId, RouteId),
    part: Part,
) -> Result<Vec<SqliteRow>, Failure> {
    let rows = sqlx::query(sql)
        .bind(account.to_string())
        .bind(route.to_string())
        .bind(i64::from(part.most))
        .bind(i64::from(part.skipped))
        .fetch_all(connection)
        .await?;
    Ok(rows)
}
