//! The crate from outside: the contract suite on the store in memory, and a token's whole life.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use keyward_auth::{
    Change, Decision, Grant, Kind, Model, NewToken, Permission, Permissions, Reason, RunAsk,
    Status, TokenIndex, TokenRecord, TokenStore, TokenText, decide_run,
    testing::{ACCOUNTS, MemoryStore, run_contract},
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
    run(run_contract(async || {
        Arc::new(MemoryStore::new()) as Arc<dyn TokenStore>
    }));
}

#[test]
fn a_token_lives_from_minting_to_deletion() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let [account, _] = ACCOUNTS;
    let store = MemoryStore::new();

    let token = NewToken::generate(Kind::Gateway).unwrap();
    let mut record = TokenRecord {
        id: token.id,
        kind: Kind::Gateway,
        digest: token.digest,
        retiring: None,
        name: "production".into(),
        grant: Grant::new(account, Permissions::from_iter([Permission::AiGatewayRun])),
        spend_limits: None,
        issued_at: now,
        modified_at: now,
    };
    run(store.apply(vec![Change::PutToken(record.clone())])).unwrap();
    let index = TokenIndex::build(
        run(store.list_tokens(None)).unwrap(),
        run(store.list_last_used()).unwrap(),
    );

    let ask = RunAsk {
        account,
        gateway: "default",
        provider: "openai",
        alias: Some("default"),
        class: 1,
        model: Model::Named("gpt-5"),
        source: "127.0.0.1".parse().unwrap(),
    };
    let decide = |index: &TokenIndex, text: &[u8]| {
        let entry = index.find(&TokenText::parse(text).unwrap().digest(), now)?;
        entry.last_used.touch(1_800_000_000);
        Some(decide_run(
            entry.record.kind,
            &entry.record.grant,
            &ask,
            now,
        ))
    };
    let old = token.text;
    assert_eq!(decide(&index, old.expose()), Some(Decision::Allow));

    // Rolled: the old text is unknown at once, the id and the last use stay.
    let rolled = NewToken::roll(Kind::Gateway, record.id).unwrap();
    record.digest = rolled.digest;
    let index = index.with(record.clone());
    assert_eq!(decide(&index, old.expose()), None);
    assert_eq!(decide(&index, rolled.text.expose()), Some(Decision::Allow));
    let used: Vec<_> = index.used_since(now).collect();
    assert_eq!(used, [(token.id, now)]);
    run(store.save_last_used(&used)).unwrap();

    // Disabled.
    record.grant.disabled = true;
    assert_eq!(record.status(now), Status::Disabled);
    let index = index.with(record);
    assert_eq!(
        decide(&index, rolled.text.expose()),
        Some(Decision::Deny(Reason::Disabled))
    );

    // Deleted.
    let change = Change::DeleteToken {
        account,
        id: token.id,
    };
    run(store.apply(vec![change.clone()])).unwrap();
    assert_eq!(
        decide(&index.with_changes([change]), rolled.text.expose()),
        None
    );
}
