//! What a line wrote, row by row.

use std::fmt;

use keyward_registry::{
    Change, DecidingRow, RouteChange, RouteDeploymentRecord, RouteId, RouteRecord,
    RouteVersionRecord, row_digest,
};
use keyward_secret::AccountId;
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

/// The revision of a row, and the code that it was given there.
type At<'a> = (i64, Option<&'a [u8]>);

impl RowEntry {
    /// The row that `change` writes at `revision`, with the code that it was given there.
    pub(crate) fn of(change: &Change, revision: i64, mac: Option<&[u8]>) -> Self {
        use keyward_auth::Change as Token;
        use keyward_vault::Change as Vault;
        let at = (revision, mac);
        match change {
            Change::PutAccount(row) => Self::put(row, &row.id, row.id, at),
            Change::PutGateway(row) => Self::put(row, &row.id, row.account, at),
            Change::PutProviderKey(row) => Self::put(row, &row.id, row.account, at),
            Change::PutSecretsStore(row) => Self::put(row, &row.id, row.account, at),
            Change::PutCustomProvider(row) => Self::put(row.as_ref(), &row.id, row.account, at),
            Change::Route(change) => Self::of_route(change, at),
            Change::Vault(Vault::PutSecret(row)) => Self::put(row, &row.id, row.account, at),
            Change::Vault(Vault::PutVersion(row)) => {
                let id = format!("{}/{}", row.secret, row.number.get());
                Self::put(row, &id, row.account, at)
            }
            Change::Vault(Vault::PutRotation(row)) => {
                Self::put(row.as_ref(), &row.secret, row.account, at)
            }
            Change::Token(Token::PutToken(row)) => Self::put(row, &row.id, row.grant.account, at),
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

    fn of_route(change: &RouteChange, at: At<'_>) -> Self {
        let numbered = |route: &RouteId, number: u32| format!("{route}/{number}");
        match change {
            RouteChange::PutRoute(row) => Self::put(row, &row.id, row.account, at),
            RouteChange::PutVersion(row) => {
                Self::put(row, &numbered(&row.route, row.number), row.account, at)
            }
            RouteChange::PutDeployment(row) => {
                Self::put(row, &numbered(&row.route, row.number), row.account, at)
            }
            // Versions and deployments go with it.
            RouteChange::DeleteRoute { account, id } => {
                Self::removed(RouteRecord::KIND, account.to_string(), id.to_string())
            }
            RouteChange::DeleteVersion {
                account,
                route,
                number,
            } => {
                let id = numbered(route, *number);
                Self::removed(RouteVersionRecord::KIND, account.to_string(), id)
            }
            RouteChange::DeleteDeployment {
                account,
                route,
                number,
            } => {
                let id = numbered(route, *number);
                Self::removed(RouteDeploymentRecord::KIND, account.to_string(), id)
            }
        }
    }

    /// A row that was written.
    fn put<R: DecidingRow>(
        row: &R,
        id: &impl fmt::Display,
        account: AccountId,
        (revision, mac): At<'_>,
    ) -> Self {
        let digest = row_digest(row, revision.cast_unsigned());
        Self {
            kind: R::KIND.to_owned(),
            account: account.to_string(),
            id: id.to_string(),
            digest: Some(with_mac(&digest, mac)),
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
