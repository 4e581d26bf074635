//! Secrets stores and the secrets in them.

use keyward_auth::Permission;
use keyward_control::Config;
use keyward_registry::SecretLimits;
use serde_json::{Value, json};

use super::{browser::Browser, records::secret_of};
use crate::support::{CANARY, Harness, OURS, keys, secret, stores};

async fn secrets_of(harness: &Harness, store: &str) -> Value {
    let answer = harness
        .get(&format!("{}/{store}/secrets", stores(OURS)))
        .await;
    answer.result().clone()
}

#[tokio::test]
async fn a_store_is_made_filled_and_deleted_with_what_it_holds() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser
        .get("/secrets")
        .await
        .shows("Make store")
        .shows("0 secrets are stored");
    browser.get("/secrets/new").await;
    let refused = browser.post("/secrets/new", &[("name", " ")]).await;
    assert_eq!(refused.status, 400);
    refused
        .shows(r#"id="name-error""#)
        .shows("a name is required")
        .lacks("store_name_empty");
    let made = browser.post("/secrets/new", &[("name", "team & co")]).await;
    let page = browser.get(made.to()).await;
    page.shows("The store is made")
        .shows("team &#38; co")
        .shows("No secrets in this store yet");
    let (path, _) = made.to().split_once('?').unwrap();
    let twice = browser.post("/secrets/new", &[("name", "team & co")]).await;
    assert_eq!(twice.status, 409);
    twice
        .shows(r#"id="name-error""#)
        .shows(r#"value="team &#38; co""#);

    let fields = [
        ("name", "default_openai_default"),
        ("value", &format!("{}\n", secret())),
        ("scopes", "ai_gateway"),
        ("scopes", "workers"),
        ("comment", "of the team"),
    ];
    let stored = browser.post(&format!("{path}/new"), &fields).await;
    browser
        .get(stored.to())
        .await
        .shows("The secret is stored")
        .shows("https://api.openai.com")
        .shows("of the team")
        .shows(r#"<span class="tag">workers</span>"#)
        .shows("no provider key")
        .lacks("No gateway can inject")
        .lacks("wxyz");
    browser.get("/secrets").await.shows("1 secret is stored");

    let delete = format!("{path}/delete");
    browser
        .get(&delete)
        .await
        .shows("The secret in it is")
        .shows("default_openai_default")
        .shows(r#"name="force""#);
    let wrong = browser
        .post(&delete, &[("typed", "team"), ("force", "1")])
        .await;
    assert_eq!(wrong.status, 400);
    wrong.shows("that is not its name");
    // A page that told of no secret deletes none.
    let unseen = browser.post(&delete, &[("typed", "team & co")]).await;
    assert_eq!(unseen.status, 409);
    unseen
        .shows("1 secrets stand in this store")
        .lacks("store_not_empty");
    let deleted = browser
        .post(&delete, &[("typed", "team & co"), ("force", "1")])
        .await;
    browser
        .get(deleted.to())
        .await
        .shows("The store is deleted")
        .lacks("team &#38;");
    assert_eq!(browser.get(path).await.status, 404);
}

#[tokio::test]
async fn a_secret_that_is_refused_keeps_what_was_typed_but_the_value() {
    let harness = Harness::new().await;
    let (store, _) = secret_of(&harness, "").await;
    let browser = Browser::signed_in(&harness).await;
    let path = format!("/secrets/{store}/new");
    browser
        .get(&path)
        .await
        .shows("GATEWAY_PROVIDER_ALIAS")
        .shows(r#"value="ai_gateway" checked"#);
    let value = secret();
    let blank = format!("{value} {value}");
    for (field, typed) in [
        ("name", ""),
        ("name", "not a name"),
        ("value", ""),
        ("value", blank.as_str()),
        ("scopes", ""),
    ] {
        let fields = [
            ("name", "default_openai_default"),
            ("value", value.as_str()),
            ("scopes", "ai_gateway"),
            ("comment", "kept & shown"),
        ];
        let mut fields = fields
            .map(|(known, was)| (known, if known == field { typed } else { was }))
            .to_vec();
        fields.retain(|(known, value)| *known != "scopes" || !value.is_empty());
        let page = browser.post(&path, &fields).await;
        assert_eq!(page.status, 400, "{field} {typed}: {}", page.text);
        page.shows(&format!(r#"<p class="error" id="{field}-error">"#))
            .shows(r#"value="kept &#38; shown""#)
            .lacks(CANARY)
            .lacks("secret_name");
    }
    let fields = [
        ("name", "default_openai_other"),
        ("value", value.as_str()),
        ("scopes", "ai_gateway"),
    ];
    let taken = browser.post(&path, &fields).await;
    assert_eq!(taken.status, 409);
    taken.shows(r#"id="name-error""#);
}

#[tokio::test]
async fn a_value_that_no_gateway_can_inject_says_why() {
    let harness = Harness::new().await;
    let (store, bound) = secret_of(&harness, "").await;
    let browser = Browser::signed_in(&harness).await;
    let path = format!("/secrets/{store}");
    browser.get(&path).await.lacks("Cannot be injected");
    let add = async |name: &str, scope: &str| {
        let fields = [("name", name), ("value", "v"), ("scopes", scope)];
        let stored = browser.post(&format!("{path}/new"), &fields).await;
        browser.get(stored.to()).await
    };
    add("backup", "workers")
        .await
        .shows("it lacks the scope ai_gateway")
        .shows("add it again under a name");
    add("nowhere_openai_default", "ai_gateway")
        .await
        .shows("its name named no gateway and provider")
        .shows("Sealed for</dt><dd>nothing");
    browser
        .get(&path)
        .await
        .shows("Cannot be injected: its name")
        .shows("Cannot be injected: it lacks");
    browser
        .get(&format!("{path}?scope=workers"))
        .await
        .shows(">backup</a>")
        .lacks(">nowhere_");
    browser
        .get(&format!("{path}?q=NOWHERE"))
        .await
        .shows(">nowhere_")
        .lacks(">backup</a>");
    browser
        .get(&format!("{path}?q=none"))
        .await
        .shows("No secret matches");
    // Without its scope a bound value is of no use either.
    let edit = format!("{path}/{bound}/edit");
    let changed = browser.post(&edit, &[("scopes", "dex")]).await;
    browser
        .get(changed.to())
        .await
        .shows("it lacks the scope")
        .shows("Give it the scope");
}

/// A secret that a provider key uses.
async fn used_secret(harness: &Harness) -> (String, String) {
    let (store, id) = secret_of(harness, "old").await;
    let body = json!({"provider_slug": "openai", "alias": "team", "secret_id": id});
    harness.post(&keys(OURS, "default"), body).await.result();
    (store, id)
}

#[tokio::test]
async fn a_secret_is_changed_and_rotated() {
    let harness = Harness::new().await;
    let (store, id) = used_secret(&harness).await;
    let browser = Browser::signed_in(&harness).await;
    let path = format!("/secrets/{store}/{id}");
    browser.get(&path).await.shows("openai / team in default");
    let edit = format!("{path}/edit");
    browser
        .get(&edit)
        .await
        .shows(r#"value="old""#)
        .shows(r#"type="password""#);
    let same = browser
        .post(
            &edit,
            &[("comment", "old"), ("scopes", "ai_gateway"), ("value", " ")],
        )
        .await;
    assert!(same.to().ends_with("?done=same"));
    let fields = [
        ("comment", "new"),
        ("scopes", "ai_gateway"),
        ("scopes", "workers"),
    ];
    let changed = browser.post(&edit, &fields).await;
    browser
        .get(changed.to())
        .await
        .shows("The secret is changed")
        .shows("new")
        .shows(">workers<");
    let value = format!("sk-{CANARY}-abcd");
    let rotated = browser
        .post(
            &edit,
            &[("comment", ""), ("scopes", "ai_gateway"), ("value", &value)],
        )
        .await;
    browser.get(rotated.to()).await.shows("has a new value");
    assert_eq!(
        secrets_of(&harness, &store).await[0]["comment"],
        Value::Null
    );
    let none = browser
        .post(&edit, &[("comment", "kept"), ("value", &value)])
        .await;
    assert_eq!(none.status, 400);
    none.shows(r#"id="scopes-error""#)
        .shows(r#"value="kept""#)
        .shows("one scope at least");
}

#[tokio::test]
async fn a_secret_is_copied_and_deleted() {
    let harness = Harness::new().await;
    let (store, id) = used_secret(&harness).await;
    let browser = Browser::signed_in(&harness).await;
    let path = format!("/secrets/{store}/{id}");
    let duplicate = format!("{path}/duplicate");
    browser.get(&duplicate).await.shows("Name of the copy");
    let taken = browser
        .post(
            &duplicate,
            &[("name", "default_openai_other"), ("scopes", "dex")],
        )
        .await;
    assert_eq!(taken.status, 409);
    taken.shows(r#"id="name-error""#);
    let copied = browser
        .post(&duplicate, &[("name", "copy"), ("scopes", "ai_gateway")])
        .await;
    browser
        .get(copied.to())
        .await
        .shows("The copy is stored")
        .shows("https://api.openai.com");

    let delete = format!("{path}/delete");
    browser
        .get(&delete)
        .await
        .shows("openai / team in default")
        .shows("never used");
    let wrong = browser.post(&delete, &[("typed", "copy")]).await;
    assert_eq!(wrong.status, 400);
    let deleted = browser
        .post(&delete, &[("typed", "default_openai_other")])
        .await;
    browser
        .get(deleted.to())
        .await
        .shows("The secret is deleted")
        .shows(">copy</a>")
        .lacks(">default_openai_other</a>");
    assert_eq!(browser.get(&path).await.status, 404);
}

#[tokio::test]
async fn secrets_are_cut_into_pages_and_counted_against_the_quota() {
    let limits = SecretLimits {
        stores: 3,
        secrets: Some(60),
    };
    let config = Config::loopback("http://127.0.0.1:8787", "0");
    let harness = Harness::with_limits(config, limits).await;
    let (store, _) = secret_of(&harness, "").await;
    let many: Vec<_> = (0..50)
        .map(|number| json!({"name": format!("many-{number:02}"), "value": secret(), "scopes": ["dex"]}))
        .collect();
    harness
        .post(&format!("{}/{store}/secrets", stores(OURS)), json!(many))
        .await
        .result();
    let browser = Browser::signed_in(&harness).await;
    browser
        .get("/secrets")
        .await
        .shows("51 of 60 secrets are stored");
    let path = format!("/secrets/{store}");
    browser.get(&path).await.shows("1–50 of 51").shows("page=2");
    browser
        .get(&format!("{path}?page=2"))
        .await
        .shows("51–51 of 51")
        .shows(">many-49</a>");
    assert_eq!(browser.get(&format!("{path}?page=9")).await.to(), path);
}

#[tokio::test]
async fn who_may_read_alone_sees_no_button() {
    let harness = Harness::new().await;
    let (store, id) = secret_of(&harness, "").await;
    let reader = harness
        .token_with(OURS, &[Permission::SecretsStoreRead])
        .await;
    let browser = Browser::signed_in_as(&harness, &reader).await;
    browser
        .get("/secrets")
        .await
        .shows(">team-a</a>")
        .lacks("/secrets/new");
    browser
        .get(&format!("/secrets/{store}"))
        .await
        .shows("default_openai_other")
        .lacks("/new\"")
        .lacks("/delete");
    browser
        .get(&format!("/secrets/{store}/{id}"))
        .await
        .shows("never shown")
        .lacks("/edit")
        .lacks("/duplicate");
    let other = harness.token_with(OURS, &[Permission::AiGatewayRead]).await;
    let browser = Browser::signed_in_as(&harness, &other).await;
    assert_eq!(browser.get("/secrets").await.status, 403);
}
