//! How a batch of entries gets into the tables.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use keyward_registry::{LogEntry, LogId, LogLimit, LogMark, LogPlace, LogRecord};
use sqlx::{QueryBuilder, sqlite::SqliteConnection};

use super::{Scope, SqliteStore, names::Names, signed};
use crate::{column::list, failure::Failure};

/// How many rows one statement inserts: each has 33 values, and a statement takes 32,766.
const ROWS: usize = 100;

impl SqliteStore {
    /// One transaction. Returns how many entries had no room.
    pub(super) async fn keep_logs(
        &self,
        records: &[LogRecord],
        limits: &[LogLimit],
    ) -> Result<u64, Failure> {
        if records.is_empty() {
            return Ok(0);
        }
        let mut places: BTreeMap<LogPlace, Vec<&LogRecord>> = BTreeMap::new();
        for record in records {
            places.entry(record.entry.place()).or_default().push(record);
        }
        let mut transaction = self.door.pool.begin_with("BEGIN IMMEDIATE").await?;
        let mut refused = 0;
        for (place, records) in places {
            let limit = limits.iter().find(|limit| limit.place == place);
            let most = limit.map_or(u64::MAX, |limit| limit.most);
            refused += keep(&mut transaction, &place, records, most).await?;
        }
        transaction.commit().await?;
        Ok(refused)
    }
}

async fn keep(
    connection: &mut SqliteConnection,
    place: &LogPlace,
    records: Vec<&LogRecord>,
    most: u64,
) -> Result<u64, Failure> {
    let (scope, entries) = make_scope(connection, place).await?;
    let mut known = known_ids(connection, scope, &records).await?;
    let mut new = records;
    new.retain(|record| known.insert(record.entry.id));
    let room = usize::try_from(most.saturating_sub(entries)).unwrap_or(usize::MAX);
    let refused = new.len().saturating_sub(room);
    new.truncate(room);
    // In the order of the table, so that neighbours are written together.
    new.sort_unstable_by_key(|record| record.entry.id);
    let names = new.iter().flat_map(|record| texts(&record.entry)).flatten();
    let names: BTreeSet<String> = names.collect();
    let names = Names::of(connection, names).await?;
    for rows in new.chunks(ROWS) {
        insert(connection, scope, &names, rows).await?;
    }
    insert_bodies(connection, scope, &new).await?;
    sqlx::query("UPDATE log_scope SET entries = entries + $1 WHERE id = $2")
        .bind(signed(u64::try_from(new.len()).unwrap_or(u64::MAX)))
        .bind(scope)
        .execute(connection)
        .await?;
    Ok(u64::try_from(refused).unwrap_or(u64::MAX))
}

/// The number of a gateway, which is made where there is none, and how many entries it has.
async fn make_scope(
    connection: &mut SqliteConnection,
    place: &LogPlace,
) -> Result<(Scope, u64), Failure> {
    let (id, entries): (i64, i64) = sqlx::query_as(
        "INSERT INTO log_scope (account, gateway, entries) VALUES ($1, $2, 0)
         ON CONFLICT (account, gateway) DO UPDATE SET entries = entries
         RETURNING id, entries",
    )
    .bind(place.account.to_string())
    .bind(place.gateway.as_str())
    .fetch_one(connection)
    .await?;
    Ok((id, u64::try_from(entries).unwrap_or(0)))
}

/// Those ids of the batch that are there already.
async fn known_ids(
    connection: &mut SqliteConnection,
    scope: Scope,
    records: &[&LogRecord],
) -> Result<HashSet<LogId>, Failure> {
    let ids = records.iter().map(|record| {
        let digits = record.entry.id.to_string();
        digits.replace('-', "")
    });
    let found: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT l.id FROM json_each($1) AS j CROSS JOIN log AS l ON l.scope = $2 AND l.id = unhex(j.value)",
    )
    .bind(list(ids))
    .bind(scope)
    .fetch_all(connection)
    .await?;
    let ids = found
        .into_iter()
        .map(|id| LogId::from_bytes(id.try_into().ok()?));
    let ids: Option<HashSet<_>> = ids.collect();
    ids.ok_or_else(|| Failure::damaged("the id of a log entry does not parse"))
}

