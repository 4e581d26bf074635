//! Sums of log entries by steps of time.
//!
//! Each step is one range of the table, which is sorted by time, and sorted by group in memory by itself.

use std::collections::BTreeMap;

use keyward_registry::{
    Latencies, LogGroup, LogSeries, LogSeriesName, LogSum, LogSumQuery, LogSums,
};
use keyward_routes::Money;
use sqlx::{
    QueryBuilder, Row, Sqlite, ValueRef,
    sqlite::{SqliteConnection, SqliteRow},
};

use super::{
    Scope,
    condition::{Condition, Range},
    find_scope, names, signed,
};
use crate::failure::Failure;

/// What stands in the column by which entries are told apart.
enum Key {
    Null,
    /// The number of a shared text.
    Shared(i64),
    /// A text that is not shared.
    Own(Vec<u8>),
}

pub(super) async fn sum_up(
    connection: &mut SqliteConnection,
    query: &LogSumQuery,
) -> Result<LogSums, Failure> {
    let Some((scope, entries)) = find_scope(connection, &query.place).await? else {
        return Ok(LogSums::default());
    };
    let first_step = if entries <= query.most_read {
        0
    } else {
        first_read(connection, scope, query).await?
    };
    let (keys, names) = groups(connection, scope, query, first_step).await?;
    let mut series: Vec<_> = names
        .into_iter()
        .chain([LogSeriesName::Others])
        .map(|name| LogSeries {
            name,
            steps: Vec::new(),
        })
        .collect();
    for step in first_step..query.steps {
        let sums = sum_step(connection, scope, query, &keys, step).await?;
        for (group, sum) in sums {
            if let Some(series) = series.get_mut(group) {
                series.steps.push((step, sum));
            }
        }
    }
    series.retain(|series| !series.steps.is_empty());
    Ok(LogSums { first_step, series })
}

/// The first step from which on there are no more entries than may be read.
async fn first_read(
    connection: &mut SqliteConnection,
    scope: Scope,
    query: &LogSumQuery,
) -> Result<u32, Failure> {
    let mut left = query.most_read;
    for step in (0..query.steps).rev() {
        let most = left.saturating_add(1);
        let found: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM (SELECT 1 FROM log WHERE scope = $1 AND id >= $2 AND id < $3 LIMIT $4)",
        )
        .bind(scope)
        .bind(query.first_of(step).as_bytes().to_vec())
        .bind(query.first_of(step + 1).as_bytes().to_vec())
        .bind(signed(most))
        .fetch_one(&mut *connection)
        .await?;
        let Some(rest) = left.checked_sub(u64::try_from(found).unwrap_or(0)) else {
            return Ok(step + 1);
        };
        left = rest;
    }
    Ok(0)
}

/// The groups that are told apart, in their order: what stands in the column, and what they are called.
async fn groups(
    connection: &mut SqliteConnection,
    scope: Scope,
    query: &LogSumQuery,
    first_step: u32,
) -> Result<(Vec<Key>, Vec<LogSeriesName>), Failure> {
    let column = column(query.by);
    let name = names::text_of(column);
    let mut sql = QueryBuilder::new("SELECT l.");
    sql.push(column).push(", ").push(&name);
    sql.push(" FROM log AS l WHERE ");
    push_range(&mut sql, scope, query, first_step, query.steps);
    sql.push(" GROUP BY l.").push(column);
    sql.push(" ORDER BY count(*) DESC, ").push(name);
    sql.push(" LIMIT ").push_bind(i64::from(query.most_groups));
    let rows = sql.build().persistent(false);
    let rows = rows.fetch_all(connection).await?;
    let read = |row: &SqliteRow| -> Result<_, Failure> {
        let name: Option<String> = row.try_get(1)?;
        let key = match row.try_get_raw(0)?.type_info().to_string().as_str() {
            "NULL" => Key::Null,
            "INTEGER" => Key::Shared(row.try_get(0)?),
            _ => Key::Own(row.try_get(0)?),
        };
        let name = name.map_or(LogSeriesName::Nothing, |name| {
            LogSeriesName::Named(name.into())
        });
        Ok((key, name))
    };
    rows.iter().map(read).collect()
}

