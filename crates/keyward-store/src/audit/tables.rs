//! Comparing the tables with what the newest line about each row says.

use std::collections::HashMap;

use keyward_auth::TokenRecord;
use keyward_registry::{
    CustomProviderRecord, GatewayRecord, ProviderKeyRecord, RouteDeploymentRecord, RouteRecord,
    RouteVersionRecord, SecretsStoreRecord, row_digest,
};
use keyward_vault::{SecretRecord, VersionRecord, rotation::Rotation};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{
    RowEntry,
    rows::with_mac,
    walk::{Newest, RowName, Rows, Walk},
};
use crate::{
    column::Columns,
    failure::Failure,
    seal,
    sqlite::{accounts, authentic::StoredRow},
};

/// Rows that are read at a time.
const PAGE: i64 = 1_000;

/// How many rows were compared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Compared {
    pub(crate) rows: u64,
    /// Rows that a line of the first format wrote, which does not say what.
    pub(crate) uncovered: u64,
}

/// A table: how its rows are read after one of them, and named with their digest.
struct Table {
    sql: &'static str,
    see: fn(&SqliteRow) -> Seen,
}

/// A row as it is found.
struct Seen {
    name: RowName,
    revision: i64,
    /// None: it does not parse.
    digest: Option<Vec<u8>>,
}

macro_rules! table {
    ($name:literal, $see:expr) => {
        Table {
            sql: concat!(
                "SELECT rowid AS place, * FROM ",
                $name,
                " WHERE rowid > $1 ORDER BY rowid LIMIT $2"
            ),
            see: $see,
        }
    };
}

/// Every table whose rows the log tells of.
static TABLES: &[Table] = &[
    table!("accounts", see_account),
    table!("gateways", see::<GatewayRecord>),
    table!("provider_keys", see::<ProviderKeyRecord>),
    table!("secrets_stores", see::<SecretsStoreRecord>),
    table!("custom_providers", see::<CustomProviderRecord>),
    table!("routes", see::<RouteRecord>),
    table!("route_versions", see::<RouteVersionRecord>),
    table!("route_deployments", see::<RouteDeploymentRecord>),
    table!("secrets", see::<SecretRecord>),
    table!("secret_versions", see::<VersionRecord>),
    table!("rotations", see::<Rotation>),
    table!("tokens", see::<TokenRecord>),
];

fn see<R: StoredRow>(row: &SqliteRow) -> Seen {
    let columns = Columns(row);
    let revision: i64 = columns.get("revision").unwrap_or_default();
    let mac: &[u8] = columns.get("mac").unwrap_or_default();
    let digest = |row: &R| with_mac(&row_digest(row, revision.cast_unsigned()), Some(mac));
    Seen {
        name: (
            R::KIND.to_owned(),
            columns.text("account").unwrap_or_default(),
            R::label(columns),
        ),
        revision,
        digest: R::parse(columns).as_ref().map(digest),
    }
}

fn see_account(row: &SqliteRow) -> Seen {
    let columns = Columns(row);
    let revision: i64 = columns.get("revision").unwrap_or_default();
    let id = columns.text("id").unwrap_or_default();
    let digest = |row: &_| with_mac(&row_digest(row, revision.cast_unsigned()), None);
    Seen {
        name: ("account".to_owned(), id.clone(), id),
        revision,
        digest: accounts::parse(row).ok().as_ref().map(digest),
    }
}

