//! Somebody edits the database by hand: what decides is not honoured, and is reported.

use keyward_registry::{
    AuditStore, Change, CustomProviderId, CustomProviderRecord, CustomSlug, Loaded, RegistryStore,
    Subject, Tampered,
};
use keyward_store::AuditVerdict;
use keyward_vault::SecretId;
use sqlx::Connection;

use crate::support::{
    ACCOUNT, Fixture, commit, gateway, key, new_secret, put_token, replacement, time, token,
};

const ONE: SecretId = SecretId::from_bytes([1; 16]);
const TWO: SecretId = SecretId::from_bytes([2; 16]);

/// One row of every kind; the first secret with two versions.
async fn fixture() -> Fixture {
    let fixture = Fixture::new().await;
    let Fixture { store, vault, .. } = &fixture;
    let mut changes = vec![
        Change::PutGateway(gateway("default")),
        Change::PutGateway(gateway("other")),
        Change::PutProviderKey(key(ONE)),
        put_token(token(1, "one")),
    ];
    changes.extend(new_secret(vault, ONE, "sk-one"));
    changes.extend(new_secret(vault, TWO, "sk-two"));
    commit(store, changes).await.unwrap();
    let changes = replacement(store, vault, ONE, "sk-one-again").await;
    commit(store, changes).await.unwrap();
    fixture
}

/// How many of each kind are honoured: gateways, provider keys, secrets, current versions, tokens.
fn counts(loaded: &Loaded) -> [usize; 5] {
    let versions = loaded
        .secrets
        .iter()
        .filter(|(_, version)| version.is_some());
    [
        loaded.gateways.len(),
        loaded.provider_keys.len(),
        loaded.secrets.len(),
        versions.count(),
        loaded.tokens.len(),
    ]
}

#[track_caller]
fn check(edit: &'static str, kind: &'static str, id: &str, honoured: [usize; 5]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut fixture = fixture().await;
        assert_eq!(
            counts(&fixture.store.load().await.unwrap()),
            [2, 1, 2, 2, 1]
        );
        let mut stranger = fixture.stranger().await;
        let edited = sqlx::query(edit).execute(&mut stranger).await.unwrap();
        assert_eq!(edited.rows_affected(), 1);
        stranger.close().await.unwrap();

        // While it runs, and after it was started again.
        for _round in 0..2 {
            let loaded = fixture.store.load().await.unwrap();
            let id = id.to_owned();
            assert_eq!(loaded.tampered, [Tampered { kind, id }], "{edit}");
            assert_eq!(counts(&loaded), honoured, "{edit}");
            fixture.reopen().await;
        }
    });
}

#[test]
fn a_token_with_more_permissions_than_it_was_given() {
    check(
        r#"UPDATE tokens SET permissions = '["AI Gateway Run","Keyward Vault Write"]'"#,
        "token",
        "000000000001",
        [2, 1, 2, 2, 0],
    );
}

#[test]
fn a_token_for_other_models_than_it_was_given() {
    check(
        r#"UPDATE tokens SET models = '["*/**"]'"#,
        "token",
        "000000000001",
        [2, 1, 2, 2, 0],
    );
}

#[test]
fn a_token_with_other_spend_limits_than_it_was_given() {
    check(
        r#"UPDATE tokens SET spend_limits = '{"rules":[]}'"#,
        "token",
        "000000000001",
        [2, 1, 2, 2, 0],
    );
}

#[test]
fn a_token_that_was_inserted() {
    check(
        "INSERT INTO tokens
         SELECT '000000000009', account, kind, randomblob(32), name, permissions, gateways,
             providers, aliases, classes, networks_allow, networks_deny, not_before, expires_at,
             disabled, issued_at, modified_at, revision, mac, last_used_at, NULL, NULL, NULL, NULL
             FROM tokens",
        "token",
        "000000000009",
        [2, 1, 2, 2, 1],
    );
}

#[test]
fn a_token_that_does_not_parse() {
    check(
        "UPDATE tokens SET classes = 70000",
        "token",
        "000000000001",
        [2, 1, 2, 2, 0],
    );
}

#[test]
fn a_secret_whose_current_version_was_changed() {
    check(
        "UPDATE secrets SET current = 1 WHERE id = '01010101010101010101010101010101'",
        "secret",
        "01010101010101010101010101010101",
        [2, 1, 1, 1, 1],
    );
}

#[test]
fn a_value_that_was_copied_to_another_secret() {
    check(
        "UPDATE secret_versions SET sealed = (SELECT sealed FROM secret_versions
             WHERE secret = '01010101010101010101010101010101' AND number = 2)
         WHERE secret = '02020202020202020202020202020202'",
        "secret_version",
        "02020202020202020202020202020202/1",
        [2, 1, 2, 1, 1],
    );
}

