//! Attacks on the destination of a stored key: by an editor who may change things but not read the key, and by
//! a client. No byte goes where the key was not meant to go.

use keyward_gateway::Config;
use keyward_registry::{ChangeError, GatewayId, KeySource, ProviderKey, Refusal};
use keyward_testing::{Behaviour, FakeProvider, Placement, RawRecorder, TestCa, client::send_raw};

use crate::support::{
    ACCOUNT, ACTOR, Base, CHAT, Running, code, make_gateway, mint, new_key, now, value,
};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

async fn provider(ca: &TestCa) -> FakeProvider {
    FakeProvider::start_tls(Placement::bearer(), Vec::<String>::new(), ca).await
}

/// `openai` at the fake provider, `anthropic` and `groq` at the attacker's.
async fn beside_attacker() -> (Running, RawRecorder) {
    let attacker = RawRecorder::start(ANSWER).await;
    let ca = TestCa::new();
    let provider = provider(&ca).await;
    let origin = provider.origin();
    let evil = format!("http://{}", attacker.addr());
    let base_urls = [
        ("openai", origin.as_str()),
        ("anthropic", &evil),
        ("groq", &evil),
    ];
    let running = Running::over(&Base::new(), &base_urls, provider, &ca, Config::default()).await;
    (running, attacker)
}

async fn bind(
    running: &Running,
    gateway: &str,
    slug: &str,
    key: &ProviderKey,
) -> Result<(), ChangeError> {
    let new = new_key(gateway, slug, KeySource::Secret(key.record.secret));
    running
        .registry
        .create_provider_key(new, ACTOR, now())
        .await
        .map(drop)
}

#[track_caller]
fn check_refused(bound: Result<(), ChangeError>, running: &Running) {
    let error = bound.expect_err("a bound secret does not move");
    let text = error.to_string();
    assert!(
        matches!(error.refusal(), Refusal::WrongDestination { .. }),
        "{text}"
    );
    assert!(
        text.contains(&running.provider.origin()),
        "it says what the secret is sealed for: {text}"
    );
}