/// The sums of one step, by the number of the group; those that are not told apart stand behind the last.
async fn sum_step(
    connection: &mut SqliteConnection,
    scope: Scope,
    query: &LogSumQuery,
    keys: &[Key],
    step: u32,
) -> Result<BTreeMap<usize, LogSum>, Failure> {
    let mut sql = QueryBuilder::new("SELECT ");
    push_group(&mut sql, column(query.by), keys);
    sql.push(", ").push(bucket(0, Latencies::BUCKETS - 1));
    // A sum of integers fails where it is too large; that of reals is exact up to 2^53, and cut at the largest integer.
    sql.push(
        ", count(*), sum(l.success = 0), CAST(total(l.input) AS INTEGER),
         CAST(total(l.output) AS INTEGER), CAST(total(l.cost) AS INTEGER) FROM log AS l WHERE ",
    );
    push_range(&mut sql, scope, query, step, step + 1);
    sql.push(" GROUP BY 1, 2");
    let rows = sql.build().persistent(false);
    let rows = rows.fetch_all(connection).await?;
    let mut sums: BTreeMap<usize, LogSum> = BTreeMap::new();
    for row in &rows {
        let number = |at: usize| -> Result<u64, Failure> {
            let number: i64 = row.try_get(at)?;
            Ok(u64::try_from(number).unwrap_or(0))
        };
        let place =
            |at: usize| Ok::<_, Failure>(usize::try_from(number(at)?).unwrap_or(usize::MAX));
        let mut durations = Latencies::default();
        durations.add(place(1)?, number(2)?);
        sums.entry(place(0)?).or_default().merge(&LogSum {
            failed: number(3)?,
            tokens_in: number(4)?,
            tokens_out: number(5)?,
            cost: Money::from_nanos(number(6)?),
            durations,
        });
    }
    Ok(sums)
}

/// The entries of some steps, from the first to before the last, that meet the conditions.
fn push_range(
    sql: &mut QueryBuilder<Sqlite>,
    scope: Scope,
    query: &LogSumQuery,
    first: u32,
    end: u32,
) {
    let condition = Condition {
        scope,
        range: Range {
            from: Some(query.first_of(first)),
            after: None,
            before: Some(query.first_of(end)),
        },
        filters: &query.filters,
    };
    condition.push(sql);
}

/// The number of an entry's group.
fn push_group(sql: &mut QueryBuilder<Sqlite>, column: &str, keys: &[Key]) {
    if keys.is_empty() {
        sql.push("0");
        return;
    }
    sql.push("CASE");
    for (number, key) in keys.iter().enumerate() {
        sql.push(" WHEN l.").push(column).push(" IS ");
        match key {
            Key::Null => sql.push("NULL"),
            Key::Shared(id) => sql.push_bind(*id),
            Key::Own(text) => sql.push_bind(text.clone()),
        };
        sql.push(" THEN ").push(number);
    }
    sql.push(" ELSE ").push(keys.len()).push(" END");
}

/// SQL for the bucket of an entry's duration, one from `low` to `high`: half of them are ruled out at a time.
fn bucket(low: usize, high: usize) -> String {
    let middle = low + (high - low) / 2;
    match Latencies::bound(middle) {
        Some(bound) if low < high => format!(
            "CASE WHEN l.duration <= {} THEN {} ELSE {} END",
            bound.as_millis(),
            bucket(low, middle),
            bucket(middle + 1, high)
        ),
        _ => low.to_string(),
    }
}

const fn column(by: LogGroup) -> &'static str {
    match by {
        LogGroup::Provider => "provider",
        LogGroup::Model => "model",
        LogGroup::ProviderKey => "provider_key",
        LogGroup::Token => "token",
    }
}