#[test]
fn a_secret_that_was_given_the_scope_of_gateways() {
    check(
        r#"UPDATE secrets SET scopes = '["ai_gateway","workers"]'
           WHERE id = '02020202020202020202020202020202'"#,
        "secret",
        "02020202020202020202020202020202",
        [2, 1, 1, 1, 1],
    );
}

#[test]
fn a_provider_key_that_was_moved_to_another_gateway() {
    check(
        "UPDATE provider_keys SET gateway = 'other'",
        "provider_key",
        "1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d",
        [2, 0, 2, 2, 1],
    );
}

#[test]
fn a_gateway_whose_authentication_was_switched_off() {
    check(
        r#"UPDATE gateways
           SET settings = replace(settings, '"authentication":true', '"authentication":false')
           WHERE id = 'default'"#,
        "gateway",
        "default",
        [1, 1, 2, 2, 1],
    );
}

#[test]
fn a_row_with_the_code_of_another_revision() {
    check(
        "UPDATE provider_keys SET revision = revision + 1",
        "provider_key",
        "1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d",
        [2, 0, 2, 2, 1],
    );
}

#[tokio::test]
async fn what_is_only_measured_is_under_no_code() {
    let fixture = fixture().await;
    let mut stranger = fixture.stranger().await;
    sqlx::query("UPDATE provider_keys SET last_used_at = 1, evidence = '{}'")
        .execute(&mut stranger)
        .await
        .unwrap();
    let loaded = fixture.store.load().await.unwrap();
    assert_eq!(counts(&loaded), [2, 1, 2, 2, 1]);
    assert_eq!(loaded.keys_last_used.len(), 1);
}

#[tokio::test]
async fn a_row_that_is_not_honoured_is_absent_and_can_be_made_anew() {
    let fixture = fixture().await;
    let store = &fixture.store;
    let put = |provider| Change::PutCustomProvider(Box::new(provider));
    commit(store, vec![put(custom_provider(1))]).await.unwrap();
    let mut stranger = fixture.stranger().await;
    for edit in [
        "UPDATE provider_keys SET expires_at = 1",
        "UPDATE gateways SET modified_at = 1 WHERE id = 'default'",
        "UPDATE custom_providers SET enabled = 0",
    ] {
        sqlx::query(edit).execute(&mut stranger).await.unwrap();
    }
    let key_row = Subject::ProviderKey(key(ONE).account, key(ONE).id);
    assert!(store.read(&key_row).await.unwrap().is_none());

    // Another id in the same place, another time for the same name.
    let mut anew = key(ONE);
    anew.id = keyward_registry::ProviderKeyId::from_bytes([0x77; 16]);
    let mut gateway = gateway("default");
    gateway.created_at = time(9);
    let provider = custom_provider(2);
    let changes = vec![
        Change::PutGateway(gateway),
        Change::PutProviderKey(anew.clone()),
        put(provider.clone()),
    ];
    commit(store, changes).await.unwrap();
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.tampered, []);
    assert_eq!(loaded.provider_keys, [anew]);
    assert_eq!(loaded.custom_providers, [provider]);
    assert_eq!(loaded.gateways.len(), 2);
    // The log tells of the rows that went, so that it is whole again, and is signed.
    assert_eq!(store.check_audit().await.unwrap().findings, []);
}

/// The same slug under each number.
fn custom_provider(number: u8) -> CustomProviderRecord {
    CustomProviderRecord {
        id: CustomProviderId::from_bytes([number; 16]),
        account: ACCOUNT,
        slug: CustomSlug::parse("mine").unwrap(),
        base_url: "https://llm.example".parse().unwrap(),
        placement: "Authorization: Bearer".parse().unwrap(),
        enabled: true,
        details: keyward_registry::CustomProviderDetails::default(),
        headers: None,
        headers_sealed: 0,
        created_at: time(6),
        modified_at: time(6),
    }
}

#[tokio::test]
async fn the_audit_log_tells_where_it_was_touched() {
    for (edit, seq) in [
        ("UPDATE audit SET actor = 'command other' WHERE seq = 2", 2),
        ("UPDATE audit SET at = at + 1 WHERE seq = 1", 1),
        (
            "UPDATE audit SET rows_digest = zeroblob(32) WHERE seq = 3",
            3,
        ),
        ("DELETE FROM audit WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq = 2", 2),
    ] {
        let fixture = fixture().await;
        commit(&fixture.store, vec![put_token(token(2, "two"))])
            .await
            .unwrap();
        let verdict = fixture.store.verify_audit().await.unwrap();
        assert_eq!(verdict, AuditVerdict::Whole { lines: 3 });
        let mut stranger = fixture.stranger().await;
        sqlx::query(edit).execute(&mut stranger).await.unwrap();
        let verdict = fixture.store.verify_audit().await.unwrap();
        assert_eq!(verdict, AuditVerdict::BrokenAt { seq }, "{edit}");
    }
}
