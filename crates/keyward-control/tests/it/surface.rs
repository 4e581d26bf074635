//! What every request passes, whatever its path.

use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request};
use keyward_auth::{Grant, Network, Networks, Permission, Role};
use keyward_control::{Config, Readiness};
use serde_json::json;

use crate::support::{CANARY, Harness, OURS, gateways, keys, new_gateway, now, request, secret};

#[tokio::test]
async fn accounts_and_memberships_tell_the_tokens_own_account() {
    let harness = Harness::new().await;
    let list = harness.get("/client/v4/accounts?page=1").await;
    assert_eq!(list.result()[0]["id"], OURS.to_string());
    assert_eq!(list.result()[0]["name"], "ours");
    assert_eq!(
        *harness.get("/client/v4/accounts?page=2").await.result(),
        json!([])
    );
    let one = harness.get(&format!("/client/v4/accounts/{OURS}")).await;
    assert_eq!(*one.result(), list.result()[0]);
    let memberships = harness.get("/client/v4/memberships?page=1").await;
    assert_eq!(memberships.result()[0]["account"], *one.result());
    harness
        .get("/client/v4/accounts/not-an-id")
        .await
        .refused(404, 7003);
}

#[tokio::test]
async fn the_user_is_the_token_itself() {
    let harness = Harness::new().await;
    let user = harness.get("/client/v4/user").await;
    let verified = harness.get("/client/v4/user/tokens/verify").await;
    assert_eq!(user.result()["id"], verified.result()["id"]);
    assert_eq!(user.result()["first_name"], "test");
    // Wrangler tells that somebody with this address is logged in.
    let email = user.result()["email"].as_str().unwrap();
    assert!(email.ends_with("@api-token.invalid"), "{email}");
}

