//! The crate from outside: the contract suite on the store in memory, and a secret's whole life.

#[cfg(test)]
mod life;
#[cfg(test)]
mod slots;

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use keyward_secret::{Destination, Origin, SecretBytes};
use keyward_vault::{
    Change, KeyFile, PassphraseParams, Policy, RecordId, SecretId, SecretRecord, SecretsStoreId,
    Slot, Unlock, Vault, VaultStore, VersionNumber, VersionState,
    testing::{ACCOUNTS, MemoryStore, run_contract},
    version,
};

/// Runs a future of the store in memory, which never waits.
fn run<T>(future: impl Future<Output = T>) -> T {
    let polled = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(value) = polled else {
        unreachable!("the store in memory waited")
    };
    value
}

#[test]
fn the_store_in_memory_keeps_the_contract() {
    run(run_contract(async || MemoryStore::new()));
}

#[test]
fn a_secret_lives_from_entry_to_deletion_in_a_vault_that_is_unsealed_again() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let [account, _] = ACCOUNTS;
    let store: Arc<dyn VaultStore> = Arc::new(MemoryStore::new());
    let origin = Origin::parse("https://api.openai.com").unwrap();
    let policy = Policy {
        destination: Some(Destination::parse(["https://api.openai.com"]).unwrap()),
        context: Box::default(),
    };

    // A new vault, whose seal is stored under a key file.
    let (vault, root) = Vault::create().unwrap();
    let file = KeyFile::generate().unwrap();
    let params = PassphraseParams::default();
    let slot = Slot::wrap(1, vault.id(), &root, &Unlock::KeyFile(&file), params).unwrap();
    let state = vault.seal_state(&root, vec![slot]).unwrap();
    run(store.save_seal(state, None)).unwrap();

    // A value is entered.
    let secret = SecretRecord {
        id: SecretId::random().unwrap(),
        account,
        store: SecretsStoreId::first_of(account),
        name: "default_openai_default".to_owned(),
        comment: String::new(),
        scopes: vec!["ai_gateway".to_owned()],
        current: None,
        created_at: now,
        modified_at: now,
    };
    let record_id = |version| RecordId {
        account,
        secret: secret.id,
        version,
    };
    let seal = |vault: &Vault, version, value: &[u8]| {
        let value = SecretBytes::copy_from(value);
        vault.seal(&record_id(version), &policy, &value).unwrap()
    };
    let sealed = seal(&vault, VersionNumber::FIRST, b"sk-one");
    run(store.apply(version::create(secret.clone(), sealed, String::new(), now))).unwrap();
    drop((vault, root));

    // Another process unseals with the same key file, and with no other.
    let state = run(store.load_seal()).unwrap().unwrap();
    let other = KeyFile::generate().unwrap();
    let refused = Vault::unseal(&state, &Unlock::KeyFile(&other)).unwrap_err();
    assert!(refused.is_wrong_unlock());
    let vault = Vault::unseal(&state, &Unlock::KeyFile(&file)).unwrap();
    let open = |number| {
        let (_, current) = run(store.find_secret(account, secret.id)).unwrap().unwrap();
        let current = current.unwrap();
        assert_eq!(current.number, number);
        let sealed = current.sealed.unwrap();
        vault.open(&sealed, &record_id(number), &origin).unwrap()
    };
    assert_eq!(open(VersionNumber::FIRST).value.expose(), b"sk-one");

    // Replaced: the old bytes are gone.
    let (found, current) = run(store.find_secret(account, secret.id)).unwrap().unwrap();
    let next = version::next_number(&found, current.as_slice()).unwrap();
    let sealed = seal(&vault, next, b"sk-two");
    let changes = version::replace(&found, current.as_slice(), sealed, String::new(), now).unwrap();
    run(store.apply(changes)).unwrap();
    assert_eq!(open(next).value.expose(), b"sk-two");
    let versions = run(store.list_versions(account, secret.id)).unwrap();
    let left: Vec<_> = versions
        .iter()
        .map(|version| (version.state, version.sealed.is_some()))
        .collect();
    assert_eq!(
        left,
        [
            (VersionState::Destroyed, false),
            (VersionState::Current, true)
        ]
    );

    // Deleted.
    let change = Change::DeleteSecret {
        account,
        secret: secret.id,
    };
    run(store.apply(vec![change])).unwrap();
    assert_eq!(run(store.find_secret(account, secret.id)).unwrap(), None);
}
