//! Every contract suite, on this store and on the one in memory.

use std::sync::{Arc, Mutex};

use keyward_auth::TokenStore;
use keyward_registry::{RegistryStore, testing::MemoryStore};
use keyward_store::SqliteStore;

use crate::support::Fixture;

/// Keeps the directories until the suite is over.
#[derive(Default)]
struct Stores(Mutex<Vec<Fixture>>);

impl Stores {
    async fn open(&self) -> Arc<SqliteStore> {
        let fixture = Fixture::new().await;
        let store = Arc::clone(&fixture.store);
        self.0.lock().unwrap().push(fixture);
        store
    }

    /// Whatever a suite did, every line of the audit log is genuine afterwards.
    async fn check_audit(self) {
        for fixture in self.0.into_inner().unwrap() {
            let verdict = fixture.store.verify_audit().await.unwrap();
            let lines = fixture.store.load().await.unwrap().revision;
            let whole = |verdict| matches!(verdict, keyward_store::AuditVerdict::Whole { lines: found } if found >= lines);
            assert!(whole(verdict), "{verdict:?}");
            fixture.store.close().await;
        }
    }
}

#[tokio::test]
async fn it_keeps_the_contract_of_the_registry() {
    let stores = Stores::default();
    keyward_registry::testing::run_contract(async || stores.open().await as Arc<dyn RegistryStore>)
        .await;
    stores.check_audit().await;
}

#[tokio::test]
async fn it_keeps_the_contract_of_auth() {
    let stores = Stores::default();
    keyward_auth::testing::run_contract(async || stores.open().await as Arc<dyn TokenStore>).await;
    stores.check_audit().await;
}

#[tokio::test]
async fn it_keeps_the_contract_of_the_vault() {
    let stores = Stores::default();
    keyward_vault::testing::run_contract(async || Delegate(stores.open().await)).await;
    stores.check_audit().await;
}

#[tokio::test]
async fn the_store_in_memory_keeps_the_contracts_too() {
    keyward_registry::testing::run_contract(async || {
        Arc::new(MemoryStore::new()) as Arc<dyn RegistryStore>
    })
    .await;
    keyward_vault::testing::run_contract(async || MemoryStore::new()).await;
}

/// The vault's suite takes a store by value.
#[derive(Debug)]
struct Delegate(Arc<SqliteStore>);

mod delegate {
    use keyward_secret::AccountId;
    use keyward_vault::{
        BoxFuture, Change, SealState, SecretId, SecretRecord, StoreError, VaultStore,
        VersionRecord, rotation::Rotation,
    };

    use super::Delegate;

    type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

    impl VaultStore for Delegate {
        fn load_seal(&self) -> Answer<'_, Option<SealState>> {
            self.0.load_seal()
        }

        fn save_seal(&self, state: SealState, expected: Option<u64>) -> Answer<'_, ()> {
            self.0.save_seal(state, expected)
        }

        fn find_secret(
            &self,
            account: AccountId,
            secret: SecretId,
        ) -> Answer<'_, Option<(SecretRecord, Option<VersionRecord>)>> {
            self.0.find_secret(account, secret)
        }

        fn find_secrets<'a>(
            &'a self,
            account: AccountId,
            secrets: &'a [SecretId],
        ) -> Answer<'a, Vec<(SecretRecord, Option<VersionRecord>)>> {
            self.0.find_secrets(account, secrets)
        }

        fn list_secrets(&self, account: AccountId) -> Answer<'_, Vec<SecretRecord>> {
            self.0.list_secrets(account)
        }

        fn list_versions(
            &self,
            account: AccountId,
            secret: SecretId,
        ) -> Answer<'_, Vec<VersionRecord>> {
            self.0.list_versions(account, secret)
        }

        fn find_rotation(
            &self,
            account: AccountId,
            secret: SecretId,
        ) -> Answer<'_, Option<Rotation>> {
            self.0.find_rotation(account, secret)
        }

        fn apply(&self, changes: Vec<Change>) -> Answer<'_, ()> {
            VaultStore::apply(&*self.0, changes)
        }
    }
}
