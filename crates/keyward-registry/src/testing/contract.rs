//! What every registry store promises.
#![expect(
    clippy::expect_used,
    reason = "the suite is test code: a store that fails must fail the test"
)]

mod audit;
mod budgets;
mod log_sums;
mod logs;
mod records;
mod routes;
mod secrets;
mod traffic;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use keyward_auth::{TokenDigest, TokenRecord};
use keyward_secret::AccountId;
use keyward_vault::{SecretId, SecretsStoreId, VersionRecord};

use self::records::{
    account, custom_provider, deletions, everything, full_key, gateway, key, secrets_store, token,
    token_id, value,
};
use crate::{
    Actor, AuditLine, Batch, Change, CustomProviderDetails, CustomProviderId, CustomProviderRecord,
    GatewayRecord, Loaded, ProviderKeyId, ProviderKeyRecord, RegistryStore, RouteChange, RouteId,
    RouteRecord, Row, SecretsStoreRecord, StoreError, Subject,
};

const ONE: AccountId = AccountId::from_bytes([0xa1; 16]);
const TWO: AccountId = AccountId::from_bytes([0xb2; 16]);
const SECRET: SecretId = SecretId::from_bytes([0x5e; 16]);

/// Runs every check, each on a new and empty store that `open` hands out.
///
/// # Panics
///
/// When a promise of [`RegistryStore`] is broken.
pub async fn run_contract(open: impl AsyncFn() -> Arc<dyn RegistryStore>) {
    empty_store(&*open().await).await;
    rows_come_back_as_they_were_put(&*open().await).await;
    a_put_replaces(&*open().await).await;
    the_feed_tells_each_subject_once(&*open().await).await;
    conflicts_write_nothing(&*open().await).await;
    deletion_needs_the_account(&*open().await).await;
    secrets::a_deleted_secret_takes_its_versions_along(&*open().await).await;
    secrets::a_replaced_version_keeps_its_row_without_its_value(&*open().await).await;
    secrets::what_a_rotation_keeps_is_loaded(&*open().await).await;
    routes::a_history_is_read_by_part(&*open().await).await;
    routes::a_deleted_route_takes_its_history_along(&*open().await).await;
    last_use_goes_forward_and_is_no_change(&*open().await).await;
    secrets::the_vaults_changes_reach_the_feed(&*open().await).await;
    audit::refused_attempts_are_no_change(&*open().await).await;
    audit::the_log_is_read_by_condition_and_page(&*open().await).await;
    budgets::what_was_spent_is_kept_until_it_is_past(&*open().await).await;
    budgets::of_budgets_all_is_kept_that_a_row_can_say(&*open().await).await;
    traffic::counts_add_up_by_step_and_class(&*open().await).await;
    traffic::only_what_is_asked_for_is_summed(&*open().await).await;
    traffic::minutes_and_hours_are_kept_for_their_time(&*open().await).await;
    traffic::beyond_the_most_rows_the_oldest_go(&*open().await).await;
    traffic::a_clock_that_is_set_back_loses_nothing(&*open().await).await;
    logs::entries_come_back_as_they_were_saved(&*open().await).await;
    logs::an_entry_is_saved_once(&*open().await).await;
    logs::a_full_gateway_takes_no_more(&*open().await).await;
    logs::entries_are_found_by_every_filter(&*open().await).await;
    logs::entries_are_listed_in_every_order_and_by_page(&*open().await).await;
    logs::ranges_span_all_pages(&*open().await).await;
    logs::entries_are_read_one_after_another(&*open().await).await;
    log_sums::entries_are_summed_up_by_step_and_group(&*open().await).await;
    log_sums::durations_are_counted_to_their_bounds(&*open().await).await;
    log_sums::only_so_many_entries_are_read(&*open().await).await;
    logs::an_entry_is_changed_where_it_is(&*open().await).await;
    logs::bodies_are_kept_apart_and_go_with_their_entry(&*open().await).await;
    logs::entries_are_deleted_by_filter_and_number(&*open().await).await;
    logs::the_oldest_entries_are_let_go_of(&*open().await).await;
}

async fn empty_store(store: &dyn RegistryStore) {
    let loaded = load(store).await;
    assert_eq!(loaded.revision, 0);
    assert!(loaded.accounts.is_empty() && loaded.gateways.is_empty());
    assert!(loaded.provider_keys.is_empty() && loaded.secrets.is_empty());
    assert!(loaded.secrets_stores.is_empty() && loaded.custom_providers.is_empty());
    assert!(loaded.tokens.is_empty() && loaded.tampered.is_empty());
    assert!(loaded.routes.is_empty());
    assert!(
        store
            .feed_after(0)
            .await
            .expect("a feed")
            .subjects
            .is_empty()
    );
    assert!(read(store, &Subject::Secret(ONE, SECRET)).await.is_none());
}

