//! Log entries in their tables.

mod condition;
mod names;
mod row;
mod save;
mod sums;
mod turn;

use keyward_registry::{
    BoxFuture, LogBody, LogDeletion, LogDirection, LogEntry, LogId, LogLimit, LogOrder, LogPage,
    LogPatch, LogPlace, LogQuery, LogRanges, LogRecord, LogScan, LogSide, LogStore, LogSumQuery,
    LogSums, LogTrim, StoreError,
};
use keyward_routes::Money;
use sqlx::{
    QueryBuilder, Row, Sqlite,
    sqlite::{SqliteConnection, SqliteRow},
};

use self::condition::{Condition, Range};
use super::SqliteStore;
use crate::{column::Columns, failure::Failure};

/// How a gateway's entries are told from others': 0 is nobody's.
type Scope = i64;

impl LogStore for SqliteStore {
    fn save_logs<'a>(
        &'a self,
        records: &'a [LogRecord],
        limits: &'a [LogLimit],
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            self.keep_logs(records, limits)
                .await
                .map_err(|failure| failure.registry("keep log entries"))
        })
    }

    fn list_logs(&self, query: LogQuery) -> BoxFuture<'_, Result<LogPage, StoreError>> {
        Box::pin(async move {
            self.log_page(query)
                .await
                .map_err(|failure| failure.registry("list log entries"))
        })
    }

    fn scan_logs(&self, scan: LogScan) -> BoxFuture<'_, Result<Vec<LogEntry>, StoreError>> {
        Box::pin(async move {
            self.logs_behind(scan)
                .await
                .map_err(|failure| failure.registry("read log entries"))
        })
    }

    fn sum_logs(&self, query: LogSumQuery) -> BoxFuture<'_, Result<LogSums, StoreError>> {
        Box::pin(async move {
            self.in_turn(async move |mut read| sums::sum_up(&mut read, &query).await)
                .await
                .map_err(|failure| failure.registry("sum up log entries"))
        })
    }

    fn find_log(
        &self,
        place: LogPlace,
        id: LogId,
    ) -> BoxFuture<'_, Result<Option<LogEntry>, StoreError>> {
        Box::pin(async move {
            self.log_entry(&place, id)
                .await
                .map_err(|failure| failure.registry("read a log entry"))
        })
    }

    fn find_log_body(
        &self,
        place: LogPlace,
        id: LogId,
        side: LogSide,
    ) -> BoxFuture<'_, Result<Option<LogBody>, StoreError>> {
        Box::pin(async move {
            self.log_body(&place, id, side)
                .await
                .map_err(|failure| failure.registry("read a body of the log"))
        })
    }

    fn patch_log(
        &self,
        place: LogPlace,
        id: LogId,
        patch: LogPatch,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            self.change_log(&place, id, &patch)
                .await
                .map_err(|failure| failure.registry("change a log entry"))
        })
    }

    fn delete_logs(&self, deletion: LogDeletion) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            self.remove_logs(&deletion)
                .await
                .map_err(|failure| failure.registry("delete log entries"))
        })
    }

    fn trim_logs(&self, place: LogPlace, trim: LogTrim) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            self.let_logs_go(&place, trim)
                .await
                .map_err(|failure| failure.registry("let go of old log entries"))
        })
    }

    fn count_logs(&self) -> BoxFuture<'_, Result<Vec<(LogPlace, u64)>, StoreError>> {
        Box::pin(async move {
            self.log_counts()
                .await
                .map_err(|failure| failure.registry("count log entries"))
        })
    }
}

impl SqliteStore {
    async fn log_page(&self, query: LogQuery) -> Result<LogPage, Failure> {
        let is_long = query.with_ranges || !query.filters.is_empty();
        if is_long {
            return self
                .in_turn(async move |mut read| page(&mut read, &query).await)
                .await;
        }
        page(&mut *self.read().await?, &query).await
    }

    async fn logs_behind(&self, scan: LogScan) -> Result<Vec<LogEntry>, Failure> {
        if !scan.filters.is_empty() {
            return self
                .in_turn(async move |mut read| behind(&mut read, &scan).await)
                .await;
        }
        behind(&mut *self.read().await?, &scan).await
    }

