//! Rows are believed only with their authentication code.

use keyward_registry::{DecidingRow, RowAuthenticator, RowMac, Tampered};
use sqlx::sqlite::SqliteRow;

use crate::{column::Columns, failure::Failure};

/// A row that decides, as it stands in its table.
pub(crate) trait StoredRow: DecidingRow + Sized {
    /// Reads the columns. `None` where one is not in the form that a write gives it.
    fn parse(columns: Columns<'_>) -> Option<Self>;

    /// The id as it stands in the row, whatever it is.
    fn label(columns: Columns<'_>) -> String {
        columns.text("id").unwrap_or_default()
    }
}

/// The record of a row, if its code is right.
pub(crate) fn authentic<R: StoredRow>(
    row: &SqliteRow,
    keys: &RowAuthenticator,
) -> Result<R, Tampered> {
    let columns = Columns(row);
    let checked = || {
        let record = R::parse(columns)?;
        let revision = columns.get::<i64>("revision")?.cast_unsigned();
        let mac = RowMac::from_bytes(columns.get("mac")?)?;
        keys.verify(&record, revision, &mac).then_some(record)
    };
    checked().ok_or_else(|| Tampered {
        kind: R::KIND,
        id: R::label(columns),
    })
}

/// The same for a single look-up: a row that fails is reported at once, and is absent.
pub(crate) fn honoured<R: StoredRow>(row: &SqliteRow, keys: &RowAuthenticator) -> Option<R> {
    authentic(row, keys)
        .inspect_err(|Tampered { kind, id }| {
            tracing::error!(
                kind,
                id,
                "a row was changed outside Keyward and is not honoured"
            );
        })
        .ok()
}

/// The bytes of the code that goes into the row.
pub(crate) fn seal_row<R: StoredRow>(
    record: &R,
    keys: &RowAuthenticator,
    revision: i64,
) -> Result<Vec<u8>, Failure> {
    keys.mac(record, revision.cast_unsigned())
        .map(|mac| mac.to_bytes().to_vec())
        .ok_or_else(|| Failure::damaged("the keyring has no key"))
}
