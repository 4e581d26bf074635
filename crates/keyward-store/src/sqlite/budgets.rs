//! What was spent of budgets, in its table.

use std::time::{SystemTime, UNIX_EPOCH};

use keyward_registry::{BoxFuture, BudgetStore, StoreError};
use keyward_routes::{BudgetRow, BudgetWindow, CounterKey, Money};
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use crate::{column::Columns, failure::Failure};

const SAVE: &str = "INSERT INTO budgets (counter, span, number, spent, spent_before, reserved,
             reserved_before, expires_at, past_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (counter) DO UPDATE
         SET span = excluded.span, number = excluded.number, spent = excluded.spent,
             spent_before = excluded.spent_before, reserved = excluded.reserved,
             reserved_before = excluded.reserved_before, expires_at = excluded.expires_at,
             past_at = excluded.past_at";

impl BudgetStore for SqliteStore {
    fn save_budgets<'a>(
        &'a self,
        rows: &'a [BudgetRow],
        now: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.keep_budgets(rows, milliseconds(now))
                .await
                .map_err(|failure| failure.registry("keep what was spent of budgets"))
        })
    }

    fn load_budgets(&self, now: SystemTime) -> BoxFuture<'_, Result<Vec<BudgetRow>, StoreError>> {
        Box::pin(async move {
            self.find_budgets(milliseconds(now))
                .await
                .map_err(|failure| failure.registry("read what was spent of budgets"))
        })
    }
}

impl SqliteStore {
    async fn keep_budgets(&self, rows: &[BudgetRow], now: i64) -> Result<(), Failure> {
        let mut transaction = self.door.pool.begin_with("BEGIN IMMEDIATE").await?;
        for row in rows {
            sqlx::query(SAVE)
                .bind(row.key.to_bytes().to_vec())
                .bind(row.window.code())
                .bind(signed(row.number))
                .bind(signed(row.spent.nanos()))
                .bind(signed(row.spent_before.nanos()))
                .bind(signed(row.reserved.nanos()))
                .bind(signed(row.reserved_before.nanos()))
                .bind(signed(row.expires_ms))
                .bind(signed(row.past_at_ms()))
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query("DELETE FROM budgets WHERE past_at <= $1")
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    async fn find_budgets(&self, now: i64) -> Result<Vec<BudgetRow>, Failure> {
        let mut transaction = self.read().await?;
        let rows = sqlx::query("SELECT * FROM budgets WHERE past_at > $1")
            .bind(now)
            .fetch_all(&mut *transaction)
            .await?;
        let rows: Option<Vec<_>> = rows.iter().map(parse).collect();
        rows.ok_or_else(|| Failure::damaged("a counter of a budget does not parse"))
    }
}

fn parse(row: &SqliteRow) -> Option<BudgetRow> {
    let columns = Columns(row);
    let number = |name| u64::try_from(columns.get::<i64>(name)?).ok();
    let money = |name| number(name).map(Money::from_nanos);
    let key: Vec<u8> = columns.get("counter")?;
    Some(BudgetRow {
        key: CounterKey::from_bytes(key.try_into().ok()?),
        window: BudgetWindow::from_code(columns.get("span")?)?,
        number: number("number")?,
        spent: money("spent")?,
        spent_before: money("spent_before")?,
        reserved: money("reserved")?,
        reserved_before: money("reserved_before")?,
        expires_ms: number("expires_at")?,
    })
}

fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// No amount of what can be spent comes near the end of these numbers.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