async fn rows_come_back_as_they_were_put(store: &dyn RegistryStore) {
    let value = value();
    let changes = everything(&value);
    let subjects: Vec<_> = changes.iter().map(Change::subject).collect();
    assert_eq!(commit(store, changes).await.expect("a commit"), 1);

    let loaded = load(store).await;
    assert_eq!(loaded.revision, 1);
    assert_eq!(loaded.accounts, [account()]);
    assert_eq!(loaded.gateways, [gateway()]);
    assert_eq!(loaded.provider_keys, [full_key()]);
    assert_eq!(loaded.secrets_stores, [secrets_store()]);
    assert_eq!(loaded.custom_providers, [custom_provider()]);
    assert_eq!(loaded.routes, [routes::deployed()]);
    assert_eq!(loaded.secrets, [(value.0.clone(), Some(value.1.clone()))]);
    assert_eq!(loaded.tokens, [token()]);
    assert!(loaded.tampered.is_empty());

    for subject in &subjects {
        match read(store, subject).await.expect("a row") {
            Row::Account(row) => assert_eq!(row, account()),
            Row::Gateway(row) => assert_eq!(row, gateway()),
            Row::ProviderKey(row) => assert_eq!(row, full_key()),
            Row::SecretsStore(row) => assert_eq!(row, secrets_store()),
            Row::CustomProvider(row) => assert_eq!(*row, custom_provider()),
            Row::Route(row) => assert_eq!(*row, routes::deployed()),
            Row::Secret(row) => assert_eq!(*row, (value.0.clone(), Some(value.1.clone()))),
            Row::Token(row) => assert_eq!(row, token()),
        }
    }
    let elsewhere = [
        Subject::Gateway(TWO, gateway().id),
        Subject::ProviderKey(TWO, full_key().id),
        Subject::SecretsStore(TWO, secrets_store().id),
        Subject::CustomProvider(TWO, custom_provider().id),
        Subject::Route(TWO, routes::route().id),
        Subject::Secret(TWO, SECRET),
        Subject::Token(TWO, token().id),
    ];
    for subject in elsewhere {
        assert!(read(store, &subject).await.is_none(), "{subject:?}");
    }
}

async fn a_put_replaces(store: &dyn RegistryStore) {
    let value = value();
    put(store, everything(&value)).await;
    let mut changed_gateway = gateway();
    changed_gateway.settings.authentication = false;
    changed_gateway.modified_at = time(500);
    let mut changed_key = key(1, "openai");
    changed_key.created_at = full_key().created_at;
    let changed_provider = CustomProviderRecord {
        enabled: false,
        details: CustomProviderDetails::default(),
        headers: None,
        ..custom_provider()
    };
    let mut changed_secret = value.0.clone();
    changed_secret.comment = String::new();
    // A secret of the store that every account begins with names it in no column and under no code.
    changed_secret.store = SecretsStoreId::first_of(ONE);
    let mut changed_store = secrets_store();
    changed_store.name = "renamed".to_owned();
    changed_store.modified_at = time(501);
    put(
        store,
        vec![
            Change::PutGateway(changed_gateway.clone()),
            Change::PutProviderKey(changed_key.clone()),
            Change::PutCustomProvider(Box::new(changed_provider.clone())),
            Change::PutSecretsStore(changed_store.clone()),
            Change::Vault(keyward_vault::Change::PutSecret(changed_secret.clone())),
        ],
    )
    .await;
    let loaded = load(store).await;
    assert_eq!(loaded.gateways, [changed_gateway]);
    assert_eq!(loaded.provider_keys, [changed_key]);
    assert_eq!(loaded.custom_providers, [changed_provider]);
    assert_eq!(loaded.secrets_stores, [changed_store]);
    assert_eq!(loaded.secrets, [(changed_secret, Some(value.1))]);
}

async fn the_feed_tells_each_subject_once(store: &dyn RegistryStore) {
    put(store, everything(&value())).await;
    put(store, vec![Change::PutAccount(account())]).await;
    let gateway_again = vec![Change::PutGateway(gateway()), Change::PutGateway(gateway())];
    put(store, gateway_again).await;

    let feed = store.feed_after(0).await.expect("a feed");
    assert_eq!(feed.revision, 3);
    let mut seen = feed.subjects.clone();
    seen.sort_by_key(|subject| (subject.kind(), subject.id()));
    seen.dedup();
    // One of every kind: versions and deployments have no subject of their own.
    assert_eq!((seen.len(), feed.subjects.len()), (8, 8));

    let feed = store.feed_after(1).await.expect("a feed");
    assert_eq!(feed.subjects.len(), 2);
    let feed = store.feed_after(2).await.expect("a feed");
    assert_eq!(feed.subjects, [Subject::Gateway(ONE, gateway().id)]);
    let feed = store.feed_after(3).await.expect("a feed");
    assert_eq!((feed.revision, feed.subjects.len()), (3, 0));
}