#[tokio::test]
async fn a_token_sees_itself_and_needs_no_permission_for_it() {
    let harness = Harness::new().await;
    let mut grant = Grant::new(OURS, [Permission::AiGatewayRead].into_iter().collect());
    grant.expires_at = Some(now() + std::time::Duration::from_secs(60));
    let (id, text) = harness.token(grant).await;
    let path = "/client/v4/keyward/token";
    let own = harness.call_as(&text, Method::GET, path, None).await;
    assert_eq!(own.status, 200, "{}", own.text);
    assert_eq!(own.result()["id"], id.as_str());
    assert!(own.result()["expires_on"].is_string());
    let groups = &own.result()["policies"][0]["permission_groups"];
    assert_eq!(groups[0]["name"], "AI Gateway Read");
    assert!(own.result().get("value").is_none());
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_in_the_envelope() {
    let harness = Harness::new().await;
    for path in [
        "/client/v4",
        "/client/v4/zones",
        "/client/v4/accounts/x/y/z",
        "/client/v4/accounts/%ff",
    ] {
        harness.get(path).await.refused(404, 7000);
    }
    let answer = harness
        .call(Method::PUT, &gateways(OURS), Some(json!({})))
        .await;
    answer.refused(405, 7000);
    let allow = answer.headers["allow"].to_str().unwrap();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    let preflight = harness.call(Method::OPTIONS, &gateways(OURS), None).await;
    preflight.refused(405, 7000);
    assert!(
        !preflight
            .headers
            .keys()
            .any(|name| name.as_str().starts_with("access-control"))
    );
}

#[tokio::test]
async fn only_one_bearer_token_authenticates() {
    let harness = Harness::new().await;
    let base = || {
        Request::builder()
            .uri("/client/v4/accounts")
            .header("host", "localhost")
    };
    let bearer = format!("Bearer {}", harness.admin);
    for request in [
        base(),
        base().header("authorization", &harness.admin),
        base().header("authorization", format!("Basic {}", harness.admin)),
        base()
            .header("authorization", &bearer)
            .header("authorization", &bearer),
        base().header("cookie", format!("token={}", harness.admin)),
        base()
            .header("x-auth-key", &harness.admin)
            .header("x-auth-email", "a@example.com"),
        base().header(
            "authorization",
            format!("Bearer {} {}", harness.admin, harness.admin),
        ),
    ] {
        harness
            .send(request.body(Body::empty()).unwrap())
            .await
            .refused(401, 10000);
    }
    let request = base().header("authorization", format!("bearer  {} ", harness.admin));
    harness
        .send(request.body(Body::empty()).unwrap())
        .await
        .result();
}

#[tokio::test]
async fn a_token_bound_to_networks_needs_a_known_peer() {
    let harness = Harness::new().await;
    let mut grant = Grant::new(OURS, Role::Admin.permissions());
    grant.networks = Networks {
        allow: vec![Network::parse("0.0.0.0/0").unwrap()],
        deny: vec![],
    };
    let (_, token) = harness.token(grant).await;
    let mut request = request(&token, Method::GET, "/client/v4/accounts", Body::empty());
    request.extensions_mut().clear();
    harness.send(request).await.refused(401, 10000);
    harness
        .call_as(&token, Method::GET, "/client/v4/accounts", None)
        .await
        .result();
}

#[tokio::test]
async fn other_host_names_are_refused_before_anything_else() {
    let mut config = Config::loopback("http://127.0.0.1:8787", "0");
    config.allowed_hosts = vec!["keys.example.com".into()];
    let harness = Harness::with(config).await;
    let with_host = |host: &str| {
        let mut request = request(
            &harness.admin,
            Method::GET,
            "/client/v4/accounts",
            Body::empty(),
        );
        request.headers_mut().insert("host", host.parse().unwrap());
        request
    };
    harness.send(with_host("keys.example.com")).await.result();
    let answer = harness.send(with_host("evil.example:8788")).await;
    assert!(answer.refused(421, 7000).contains("allowed_hosts"));
    let mut none = with_host("localhost");
    none.headers_mut().remove("host");
    harness.send(none).await.refused(400, 7000);
    // A probe reaches a pod by its address.
    let probe = Request::builder()
        .uri("/healthz")
        .header("host", "10.0.0.1:8788")
        .body(Body::empty())
        .unwrap();
    assert_eq!(harness.send(probe).await.status, 200);
}

#[tokio::test]
async fn web_pages_may_not_write() {
    let harness = Harness::new().await;
    for (name, value) in [
        ("origin", "http://127.0.0.1:8788"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let body = Body::from(new_gateway("prod").to_string());
        let mut write = request(&harness.admin, Method::POST, &gateways(OURS), body);
        write.headers_mut().insert(name, value.parse().unwrap());
        harness.send(write).await.refused(403, 10000);
    }
    assert_eq!(
        harness.get(&gateways(OURS)).await.json["result_info"]["total_count"],
        1
    );
}

#[tokio::test]
async fn json_is_read_whatever_the_content_type_says() {
    let harness = Harness::new().await;
    let body = Body::from(new_gateway("prod").to_string());
    let mut write = request(&harness.admin, Method::POST, &gateways(OURS), body);
    write
        .headers_mut()
        .insert("content-type", "text/plain;charset=UTF-8".parse().unwrap());
    harness.send(write).await.result();
}

#[tokio::test]
async fn bodies_are_limited_and_broken_ones_are_not_quoted() {
    let harness = Harness::new().await;
    let post = async |body: Body| {
        harness
            .send(request(
                &harness.admin,
                Method::POST,
                &keys(OURS, "default"),
                body,
            ))
            .await
    };
    let large = post(Body::from(vec![b' '; 1024 * 1024 + 1])).await;
    large.refused(413, 7001);
    let chunk = || Ok::<_, std::io::Error>(bytes::Bytes::from(vec![b' '; 300_000]));
    let chunked = futures_stream([chunk(), chunk(), chunk(), chunk()]);
    post(chunked).await.refused(413, 7001);
    let cut = futures_stream([chunk(), Err(std::io::Error::other("reset"))]);
    post(cut).await.invalid(&json!(["body"]));
    let broken = format!("{{\"secret\": \"{}\",}}", secret());
    let answer = post(Body::from(broken)).await;
    let message = answer.invalid(&json!(["body"]));
    assert!(message.contains("line 1, column"), "{message}");
    post(Body::from(format!("[\"{CANARY}\"]")))
        .await
        .invalid(&json!(["body"]));
    post(Body::empty()).await.invalid(&json!(["body"]));
    let padded = format!(
        "{}{}",
        " ".repeat(1_000_000),
        json!({"provider_slug": "openai", "secret": secret()})
    );
    post(Body::from(padded)).await.result();
}

fn futures_stream<const N: usize>(chunks: [Result<bytes::Bytes, std::io::Error>; N]) -> Body {
    Body::new(http_body_util::StreamBody::new(Chunks(
        chunks.into_iter().collect(),
    )))
}

struct Chunks(std::collections::VecDeque<Result<bytes::Bytes, std::io::Error>>);

impl futures_util::Stream for Chunks {
    type Item = Result<hyper::body::Frame<bytes::Bytes>, std::io::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let chunk = self.0.pop_front();
        std::task::Poll::Ready(chunk.map(|chunk| chunk.map(hyper::body::Frame::data)))
    }
}

#[tokio::test]
async fn probes_are_answered_to_anyone() {
    let mut config = Config::loopback("http://127.0.0.1:8787", "1.2.3");
    config.ready = Arc::new(|| Readiness::NotReady {
        reason: "the vault is sealed".into(),
    });
    let harness = Harness::with(config).await;
    let get = async |path: &str| {
        harness
            .send(Request::builder().uri(path).body(Body::empty()).unwrap())
            .await
    };
    let live = get("/healthz").await;
    assert_eq!(
        (live.status, live.json),
        (200, json!({"status": "ok", "version": "1.2.3"}))
    );
    let ready = get("/readyz").await;
    let expected = json!({"status": "not_ready", "reason": "the vault is sealed"});
    assert_eq!((ready.status, ready.json), (503, expected));
    let harness = Harness::new().await;
    let ready = harness
        .send(
            Request::builder()
                .uri("/readyz")
                .body(Body::empty())
                .unwrap(),
        )
        .await;
    assert_eq!(
        (ready.status, ready.json),
        (200, json!({"status": "ready"}))
    );
    harness.get("/metrics").await.refused(404, 7000);
}

#[tokio::test]
async fn metrics_need_a_token_unless_on_loopback() {
    let mut config = Config::loopback("http://127.0.0.1:8787", "0");
    config.metrics = Some(Arc::new(|| "up 1\n".into()));
    let open = || {
        Request::builder()
            .uri("/metrics")
            .header("host", "localhost")
            .body(Body::empty())
            .unwrap()
    };
    let harness = Harness::with(config.clone()).await;
    let answer = harness.send(open()).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "up 1\n"));
    assert_eq!(
        answer.headers["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    config.is_loopback = false;
    let harness = Harness::with(config).await;
    harness.send(open()).await.refused(401, 10000);
    let other = harness.token_with(OURS, &[Permission::AiGatewayRead]).await;
    harness
        .call_as(&other, Method::GET, "/metrics", None)
        .await
        .refused(403, 10000);
    let reader = harness
        .token_with(OURS, &[Permission::AccountAnalyticsRead])
        .await;
    assert_eq!(
        harness
            .call_as(&reader, Method::GET, "/metrics", None)
            .await
            .status,
        200
    );
}
