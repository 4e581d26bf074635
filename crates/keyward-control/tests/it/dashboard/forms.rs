//! Every form, as a page of somebody else would send it.

use axum::body::Body;
use http::Method;
use keyward_auth::Permission;
use keyward_control::Control;

use super::{
    browser::{Browser, HOST, encode},
    records::Records,
};
use crate::support::{Harness, OURS, keys, new_gateway, now};

/// Every path that takes a form of somebody who is signed in, with records in it that are there.
fn forms(records: &Records) -> Vec<String> {
    let posts =
        Control::pages().filter(|(method, path)| *method == Method::POST && *path != "/sign-in");
    let filled: Vec<_> = posts.map(|(_, path)| records.fill(path)).collect();
    assert!(
        filled.len() >= 8 && !filled.iter().any(|path| path.contains('{')),
        "{filled:?}"
    );
    filled
}

#[tokio::test]
async fn every_form_needs_the_session_its_own_token_and_our_origin_and_host() {
    let harness = Harness::new().await;
    let records = Records::make(&harness).await;
    let forms = forms(&records);
    let browser = Browser::signed_in(&harness).await;
    browser.get("/").await;
    let (csrf, cookie) = (browser.csrf(), browser.cookie());
    let own = format!("http://{HOST}");
    let stranger = Browser::new(&harness);
    let fields = encode(&[
        ("csrf", &csrf),
        ("typed", "openai/default"),
        ("secret", "sk-new-new-new"),
    ]);
    let lines = async || {
        let path = format!("/client/v4/accounts/{OURS}/logs/audit?action_result=done&limit=1000");
        harness.get(&path).await.result().as_array().unwrap().len()
    };
    let before = lines().await;
    for path in &forms {
        let post = |host: &str, origin: &str| {
            let request = stranger.request(Method::POST, path);
            let mut request = request.header("origin", origin);
            request
                .headers_mut()
                .unwrap()
                .insert("host", host.parse().unwrap());
            request
        };
        let ask = async |request: http::request::Builder, body: &str| {
            stranger
                .send(request, Body::from(body.to_owned()))
                .await
                .status
        };
        // Without the session, or with another one.
        assert_eq!(ask(post(HOST, &own), &fields).await, 403, "{path}");
        let other = post(HOST, &own).header("cookie", "keyward-00000000=x");
        assert_eq!(ask(other, &fields).await, 403, "{path}");
        // Without the form's own token, or with another one.
        for body in ["", "typed=openai%2Fdefault", "csrf=", "csrf=AAAA", "{}"] {
            let request = post(HOST, &own).header("cookie", &cookie);
            assert_eq!(ask(request, body).await, 403, "{path}");
        }
        // From other origins, and from none.
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost:8788",
            "https://127.0.0.1:8788",
        ] {
            let request = post(HOST, origin).header("cookie", &cookie);
            assert_eq!(ask(request, &fields).await, 403, "{path} {origin}");
        }
        let none = stranger
            .request(Method::POST, path)
            .header("cookie", &cookie);
        assert_eq!(ask(none, &fields).await, 403, "{path}");
        for site in ["cross-site", "same-site", "none"] {
            let request = post(HOST, &own).header("cookie", &cookie);
            let request = request.header("sec-fetch-site", site);
            assert_eq!(ask(request, &fields).await, 403, "{path} {site}");
        }
        // Under a name that somebody else's page made resolve to here.
        let request = post("evil.example", "http://evil.example").header("cookie", &cookie);
        assert_eq!(ask(request, &fields).await, 421, "{path}");
        // By GET.
        let request = stranger.request(Method::GET, &format!("{path}?{fields}"));
        let status = ask(request.header("cookie", &cookie), "").await;
        assert!(matches!(status, 200 | 405), "{path} {status}");
    }
    assert_eq!(lines().await, before, "something was changed");
    // And the session is still there: nobody can end it for its owner.
    assert_eq!(browser.get("/").await.status, 200);
}

#[tokio::test]
async fn a_page_can_do_no_more_than_its_token() {
    let harness = Harness::new().await;
    let records = Records::make(&harness).await;
    let forms = forms(&records);
    harness
        .post(&crate::support::gateways(OURS), new_gateway("other"))
        .await
        .result();
    let read = [
        Permission::AiGatewayRead,
        Permission::AccountApiTokensRead,
        Permission::SecretsStoreRead,
    ];
    let reader = harness.token_with(OURS, &read).await;
    let browser = Browser::signed_in_as(&harness, &reader).await;
    browser
        .get("/keys")
        .await
        .shows("openai")
        .lacks("/keys/new");
    browser
        .get("/gateways/default")
        .await
        .lacks("/keys/new")
        .lacks("/tokens/new")
        .lacks("/gateways/default/edit")
        .lacks("/gateways/default/delete");
    browser.get("/gateways").await.lacks("/new-gateway");
    let mut refused = 0;
    // Who may read a route may ask which way a request would take.
    let changes = |path: &&String| *path != "/sign-out" && !path.ends_with("/explain");
    for path in forms.iter().filter(changes) {
        let fields = [
            ("gateway", "default"),
            ("provider_slug", "openai"),
            ("secret", "sk-new-new-new"),
            ("name", "x"),
        ];
        let mut fields = fields.to_vec();
        fields.push(("typed", records.typed(path)));
        let page = browser.post(path, &fields).await;
        assert_eq!(page.status, 403, "{path}: {}", page.text);
        refused += 1;
    }
    assert!(refused >= 7);
    let listed = harness.get(&keys(OURS, "default")).await;
    assert_eq!(listed.result().as_array().unwrap().len(), 1);
    assert_eq!(listed.result()[0]["enabled"], true);
    // What it tried is in the log, as by REST.
    harness.registry.keep_refused(now(), true).await.unwrap();
    let path = format!("/client/v4/accounts/{OURS}/logs/audit?action_result=denied");
    let denied = harness.get(&path).await;
    assert!(
        denied.text.contains("provider_key.rotate"),
        "{}",
        denied.text
    );
    // A token that may not read the audit log gets no page of it.
    assert_eq!(browser.get("/audit").await.status, 403);
}
