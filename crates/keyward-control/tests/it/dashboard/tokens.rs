//! Gateway tokens and API tokens: making, rolling and revoking them.

use std::time::Duration;

use http::Method;
use keyward_auth::{Grant, Network, Networks, Permission, Permissions, Scope};
use serde_json::{Value, json};

use super::browser::{Browser, Page};
use crate::support::{Harness, OURS, keys, now, tokens};

#[tokio::test]
async fn a_token_is_shown_once_rolled_and_revoked() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser.get("/tokens").await.shows("No gateway tokens yet");
    browser.get("/tokens/new").await.shows("Make token");
    let fields = [
        ("name", "my-app"),
        ("gateway", "default"),
        ("provider", "openai"),
        ("expires_in", "90d"),
    ];
    let made = browser.post("/tokens/new", &fields).await;
    assert_eq!(made.status, 200);
    made.shows("shown this once")
        .shows("gateway default; provider openai")
        .shows("in 90 days");
    let text = token_in(&made);
    let listed = harness.get(&format!("{}?kind=gateway", tokens(OURS))).await;
    let id = listed.result()[0]["id"].as_str().unwrap();
    let path = format!("/tokens/{id}");
    for page in ["/tokens", path.as_str(), "/audit"] {
        browser.get(page).await.shows(id).lacks(&text);
    }
    let rolled = browser
        .post(&format!("{path}/roll"), &[("overlap", "600")])
        .await;
    assert_ne!(token_in(&rolled), text);
    let wrong = browser
        .post(&format!("{path}/revoke"), &[("typed", "x")])
        .await;
    assert_eq!(wrong.status, 400);
    let revoked = browser
        .post(&format!("{path}/revoke"), &[("typed", id)])
        .await;
    browser
        .get(revoked.to())
        .await
        .shows("The token is revoked")
        .lacks(id);
    let refused = browser
        .post("/tokens/new", &[("name", ""), ("expires_in", "never")])
        .await;
    assert_eq!(refused.status, 400);
    refused.shows(r#"id="name-error""#);
    // An API token is no gateway token.
    let api = harness.admin_id();
    assert_eq!(browser.get(&format!("/tokens/{api}")).await.status, 404);
    assert_eq!(browser.get(&format!("/api-tokens/{api}")).await.status, 200);
    harness
        .get(&format!("{}?kind=x", tokens(OURS)))
        .await
        .refused(400, 7001);
}

fn token_in(page: &Page) -> String {
    let (_, rest) = page.text.split_once("<code>kw_").unwrap();
    format!("kw_{}", rest.split_once('<').unwrap().0)
}

async fn shown(harness: &Harness, id: &str) -> Value {
    let answer = harness.get(&format!("{}/{id}", tokens(OURS))).await;
    answer.result().clone()
}

/// The newest token of a kind.
async fn newest(harness: &Harness, kind: &str) -> Value {
    let path = format!("{}?kind={kind}&direction=desc&per_page=1", tokens(OURS));
    harness.get(&path).await.result()[0].clone()
}

