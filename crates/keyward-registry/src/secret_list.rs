//! Every secret by account: names, scopes and comments, never values.
//!
//! The request path does not read it. It stands beside the snapshot and not in it, so that a change of one
//! secret copies no map of all of them.

use std::{
    collections::BTreeSet,
    hash::BuildHasher,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use keyward_secret::AccountId;
use keyward_vault::{SecretId, SecretRecord};
use rustc_hash::{FxBuildHasher, FxHashMap};

/// Every secret by account. Changed by the writer alone, before the snapshot that goes with it is published.
#[derive(Debug, Default)]
pub(crate) struct SecretList(RwLock<Accounts>);

type Accounts = FxHashMap<AccountId, Secrets>;

/// The secrets of an account.
#[derive(Debug, Default)]
struct Secrets {
    by_id: FxHashMap<SecretId, Arc<SecretRecord>>,
    /// By the hash of the name, so that no name is kept twice. Several secrets may have one.
    by_name: BTreeSet<(u64, SecretId)>,
}

impl Secrets {
    fn put(&mut self, record: Arc<SecretRecord>) {
        let (id, named) = (record.id, hash(&record.name));
        if let Some(known) = self.by_id.insert(id, record) {
            self.by_name.remove(&(hash(&known.name), id));
        }
        self.by_name.insert((named, id));
    }

    fn remove(&mut self, id: SecretId) {
        if let Some(known) = self.by_id.remove(&id) {
            self.by_name.remove(&(hash(&known.name), id));
        }
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Arc<SecretRecord>> {
        let hash = hash(name);
        let first = (hash, SecretId::from_bytes([0; 16]));
        let last = (hash, SecretId::from_bytes([0xff; 16]));
        let same_hash = self.by_name.range(first..=last);
        let found = same_hash.filter_map(|(_, id)| self.by_id.get(id));
        found.filter(move |secret| secret.name == name)
    }
}

fn hash(name: &str) -> u64 {
    FxBuildHasher.hash_one(name)
}

impl SecretList {
    /// Keeps the record; the one that is kept already where it is equal.
    pub(crate) fn put(&self, record: SecretRecord) -> Arc<SecretRecord> {
        let mut accounts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let secrets = accounts.entry(record.account).or_default();
        if let Some(known) = secrets.by_id.get(&record.id)
            && **known == record
        {
            return Arc::clone(known);
        }
        let record = Arc::new(record);
        secrets.put(Arc::clone(&record));
        record
    }

    pub(crate) fn remove(&self, account: AccountId, id: SecretId) {
        let mut accounts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(secrets) = accounts.get_mut(&account) {
            secrets.remove(id);
        }
    }

    pub(crate) fn find(&self, account: AccountId, id: SecretId) -> Option<Arc<SecretRecord>> {
        self.read().get(&account)?.by_id.get(&id).cloned()
    }

    /// The secrets of an account that have this name: one at most in each of its stores, but for old ones.
    pub(crate) fn named(&self, account: AccountId, name: &str) -> Vec<Arc<SecretRecord>> {
        let accounts = self.read();
        let secrets = accounts.get(&account).into_iter();
        secrets
            .flat_map(|secrets| secrets.named(name))
            .cloned()
            .collect()
    }

    /// The secrets of an account of which `is_wanted` holds, in no order.
    pub(crate) fn select(
        &self,
        account: AccountId,
        is_wanted: impl Fn(&SecretRecord) -> bool,
    ) -> Vec<Arc<SecretRecord>> {
        let accounts = self.read();
        let secrets = accounts
            .get(&account)
            .into_iter()
            .flat_map(|secrets| secrets.by_id.values());
        secrets
            .filter(|secret| is_wanted(secret))
            .cloned()
            .collect()
    }

    pub(crate) fn count(&self, account: AccountId) -> usize {
        let accounts = self.read();
        accounts
            .get(&account)
            .map_or(0, |secrets| secrets.by_id.len())
    }

    fn read(&self) -> RwLockReadGuard<'_, Accounts> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use keyward_secret::AccountId;
    use keyward_vault::{SecretId, SecretRecord, SecretsStoreId};

    use super::SecretList;

    const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);

    fn secret(id: u8, name: &str) -> SecretRecord {
        SecretRecord {
            id: SecretId::from_bytes([id; 16]),
            account: ACCOUNT,
            store: SecretsStoreId::first_of(ACCOUNT),
            name: name.to_owned(),
            comment: String::new(),
            scopes: Vec::new(),
            current: None,
            created_at: UNIX_EPOCH,
            modified_at: UNIX_EPOCH,
        }
    }

    #[test]
    fn a_name_finds_the_secrets_that_have_it_now() {
        let list = SecretList::default();
        for (id, name) in [(0, "one"), (0xff, "one"), (2, "two")] {
            list.put(secret(id, name));
        }
        let named = |name: &str| {
            let found = list.named(ACCOUNT, name).into_iter();
            found
                .map(|secret| secret.id.as_bytes()[0])
                .collect::<Vec<_>>()
        };
        assert_eq!((named("one"), named("two")), (vec![0, 0xff], vec![2]));
        list.put(secret(2, "one"));
        assert_eq!((named("one"), named("two")), (vec![0, 2, 0xff], vec![]));
        list.remove(ACCOUNT, SecretId::from_bytes([0; 16]));
        assert_eq!(named("one"), [2, 0xff]);
        assert!(list.named(AccountId::from_bytes([2; 16]), "one").is_empty());
        assert_eq!(list.count(ACCOUNT), 2);
    }
}
