//! Every secret by account: names, scopes and comments, never values.
//!
//! The request path does not read it. It stands beside the snapshot and not in it, so that a change of one
//! secret copies no map of all of them.

use std::sync::{Arc, PoisonError, RwLock};

use keyward_secret::AccountId;
use keyward_vault::{SecretId, SecretRecord};
use rustc_hash::FxHashMap;

/// Every secret by account. Changed by the writer alone, before the snapshot that goes with it is published.
#[derive(Debug, Default)]
pub(crate) struct SecretList(RwLock<Accounts>);

type Accounts = FxHashMap<AccountId, FxHashMap<SecretId, Arc<SecretRecord>>>;

impl SecretList {
    /// Keeps the record; the one that is kept already where it is equal.
    pub(crate) fn put(&self, record: SecretRecord) -> Arc<SecretRecord> {
        let mut accounts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let secrets = accounts.entry(record.account).or_default();
        if let Some(known) = secrets.get(&record.id)
            && **known == record
        {
            return Arc::clone(known);
        }
        let record = Arc::new(record);
        secrets.insert(record.id, Arc::clone(&record));
        record
    }

    pub(crate) fn remove(&self, account: AccountId, id: SecretId) {
        let mut accounts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(secrets) = accounts.get_mut(&account) {
            secrets.remove(&id);
        }
    }

    pub(crate) fn find(&self, account: AccountId, id: SecretId) -> Option<Arc<SecretRecord>> {
        let accounts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        accounts.get(&account)?.get(&id).cloned()
    }

    /// The secrets of an account of which `is_wanted` holds, in no order.
    pub(crate) fn select(
        &self,
        account: AccountId,
        is_wanted: impl Fn(&SecretRecord) -> bool,
    ) -> Vec<Arc<SecretRecord>> {
        let accounts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let secrets = accounts
            .get(&account)
            .into_iter()
            .flat_map(|all| all.values());
        secrets
            .filter(|secret| is_wanted(secret))
            .cloned()
            .collect()
    }

    pub(crate) fn count(&self, account: AccountId) -> usize {
        let accounts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        accounts.get(&account).map_or(0, FxHashMap::len)
    }
}