/// What stands in columns whose texts many entries share, in their order in [`insert`].
fn texts(entry: &LogEntry) -> [Option<String>; 8] {
    [
        Some(entry.provider.to_string()),
        entry.model.as_deref().map(str::to_owned),
        Some(entry.path.to_string()),
        entry.request_content_type.as_deref().map(str::to_owned),
        entry.response_content_type.as_deref().map(str::to_owned),
        entry.provider_key.map(|id| id.to_string()),
        entry.token.map(|id| id.to_string()),
        entry.user_agent.as_deref().map(str::to_owned),
    ]
}

async fn insert(
    connection: &mut SqliteConnection,
    scope: Scope,
    names: &Names,
    rows: &[&LogRecord],
) -> Result<(), Failure> {
    let mut sql = QueryBuilder::new(
        "INSERT INTO log (provider, model, path, request_content_type, response_content_type, provider_key,
             token, user_agent, scope, id, event_id, status, success, cached, duration, step, input,
             cache_read, cache_write, cache_write_hour, output, reasoning, cost, custom_cost, metadata,
             authentication, byok, compat, error_code, request_bytes, response_bytes, feedback, score) ",
    );
    sql.push_values(rows, |mut values, record| {
        let entry = &record.entry;
        for text in texts(entry) {
            names.push(&mut values, text.as_deref());
        }
        let hundredths = |mark: Option<LogMark>| mark.map(|mark| i64::from(mark.hundredths()));
        let number = |number: Option<u64>| number.map(signed);
        let millis = u64::try_from(entry.duration.as_millis()).unwrap_or(u64::MAX);
        values
            .push_bind(scope)
            .push_bind(entry.id.as_bytes().to_vec())
            .push_bind(entry.event_id.as_deref().map(str::to_owned))
            .push_bind(entry.status.map(i64::from))
            .push_bind(entry.success)
            .push_bind(entry.cached)
            .push_bind(signed(millis))
            .push_bind(entry.step.map(i64::from))
            .push_bind(number(entry.usage.input))
            .push_bind(number(entry.usage.cache_read))
            .push_bind(number(entry.usage.cache_write))
            .push_bind(number(entry.usage.cache_write_hour))
            .push_bind(number(entry.usage.output))
            .push_bind(number(entry.usage.reasoning))
            .push_bind(entry.cost.map(|cost| signed(cost.nanos())))
            .push_bind(entry.custom_cost)
            .push_bind((!entry.metadata.is_empty()).then(|| entry.metadata.to_stored()))
            .push_bind(entry.authentication)
            .push_bind(entry.byok)
            .push_bind(entry.compat)
            .push_bind(entry.error_code.map(i64::from))
            .push_bind(signed(entry.request_bytes))
            .push_bind(signed(entry.response_bytes))
            .push_bind(hundredths(entry.feedback))
            .push_bind(hundredths(entry.score));
    });
    let full = rows.len() == ROWS;
    sql.build().persistent(full).execute(connection).await?;
    Ok(())
}

async fn insert_bodies(
    connection: &mut SqliteConnection,
    scope: Scope,
    records: &[&LogRecord],
) -> Result<(), Failure> {
    let with_bodies = records
        .iter()
        .filter(|record| record.request.is_some() || record.response.is_some());
    for record in with_bodies {
        let bytes =
            |body: Option<&keyward_registry::LogBody>| body.map(|body| body.as_bytes().to_vec());
        sqlx::query("INSERT INTO log_body (scope, id, request, response) VALUES ($1, $2, $3, $4)")
            .bind(scope)
            .bind(record.entry.id.as_bytes().to_vec())
            .bind(bytes(record.request.as_ref()))
            .bind(bytes(record.response.as_ref()))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