    async fn log_entry(&self, place: &LogPlace, id: LogId) -> Result<Option<LogEntry>, Failure> {
        let mut transaction = self.read().await?;
        let Some((scope, _)) = find_scope(&mut transaction, place).await? else {
            return Ok(None);
        };
        let mut sql = row::select();
        sql.push(" WHERE l.scope = ").push_bind(scope);
        sql.push(" AND l.id = ").push_bind(id.as_bytes().to_vec());
        let rows = sql.build().fetch_all(&mut *transaction).await?;
        Ok(parse(&rows, place)?.pop())
    }

    async fn log_body(
        &self,
        place: &LogPlace,
        id: LogId,
        side: LogSide,
    ) -> Result<Option<LogBody>, Failure> {
        let body: Option<Option<Vec<u8>>> = sqlx::query_scalar(match side {
            LogSide::Request => {
                "SELECT b.request FROM log_scope AS s CROSS JOIN log_body AS b ON b.scope = s.id AND b.id = $3
                 WHERE s.account = $1 AND s.gateway = $2"
            }
            LogSide::Response => {
                "SELECT b.response FROM log_scope AS s CROSS JOIN log_body AS b ON b.scope = s.id AND b.id = $3
                 WHERE s.account = $1 AND s.gateway = $2"
            }
        })
        .bind(place.account.to_string())
        .bind(place.gateway.as_str())
        .bind(id.as_bytes().to_vec())
        .fetch_optional(&self.readers)
        .await?;
        Ok(body.flatten().and_then(LogBody::new))
    }

