//! What a line wrote, row by row.

use keyward_registry::{Change, DecidingRow, row_digest};
use keyward_vault::SealState;
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteRow;

use super::line::put;
use crate::column::Columns;

/// One row that a write made, replaced or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowEntry {
    pub(crate) kind: String,
    /// Empty: the vault.
    pub(crate) account: String,
    pub(crate) id: String,
    /// The digest of the row with its code. `None`: it was removed.
    pub(crate) digest: Option<Vec<u8>>,
}

impl RowEntry {
    /// The row that `change` writes at `revision`, with the code that it was given there.
    pub(crate) fn of(change: &Change, revision: i64, mac: Option<&[u8]>) -> Self {
        use keyward_auth::Change as Token;
        use keyward_vault::Change as Vault;
        let put = |id: String, account: String, digest: (&str, [u8; 32])| Self {
            kind: digest.0.to_owned(),
            account,
            id,
            digest: Some(with_mac(&digest.1, mac)),
        };
        match change {
            Change::PutAccount(row) => {
                put(row.id.to_string(), row.id.to_string(), of(row, revision))
            }
            Change::PutGateway(row) => put(
                row.id.to_string(),
                row.account.to_string(),
                of(row, revision),
            ),
            Change::PutProviderKey(row) => put(
                row.id.to_string(),
                row.account.to_string(),
                of(row, revision),
            ),
            Change::PutSecretsStore(row) => put(
                row.id.to_string(),
                row.account.to_string(),
                of(row, revision),
            ),
            Change::PutCustomProvider(row) => put(
                row.id.to_string(),
                row.account.to_string(),
                of(row.as_ref(), revision),
            ),
            Change::Vault(Vault::PutSecret(row)) => put(
                row.id.to_string(),
                row.account.to_string(),
                of(row, revision),
            ),
            Change::Vault(Vault::PutVersion(row)) => put(
                format!("{}/{}", row.secret, row.number.get()),
                row.account.to_string(),
                of(row, revision),
            ),
            Change::Vault(Vault::PutRotation(row)) => put(
                row.secret.to_string(),
                row.account.to_string(),
                of(row.as_ref(), revision),
            ),
            Change::Token(Token::PutToken(row)) => put(
                row.id.to_string(),
                row.grant.account.to_string(),
                of(row, revision),
            ),
            // Versions and rotation go with their secret.
            Change::DeleteGateway { .. }
            | Change::DeleteProviderKey { .. }
            | Change::DeleteSecretsStore { .. }
            | Change::DeleteCustomProvider { .. }
            | Change::Vault(Vault::DeleteSecret { .. })
            | Change::Token(Token::DeleteToken { .. }) => {
                let subject = change.subject();
                Self::removed(subject.kind(), subject.account().to_string(), subject.id())
            }
        }
    }

    /// A row that was removed.
    pub(crate) fn removed(kind: &str, account: String, id: String) -> Self {
        Self {
            kind: kind.to_owned(),
            account,
            id,
            digest: None,
        }
    }

    /// The seal of the vault.
    pub(crate) fn seal(state: &SealState) -> Self {
        let mut digest = Sha256::new();
        put(&mut digest, &state.keyring);
        for slot in &state.slots {
            put(&mut digest, &slot.to_bytes());
        }
        Self {
            kind: "vault".to_owned(),
            account: String::new(),
            id: state.vault.to_string(),
            digest: Some(digest.finalize().to_vec()),
        }
    }

    pub(crate) fn parse(row: &SqliteRow) -> Option<(i64, Self)> {
        let columns = Columns(row);
        let entry = Self {
            kind: columns.text("kind")?,
            account: columns.text("account")?,
            id: columns.text("id")?,
            digest: columns.get("digest")?,
        };
        Some((columns.get("seq")?, entry))
    }
}

fn of<R: DecidingRow>(row: &R, revision: i64) -> (&'static str, [u8; 32]) {
    (R::KIND, row_digest(row, revision.cast_unsigned()))
}

/// The digest of a row with its code: neither can be changed alone.
pub(crate) fn with_mac(digest: &[u8; 32], mac: Option<&[u8]>) -> Vec<u8> {
    let mut both = Sha256::new();
    put(&mut both, digest);
    put(&mut both, mac.unwrap_or_default());
    both.finalize().to_vec()
}

/// What the line says of all of them together.
pub(crate) fn digest_of_entries(entries: &[RowEntry]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for entry in entries {
        for text in [&entry.kind, &entry.account, &entry.id] {
            put(&mut digest, text.as_bytes());
        }
        put(&mut digest, entry.digest.as_deref().unwrap_or_default());
    }
    digest.finalize().into()
}
