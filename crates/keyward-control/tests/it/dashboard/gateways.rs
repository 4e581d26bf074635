//! Making, changing and deleting gateways.

use keyward_auth::{Grant, Permission, Permissions, Scope};
use serde_json::{Value, json};

use super::browser::{Browser, Page};
use crate::support::{Harness, OURS, gateways, keys, new_gateway, secret, with};

const PROTECTED: [(&str, &str); 3] = [
    ("authentication", "1"),
    ("collect_logs", "1"),
    ("cache_ttl", "0"),
];

/// What the form sends besides: `PROTECTED` and these.
fn and<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    PROTECTED.iter().chain(more).copied().collect()
}

async fn shown(harness: &Harness, id: &str) -> Value {
    let answer = harness.get(&format!("{}/{id}", gateways(OURS))).await;
    answer.result().clone()
}

#[tokio::test]
async fn a_gateway_is_made_changed_and_deleted_with_its_keys() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser.get("/gateways").await.shows("/new-gateway");
    browser
        .get("/new-gateway")
        .await
        .shows(r#"name="authentication" value="1" checked"#)
        .shows("keyward gateways create production");
    let made = browser.post("/new-gateway", &and(&[("id", "new")])).await;
    assert_eq!(made.to(), "/gateways/new?done=made");
    browser
        .get(made.to())
        .await
        .shows("The gateway is made")
        .shows("every request needs one");
    assert_eq!(shown(&harness, "new").await["authentication"], true);

    // What the form does not ask stays as it is.
    let path = format!("{}/new", gateways(OURS));
    let more = with(new_gateway("new"), "retry_max_attempts", json!(3));
    harness
        .call(http::Method::PUT, &path, Some(more))
        .await
        .result();
    let form = browser.get("/gateways/new/edit").await;
    let revision = form.field("revision");
    let fields = and(&[("stored_keys_only", "1"), ("revision", &revision)]);
    let changed = browser.post("/gateways/new/edit", &fields).await;
    browser
        .get(changed.to())
        .await
        .shows("The settings are changed")
        .shows("stored keys only");
    let now = shown(&harness, "new").await;
    assert_eq!(now["stored_keys_only"], true);
    assert_eq!(now["retry_max_attempts"], 3);
    // A form that was opened before that is not saved over it.
    let late = browser.post("/gateways/new/edit", &fields).await;
    assert_eq!(late.status, 412);
    late.shows("changed after this form was opened");

    for alias in ["one", "two"] {
        let body = json!({"alias": alias, "provider_slug": "openai", "secret": secret()});
        harness.post(&keys(OURS, "new"), body).await.result();
    }
    let mut grant = Grant::new(OURS, Permissions::from_iter([Permission::AiGatewayRun]));
    grant.gateways = Scope::only(["new".to_owned()]);
    harness.token(grant).await;
    browser
        .get("/gateways/new")
        .await
        .shows(r#"<a href="/keys?gateway=new&amp;status=active">Keys active</a></dt><dd>2</dd>"#)
        .shows(r#"<a href="/tokens?gateway=new">Gateway tokens</a></dt><dd>1</dd>"#);
    browser
        .get("/tokens?gateway=new")
        .await
        .shows("gateway new; every provider");
    browser
        .get("/tokens?gateway=default")
        .await
        .shows("No token is good for it");
    browser
        .get("/gateways/new/delete")
        .await
        .shows("2 provider keys are deleted")
        .shows("openai/one")
        .shows("1 gateway token is good here")
        .lacks("the default gateway");
    let wrong = browser
        .post("/gateways/new/delete", &[("typed", "default")])
        .await;
    assert_eq!(wrong.status, 400);
    wrong.shows("that is not its id");
    let deleted = browser
        .post("/gateways/new/delete", &[("typed", "new")])
        .await;
    browser
        .get(deleted.to())
        .await
        .shows("The gateway is deleted")
        .lacks("/gateways/new\"");
    assert_eq!(browser.get("/gateways/new").await.status, 404);
    browser.get("/keys").await.shows("No provider keys yet");
}

#[tokio::test]
async fn what_is_wrong_with_a_gateway_stands_beside_its_field() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser.get("/new-gateway").await;
    for (id, cache, field) in [
        ("Not An Id", "0", "id"),
        ("", "0", "id"),
        ("default", "0", "id"),
        ("fine", "soon", "cache_ttl"),
    ] {
        let fields = [("id", id), ("cache_ttl", cache), ("stored_keys_only", "1")];
        let page = browser.post("/new-gateway", &fields).await;
        assert_eq!(page.status, 400, "{id} {cache}: {}", page.text);
        page.shows(&format!(r#"<p class="error" id="{field}-error">"#))
            .shows(&format!(r#"name="id" value="{id}""#))
            .shows(r#"name="stored_keys_only" value="1" checked"#)
            .shows(&format!(r#"value="{cache}""#));
    }
}

#[tokio::test]
async fn who_does_not_govern_the_keys_cannot_open_a_gateway() {
    let harness = Harness::new().await;
    let writer = harness
        .token_with(OURS, &[Permission::AiGatewayWrite])
        .await;
    let browser = Browser::signed_in_as(&harness, &writer).await;
    let form = browser.get("/gateways/default/edit").await;
    let revision = form.field("revision");
    let open = [
        ("collect_logs", "1"),
        ("cache_ttl", "0"),
        ("revision", &revision),
    ];
    let page = browser.post("/gateways/default/edit", &open).await;
    assert_eq!(page.status, 403);
    page.shows(r#"<p class="error" id="authentication-error">"#)
        .shows("Secrets Store Write");
    assert_eq!(shown(&harness, "default").await["authentication"], true);
    let page = browser
        .post("/new-gateway", &[("id", "open"), ("cache_ttl", "0")])
        .await;
    assert_eq!(page.status, 403);
    page.shows(r#"id="authentication-error""#)
        .shows(r#"value="open""#);
    // Strengthening is within what it may do.
    let fields = and(&[("stored_keys_only", "1"), ("revision", &revision)]);
    browser.post("/gateways/default/edit", &fields).await.to();
}

#[tokio::test]
async fn the_call_by_hand_holds_no_end_of_a_text() {
    let harness = Harness::new().await;
    let path = format!("{}/default", gateways(OURS));
    let body = with(new_gateway("default"), "store_id", json!("a'; reboot; '"));
    harness
        .call(http::Method::PUT, &path, Some(body))
        .await
        .result();
    let browser = Browser::signed_in(&harness).await;
    browser
        .get("/gateways/default/edit")
        .await
        .shows(r"a&#39;\&#39;&#39;; reboot; &#39;\&#39;&#39;");
}

/// Sends the form of the pool for OpenAI.
async fn send_pool(
    browser: &Browser<'_>,
    members: &str,
    strategy: &str,
    revision: &str,
    more: &[(&str, &str)],
) -> Page {
    let mut fields = vec![
        ("provider", "openai"),
        ("members", members),
        ("strategy", strategy),
        ("revision", revision),
    ];
    fields.extend(more);
    browser.post("/gateways/default/pool", &fields).await
}

async fn two_keys(harness: &Harness) {
    for alias in ["one", "two"] {
        let body = json!({"alias": alias, "provider_slug": "openai", "secret": secret()});
        harness.post(&keys(OURS, "default"), body).await.result();
    }
}

const POOL: &str = "/gateways/default/pool?provider=openai";

#[tokio::test]
async fn a_pool_is_made_and_shown_with_its_keys() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    two_keys(&harness).await;
    let form = browser.get(POOL).await;
    form.shows("Pool for OpenAI")
        .shows("<code>one</code>, <code>two</code>")
        .lacks("Remove pool");
    let revision = form.field("revision");
    for wrong in [
        "one",
        "one 0\r\ntwo",
        "one x\r\ntwo",
        "one\r\none",
        "a\u{e4}\r\nb",
    ] {
        let refused = send_pool(&browser, wrong, "weighted", &revision, &[]).await;
        assert_eq!(refused.status, 400, "{wrong}");
        refused.shows("pools-error").shows("Nothing was changed");
    }
    let lines = "one 3\r\n\r\n two \r\ngone 2";
    let made = send_pool(&browser, lines, "weighted", &revision, &[]).await;
    assert_eq!(made.to(), "/gateways/default?done=pooled#pools");
    browser
        .get("/gateways/default?done=pooled")
        .await
        .shows("The pool is changed")
        .shows("by weight, a conversation stays with its key")
        .shows("no such key: passed over")
        .shows("Edit the pool for OpenAI");
    let pools = shown(&harness, "default").await["pools"].clone();
    let members = pools[0]["members"].as_array().unwrap().iter();
    let told: Vec<_> = members
        .map(|member| {
            let text = |name: &str| member[name].as_str().unwrap();
            (
                text("alias"),
                member["weight"].as_u64().unwrap(),
                text("status"),
            )
        })
        .collect();
    let expected = [
        ("one", 3, "active"),
        ("two", 1, "active"),
        ("gone", 2, "missing"),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_pool_is_changed_and_removed() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    two_keys(&harness).await;
    let revision = browser.get(POOL).await.field("revision");
    send_pool(&browser, "one\r\ntwo 2", "weighted", &revision, &[])
        .await
        .to();
    // A form that was opened before that is not saved over it.
    let late = send_pool(&browser, "two\r\none", "ordered", &revision, &[]).await;
    assert_eq!(late.status, 412);
    late.shows("changed after this form was opened");
    let form = browser.get(POOL).await;
    form.shows("Remove pool").shows("two 2");
    let revision = form.field("revision");
    let changed = send_pool(&browser, "two\r\none", "ordered", &revision, &[]).await;
    browser
        .get(changed.to())
        .await
        .shows("the first one that is healthy");
    let revision = browser.get(POOL).await.field("revision");
    let removed = send_pool(&browser, "", "ordered", &revision, &[("remove", "1")]).await;
    assert_eq!(removed.to(), "/gateways/default?done=unpooled#pools");
    assert_eq!(shown(&harness, "default").await["pools"], json!([]));
    let nobody = browser.get("/gateways/default/pool?provider=nobody").await;
    assert_eq!(nobody.status, 400);
}

#[tokio::test]
async fn the_header_of_conversations_is_a_setting() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser
        .get("/gateways/default")
        .await
        .shows("<code>cf-aig-session-id</code>");
    let form = browser.get("/gateways/default/edit").await;
    let revision = form.field("revision");
    let refused = and(&[("session_header", "cookie"), ("revision", &revision)]);
    let refused = browser.post("/gateways/default/edit", &refused).await;
    refused.shows("session_header-error");
    let fields = and(&[("session_header", "X-Chat"), ("revision", &revision)]);
    let changed = browser.post("/gateways/default/edit", &fields).await;
    browser.get(changed.to()).await.shows("<code>x-chat</code>");
}

#[tokio::test]
async fn spend_limits_are_set_shown_and_removed() {
    const FORM: &str = "/gateways/default/spend";
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    let page = browser.get("/gateways/default").await;
    page.shows("requests may cost what they cost");
    let form = browser.get(FORM).await;
    form.shows("Spend limits of default").lacks("Remove limits");
    let revision = form.field("revision");
    for wrong in [
        "",
        "{",
        "[]",
        r#"{"rules": [{"limitType": "cost", "limit": 0, "window": 60}]}"#,
    ] {
        let fields = [("limits", wrong), ("revision", &revision)];
        let refused = browser.post(FORM, &fields).await;
        assert_eq!(refused.status, 400, "{wrong}");
        refused
            .shows("spend_limits-error")
            .shows("Nothing was changed");
    }
    let limits = r#"{"rules": [
        {"id": "all", "limitType": "cost", "limit": 12.5, "calendar": "month"},
        {"id": "own", "enabled": false, "limitType": "cost", "limit": 1, "window": 60, "technique": "sliding",
         "provider": {"mode": "filter", "values": ["openai", "groq"]}, "metadata": {"user": {"mode": "partition"}}}
    ]}"#;
    let fields = [("limits", limits), ("revision", &revision)];
    let set = browser.post(FORM, &fields).await;
    assert_eq!(set.to(), "/gateways/default?done=changed#spend");
    let page = browser.get("/gateways/default?done=changed").await;
    page.shows("12.5 USD per month")
        .shows("all requests together")
        .shows("own (off)")
        .shows("1 USD per 60s, sliding")
        .shows("provider openai or groq, each metadata user by itself");
    let kept = shown(&harness, "default").await["spend_limits"].clone();
    assert_eq!(kept["rules"][1]["technique"], "sliding");

    // A form that was opened before that is not saved over it, and other forms leave the limits alone.
    let late = browser.post(FORM, &fields).await;
    assert_eq!(late.status, 412);
    late.shows("changed after this form was opened");
    let form = browser.get("/gateways/default/edit").await;
    let revision = form.field("revision");
    let fields = and(&[("session_header", ""), ("revision", &revision)]);
    browser.post("/gateways/default/edit", &fields).await.to();
    assert_eq!(shown(&harness, "default").await["spend_limits"], kept);

    let form = browser.get(FORM).await;
    form.shows("Remove limits").shows("12.5");
    let revision = form.field("revision");
    let fields = [("remove", "1"), ("revision", &revision)];
    browser.post(FORM, &fields).await.to();
    assert_eq!(
        shown(&harness, "default").await["spend_limits"],
        json!(null)
    );
}