#[tokio::test]
async fn every_limit_of_a_gateway_token_is_set_and_told_in_words() {
    let harness = Harness::new().await;
    harness.gateway("prod").await;
    let browser = Browser::signed_in(&harness).await;
    browser
        .get("/tokens/new?gateway=prod")
        .await
        .shows(r#"name="gateway" value="prod" checked"#)
        .shows("More limits")
        .lacks(r#"<details class="more" open"#);
    let fields = [
        ("name", "narrow"),
        ("gateway", "default"),
        ("gateway", "prod"),
        ("provider", "openai"),
        ("provider", "anthropic"),
        ("alias", "team-a, team-b"),
        ("class", "inference"),
        ("class", "fine_tuning"),
        ("network", "10.0.0.0/8 192.0.2.0/24"),
        ("not_network", "10.1.0.0/16"),
        ("not_before", "2080-01-15T08:00"),
        ("expires_on", "2090-01-15T08:00"),
        ("expires_in", "30d"),
    ];
    let made = browser.post("/tokens/new", &fields).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let words = "gateways default and prod; providers anthropic and openai; keys called team-a and team-b only; \
                 inference and fine tuning only";
    let networks = "10.0.0.0/8, 192.0.2.0/24, but not 10.1.0.0/16";
    made.shows(words)
        .shows(networks)
        .shows("2080-01-15 08:00:00 UTC")
        .shows("2090-01-15 08:00:00 UTC");
    browser.get("/tokens").await.shows(words).shows(networks);
    let token = newest(&harness, "gateway").await;
    let policy = &token["policies"][0];
    let account = format!("com.cloudflare.api.account.{OURS}.ai-gateway");
    for gateway in ["default", "prod"] {
        assert_eq!(
            policy["resources"][format!("{account}.{gateway}")],
            json!({
                "providers": ["anthropic", "openai"],
                "aliases": ["team-a", "team-b"],
                "classes": ["inference", "fine_tuning"],
            })
        );
    }
    assert_eq!(token["not_before"], "2080-01-15T08:00:00Z");
    assert_eq!(token["expires_on"], "2090-01-15T08:00:00Z");
}

#[tokio::test]
async fn what_is_wrong_with_a_token_stands_beside_its_field() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser.get("/tokens/new").await;
    for (field, value) in [
        ("name", ""),
        ("gateway", "nowhere"),
        ("provider", "nobody"),
        ("alias", "No Such!"),
        ("class", "nonsense"),
        ("network", "10.0.0.0/99"),
        ("not_network", "everywhere"),
        ("not_before", "soon"),
        ("expires_on", "2001-01-01T00:00"),
    ] {
        let fields: Vec<_> = [("name", "kept"), ("expires_in", "365d")]
            .into_iter()
            .filter(|(name, _)| *name != field)
            .chain([(field, value)])
            .collect();
        let page = browser.post("/tokens/new", &fields).await;
        assert_eq!(page.status, 400, "{field}: {}", page.text);
        page.shows(&format!(r#"<p class="error" id="{field}-error">"#))
            .shows(r#"<option value="365d" selected>"#);
        if field != "name" {
            page.shows(r#"value="kept""#);
        }
        let folded = !["name", "gateway", "provider"].contains(&field);
        assert_eq!(
            page.text.contains(r#"<details class="more" open"#),
            folded,
            "{field}"
        );
    }
    let page = browser.post("/api-tokens/new", &[("name", "none")]).await;
    assert_eq!(page.status, 400);
    page.shows(r#"id="permission-error""#);
}

#[tokio::test]
async fn an_api_token_is_made_told_rolled_and_revoked() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    let own = harness.admin_id();
    browser
        .get("/api-tokens")
        .await
        .shows(&own)
        .shows("every permission; every gateway; every provider")
        .shows("this sign-in");
    browser
        .get("/api-tokens/new")
        .await
        .shows(r#"name="permission" value="AI Gateway Read""#)
        .shows("Sees tokens, never their texts.")
        .shows(r#"value="Secrets Store Admin""#)
        .lacks(r#"value="AI Gateway Run""#);
    let fields = [
        ("name", "ci"),
        ("permission", "AI Gateway Read"),
        ("permission", "Secrets Store Admin"),
        ("gateway", "default"),
        ("network", "10.0.0.0/8"),
        ("expires_in", "never"),
    ];
    let made = browser.post("/api-tokens/new", &fields).await;
    assert_eq!(made.status, 200, "{}", made.text);
    made.shows("shown this once")
        .shows("AI Gateway Read, Secrets Store Write; gateway default")
        .shows("curl http://127.0.0.1:8788/client/v4/user/tokens/verify")
        .shows("10.0.0.0/8");
    let text = token_in(&made);
    assert!(text.starts_with("kw_api_"), "{text}");
    let token = newest(&harness, "api").await;
    let id = token["id"].as_str().unwrap();
    let path = format!("/api-tokens/{id}");
    browser
        .get(&path)
        .await
        .shows("Stores, rotates, disables and deletes provider keys")
        .lacks("the one that you are signed in with")
        .lacks(&text);
    assert_eq!(browser.get(&format!("/tokens/{id}")).await.status, 404);
    let rolled = browser
        .post(&format!("{path}/roll"), &[("overlap", "0")])
        .await;
    assert_ne!(token_in(&rolled), text);
    rolled.lacks("You are signed out");
    let revoke = format!("{path}/revoke");
    browser
        .get(&revoke)
        .await
        .lacks("Cut requests under way")
        .lacks("signs you out.");
    let wrong = browser.post(&revoke, &[("typed", &own)]).await;
    assert_eq!(wrong.status, 400);
    let revoked = browser.post(&revoke, &[("typed", id)]).await;
    assert_eq!(revoked.to(), "/api-tokens?done=revoked");
    browser.get(revoked.to()).await.lacks(id);
}

#[tokio::test]
async fn the_token_of_the_sign_in_says_that_it_signs_out_and_does() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    let path = format!("/api-tokens/{}", harness.admin_id());
    browser
        .get(&path)
        .await
        .shows("the one that you are signed in with");
    browser
        .get(&format!("{path}/roll"))
        .await
        .shows("signs you out");
    let rolled = browser
        .post(&format!("{path}/roll"), &[("overlap", "600")])
        .await;
    assert_eq!(rolled.status, 200, "{}", rolled.text);
    rolled
        .shows("You are signed out")
        .shows(r#"href="/sign-in""#);
    assert_eq!(browser.get("/").await.to(), "/sign-in");

    let text = token_in(&rolled);
    let browser = Browser::signed_in_as(&harness, &text).await;
    let revoke = format!("{path}/revoke");
    browser.get(&revoke).await.shows("signs you out");
    let revoked = browser
        .post(&revoke, &[("typed", &harness.admin_id())])
        .await;
    assert_eq!(revoked.to(), "/sign-in");
    assert_eq!(browser.get("/").await.to(), "/sign-in");
}

#[tokio::test]
async fn nothing_is_made_that_is_stronger_and_the_refusal_stands_beside_its_field() {
    let harness = Harness::new().await;
    harness.gateway("prod").await;
    let permissions =
        Permissions::from_iter([Permission::AccountApiTokensWrite, Permission::AiGatewayRead]);
    let mut grant = Grant::new(OURS, permissions);
    grant.gateways = Scope::only(["prod".to_owned()]);
    grant.providers = Scope::only(["openai".to_owned()]);
    grant.networks = Networks {
        allow: vec![Network::parse("127.0.0.0/8").unwrap()],
        deny: Vec::new(),
    };
    grant.expires_at = Some(now() + Duration::from_secs(10 * 24 * 60 * 60));
    let (_, text) = harness.token(grant).await;
    let browser = Browser::signed_in_as(&harness, &text).await;
    browser
        .get("/api-tokens/new")
        .await
        .shows("Your token does not hold it.")
        .shows(r#"value="own""#);
    let good = [
        ("name", "weak"),
        ("permission", "AI Gateway Read"),
        ("gateway", "prod"),
        ("provider", "openai"),
        ("network", "127.0.0.0/8"),
        ("expires_in", "own"),
    ];
    let count = async || {
        let path = format!("{}?kind=api", tokens(OURS));
        harness.get(&path).await.json["result_info"]["total_count"].clone()
    };
    let before = count().await;
    for (field, value) in [
        ("permission", "Secrets Store Write"),
        ("gateway", ""),
        ("provider", ""),
        ("network", ""),
        ("expires_in", "never"),
        ("expires_in", "30d"),
    ] {
        let fields = good.map(|(name, was)| (name, if name == field { value } else { was }));
        let page = browser.post("/api-tokens/new", &fields).await;
        assert_eq!(page.status, 403, "{field}: {}", page.text);
        page.shows(&format!(r#"<p class="error" id="{field}-error">"#))
            .shows("stronger than itself")
            .shows(r#"value="weak""#);
    }
    assert_eq!(count().await, before);
    let made = browser.post("/api-tokens/new", &good).await;
    assert_eq!(made.status, 200, "{}", made.text);

    // It may not take over one that does more by giving it a new text.
    let mut grant = Grant::new(
        OURS,
        Permissions::from_iter([Permission::SecretsStoreWrite]),
    );
    grant.gateways = Scope::only(["prod".to_owned()]);
    grant.providers = Scope::only(["openai".to_owned()]);
    let (strong, _) = harness.token(grant).await;
    let path = format!("/api-tokens/{strong}/roll");
    let page = browser.post(&path, &[("overlap", "0")]).await;
    assert_eq!(page.status, 403);
    page.shows("Nothing was changed.")
        .shows("stronger than itself")
        .shows("Roll token");
    assert_eq!(
        shown(&harness, &strong.to_string()).await["status"],
        "active"
    );
}

#[tokio::test]
async fn spend_limits_of_tokens_and_keys_are_shown() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    let limits = json!({"rules": [
        {"id": "all", "limitType": "cost", "limit": 12.5, "calendar": "month"},
        {"id": "large", "enabled": false, "limitType": "cost", "limit": 1, "window": 60,
         "model": {"mode": "filter", "values": ["gpt-5"]}},
    ]});
    let account = format!("com.cloudflare.api.account.{OURS}");
    let policy = json!({"effect": "allow", "resources": {account: "*"},
        "permission_groups": [{"name": "AI Gateway Run"}]});
    let new = json!({"name": "app", "policies": [policy], "spend_limits": limits});
    let made = harness.post(&tokens(OURS), new).await;
    let token = made.result()["id"].as_str().unwrap().to_owned();
    let key = harness.key("default").await;
    let page = format!("/keys/default/{key}");
    browser
        .get(&page)
        .await
        .shows(r#"<dd id="spend-limits">none"#);
    let path = format!("{}/{key}", keys(OURS, "default"));
    let edit = json!({"spend_limits": limits});
    let edited = harness.call(Method::PATCH, &path, Some(edit)).await;
    assert_eq!(edited.result()["spend_limits"]["rules"][0]["id"], "all");
    for page in [page, format!("/tokens/{token}")] {
        browser
            .get(&page)
            .await
            .shows("all: 12.5 USD per month, all requests together")
            .shows("large (off): 1 USD per 60s, fixed, model gpt-5");
    }
}