/// The recorder does record: the silence before means something.
async fn check_silent(attacker: &RawRecorder) {
    assert_eq!(attacker.received(), Vec::<Vec<u8>>::new());
    let probe = send_raw(attacker.addr(), b"GET / HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(probe.status, 200);
    assert_eq!(attacker.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_cannot_be_bound_to_another_provider() {
    let (running, attacker) = beside_attacker().await;
    let (_, key) = running.store_key("openai", "default").await;
    make_gateway(&running.registry, "own").await;
    for slug in ["anthropic", "groq"] {
        for gateway in ["prod", "own"] {
            check_refused(bind(&running, gateway, slug, &key).await, &running);
        }
        let answer = running.authorized_chat(slug, &[]).await;
        assert_eq!((answer.status, code(&answer)), (400, 2044));
    }
    // To the same provider it can, in another gateway too.
    bind(&running, "own", "openai", &key).await.unwrap();
    check_silent(&attacker).await;
    running.stop().await;
}

/// The secret survives the deletion because a second gateway shares it.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_key_cannot_come_back_under_another_provider() {
    let (running, attacker) = beside_attacker().await;
    let (canary, key) = running.store_key("openai", "default").await;
    make_gateway(&running.registry, "own").await;
    bind(&running, "own", "openai", &key).await.unwrap();
    running
        .registry
        .delete_provider_key(ACCOUNT, key.record.id, ACTOR, now())
        .await
        .unwrap();
    assert_eq!(code(&running.authorized_chat("openai", &[]).await), 2044);
    for slug in ["anthropic", "groq"] {
        check_refused(bind(&running, "prod", slug, &key).await, &running);
    }
    // Nor can the gateway be made anew around it.
    let id = GatewayId::parse("prod").unwrap();
    running
        .registry
        .delete_gateway(ACCOUNT, id.as_str(), ACTOR, now())
        .await
        .unwrap();
    make_gateway(&running.registry, "prod").await;
    check_refused(bind(&running, "prod", "anthropic", &key).await, &running);
    assert_eq!(running.provider.count(), 0);
    // Under its own provider it comes back, and goes where it always went.
    bind(&running, "prod", "openai", &key).await.unwrap();
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    let bearer = format!("Bearer {}", canary.text());
    assert_eq!(
        running.provider.take_recorded()[0].header("authorization"),
        Some(bearer.as_str())
    );
    check_silent(&attacker).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_base_url_leaves_the_key_behind_until_it_is_entered_again() {
    let base = Base::new();
    let ca = TestCa::new();
    let first = provider(&ca).await;
    let sealed_for = first.origin();
    let base_urls = [("openai", sealed_for.as_str())];
    let running = Running::over(&base, &base_urls, first, &ca, Config::default()).await;
    let (_, key) = running.store_key("openai", "default").await;
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    running.stop().await;

    // The same vault and store; the configuration file names another origin, which takes any key.
    let attacker = RawRecorder::start(ANSWER).await;
    let evil = format!("http://{}", attacker.addr());
    let unused = provider(&ca).await;
    let running = Running::over(&base, &[("openai", &evil)], unused, &ca, Config::default()).await;
    let answer = running.authorized_chat("openai", &[]).await;
    assert_eq!(
        (answer.status, code(&answer)),
        (424, 9012),
        "{}",
        answer.text()
    );
    for word in [
        &sealed_for,
        &evil,
        "keyward keys rotate openai --gateway prod --alias default",
    ] {
        assert!(
            answer.text().contains(word),
            "{word} is not in {}",
            answer.text()
        );
    }
    make_gateway(&running.registry, "own").await;
    assert!(bind(&running, "own", "openai", &key).await.is_err());
    check_silent(&attacker).await;
    running.stop().await;

    // Whoever enters the value again says by it where it may go.
    let second = provider(&ca).await;
    let origin = second.origin();
    let running = Running::over(
        &base,
        &[("openai", &origin)],
        second,
        &ca,
        Config::default(),
    )
    .await;
    assert_eq!(code(&running.authorized_chat("openai", &[]).await), 9012);
    let canary = keyward_testing::Canary::new("entered again");
    running.provider.accept_keys([canary.text()]);
    let id = key.record.id;
    running
        .registry
        .rotate_provider_key(ACCOUNT, id, &value(&canary), ACTOR, now())
        .await
        .unwrap();
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    assert_eq!(running.provider.count(), 1);
    running.stop().await;
}

/// Header lines that some server or framework takes its target from.
fn hostile_lines(own: &str, evil: &str) -> Vec<String> {
    vec![
        format!("Host: {own}\r\nx-fal-target-url: http://{evil}/x\r\n"),
        format!("Host: {own}\r\nX-Forwarded-Host: {evil}\r\nForwarded: host={evil};proto=http\r\n"),
        format!(
            "Host: {own}\r\nX-Original-URL: http://{evil}/\r\nX-Rewrite-URL: http://{evil}/\r\n"
        ),
        format!(
            "Host: {own}\r\nX-Host: {evil}\r\nX-Base-Url: http://{evil}\r\nbase-url: http://{evil}\r\n"
        ),
        format!(
            "Host: {own}\r\nOrigin: http://{evil}\r\nReferer: http://{evil}/\r\nVia: 1.1 {evil}\r\n"
        ),
        format!("Host: {own}\r\ncf-aig-base-url: http://{evil}\r\ncf-aig-gateway-id: {evil}\r\n"),
        format!("Host: {evil}\r\n"),
        format!(
            "Host: {own}\r\nUpgrade: h2c\r\nConnection: upgrade, http2-settings\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_a_request_moves_the_key() {
    let (running, attacker) = beside_attacker().await;
    let (canary, _) = running.store_key("openai", "default").await;
    let evil = attacker.addr().to_string();
    let path = running.path("openai/chat/completions");
    let bearer = running.bearer();
    let body = format!(
        r#"{{"model":"m","api_base":"http://{evil}","base_url":"http://{evil}/","url":"http://{evil}","host":"{evil}"}}"#
    );
    let own = running.addr.to_string();
    let mut sent = 0;
    for lines in hostile_lines(&own, &evil) {
        // In origin form, and in absolute form with an authority that the Host agrees with.
        let host = lines
            .split("\r\n")
            .next()
            .unwrap()
            .trim_start_matches("Host: ");
        for target in [
            path.clone(),
            format!("http://{host}{path}"),
            format!("https://{host}{path}"),
        ] {
            let request = format!(
                "POST {target} HTTP/1.1\r\n{lines}cf-aig-authorization: {bearer}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let answer = send_raw(running.addr, request.as_bytes()).await.unwrap();
            assert_eq!(answer.status, 200, "{request}: {}", answer.text());
            sent += 1;
        }
    }
    let seen = running.provider.take_recorded();
    assert_eq!(seen.len(), sent);
    for request in &seen {
        assert_eq!(request.target, "/v1/chat/completions");
        assert_eq!(
            request.header("host"),
            Some(running.provider.addr().to_string().as_str())
        );
        assert_eq!(
            request.header_all("authorization"),
            [format!("Bearer {}", canary.text()).as_bytes()]
        );
        assert_eq!(request.body, body.as_bytes());
    }
    check_silent(&attacker).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_authority_in_the_target_is_refused_or_a_path_like_any_other() {
    let (running, attacker) = beside_attacker().await;
    running.store_key("openai", "default").await;
    let evil = attacker.addr().to_string();
    let own = running.addr.to_string();
    let path = running.path("openai/chat/completions");
    let bearer = running.bearer();
    for target in [
        format!("http://{evil}{path}"),
        format!("http://{evil}@{own}{path}"),
        format!("http://{own}@{evil}{path}"),
        format!("//{evil}{path}"),
        format!("@{evil}{path}"),
    ] {
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: {own}\r\ncf-aig-authorization: {bearer}\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        let answer = send_raw(running.addr, request.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 400, "{target}");
    }
    assert_eq!(running.provider.take_recorded(), []);
    // Behind the provider's segment an authority is a path like any other.
    for rest in [
        format!("@{evil}/x"),
        format!("/{evil}/x"),
        format!("http://{evil}/x"),
        format!("x?url=http://{evil}/"),
    ] {
        let request = running.head("GET", &format!("openai/{rest}"), "");
        let answer = send_raw(running.addr, request.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 200, "{rest}: {}", answer.text());
        assert_eq!(
            running.provider.take_recorded()[0].target,
            format!("/v1/{rest}")
        );
    }
    check_silent(&attacker).await;
    running.stop().await;
}

/// An upstream cannot send the key on either: a redirect is not followed, whatever the method.
#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_not_followed() {
    let (running, attacker) = beside_attacker().await;
    running.store_key("openai", "default").await;
    let evil = attacker.addr();
    running
        .provider
        .behave(Behaviour::Redirect(format!("http://{evil}/steal")));
    let mut client = running.client().await;
    let bearer = running.bearer();
    for method in ["GET", "POST", "HEAD", "DELETE", "PUT"] {
        let headers = [("cf-aig-authorization", bearer.as_str())];
        let path = running.path("openai/chat/completions");
        let answer = client.request(method, &path, &headers, CHAT).await.unwrap();
        assert_eq!(answer.status, 502, "{method}");
        assert_eq!(answer.header("location"), None);
    }
    check_silent(&attacker).await;
    running.stop().await;
}

/// A stored key is for those whom a token of this gateway lets in, also where the gateway asks for none.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_another_gateway_opens_no_shared_key() {
    let (running, attacker) = beside_attacker().await;
    let (_, key) = running.store_key("openai", "default").await;
    make_gateway(&running.registry, "own").await;
    bind(&running, "own", "openai", &key).await.unwrap();
    let mut grant = Running::grant();
    grant.gateways = keyward_auth::Scope::only(["own"]);
    let narrow = format!("Bearer {}", mint(&running.registry, grant).await.0.text());
    let headers = [("cf-aig-authorization", narrow.as_str())];
    assert_eq!(code(&running.chat("openai", &headers).await), 2009);
    let path = format!("/v1/{ACCOUNT}/own/openai/chat/completions");
    let answer = running
        .client()
        .await
        .post(&path, &headers, CHAT)
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    check_silent(&attacker).await;
    running.stop().await;
}
