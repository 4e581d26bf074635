//! Who gets in, for how long, and where a cookie is good.

use axum::body::Body;
use http::Method;
use keyward_auth::{Grant, Network, Networks, Permission, Permissions, Role, TokenText};
use keyward_control::Config;
use serde_json::{Value, json};

use super::browser::{Browser, HOST, encode};
use crate::support::{Harness, OURS, now, tokens};

#[tokio::test]
async fn an_api_token_signs_in_and_a_button_signs_out() {
    let harness = Harness::new().await;
    let browser = Browser::new(&harness);
    assert_eq!(browser.get("/keys").await.to(), "/sign-in");
    let page = browser.sign_in(&harness.admin).await;
    assert_eq!(page.to(), "/");
    let cookie = page.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("keyward-"), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    assert!(!cookie.contains("kw_api_"));
    browser.get("/").await.shows("Overview").lacks("kw_api_");
    assert_eq!(browser.post("/sign-out", &[]).await.to(), "/sign-in");
    assert_eq!(browser.get("/").await.to(), "/sign-in");
}

#[tokio::test]
async fn a_session_ends_where_its_cookie_is_still_there() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser.get("/").await;
    let cookie = browser.cookie();
    browser.post("/sign-out", &[]).await;
    let stolen = browser.request(Method::GET, "/").header("cookie", cookie);
    assert_eq!(browser.send(stolen, Body::empty()).await.to(), "/sign-in");
}

#[tokio::test]
async fn a_sign_in_begins_a_session_of_its_own_and_ends_the_one_before() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    let before = browser.cookie();
    assert_eq!(browser.sign_in(&harness.admin).await.to(), "/");
    assert_ne!(browser.cookie(), before);
    assert_eq!(browser.get("/").await.status, 200);
    let other = Browser::new(&harness);
    let request = other.request(Method::GET, "/").header("cookie", before);
    assert_eq!(other.send(request, Body::empty()).await.to(), "/sign-in");
}

#[tokio::test]
async fn other_texts_do_not_sign_in_and_are_told_to_the_audit_log() {
    let harness = Harness::new().await;
    let run = harness.token_with(OURS, &[Permission::AiGatewayRun]).await;
    let mut expired = Grant::new(OURS, Role::Admin.permissions());
    expired.expires_at = Some(crate::support::ago(1));
    let (_, expired) = harness.token(expired).await;
    let mut elsewhere = Grant::new(OURS, Role::Admin.permissions());
    elsewhere.networks = Networks {
        allow: vec![Network::parse("192.0.2.0/24").unwrap()],
        deny: Vec::new(),
    };
    let (_, elsewhere) = harness.token(elsewhere).await;
    for text in [
        "",
        "admin",
        &run,
        &expired,
        &elsewhere,
        &harness.admin[..40],
    ] {
        let browser = Browser::new(&harness);
        let page = browser.sign_in(text).await;
        assert_eq!(page.status, 403);
        page.shows("This is no API token")
            .lacks(if text.is_empty() { "\0" } else { text });
        assert_eq!(browser.get("/").await.to(), "/sign-in");
    }
    harness.registry.keep_refused(now(), true).await.unwrap();
    let path = format!("/client/v4/accounts/{OURS}/logs/audit?action=session.create");
    let lines = harness.get(&path).await;
    let times = lines.result()[0]["keyward"]["times"].as_u64();
    assert_eq!(times, Some(6), "{}", lines.text);
}

#[tokio::test]
async fn a_session_ends_with_its_token() {
    for end in ["delete", "disable", "narrow", "roll"] {
        let harness = Harness::new().await;
        let grant = Grant::new(OURS, Role::Admin.permissions());
        let (id, text) = harness.token(grant).await;
        let browser = Browser::signed_in_as(&harness, &text).await;
        assert_eq!(browser.get("/").await.status, 200);
        let path = format!("{}/{id}", tokens(OURS));
        let answer = match end {
            "delete" => harness.delete(&path).await,
            "roll" => {
                let path = format!("{path}/value");
                // Even while the old text is still good.
                let body = json!({"overlap_seconds": 600});
                harness.call(Method::PUT, &path, Some(body)).await
            }
            _ => {
                let resource = format!("com.cloudflare.api.account.{OURS}");
                // The browser's machine is in none of them.
                let elsewhere = json!({"request_ip": {"in": ["192.0.2.0/24"]}});
                let (status, condition) = match end {
                    "disable" => ("disabled", Value::Null),
                    _ => ("active", elsewhere),
                };
                let body = json!({
                    "name": "off",
                    "status": status,
                    "condition": condition,
                    "policies": [{
                        "effect": "allow",
                        "resources": {resource: "*"},
                        "permission_groups": [{"name": "AI Gateway Read"}],
                    }],
                });
                harness.call(Method::PUT, &path, Some(body)).await
            }
        };
        assert_eq!(answer.status, 200, "{end}: {}", answer.text);
        assert_eq!(browser.get("/").await.to(), "/sign-in", "{end}");
        let page = Browser::new(&harness).sign_in(&text).await;
        assert_eq!(page.status, 403, "{end}");
    }
}

