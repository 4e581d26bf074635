//! Keeping what the provider's answers say of a key.

use std::time::SystemTime;

use keyward_secret::AccountId;
use keyward_vault::{SecretId, VersionNumber};

use super::rotations::subject_of;
use crate::{Actor, Change, ChangeError, KeyStatus, ProviderKeyRecord, Registry};

/// Why a key has its status. Never a word of an answer's body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "whoever judges says both")]
pub struct StatusReason {
    /// In words.
    pub text: String,
    /// The status code of the answer that decided it.
    pub code: Option<u16>,
}

impl Registry {
    /// Keeps the status of every provider key that uses this version of the secret as its current one. Where it is
    /// kept already, or the version is current no more, nothing is written.
    ///
    /// # Errors
    ///
    /// The store's failure.
    pub async fn set_key_status(
        &self,
        account: AccountId,
        secret: SecretId,
        version: VersionNumber,
        status: KeyStatus,
        why: Option<StatusReason>,
        now: SystemTime,
    ) -> Result<(), ChangeError> {
        let _turn = self.turn().await?;
        let snapshot = self.snapshot();
        let (text, code) = why.map_or((None, None), |why| (Some(why.text), why.code));
        let is_current = |key: &&std::sync::Arc<crate::ProviderKey>| {
            let current = key.current.as_ref();
            current.is_some_and(|current| current.version == version)
        };
        let changed = snapshot.keys_of_secret(account, secret).filter(is_current);
        let changed = changed.filter_map(|key| {
            let record = &key.record;
            let since = match record.status == status {
                true => record.status_since,
                false => Some(now),
            };
            let judged = ProviderKeyRecord {
                status,
                status_reason: text.clone(),
                status_code: code,
                status_since: since,
                ..record.clone()
            };
            (judged != *record).then_some(Change::PutProviderKey(judged))
        });
        let changes: Vec<_> = changed.collect();
        if changes.is_empty() {
            return Ok(());
        }
        let subject = subject_of(&snapshot, account, secret);
        let action = "provider_key.status";
        Ok(self
            .commit(changes, Actor::System, action, subject, now)
            .await?)
    }
}