    async fn change_log(
        &self,
        place: &LogPlace,
        id: LogId,
        patch: &LogPatch,
    ) -> Result<bool, Failure> {
        let metadata = patch.metadata.as_ref();
        let stored =
            metadata.and_then(|metadata| (!metadata.is_empty()).then(|| metadata.to_stored()));
        let hundredths = |mark: Option<Option<keyward_registry::LogMark>>| {
            mark.flatten().map(|mark| i64::from(mark.hundredths()))
        };
        let done = sqlx::query(
            "UPDATE log
             SET feedback = iif($1, $2, feedback), score = iif($3, $4, score),
                 metadata = iif($5, $6, metadata)
             WHERE scope = (SELECT id FROM log_scope WHERE account = $7 AND gateway = $8) AND id = $9",
        )
        .bind(patch.feedback.is_some())
        .bind(hundredths(patch.feedback))
        .bind(patch.score.is_some())
        .bind(hundredths(patch.score))
        .bind(metadata.is_some())
        .bind(stored)
        .bind(place.account.to_string())
        .bind(place.gateway.as_str())
        .bind(id.as_bytes().to_vec())
        .execute(&self.door.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    async fn remove_logs(&self, deletion: &LogDeletion) -> Result<u64, Failure> {
        let mut transaction = self.door.pool.begin_with("BEGIN IMMEDIATE").await?;
        let Some((scope, _)) = find_scope(&mut transaction, &deletion.place).await? else {
            return Ok(0);
        };
        let condition = Condition {
            scope,
            range: Range::default(),
            filters: &deletion.filters,
        };
        let sorting = Sorting {
            order: deletion.order,
            direction: deletion.direction,
        };
        let deleted = remove(&mut transaction, &condition, sorting, deletion.most).await?;
        transaction.commit().await?;
        Ok(deleted)
    }

    async fn let_logs_go(&self, place: &LogPlace, trim: LogTrim) -> Result<u64, Failure> {
        let mut transaction = self.door.pool.begin_with("BEGIN IMMEDIATE").await?;
        let Some((scope, entries)) = find_scope(&mut transaction, place).await? else {
            return Ok(0);
        };
        let at_once = u64::from(trim.at_once.max(1));
        let beyond = trim.most.map_or(0, |most| entries.saturating_sub(most));
        let aged = match trim.before {
            None => 0,
            Some(before) => count_before(&mut transaction, scope, before, at_once).await?,
        };
        let gone = u32::try_from(beyond.max(aged).min(at_once)).unwrap_or(u32::MAX);
        if gone == 0 {
            return Ok(0);
        }
        let condition = Condition {
            scope,
            range: Range::default(),
            filters: &[],
        };
        let oldest = Sorting {
            order: LogOrder::CreatedAt,
            direction: LogDirection::Rising,
        };
        let deleted = remove(&mut transaction, &condition, oldest, gone).await?;
        transaction.commit().await?;
        Ok(deleted)
    }

    async fn log_counts(&self) -> Result<Vec<(LogPlace, u64)>, Failure> {
        let rows = sqlx::query("SELECT account, gateway, entries FROM log_scope WHERE entries > 0")
            .fetch_all(&self.readers)
            .await?;
        let counts = rows.iter().map(|row| {
            let columns = Columns(row);
            let place = LogPlace {
                account: columns.parse("account")?,
                gateway: columns.parse("gateway")?,
            };
            Some((place, u64::try_from(columns.get::<i64>("entries")?).ok()?))
        });
        let counts: Option<Vec<_>> = counts.collect();
        counts.ok_or_else(|| Failure::damaged("a gateway of the log does not parse"))
    }
}

/// Which entries a list has, and how many there are.
async fn page(connection: &mut SqliteConnection, query: &LogQuery) -> Result<LogPage, Failure> {
    let Some((scope, entries)) = find_scope(connection, &query.place).await? else {
        return Ok(LogPage {
            ranges: query.with_ranges.then(LogRanges::default),
            ..LogPage::default()
        });
    };
    let condition = Condition {
        scope,
        range: Range::default(),
        filters: &query.filters,
    };
    let (total, ranges) = if query.with_ranges {
        let (total, ranges) = ranges(connection, &condition).await?;
        (total, Some(ranges))
    } else if query.filters.is_empty() {
        (entries, None)
    } else {
        (count(connection, &condition).await?, None)
    };
    let sorting = Sorting {
        order: query.order,
        direction: query.direction,
    };
    let mut sql = row::select();
    sql.push(" WHERE l.scope = ").push_bind(scope);
    sql.push(" AND l.id IN (SELECT l.id FROM log AS l WHERE ");
    condition.push(&mut sql);
    sorting.push(&mut sql);
    sql.push(" LIMIT ").push_bind(i64::from(query.most));
    sql.push(" OFFSET ").push_bind(signed(query.skipped));
    sql.push(")");
    sorting.push(&mut sql);
    let rows = sql.build().persistent(false);
    let rows = rows.fetch_all(connection).await?;
    Ok(LogPage {
        entries: parse(&rows, &query.place)?,
        total,
        ranges,
    })
}

/// Entries one after another.
async fn behind(
    connection: &mut SqliteConnection,
    scan: &LogScan,
) -> Result<Vec<LogEntry>, Failure> {
    let Some((scope, _)) = find_scope(connection, &scan.place).await? else {
        return Ok(Vec::new());
    };
    let mut range = Range::default();
    match scan.direction {
        LogDirection::Rising => range.after = scan.after,
        LogDirection::Falling => range.before = scan.after,
    }
    let condition = Condition {
        scope,
        range,
        filters: &scan.filters,
    };
    let mut sql = row::select();
    sql.push(" WHERE ");
    condition.push(&mut sql);
    let sorting = Sorting {
        order: LogOrder::CreatedAt,
        direction: scan.direction,
    };
    sorting.push(&mut sql);
    sql.push(" LIMIT ").push_bind(i64::from(scan.most));
    let rows = sql.build().persistent(false);
    let rows = rows.fetch_all(connection).await?;
    parse(&rows, &scan.place)
}

/// The number of a gateway, and how many entries it has.
async fn find_scope(
    connection: &mut SqliteConnection,
    place: &LogPlace,
) -> Result<Option<(Scope, u64)>, Failure> {
    let found: Option<(i64, i64)> =
        sqlx::query_as("SELECT id, entries FROM log_scope WHERE account = $1 AND gateway = $2")
            .bind(place.account.to_string())
            .bind(place.gateway.as_str())
            .fetch_optional(connection)
            .await?;
    Ok(found.map(|(id, entries)| (id, u64::try_from(entries).unwrap_or(0))))
}

async fn count(
    connection: &mut SqliteConnection,
    condition: &Condition<'_>,
) -> Result<u64, Failure> {
    let mut sql = QueryBuilder::new("SELECT count(*) FROM log AS l WHERE ");
    condition.push(&mut sql);
    let total: i64 = sql
        .build_query_scalar()
        .persistent(false)
        .fetch_one(connection)
        .await?;
    Ok(u64::try_from(total).unwrap_or(0))
}

async fn count_before(
    connection: &mut SqliteConnection,
    scope: Scope,
    before: std::time::SystemTime,
    most: u64,
) -> Result<u64, Failure> {
    let total: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT 1 FROM log WHERE scope = $1 AND id < $2 LIMIT $3)",
    )
    .bind(scope)
    .bind(LogId::first_at(before).as_bytes().to_vec())
    .bind(signed(most))
    .fetch_one(connection)
    .await?;
    Ok(u64::try_from(total).unwrap_or(0))
}