async fn conflicts_write_nothing(store: &dyn RegistryStore) {
    put(store, everything(&value())).await;
    let other_gateway = GatewayRecord {
        created_at: time(900),
        ..gateway()
    };
    let same_place = key(2, "openai");
    let foreign_id = ProviderKeyRecord {
        account: TWO,
        ..key(1, "openai")
    };
    let same_slug = CustomProviderRecord {
        id: CustomProviderId::from_bytes([0xcf; 16]),
        ..custom_provider()
    };
    let foreign_provider = CustomProviderRecord {
        account: TWO,
        ..custom_provider()
    };
    let orphan = VersionRecord {
        secret: SecretId::from_bytes([0xee; 16]),
        ..value().1
    };
    let same_name = SecretsStoreRecord {
        id: SecretsStoreId::from_bytes([0x58; 16]),
        ..secrets_store()
    };
    let same_digest = TokenRecord {
        id: token_id("000000000002"),
        retiring: None,
        ..token()
    };
    let same_retiring_digest = TokenRecord {
        id: token_id("000000000002"),
        digest: TokenDigest::from_bytes([9; 32]),
        ..token()
    };
    let same_route_name = RouteRecord {
        id: RouteId::from_bytes([0x60; 16]),
        ..routes::route()
    };
    let foreign_route = RouteRecord {
        account: TWO,
        ..routes::route()
    };
    let conflicting = [
        Change::Route(RouteChange::PutRoute(same_route_name)),
        Change::Route(RouteChange::PutRoute(foreign_route)),
        Change::Route(RouteChange::PutVersion(routes::version(1))),
        Change::Route(RouteChange::PutDeployment(routes::deployment(1))),
        Change::PutGateway(other_gateway),
        Change::PutProviderKey(same_place),
        Change::PutProviderKey(foreign_id),
        Change::PutCustomProvider(Box::new(same_slug)),
        Change::PutCustomProvider(Box::new(foreign_provider)),
        Change::PutSecretsStore(same_name),
        Change::Vault(keyward_vault::Change::PutVersion(orphan)),
        Change::Token(keyward_auth::Change::PutToken(same_digest)),
        Change::Token(keyward_auth::Change::PutToken(same_retiring_digest)),
    ];
    for change in conflicting {
        let subject = change.subject();
        let changes = vec![Change::PutProviderKey(key(3, "anthropic")), change];
        let error = commit(store, changes).await.expect_err("a conflict");
        assert!(error.is_conflict(), "{subject:?}: {error:?}");
        let loaded = load(store).await;
        assert_eq!((loaded.revision, loaded.provider_keys.len()), (1, 1));
        let feed = store.feed_after(1).await.expect("a feed");
        assert!(feed.subjects.is_empty(), "{subject:?}");
    }
}

async fn deletion_needs_the_account(store: &dyn RegistryStore) {
    put(store, everything(&value())).await;
    for (account, left) in [(TWO, 1), (ONE, 0), (ONE, 0)] {
        put(store, deletions(account)).await;
        let loaded = load(store).await;
        let counts = [
            loaded.gateways.len(),
            loaded.provider_keys.len(),
            loaded.secrets_stores.len(),
            loaded.custom_providers.len(),
            loaded.routes.len(),
            loaded.secrets.len(),
            loaded.tokens.len(),
        ];
        assert_eq!(counts, [left; 7]);
    }
    for change in deletions(ONE) {
        assert!(read(store, &change.subject()).await.is_none());
    }
    let feed = store.feed_after(2).await.expect("a feed");
    assert_eq!(feed.subjects.len(), 7);
}

async fn last_use_goes_forward_and_is_no_change(store: &dyn RegistryStore) {
    put(store, everything(&value())).await;
    let (key_id, token_id) = (full_key().id, token().id);
    for (at, kept) in [(10, 10), (5, 10), (11, 11)] {
        let unknown = ProviderKeyId::from_bytes([0xff; 16]);
        let keys = [(key_id, time(at)), (unknown, time(at))];
        let saved = store.save_last_used(&keys, &[(token_id, time(at))]).await;
        saved.expect("a save");
        let loaded = load(store).await;
        assert_eq!(loaded.revision, 1);
        assert_eq!(loaded.keys_last_used, [(key_id, time(kept))]);
        assert_eq!(loaded.tokens_last_used, [(token_id, time(kept))]);
    }
    put(store, vec![Change::PutProviderKey(full_key())]).await;
    let loaded = load(store).await;
    assert_eq!(loaded.keys_last_used, [(key_id, time(11))]);
    assert!(loaded.tampered.is_empty());
}

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_123 + seconds * 1_000)
}

async fn commit(store: &dyn RegistryStore, changes: Vec<Change>) -> Result<u64, StoreError> {
    let audit = AuditLine {
        at: time(100),
        actor: Actor::Command("contract"),
        action: "contract.change",
        subject: Subject::Account(ONE),
    };
    store.commit(Batch { changes, audit }).await
}

async fn put(store: &dyn RegistryStore, changes: Vec<Change>) {
    commit(store, changes).await.expect("a commit");
}

async fn load(store: &dyn RegistryStore) -> Loaded {
    store.load().await.expect("the rows")
}

async fn read(store: &dyn RegistryStore, subject: &Subject) -> Option<Row> {
    store.read(subject).await.expect("a look-up")
}