/// Compares every row of every table, and looks for rows that are gone.
pub(crate) async fn compare(
    connection: &mut SqliteConnection,
    walk: &mut Walk,
) -> Result<Compared, Failure> {
    let Rows {
        newest: mut rows,
        removed_wholes: removed,
    } = walk.take_rows();
    let mut compared = Compared::default();
    for table in TABLES {
        let mut place = i64::MIN;
        loop {
            let page = sqlx::query(table.sql)
                .bind(place)
                .bind(PAGE)
                .fetch_all(&mut *connection)
                .await?;
            let Some(last) = page.last() else {
                break;
            };
            place = Columns(last).get("place").unwrap_or(i64::MAX);
            for row in &page {
                check(&(table.see)(row), &mut rows, &removed, walk, &mut compared);
            }
        }
    }
    if let Some(state) = seal::load(connection).await? {
        let entry = RowEntry::seal(&state);
        let name = (entry.kind, entry.account, entry.id);
        // The seal of a new vault comes before the first line.
        if rows.contains_key(&name) {
            let seen = Seen {
                name,
                revision: 0,
                digest: entry.digest,
            };
            check(&seen, &mut rows, &removed, walk, &mut compared);
        }
    }
    let mut missing: Vec<_> = rows
        .into_iter()
        .filter(|(name, newest)| newest.digest.is_some() && !went(name, newest, &removed))
        .collect();
    missing.sort_by(|one, other| one.1.seq.cmp(&other.1.seq).then(one.0.cmp(&other.0)));
    for ((kind, _, id), newest) in missing {
        let what = format!("the {} {id} that it wrote is gone", words(&kind));
        walk.findings.add(newest.seq, what);
    }
    Ok(compared)
}

fn check(
    seen: &Seen,
    rows: &mut HashMap<RowName, Newest>,
    removed: &HashMap<(String, String), i64>,
    walk: &mut Walk,
    compared: &mut Compared,
) {
    let (kind, _, id) = &seen.name;
    let kind = words(kind);
    let newest = rows.remove(&seen.name);
    let gone = newest
        .as_ref()
        .is_some_and(|newest| newest.digest.is_none() || went(&seen.name, newest, removed));
    match newest {
        Some(newest) if gone => {
            let what = format!("the {kind} {id} that it, or a line after it, removed is there");
            walk.findings.add(newest.seq, what);
        }
        Some(newest) => {
            compared.rows = compared.rows.saturating_add(1);
            if newest.digest != seen.digest {
                let what = format!("the {kind} {id} is not as it wrote it");
                walk.findings.add(newest.seq, what);
            }
        }
        None if walk.may_be_unlisted(seen.revision) => {
            compared.uncovered = compared.uncovered.saturating_add(1);
        }
        None => {
            let what = format!("no line wrote the {kind} {id}");
            walk.findings.add(0, what);
        }
    }
}

/// Whether it is a version or a rotation that went with its secret, or a version or a deployment with its route.
fn went(
    (kind, account, id): &RowName,
    newest: &Newest,
    removed: &HashMap<(String, String), i64>,
) -> bool {
    let whole = match kind.as_str() {
        "secret_version" | "route_version" | "route_deployment" => {
            id.split_once('/').map_or("", |(whole, _)| whole)
        }
        "rotation" => id,
        _ => return false,
    };
    removed
        .get(&(account.clone(), whole.to_owned()))
        .is_some_and(|seq| *seq > newest.seq)
}

/// A kind as people write it.
fn words(kind: &str) -> String {
    kind.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use keyward_vault::Vault;

    use super::TABLES;
    use crate::Database;

    #[tokio::test]
    async fn every_table_with_rows_that_decide_is_compared() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&directory.path().join("keyward.db"))
            .await
            .unwrap();
        let (vault, _root) = Vault::create().unwrap();
        let store = database.unlock(vault.into()).await.unwrap();
        let mut connection = store.writer().acquire().await.unwrap();
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT schema.name FROM sqlite_schema AS schema
             JOIN pragma_table_info(schema.name) AS columns
             WHERE schema.type = 'table' AND columns.name = 'mac' AND schema.name <> 'audit'",
        )
        .fetch_all(&mut *connection)
        .await
        .unwrap();
        assert!(tables.len() >= 5, "{tables:?}");
        for table in tables {
            let named = format!(" FROM {table} ");
            assert!(
                TABLES.iter().any(|known| known.sql.contains(&named)),
                "the table {table} is missing in TABLES"
            );
        }
        drop(connection);
        store.close().await;
    }
}
