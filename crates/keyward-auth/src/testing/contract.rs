//! What every token store promises.
#![expect(
    clippy::expect_used,
    reason = "the suite is test code: a store that fails must fail the test"
)]

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use keyward_secret::AccountId;

use crate::{
    Change, Classes, Grant, Kind, ModelPattern, Models, Network, Networks, Permission, Permissions,
    Retiring, Scope, TokenDigest, TokenId, TokenRecord, TokenStore,
};

/// The two accounts of the suite. A store that checks accounts must know both before it is handed in.
pub const ACCOUNTS: [AccountId; 2] = [ONE, TWO];

const ONE: AccountId = AccountId::from_bytes([0xa1; 16]);
const TWO: AccountId = AccountId::from_bytes([0xb2; 16]);

/// Runs every check, each on a new and empty store that `open` hands out.
///
/// # Panics
///
/// When a promise of [`TokenStore`] is broken.
pub async fn run_contract(open: impl AsyncFn() -> Arc<dyn TokenStore>) {
    empty_store(&*open().await).await;
    records_come_back_as_they_were_put(&*open().await).await;
    accounts_do_not_see_each_other(&*open().await).await;
    a_put_replaces_by_id(&*open().await).await;
    deletion_needs_the_account(&*open().await).await;
    changes_are_all_or_none(&*open().await).await;
    changes_keep_their_order(&*open().await).await;
    last_use_goes_forward_only(&*open().await).await;
}

async fn empty_store(store: &dyn TokenStore) {
    assert!(list(store, None).await.is_empty());
    assert_eq!(find(store, ONE, id(1)).await, None);
    assert!(used(store).await.is_empty());
    store.apply(Vec::new()).await.expect("nothing to change");
}

async fn records_come_back_as_they_were_put(store: &dyn TokenStore) {
    let mut records = [
        record(1, ONE),
        full_record(2, ONE),
        TokenRecord {
            kind: Kind::Api,
            ..record(3, ONE)
        },
    ];
    if let Some(last) = records.last_mut() {
        last.grant.permissions = Permission::ALL.into_iter().collect();
        last.grant.gateways = Scope::only::<&str>([]);
        last.grant.classes = Classes::from_bits(0);
        last.grant.disabled = true;
        last.name = "naïve \u{1f511} 'quoted' \"name\"; --".into();
    }
    for record in &records {
        put(store, record).await;
        let found = find(store, ONE, record.id).await;
        assert_eq!(found.as_ref(), Some(record));
    }
    let mut listed = list(store, Some(ONE)).await;
    listed.sort_by_key(|record| record.id);
    assert_eq!(listed, records);
}

async fn accounts_do_not_see_each_other(store: &dyn TokenStore) {
    put(store, &record(1, ONE)).await;
    put(store, &record(2, TWO)).await;
    assert_eq!(list(store, Some(ONE)).await, [record(1, ONE)]);
    assert_eq!(list(store, Some(TWO)).await, [record(2, TWO)]);
    assert_eq!(list(store, None).await.len(), 2);
    assert_eq!(find(store, TWO, id(1)).await, None);
}

async fn a_put_replaces_by_id(store: &dyn TokenStore) {
    put(store, &record(1, ONE)).await;
    let changed = TokenRecord {
        digest: TokenDigest::from_bytes([0xee; 32]),
        modified_at: time(500),
        ..full_record(1, ONE)
    };
    put(store, &changed).await;
    assert_eq!(list(store, None).await, [changed]);
    // The digest that was replaced is free.
    let heir = TokenRecord {
        digest: record(1, ONE).digest,
        ..record(2, ONE)
    };
    put(store, &heir).await;
}

async fn deletion_needs_the_account(store: &dyn TokenStore) {
    put(store, &record(1, ONE)).await;
    delete(store, TWO, id(1)).await;
    assert_eq!(find(store, ONE, id(1)).await, Some(record(1, ONE)));
    delete(store, ONE, id(1)).await;
    assert_eq!(find(store, ONE, id(1)).await, None);
    delete(store, ONE, id(1)).await;
}

async fn changes_are_all_or_none(store: &dyn TokenStore) {
    put(store, &record(1, ONE)).await;
    let same_digest = TokenRecord {
        digest: record(1, ONE).digest,
        ..record(2, ONE)
    };
    let same_id = TokenRecord {
        digest: record(9, TWO).digest,
        ..record(1, TWO)
    };
    let rolled = |number, account| TokenRecord {
        retiring: Some(Retiring {
            digest: TokenDigest::from_bytes([0xaa; 32]),
            until: time(50),
        }),
        ..record(number, account)
    };
    put(store, &rolled(1, ONE)).await;
    for conflicting in [same_digest, rolled(2, ONE), same_id] {
        let changes = vec![
            Change::PutToken(record(3, ONE)),
            Change::PutToken(conflicting),
        ];
        let error = store.apply(changes).await.expect_err("a conflict");
        assert!(error.is_conflict(), "{error:?}");
        assert_eq!(list(store, None).await, [rolled(1, ONE)]);
    }
}