async fn ranges(
    connection: &mut SqliteConnection,
    condition: &Condition<'_>,
) -> Result<(u64, LogRanges), Failure> {
    let mut sql = QueryBuilder::new(
        "SELECT count(*), min(l.cost), max(l.cost), min(l.duration), max(l.duration),
             min(l.input), max(l.input), min(l.output), max(l.output),
             min(l.input + l.output), max(l.input + l.output)
         FROM log AS l WHERE ",
    );
    condition.push(&mut sql);
    let row = sql.build().persistent(false).fetch_one(connection).await?;
    let number = |at: usize| -> Result<Option<u64>, Failure> {
        let number: Option<i64> = row.try_get(at)?;
        Ok(number.and_then(|number| u64::try_from(number).ok()))
    };
    let range = |at: usize| Ok::<_, Failure>(number(at)?.zip(number(at + 1)?));
    let ranges = LogRanges {
        cost: range(1)?.map(|(least, most)| (Money::from_nanos(least), Money::from_nanos(most))),
        duration: range(3)?,
        tokens_in: range(5)?,
        tokens_out: range(7)?,
        total_tokens: range(9)?,
    };
    Ok((number(0)?.unwrap_or(0), ranges))
}

/// Removes entries and their bodies, and counts them off. Returns how many.
async fn remove(
    connection: &mut SqliteConnection,
    condition: &Condition<'_>,
    sorting: Sorting,
    most: u32,
) -> Result<u64, Failure> {
    let mut removed = 0;
    // The bodies first: which they are depends on the entries.
    for table in ["log_body", "log"] {
        let mut sql = QueryBuilder::new("DELETE FROM ");
        sql.push(table)
            .push(" WHERE scope = ")
            .push_bind(condition.scope);
        sql.push(" AND id IN (SELECT l.id FROM log AS l WHERE ");
        condition.push(&mut sql);
        sorting.push(&mut sql);
        sql.push(" LIMIT ").push_bind(i64::from(most)).push(")");
        let done = sql.build().persistent(false);
        removed = done.execute(&mut *connection).await?.rows_affected();
    }
    sqlx::query("UPDATE log_scope SET entries = max(0, entries - $1) WHERE id = $2")
        .bind(signed(removed))
        .bind(condition.scope)
        .execute(connection)
        .await?;
    Ok(removed)
}

/// In which order rows come.
#[derive(Clone, Copy)]
struct Sorting {
    order: LogOrder,
    direction: LogDirection,
}

impl Sorting {
    fn push(self, sql: &mut QueryBuilder<Sqlite>) {
        let direction = match self.direction {
            LogDirection::Rising => " ASC",
            LogDirection::Falling => " DESC",
        };
        sql.push(" ORDER BY ");
        let first = match self.order {
            LogOrder::CreatedAt => None,
            LogOrder::Provider => Some(names::text_of("provider")),
            LogOrder::Model => Some(names::text_of("model")),
            LogOrder::Success => Some("l.success".to_owned()),
            LogOrder::Cached => Some("l.cached".to_owned()),
            LogOrder::Cost => Some("l.cost".to_owned()),
            LogOrder::TokensIn => Some("l.input".to_owned()),
            LogOrder::TokensOut => Some("l.output".to_owned()),
            LogOrder::Duration => Some("l.duration".to_owned()),
            LogOrder::Feedback => Some("l.feedback".to_owned()),
        };
        if let Some(first) = first {
            sql.push(first).push(direction).push(", ");
        }
        sql.push("l.id").push(direction);
    }
}

fn parse(rows: &[SqliteRow], place: &LogPlace) -> Result<Vec<LogEntry>, Failure> {
    let entries = rows.iter().map(|row| row::parse(Columns(row), place));
    let entries: Option<Vec<_>> = entries.collect();
    entries.ok_or_else(|| Failure::damaged("a log entry does not parse"))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
