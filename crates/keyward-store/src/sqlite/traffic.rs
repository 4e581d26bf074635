//! Counts of requests in their tables.

use std::{collections::HashMap, time::SystemTime};

use keyward_registry::{
    BoxFuture, GatewayId, Latencies, ProviderKeyId, ProviderSlug, StoreError, TrafficClass,
    TrafficQuery, TrafficRow, TrafficSeries, TrafficSpan, TrafficStore, TrafficSum, TrafficSums,
    traffic_secs,
};
use sqlx::{
    Row,
    sqlite::{SqliteConnection, SqliteRow},
};

use super::SqliteStore;
use crate::{
    column::{Columns, list},
    failure::Failure,
};

const ADD: &str = "INSERT INTO traffic (series, span, start, class,
             l0, l1, l2, l3, l4, l5, l6, l7, l8, l9, l10, l11, l12, l13, l14, l15, l16, l17)
         VALUES ($1, $2, $3, $4,
             $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
         ON CONFLICT (series, span, start, class) DO UPDATE
         SET l0 = l0 + excluded.l0, l1 = l1 + excluded.l1, l2 = l2 + excluded.l2,
             l3 = l3 + excluded.l3, l4 = l4 + excluded.l4, l5 = l5 + excluded.l5,
             l6 = l6 + excluded.l6, l7 = l7 + excluded.l7, l8 = l8 + excluded.l8,
             l9 = l9 + excluded.l9, l10 = l10 + excluded.l10, l11 = l11 + excluded.l11,
             l12 = l12 + excluded.l12, l13 = l13 + excluded.l13, l14 = l14 + excluded.l14,
             l15 = l15 + excluded.l15, l16 = l16 + excluded.l16, l17 = l17 + excluded.l17";

/// The series come first: each has its rows in one place of the table.
const SUM: &str = "SELECT (traffic.start - $2) / $3 AS step, traffic.class AS class,
             SUM(l0) AS l0, SUM(l1) AS l1, SUM(l2) AS l2, SUM(l3) AS l3, SUM(l4) AS l4, SUM(l5) AS l5, SUM(l6) AS l6, SUM(l7) AS l7, SUM(l8) AS l8, SUM(l9) AS l9, SUM(l10) AS l10, SUM(l11) AS l11, SUM(l12) AS l12, SUM(l13) AS l13, SUM(l14) AS l14, SUM(l15) AS l15, SUM(l16) AS l16, SUM(l17) AS l17
         FROM traffic_series AS s
         CROSS JOIN traffic ON traffic.series = s.id AND traffic.span = $1
             AND traffic.start >= $2 AND traffic.start < $4
         WHERE s.account = $5
             AND ($6 IS NULL OR s.gateway IN (SELECT value FROM json_each($6)))
             AND ($7 IS NULL OR s.provider IN (SELECT value FROM json_each($7)))
             AND ($8 IS NULL OR s.key IN (SELECT value FROM json_each($8)))
         GROUP BY step, traffic.class
         ORDER BY step, traffic.class";

impl TrafficStore for SqliteStore {
    fn save_traffic<'a>(&'a self, rows: &'a [TrafficRow]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.add_traffic(rows)
                .await
                .map_err(|failure| failure.registry("keep how many requests there were"))
        })
    }

    fn trim_traffic(
        &self,
        now: SystemTime,
        most_rows: u64,
    ) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            self.let_traffic_go(traffic_secs(now), most_rows)
                .await
                .map_err(|failure| failure.registry("let go of old counts of requests"))
        })
    }

    fn sum_traffic(&self, query: TrafficQuery) -> BoxFuture<'_, Result<TrafficSums, StoreError>> {
        Box::pin(async move {
            self.add_up(&query)
                .await
                .map_err(|failure| failure.registry("read how many requests there were"))
        })
    }
}