async fn changes_keep_their_order(store: &dyn TokenStore) {
    put(store, &record(1, ONE)).await;
    let heir = TokenRecord {
        digest: record(1, ONE).digest,
        ..record(2, ONE)
    };
    let changes = vec![
        Change::DeleteToken {
            account: ONE,
            id: id(1),
        },
        Change::PutToken(heir.clone()),
        Change::PutToken(record(3, ONE)),
        Change::DeleteToken {
            account: ONE,
            id: id(3),
        },
    ];
    store.apply(changes).await.expect("no conflict in order");
    assert_eq!(list(store, None).await, [heir]);
}

async fn last_use_goes_forward_only(store: &dyn TokenStore) {
    put(store, &record(1, ONE)).await;
    put(store, &record(2, TWO)).await;
    assert!(used(store).await.is_empty());
    save(store, &[(id(1), time(10)), (id(7), time(10))]).await;
    assert_eq!(used(store).await, [(id(1), time(10))]);
    save(store, &[(id(1), time(5))]).await;
    assert_eq!(used(store).await, [(id(1), time(10))]);
    save(store, &[(id(2), time(3)), (id(1), time(11))]).await;
    assert_eq!(used(store).await, [(id(1), time(11)), (id(2), time(3))]);
    put(store, &full_record(1, ONE)).await;
    assert_eq!(used(store).await, [(id(1), time(11)), (id(2), time(3))]);
    delete(store, ONE, id(1)).await;
    put(store, &record(1, ONE)).await;
    assert_eq!(used(store).await, [(id(2), time(3))]);
}

fn id(number: u8) -> TokenId {
    let mut random = [0; 16];
    if let Some(last) = random.last_mut() {
        *last = number;
    }
    TokenId::from_random(random)
}

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

fn record(number: u8, account: AccountId) -> TokenRecord {
    TokenRecord {
        id: id(number),
        kind: Kind::Gateway,
        digest: TokenDigest::from_bytes([number; 32]),
        retiring: None,
        name: format!("token {number}"),
        grant: Grant::new(account, Permissions::from_iter([Permission::AiGatewayRun])),
        spend_limits: None,
        issued_at: time(0),
        modified_at: time(1),
    }
}

/// A record with no field at its default.
fn full_record(number: u8, account: AccountId) -> TokenRecord {
    let networks = |texts: &[&str]| -> Vec<Network> {
        texts
            .iter()
            .map(|text| Network::parse(text).expect("a network"))
            .collect()
    };
    let mut record = record(number, account);
    record.retiring = Some(Retiring {
        digest: TokenDigest::from_bytes([number ^ 0xff; 32]),
        until: time(300),
    });
    record.spend_limits = Some(r#"{"enabled":true,"rules":[]}"#.into());
    record.grant = Grant {
        gateways: Scope::only(["prod", "test"]),
        providers: Scope::only(["custom-mine", "openai"]),
        aliases: Scope::only(["default"]),
        classes: Classes::from_bits(0b101),
        models: Models::only(
            ["openai/gpt-5*", "workers-ai/**"]
                .map(|text| ModelPattern::parse(text).expect("a pattern")),
        ),
        networks: Networks {
            allow: networks(&["10.0.0.0/8", "2001:db8::/32"]),
            deny: networks(&["10.0.0.1"]),
        },
        not_before: Some(time(100)),
        expires_at: Some(time(200)),
        disabled: true,
        ..record.grant
    };
    record
}

async fn put(store: &dyn TokenStore, record: &TokenRecord) {
    let changes = vec![Change::PutToken(record.clone())];
    store.apply(changes).await.expect("a put");
}

async fn delete(store: &dyn TokenStore, account: AccountId, id: TokenId) {
    let changes = vec![Change::DeleteToken { account, id }];
    store.apply(changes).await.expect("a deletion");
}

async fn find(store: &dyn TokenStore, account: AccountId, id: TokenId) -> Option<TokenRecord> {
    store.find_token(account, id).await.expect("a look-up")
}

async fn list(store: &dyn TokenStore, account: Option<AccountId>) -> Vec<TokenRecord> {
    store.list_tokens(account).await.expect("a listing")
}

async fn save(store: &dyn TokenStore, used: &[(TokenId, SystemTime)]) {
    store.save_last_used(used).await.expect("a save");
}

async fn used(store: &dyn TokenStore) -> Vec<(TokenId, SystemTime)> {
    let mut used = store.list_last_used().await.expect("a listing");
    used.sort_unstable();
    used
}
