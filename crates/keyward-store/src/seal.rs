//! The seal in its tables: the vault's id, the sealed keyring and the slots.

use keyward_vault::{SealState, Slot, VaultId};
use sqlx::sqlite::SqliteConnection;

use crate::{column::Columns, failure::Failure};

pub(crate) async fn load(connection: &mut SqliteConnection) -> Result<Option<SealState>, Failure> {
    let meta = sqlx::query("SELECT vault, keyring, revision FROM vault_meta")
        .fetch_optional(&mut *connection)
        .await?;
    let Some(meta) = meta else {
        return Ok(None);
    };
    let rows = sqlx::query("SELECT slot FROM slots ORDER BY position")
        .fetch_all(connection)
        .await?;
    let slots = rows.iter().map(|row| {
        let bytes: Vec<u8> = Columns(row)
            .get("slot")
            .ok_or_else(|| Failure::damaged("a slot has no bytes"))?;
        Slot::parse(&bytes).map_err(Failure::damaged)
    });
    let slots = slots.collect::<Result<Vec<_>, _>>()?;
    let meta = Columns(&meta);
    let state = (|| {
        Some(SealState {
            vault: VaultId::parse(meta.get("vault")?).ok()?,
            slots,
            keyring: meta.get::<Vec<u8>>("keyring")?.into(),
            revision: meta.get::<i64>("revision")?.cast_unsigned(),
        })
    })();
    state
        .map(Some)
        .ok_or_else(|| Failure::damaged("the seal does not parse"))
}

/// Replaces the seal that is at `expected`, and gives it the next revision. The caller holds a write
/// transaction.
pub(crate) async fn save(
    connection: &mut SqliteConnection,
    state: &SealState,
    expected: Option<u64>,
) -> Result<(), Failure> {
    let found: Option<i64> = sqlx::query_scalar("SELECT revision FROM vault_meta")
        .fetch_optional(&mut *connection)
        .await?;
    if found.map(i64::cast_unsigned) != expected {
        return Err(Failure::Conflict);
    }
    let revision = expected.unwrap_or(0).saturating_add(1);
    sqlx::query(
        "INSERT INTO vault_meta (one, vault, keyring, revision) VALUES (1, $1, $2, $3)
         ON CONFLICT (one) DO UPDATE
         SET vault = excluded.vault, keyring = excluded.keyring, revision = excluded.revision",
    )
    .bind(state.vault.to_string())
    .bind(&*state.keyring)
    .bind(revision.cast_signed())
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM slots")
        .execute(&mut *connection)
        .await?;
    for (position, slot) in (0_i64..).zip(&state.slots) {
        sqlx::query("INSERT INTO slots (position, slot) VALUES ($1, $2)")
            .bind(position)
            .bind(slot.to_bytes())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
