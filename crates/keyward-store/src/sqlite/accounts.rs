//! Accounts in their table. They decide nothing, so they carry no authentication code.

use keyward_registry::AccountRecord;
use keyward_secret::AccountId;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::{
    column::{Columns, millis},
    failure::Failure,
};

pub(crate) async fn put(
    connection: &mut SqliteConnection,
    record: &AccountRecord,
    revision: i64,
) -> Result<(), Failure> {
    sqlx::query(
        "INSERT INTO accounts (id, name, created_at, revision) VALUES ($1, $2, $3, $4)
         ON CONFLICT (id) DO UPDATE
         SET name = excluded.name, created_at = excluded.created_at, revision = excluded.revision",
    )
    .bind(record.id.to_string())
    .bind(&record.name)
    .bind(millis(record.created_at))
    .bind(revision)
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn find(
    connection: &mut SqliteConnection,
    id: AccountId,
) -> Result<Option<AccountRecord>, Failure> {
    let row = sqlx::query("SELECT * FROM accounts WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(parse).transpose()
}

pub(crate) async fn list(connection: &mut SqliteConnection) -> Result<Vec<AccountRecord>, Failure> {
    let rows = sqlx::query("SELECT * FROM accounts ORDER BY id")
        .fetch_all(connection)
        .await?;
    rows.iter().map(parse).collect()
}

pub(crate) fn parse(row: &SqliteRow) -> Result<AccountRecord, Failure> {
    let columns = Columns(row);
    let record = || {
        Some(AccountRecord {
            id: columns.parse("id")?,
            name: columns.text("name")?,
            created_at: columns.time("created_at")?,
        })
    };
    record().ok_or_else(|| Failure::damaged("an account does not parse"))
}
