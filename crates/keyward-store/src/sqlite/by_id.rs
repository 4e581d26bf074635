//! Looking up, listing and deleting, for every table whose rows stand under an account and an id.

use std::{fmt, time::SystemTime};

use keyward_registry::{RowAuthenticator, Tampered};
use keyward_secret::AccountId;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::authentic::{StoredRow, authentic, honoured};
use crate::{column::Columns, failure::Failure};

/// A row that stands under its account (`$1`) and its id (`$2`).
pub(crate) trait RowById: StoredRow {
    /// Its id; the column holds the text.
    type Id: fmt::Display;

    /// Selects the one row.
    const FIND: &'static str;
    /// Selects all rows of all accounts.
    const LIST: &'static str;
    /// Deletes the one row.
    const DELETE: &'static str;
}

/// Implements [`RowById`] for the rows of a table.
macro_rules! row_by_id {
    ($record:ty, $id:ty, $table:literal) => {
        impl $crate::sqlite::by_id::RowById for $record {
            type Id = $id;

            const FIND: &'static str =
                concat!("SELECT * FROM ", $table, " WHERE account = $1 AND id = $2");
            const LIST: &'static str = concat!("SELECT * FROM ", $table, " ORDER BY account, id");
            const DELETE: &'static str =
                concat!("DELETE FROM ", $table, " WHERE account = $1 AND id = $2");
        }
    };
}
pub(crate) use row_by_id;

/// A row, and when it was last used.
pub(crate) type Listed<R> = (R, Option<SystemTime>);

/// One row; one that is not honoured is reported, and absent.
pub(crate) async fn find<R: RowById>(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    account: AccountId,
    id: &R::Id,
) -> Result<Option<R>, Failure> {
    let row = sqlx::query(R::FIND)
        .bind(account.to_string())
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    Ok(row.and_then(|row| honoured(&row, keys)))
}

/// Every row, each with whether it is honoured.
pub(crate) async fn list<R: RowById>(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
) -> Result<Vec<Result<R, Tampered>>, Failure> {
    let rows = sqlx::query(R::LIST).fetch_all(connection).await?;
    Ok(rows.iter().map(|row| authentic(row, keys)).collect())
}

/// As [`list`], of a table that keeps when its rows were last used.
pub(crate) async fn list_used<R: RowById>(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
) -> Result<Vec<Result<Listed<R>, Tampered>>, Failure> {
    let rows = sqlx::query(R::LIST).fetch_all(connection).await?;
    let listed = rows.iter().map(|row| {
        let record = authentic(row, keys)?;
        Ok((record, Columns(row).optional_time("last_used_at").flatten()))
    });
    Ok(listed.collect())
}

/// Deletes the row, if it is there.
pub(crate) async fn delete<R: RowById>(
    connection: &mut SqliteConnection,
    account: AccountId,
    id: &R::Id,
) -> Result<(), Failure> {
    sqlx::query(R::DELETE)
        .bind(account.to_string())
        .bind(id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes a row of the account that is there and not honoured, so that it keeps its place from none that is. Returns
/// its id.
pub(crate) async fn clear<R: RowById>(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    account: AccountId,
    row: Option<SqliteRow>,
) -> Result<Option<String>, Failure> {
    let spoilt = row.filter(|row| honoured::<R>(row, keys).is_none());
    let Some(id) = spoilt.map(|row| R::label(Columns(&row))) else {
        return Ok(None);
    };
    sqlx::query(R::DELETE)
        .bind(account.to_string())
        .bind(&id)
        .execute(connection)
        .await?;
    Ok(Some(id))
}
