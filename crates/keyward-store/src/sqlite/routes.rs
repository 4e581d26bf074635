//! Dynamic routes in their table. Their versions and deployments have tables of their own.

use std::collections::HashMap;

use keyward_registry::{RouteId, RouteRecord, RouteVersionRecord, RowAuthenticator, Tampered};
use keyward_secret::AccountId;
use sqlx::sqlite::SqliteConnection;

use super::{
    authentic::{StoredRow, authentic, seal_row},
    by_id::{self, row_by_id},
    route_history,
};
use crate::{
    column::{Columns, millis},
    failure::Failure,
};

/// A route with its deployed version.
pub(crate) type Deployed = (RouteRecord, Option<RouteVersionRecord>);

impl StoredRow for RouteRecord {
    fn parse(columns: Columns<'_>) -> Option<Self> {
        Some(Self {
            id: columns.parse("id")?,
            account: columns.parse("account")?,
            gateway: columns.parse("gateway")?,
            name: columns.parse("name")?,
            deployed: columns.parse("deployed")?,
            versions: columns.get("versions")?,
            deployments: columns.get("deployments")?,
            created_at: columns.time("created_at")?,
            modified_at: columns.time("modified_at")?,
        })
    }
}

row_by_id!(RouteRecord, RouteId, "routes");

/// Makes or replaces the route, in a place that was [cleared](clear_place). A conflict where another of the gateway has its
/// name, or another account its id.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    record: &RouteRecord,
    revision: i64,
) -> Result<Vec<u8>, Failure> {
    let mac = seal_row(record, keys, revision)?;
    let done = sqlx::query(
        "INSERT INTO routes (id, account, gateway, name, deployed, versions, deployments, created_at,
             modified_at, revision, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (id) DO UPDATE
         SET gateway = excluded.gateway, name = excluded.name, deployed = excluded.deployed,
             versions = excluded.versions, deployments = excluded.deployments,
             created_at = excluded.created_at, modified_at = excluded.modified_at,
             revision = excluded.revision, mac = excluded.mac
         WHERE routes.account = excluded.account",
    )
    .bind(record.id.to_string())
    .bind(record.account.to_string())
    .bind(record.gateway.as_str())
    .bind(record.name.as_str())
    .bind(record.deployed.to_string())
    .bind(i64::from(record.versions))
    .bind(i64::from(record.deployments))
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

/// A row that is not honoured is absent, so it must not keep its name from a route that is made anew. Returns the id of a
/// row that was removed.
pub(crate) async fn clear_place(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    record: &RouteRecord,
) -> Result<Option<String>, Failure> {
    let row = sqlx::query(
        "SELECT * FROM routes WHERE account = $1 AND gateway = $2 AND name = $3 AND id <> $4",
    )
    .bind(record.account.to_string())
    .bind(record.gateway.as_str())
    .bind(record.name.as_str())
    .bind(record.id.to_string())
    .fetch_optional(&mut *connection)
    .await?;
    let id = by_id::clear::<RouteRecord>(connection, keys, record.account, row).await?;
    if let Some(id) = &id {
        route_history::delete_all(connection, record.account, id).await?;
    }
    Ok(id)
}

/// Removes the route with all that is kept of it.
pub(crate) async fn delete(
    connection: &mut SqliteConnection,
    account: AccountId,
    id: RouteId,
) -> Result<(), Failure> {
    route_history::delete_all(connection, account, &id.to_string()).await?;
    by_id::delete::<RouteRecord>(connection, account, &id).await
}

/// A route with its deployed version; what is not honoured is reported, and absent.
pub(crate) async fn find(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    account: AccountId,
    id: RouteId,
) -> Result<Option<Deployed>, Failure> {
    let Some(route) = by_id::find::<RouteRecord>(connection, keys, account, &id).await? else {
        return Ok(None);
    };
    let version =
        route_history::find_version(connection, keys, account, id, route.deployed).await?;
    Ok(Some((route, version)))
}

/// Every route with its deployed version; what is not honoured is named in `tampered`.
pub(crate) async fn list(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    tampered: &mut Vec<Tampered>,
) -> Result<Vec<Deployed>, Failure> {
    let rows = sqlx::query(
        "SELECT route_versions.* FROM routes JOIN route_versions
         ON route_versions.account = routes.account AND route_versions.route = routes.id
             AND route_versions.id = routes.deployed",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut versions = HashMap::with_capacity(rows.len());
    for row in &rows {
        match authentic::<RouteVersionRecord>(row, keys) {
            Ok(version) => drop(versions.insert((version.account, version.route), version)),
            Err(row) => tampered.push(row),
        }
    }
    let mut routes = Vec::new();
    for row in by_id::list::<RouteRecord>(connection, keys).await? {
        match row {
            Ok(route) => {
                let version = versions.remove(&(route.account, route.id));
                routes.push((route, version));
            }
            Err(row) => tampered.push(row),
        }
    }
    Ok(routes)
}