#[tokio::test]
async fn a_link_signs_in_once_and_looking_at_it_does_not_count() {
    let harness = Harness::new().await;
    let id = TokenText::parse(harness.admin.as_bytes()).unwrap().id();
    let links = harness.control.sign_in_links().unwrap();
    let path = links.make(id, now()).unwrap();
    let path = std::str::from_utf8(path.expose()).unwrap();
    let code = path.strip_prefix("/sign-in/").unwrap();
    assert_eq!(code.len(), 43);

    let browser = Browser::new(&harness);
    for _ in 0..2 {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200);
        page.shows("The link is good once").shows(code);
    }
    assert_eq!(browser.get("/").await.to(), "/sign-in");
    browser.get(path).await;
    assert_eq!(browser.post("/sign-in", &[("code", code)]).await.to(), "/");
    browser.get("/").await.shows("Overview");

    let other = Browser::new(&harness);
    let page = other.get(path).await;
    assert_eq!(page.status, 403);
    page.shows("The link is good no more").lacks(code);
    assert_eq!(other.post("/sign-in", &[("code", code)]).await.status, 403);
    assert_eq!(other.get("/").await.to(), "/sign-in");
}

#[tokio::test]
async fn a_link_is_good_for_ten_minutes_and_no_other_text_is_one() {
    let harness = Harness::new().await;
    let id = TokenText::parse(harness.admin.as_bytes()).unwrap().id();
    let links = harness.control.sign_in_links().unwrap();
    let old = links.make(id, crate::support::ago(600)).unwrap();
    let old = std::str::from_utf8(old.expose()).unwrap();
    let long = format!("/sign-in/{}", "a".repeat(1000));
    for path in [old, "/sign-in/a", "/sign-in/%ff", long.as_str()] {
        let page = Browser::new(&harness).get(path).await;
        assert_eq!(page.status, 403, "{path}");
        page.shows("The link is good no more");
    }
}

#[tokio::test]
async fn there_is_no_link_for_a_gateway_token() {
    let harness = Harness::new().await;
    let run = Permissions::from_iter([Permission::AiGatewayRun]);
    let (gateway, _) = harness.token(Grant::new(OURS, run)).await;
    let links = harness.control.sign_in_links().unwrap();
    assert!(links.make(gateway, now()).is_none());
}

#[tokio::test]
async fn who_may_not_see_the_overview_may_sign_in_with_another_token() {
    let harness = Harness::new().await;
    let text = harness.token_with(OURS, &[Permission::AuditLogRead]).await;
    let browser = Browser::signed_in_as(&harness, &text).await;
    let page = browser.get("/").await;
    assert_eq!(page.status, 403);
    page.shows(r#"href="/sign-in""#);
    assert_eq!(browser.get("/audit").await.status, 200);
}

#[tokio::test]
async fn the_rest_api_takes_no_cookie() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    for (method, path) in [
        (Method::GET, format!("/client/v4/accounts/{OURS}")),
        (Method::GET, tokens(OURS)),
        (Method::POST, tokens(OURS)),
    ] {
        let page = browser
            .send(browser.request(method, &path), Body::from("{}"))
            .await;
        assert_eq!(page.status, 401, "{}", page.text);
    }
    // And a page has no way to it even with a token.
    let request = browser
        .request(Method::POST, &tokens(OURS))
        .header("authorization", format!("Bearer {}", harness.admin))
        .header("origin", format!("http://{HOST}"));
    assert_eq!(browser.send(request, Body::from("{}")).await.status, 403);
}

#[tokio::test]
async fn the_form_to_sign_in_is_of_this_browser() {
    let harness = Harness::new().await;
    let (one, other) = (Browser::new(&harness), Browser::new(&harness));
    one.get("/sign-in").await;
    other.get("/sign-in").await;
    let post = async |origin: &str, csrf: &str| {
        let fields = [("csrf", csrf), ("token", harness.admin.as_str())];
        let request = one
            .request(Method::POST, "/sign-in")
            .header("origin", origin);
        one.send(request, Body::from(encode(&fields))).await.status
    };
    let own = format!("http://{HOST}");
    assert_eq!(post(&own, &other.csrf()).await, 403);
    assert_eq!(post(&own, "").await, 403);
    assert_eq!(post("http://evil.example", &one.csrf()).await, 403);
    assert_eq!(post("null", &one.csrf()).await, 403);
    assert_eq!(post(&own, &one.csrf()).await, 303);
}

#[tokio::test]
async fn without_the_setting_there_are_no_pages() {
    let mut config = Config::loopback("http://127.0.0.1:8787", "0");
    config.dashboard = false;
    let harness = Harness::with(config).await;
    assert!(harness.control.sign_in_links().is_none());
    let browser = Browser::new(&harness);
    for path in ["/", "/keys", "/sign-in", "/assets/0/dashboard.css"] {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
    harness.get("/client/v4/accounts").await.result();
}

#[tokio::test]
async fn nobody_signs_in_by_plain_http_from_another_machine() {
    let mut config = Config::loopback("http://127.0.0.1:8787", "0");
    config.is_loopback = false;
    let harness = Harness::with(config).await;
    assert!(harness.control.sign_in_links().is_none());
    let browser = Browser::new(&harness);
    browser
        .get("/sign-in")
        .await
        .shows("No sign-in here")
        .lacks("<form");
    assert_eq!(browser.sign_in(&harness.admin).await.status, 403);
    assert_eq!(browser.get("/").await.to(), "/sign-in");
}