impl SqliteStore {
    async fn add_traffic(&self, rows: &[TrafficRow]) -> Result<(), Failure> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut transaction = self.door.pool.begin_with("BEGIN IMMEDIATE").await?;
        let mut known: HashMap<&TrafficSeries, i64> = HashMap::new();
        for row in rows {
            let series = match known.get(&row.series) {
                Some(id) => *id,
                None => {
                    let id = id_of(&mut transaction, &row.series).await?;
                    known.insert(&row.series, id);
                    id
                }
            };
            for span in TrafficSpan::ALL {
                add(&mut transaction, series, span, row).await?;
            }
        }
        Ok(transaction.commit().await?)
    }

    async fn let_traffic_go(&self, now: u64, most_rows: u64) -> Result<u64, Failure> {
        let mut transaction = self.door.pool.begin_with("BEGIN IMMEDIATE").await?;
        let connection = &mut *transaction;
        let (mut aged, mut dropped) = (0, 0);
        for span in TrafficSpan::ALL {
            let done = sqlx::query("DELETE FROM traffic WHERE span = $1 AND start < $2")
                .bind(signed(span.secs()))
                .bind(signed(span.kept_since(now)))
                .execute(&mut *connection)
                .await?;
            aged += done.rows_affected();
            dropped += drop_beyond(connection, span, most_rows / 2).await?;
        }
        if aged + dropped > 0 {
            sqlx::query(
                "DELETE FROM traffic_series
                 WHERE NOT EXISTS (SELECT 1 FROM traffic WHERE series = traffic_series.id)",
            )
            .execute(connection)
            .await?;
        }
        transaction.commit().await?;
        Ok(dropped)
    }

    async fn add_up(&self, query: &TrafficQuery) -> Result<TrafficSums, Failure> {
        let names = |names: Option<Vec<&str>>| names.map(list);
        let gateways = query.gateways.as_ref();
        let providers = query.providers.as_ref();
        let keys = query.keys.as_ref();
        let until = query.step.saturating_mul(query.steps);
        let mut transaction = self.read().await?;
        let rows = sqlx::query(SUM)
            .bind(signed(query.span.secs()))
            .bind(signed(query.since))
            .bind(signed(query.step.max(1)))
            .bind(signed(query.since.saturating_add(until)))
            .bind(query.account.to_string())
            .bind(names(
                gateways.map(|ids| ids.iter().map(GatewayId::as_str).collect()),
            ))
            .bind(names(providers.map(|slugs| {
                slugs.iter().map(ProviderSlug::as_str).collect()
            })))
            .bind(keys.map(|ids| list(ids.iter().map(ProviderKeyId::to_string))))
            .fetch_all(&mut *transaction)
            .await?;
        let dropped: Option<i64> =
            sqlx::query_scalar("SELECT until FROM traffic_dropped WHERE span = $1")
                .bind(signed(query.span.secs()))
                .fetch_optional(&mut *transaction)
                .await?;
        let sums: Option<Vec<_>> = rows.iter().map(parse).collect();
        Ok(TrafficSums {
            dropped_until: dropped.map_or(0, |until| u64::try_from(until).unwrap_or(0)),
            sums: sums.ok_or_else(|| Failure::damaged("a count of requests does not parse"))?,
        })
    }
}

/// The number of a series, which is made where there is none.
async fn id_of(connection: &mut SqliteConnection, series: &TrafficSeries) -> Result<i64, Failure> {
    let id = sqlx::query_scalar(
        "INSERT INTO traffic_series (account, gateway, provider, key) VALUES ($1, $2, $3, $4)
         ON CONFLICT (account, gateway, provider, key) DO UPDATE SET key = excluded.key
         RETURNING id",
    )
    .bind(series.account.to_string())
    .bind(series.gateway.as_str())
    .bind(series.provider.as_str())
    .bind(series.key.map_or_else(String::new, |key| key.to_string()))
    .fetch_one(connection)
    .await?;
    Ok(id)
}

async fn add(
    connection: &mut SqliteConnection,
    series: i64,
    span: TrafficSpan,
    row: &TrafficRow,
) -> Result<(), Failure> {
    let class = i64::try_from(row.class.index()).unwrap_or(i64::MAX);
    let mut query = sqlx::query(ADD)
        .bind(series)
        .bind(signed(span.secs()))
        .bind(signed(span.start(row.minute)))
        .bind(class);
    for count in row.latencies.counts() {
        query = query.bind(signed(*count));
    }
    query.execute(connection).await?;
    Ok(())
}

/// Whole spans go, the oldest first, until there are `most` rows at most. Returns how many rows went.
async fn drop_beyond(
    connection: &mut SqliteConnection,
    span: TrafficSpan,
    most: u64,
) -> Result<u64, Failure> {
    let last: Option<i64> = sqlx::query_scalar(
        "SELECT start FROM traffic WHERE span = $1 ORDER BY start DESC LIMIT 1 OFFSET $2",
    )
    .bind(signed(span.secs()))
    .bind(signed(most))
    .fetch_optional(&mut *connection)
    .await?;
    let Some(last) = last else {
        return Ok(0);
    };
    let done = sqlx::query("DELETE FROM traffic WHERE span = $1 AND start <= $2")
        .bind(signed(span.secs()))
        .bind(last)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO traffic_dropped (span, until) VALUES ($1, $2)
         ON CONFLICT (span) DO UPDATE SET until = max(until, excluded.until)",
    )
    .bind(signed(span.secs()))
    .bind(last.saturating_add(signed(span.secs())))
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

fn parse(row: &SqliteRow) -> Option<TrafficSum> {
    let columns = Columns(row);
    let class: i64 = columns.get("class")?;
    let mut counts = [0; Latencies::BUCKETS];
    // The buckets stand behind the step and the class.
    for (place, count) in (2..).zip(&mut counts) {
        let sum: i64 = row.try_get(place).ok()?;
        *count = u64::try_from(sum).ok()?;
    }
    Some(TrafficSum {
        step: u64::try_from(columns.get::<i64>("step")?).ok()?,
        class: TrafficClass::from_index(usize::try_from(class).ok()?)?,
        latencies: Latencies::from_counts(counts),
    })
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
