//! What pages show, and what they do.

use std::{io::Read, sync::atomic::Ordering};

use axum::body::Body;
use flate2::read::GzDecoder;
use http::Method;
use http_body_util::BodyExt;
use keyward_auth::{Grant, Permission, Permissions, Scope};
use keyward_control::Control;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{
    browser::{Browser, Page},
    records::{Records, provider, route_of, secret_of},
};
use crate::support::{CANARY, Harness, OURS, gateways, keys, new_gateway, secret, tokens};

#[tokio::test]
async fn a_key_is_added_rotated_disabled_enabled_and_deleted() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser.get("/keys").await.shows("No provider keys yet");
    browser.get("/").await.shows("First steps");
    browser
        .get("/keys/new")
        .await
        .shows(r#"value="openai""#)
        .shows("sk-…")
        .shows(r#"type="password""#);
    let fields = [
        ("provider_slug", "openai"),
        ("gateway", "default"),
        ("alias", "team-a"),
        ("description", "of the team"),
        ("expires_on", "2090-01-15T08:00"),
        ("secret", &format!(" {}\n", secret())),
    ];
    let stored = browser.post("/keys/new", &fields).await;
    let place = stored.to().to_owned();
    let (path, _) = place.split_once('?').unwrap();
    browser
        .get(&place)
        .await
        .shows("The key is stored")
        .shows("wxyz")
        .shows("https://api.openai.com")
        .shows("of the team")
        .shows("2090-01-15 08:00:00 UTC")
        .shows("provider_key.create")
        .shows("keyward keys show openai --alias team-a")
        .shows(r#"<span class="badge ok">"#);

    let rotated = browser
        .post(
            &format!("{path}/rotate"),
            &[("secret", "sk-another-one-abcd")],
        )
        .await;
    browser
        .get(rotated.to())
        .await
        .shows("The rotation has begun")
        .shows("The new value is in use, the old one is kept")
        .shows(r#"id="timer""#)
        .shows("abcd")
        .lacks("wxyz");
    let disabled = browser.post(&format!("{path}/disable"), &[]).await;
    browser
        .get(disabled.to())
        .await
        .shows("The key is disabled")
        .shows("Enable");
    browser.get("/keys?status=disabled").await.shows("team-a");
    browser
        .get("/keys?status=active")
        .await
        .shows("No key matches");
    let enabled = browser.post(&format!("{path}/enable"), &[]).await;
    browser.get(enabled.to()).await.shows("The key is enabled");

    browser
        .get(&format!("{path}/delete"))
        .await
        .shows("openai/team-a");
    let wrong = browser
        .post(&format!("{path}/delete"), &[("typed", "openai/team-b")])
        .await;
    assert_eq!(wrong.status, 400);
    wrong.shows("that is not its name").shows("openai/team-b");
    let deleted = browser
        .post(&format!("{path}/delete"), &[("typed", "openai/team-a")])
        .await;
    browser
        .get(deleted.to())
        .await
        .shows("The key is deleted")
        .lacks("team-a");
    assert_eq!(browser.get(path).await.status, 404);
}

#[tokio::test]
async fn a_form_that_is_refused_keeps_what_was_typed_but_the_key() {
    let harness = Harness::new().await;
    harness.key("default").await;
    let browser = Browser::signed_in(&harness).await;
    browser.get("/keys/new").await;
    let typed = |name, value| {
        let fields = [
            ("provider_slug", "openai"),
            ("gateway", "default"),
            ("alias", "other"),
            ("description", "kept & shown"),
            ("secret", "sk-of-nobody-efgh"),
        ];
        fields.map(|(known, was)| {
            if known == name {
                (known, value)
            } else {
                (known, was)
            }
        })
    };
    for (field, value) in [
        ("alias", "default"),
        ("alias", "No Such!"),
        ("secret", "two words"),
        ("secret", ""),
    ] {
        let page = browser.post("/keys/new", &typed(field, value)).await;
        assert_eq!(page.status, 400, "{field} {value}: {}", page.text);
        page.shows(&format!(r#"<p class="error" id="{field}-error">"#))
            .shows(r#"value="kept &#38; shown""#)
            .lacks("sk-of-nobody")
            .lacks("two words");
        assert!(
            page.text.contains(r#"value="openai" required checked"#),
            "{}",
            page.text
        );
    }
    let page = browser.post("/keys/new", &typed("provider_slug", "")).await;
    page.shows("choose the provider").lacks("sk-of-nobody");
}

#[tokio::test]
async fn keys_are_grouped_narrowed_and_cut_into_pages() {
    let harness = Harness::new().await;
    harness.gateway("prod").await;
    for (gateway, provider, alias) in [
        ("default", "openai", "one"),
        ("prod", "openai", "two"),
        ("default", "anthropic", "three"),
    ] {
        let body = json!({"alias": alias, "provider_slug": provider, "secret": secret()});
        harness.post(&keys(OURS, gateway), body).await.result();
    }
    let browser = Browser::signed_in(&harness).await;
    let all = browser.get("/keys").await;
    all.shows("Anthropic").shows("2 keys").shows("1 key");
    let at = |text: &str| all.text.find(&format!(">{text}</a>")).unwrap();
    assert!(at("three") < at("one") && at("one") < at("two"));
    browser
        .get("/keys?provider=anthropic")
        .await
        .shows(">three<")
        .lacks(">one<");
    browser
        .get("/keys?gateway=prod")
        .await
        .shows(">two<")
        .lacks(">one<");
    browser
        .get("/keys?q=TWO")
        .await
        .shows(">two<")
        .lacks(">one<");
    browser
        .get("/keys?q=nothing")
        .await
        .shows("No key matches")
        .shows("Clear filter");
    browser
        .get("/keys?status=nonsense&page=x")
        .await
        .shows(">one<");
    for number in 0..50 {
        harness.key(&format!("many-{number:02}")).await;
    }
    browser
        .get("/keys")
        .await
        .shows("1–50 of 53")
        .shows("page=2");
    browser
        .get("/keys?page=2")
        .await
        .shows("51–53 of 53")
        .shows("page=1");
}

#[tokio::test]
async fn a_token_for_one_gateway_sees_that_one() {
    let harness = Harness::new().await;
    harness.gateway("prod").await;
    for gateway in ["default", "prod"] {
        let body = json!({"alias": format!("of-{gateway}"), "provider_slug": "openai", "secret": secret()});
        harness.post(&keys(OURS, gateway), body).await.result();
    }
    let permissions =
        Permissions::from_iter([Permission::AiGatewayRead, Permission::SecretsStoreWrite]);
    let mut grant = Grant::new(OURS, permissions);
    grant.gateways = Scope::only(["prod".to_owned()]);
    let (_, text) = harness.token(grant).await;
    let browser = Browser::signed_in_as(&harness, &text).await;
    browser
        .get("/keys")
        .await
        .shows("of-prod")
        .lacks("of-default");
    browser.get("/").await.shows("1 active");
    browser
        .get("/keys/new")
        .await
        .shows("<option>prod")
        .lacks("<option>default");
    assert_eq!(browser.get("/gateways/default").await.status, 403);
    assert_eq!(browser.get("/gateways/prod").await.status, 200);
}

#[tokio::test]
async fn a_gateway_shows_lines_that_hold_its_own_ids() {
    let harness = Harness::new().await;
    harness.key("default").await;
    let browser = Browser::signed_in(&harness).await;
    browser
        .get("/gateways")
        .await
        .shows(">default</a>")
        .shows("the default gateway");
    let page = browser.get("/gateways/default").await;
    let url = format!("http://127.0.0.1:8787/v1/{OURS}/default/openai");
    page.shows(&url).shows("TypeScript").shows("KEYWARD_TOKEN");
    let page = browser.get("/gateways/default?provider=anthropic").await;
    page.shows(&format!("{OURS}/default/anthropic"));
    assert_eq!(browser.get("/gateways/nowhere").await.status, 404);
}

/// What somebody else may have written into a name.
const HOSTILE: &str = r#"<script>alert(1)</script>"'><img src=x onerror=alert(1)>&amp;{{7*7}}"#;

/// Records whose every text is hostile, and an API token that is called so.
async fn hostile_records(harness: &Harness) -> (Records, String) {
    let body = json!({"provider_slug": "openai", "description": HOSTILE, "secret": secret()});
    let key = harness.post(&keys(OURS, "default"), body).await;
    let key = key.result()["id"].as_str().unwrap().to_owned();
    let fields = json!({"name": HOSTILE, "description": HOSTILE, "curl_example": HOSTILE, "js_example": HOSTILE,
        "link": "https://example.com/?q=%22%3E&x={{7*7}}"});
    let provider = provider(harness, fields).await;
    let body = json!({"provider_slug": "custom-ours", "description": HOSTILE, "secret": secret()});
    harness.post(&keys(OURS, "default"), body).await.result();
    let resource = format!("com.cloudflare.api.account.{OURS}");
    let policies = |names: &[&str]| {
        let groups: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        json!([{"effect": "allow", "resources": {&resource: "*"}, "permission_groups": groups}])
    };
    let body = json!({"name": HOSTILE, "policies": policies(&["AI Gateway Run"])});
    let token = harness.post(&tokens(OURS), body).await;
    let token = token.result()["id"].as_str().unwrap().to_owned();
    let body = json!({"name": HOSTILE, "policies": policies(&[
        "AI Gateway Write",
        "Secrets Store Write",
        "Account API Tokens Write",
        "Keyward Audit Log Read",
        "Keyward Vault Read",
    ])});
    let admin = harness.post(&tokens(OURS), body).await;
    let (store, secret) = secret_of(harness, HOSTILE).await;
    // An id has at most 64 bytes.
    let (route, version) = route_of(harness, &HOSTILE[..64], HOSTILE).await;
    let records = Records {
        key,
        token,
        api: admin.result()["id"].as_str().unwrap().to_owned(),
        provider,
        store,
        secret,
        route,
        version,
        log: harness.log_of(HOSTILE).await,
    };
    let token = admin.result()["value"].as_str().unwrap().to_owned();
    (records, token)
}

#[tokio::test]
async fn html_and_script_of_others_is_text() {
    let harness = Harness::new().await;
    let (records, admin) = hostile_records(&harness).await;
    // The frame of every page shows the name of the token that signed in.
    let browser = Browser::signed_in_as(&harness, &admin).await;
    let mut seen = 0;
    for (method, path) in Control::pages() {
        if method != Method::GET || path.starts_with("/sign-in") {
            continue;
        }
        // It leads on to the log of a gateway; exports are no pages.
        if path == "/logs" || path.contains("/export.") {
            continue;
        }
        let path = records.fill(path);
        let page = browser.get(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        is_text(&page);
        page.shows("&#60;script&#62;alert(1)");
        seen += 1;
    }
    assert!(seen >= 14, "{seen}");
    let hostile =
        percent_encoding::utf8_percent_encode(HOSTILE, percent_encoding::NON_ALPHANUMERIC);
    for path in [
        "/keys?q=",
        "/keys?provider=",
        "/keys?gateway=",
        "/audit?resource=",
        "/keys/new?provider=",
        "/tokens/new?gateway=",
        "/keys?done=",
        "/providers?q=",
        "/secrets/{store}?q=",
        "/secrets/{store}?scope=",
        "/secrets/",
        "/sign-in/",
        "/gateways/",
        "/gateways/default/logs/",
        "/gateways/default/logs?q=",
        "/gateways/default/logs?model=",
        "/gateways/default/logs?key=",
        "/gateways/default/logs?status=",
        "/gateways/default/logs?from=",
        "/gateways/default/logs/plots?provider=",
        "/gateways/default/logs/plots?by=",
        "/logs?gateway=",
        "/gateways/default/routes/",
        "/gateways/default/routes/{id}/versions/",
        "/gateways/default/routes/{id}/edit?version=",
        "/gateways/default/routes/{id}/compare?from=",
    ] {
        let path = records.fill(path);
        is_text(&browser.get(&format!("{path}{hostile}")).await);
    }
    let fields = [
        ("provider_slug", HOSTILE),
        ("gateway", HOSTILE),
        ("alias", HOSTILE),
        ("description", HOSTILE),
        ("expires_on", HOSTILE),
        ("secret", "x"),
    ];
    is_text(&browser.post("/keys/new", &fields).await);
    let names = [
        "name",
        "slug",
        "base_url",
        "credential_header",
        "link",
        "logo",
        "headers",
        "position",
    ];
    let fields = names.map(|name| (name, HOSTILE));
    is_text(&browser.post("/providers/new", &fields).await);
    let fields = ["name", "comment", "scopes", "value"].map(|name| (name, HOSTILE));
    for path in ["new", "{id}/edit", "{id}/duplicate"] {
        let path = records.fill(&format!("/secrets/{{store}}/{path}"));
        is_text(&browser.post(&path, &fields).await);
    }
}

const ICONS: &str = include_str!("../../../assets/icons.svg");

#[track_caller]
fn is_text(page: &Page) {
    page.lacks("<script>alert")
        .lacks("<img src=x")
        .lacks("\"'>");
}

#[tokio::test]
async fn every_page_is_protected_and_loads_what_is_ours_alone() {
    let harness = Harness::new().await;
    let records = Records::make(&harness).await;
    let browser = Browser::signed_in(&harness).await;
    for (method, path) in Control::pages() {
        if method != Method::GET {
            continue;
        }
        let path = records.fill(path);
        let page = browser.get(&path).await;
        assert_eq!(page.headers["cache-control"], "no-store", "{path}");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert_eq!(page.headers["x-frame-options"], "DENY");
        assert_eq!(page.headers["referrer-policy"], "same-origin");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"),
            "{policy}"
        );
        assert!(
            policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        page.lacks("<style")
            .lacks(" style=")
            .lacks("<script>")
            .lacks(" onclick=")
            .lacks("javascript:")
            .lacks(CANARY);
        for part in page.text.split(r#" src=""#).skip(1) {
            assert!(part.starts_with("/assets/"), "{path}");
        }
        for part in page.text.split("icons.svg#").skip(1) {
            let (icon, _) = part.split_once('"').unwrap();
            assert!(ICONS.contains(&format!(r#"id="{icon}""#)), "{path}: {icon}");
        }
        assert!(
            page.text.len() < 120 * 1024,
            "{path}: {} bytes",
            page.text.len()
        );
    }
    let page = browser.get("/").await;
    let (_, rest) = page
        .text
        .split_once(r#"<link rel="stylesheet" href=""#)
        .unwrap();
    let (style, _) = rest.split_once('"').unwrap();
    let asset = browser.get(style).await;
    assert_eq!(asset.status, 200);
    assert_eq!(
        asset.headers["cache-control"],
        "public, max-age=31536000, immutable"
    );
    assert_eq!(asset.headers["content-type"], "text/css; charset=utf-8");
    assert_eq!(asset.headers["vary"], "accept-encoding");
    assert!(!asset.headers.contains_key("content-encoding"));
    assert_eq!(
        browser
            .get("/assets/0000000000000000/dashboard.css")
            .await
            .status,
        404
    );
}

/// Of what there is, pages read what the process has in memory. The store has the audit log, the counts of requests, and
/// the comments of secrets.
#[tokio::test]
async fn pages_ask_the_store_seldom_however_many_keys_there_are() {
    let harness = Harness::new().await;
    let records = Records::make(&harness).await;
    for number in 0..200 {
        let body = json!({"alias": format!("team-{number}"), "provider_slug": "openai", "secret": secret()});
        harness.post(&keys(OURS, "default"), body).await.result();
    }
    let browser = Browser::signed_in(&harness).await;
    let mut most = 0;
    for (method, path) in Control::pages() {
        if method != Method::GET {
            continue;
        }
        harness.store.lookups.store(0, Ordering::Relaxed);
        browser.get(&records.fill(path)).await;
        let asked = harness.store.lookups.load(Ordering::Relaxed);
        println!("{path}: {asked}");
        most = most.max(asked);
        assert!(asked <= 3, "{path} asks the store {asked} times");
    }
    assert!(most > 0, "nothing was counted");
}

#[tokio::test]
async fn what_pages_load_is_compressed_for_who_takes_it_and_pages_are_not() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    let page = browser.get("/").await;
    let (_, rest) = page.text.split_once(r#"<script src=""#).unwrap();
    let (script, _) = rest.split_once('"').unwrap();
    let plain = browser.get(script).await.text;
    let ask = async |path: &str, takes: &str| {
        let request = browser
            .request(Method::GET, path)
            .header("accept-encoding", takes);
        let request = request.body(Body::empty()).unwrap();
        let answer = harness.router().oneshot(request).await.unwrap();
        let is_compressed = answer.headers().contains_key("content-encoding");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (is_compressed, body)
    };
    for takes in ["gzip", "br, gzip;q=0.5", "GZIP", "deflate,gzip , br"] {
        let (is_compressed, body) = ask(script, takes).await;
        assert!(is_compressed, "{takes}");
        let mut text = String::new();
        GzDecoder::new(&*body).read_to_string(&mut text).unwrap();
        assert!(text == plain, "{takes}");
    }
    for takes in ["", "identity", "br", "gzip;q=0", "xgzip", "*"] {
        let (is_compressed, body) = ask(script, takes).await;
        assert!(!is_compressed && body == plain.as_bytes(), "{takes}");
    }
    // A page holds the form's own token beside what others may have typed.
    assert!(!ask("/", "gzip").await.0);
}

#[tokio::test]
async fn a_refresh_of_somebody_who_is_signed_out_leads_to_the_page_to_sign_in() {
    let harness = Harness::new().await;
    let browser = Browser::new(&harness);
    let request = browser
        .request(Method::GET, "/keys")
        .header("hx-request", "true");
    let page = browser.send(request, Body::empty()).await;
    // By a redirect the browser would follow on its own, htmx would get the page to sign in in place of the list.
    assert_eq!(page.status, 403);
    assert_eq!(page.headers["hx-redirect"], "/sign-in");
    assert!(!page.headers.contains_key("location") && page.text.is_empty());
}

#[tokio::test]
async fn keys_of_the_account_are_listed_by_rest_too() {
    let harness = Harness::new().await;
    harness
        .post(&gateways(OURS), new_gateway("prod"))
        .await
        .result();
    let key = harness.key("default").await;
    let body = json!({"provider_slug": "anthropic", "secret": secret()});
    harness.post(&keys(OURS, "prod"), body).await.result();
    let all = format!("/client/v4/accounts/{OURS}/ai-gateway/provider_configs");
    let ids = |answer: &Value| {
        let keys = answer.as_array().unwrap().iter();
        keys.map(|key| key["provider_slug"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(harness.get(&all).await.result()),
        ["anthropic", "openai"]
    );
    assert_eq!(
        ids(harness
            .get(&format!("{all}?gateway_id=prod"))
            .await
            .result()),
        ["anthropic"]
    );
    assert_eq!(
        ids(harness
            .get(&format!(
                "{all}?status=active&search=WXYZ&provider_slug=openai"
            ))
            .await
            .result()),
        ["openai"]
    );
    assert_eq!(
        ids(harness.get(&format!("{all}?status=expired")).await.result()),
        [""; 0]
    );
    harness
        .get(&format!("{all}?status=none"))
        .await
        .refused(400, 7001);
    let one = harness
        .get(&format!("{}/{key}", keys(OURS, "default")))
        .await;
    assert_eq!(one.result()["id"], key.as_str());
    harness
        .get(&format!("{}/{key}", keys(OURS, "prod")))
        .await
        .refused(404, 7002);
}
