//! Requests that cannot be served: each gets an answer that says what is wrong and what mends it.

use std::{sync::Arc, time::Duration};

use keyward_auth::Scope;
use keyward_forward::{BoxFuture, Connection, Dial, DialError, dial};
use keyward_gateway::Config;
use keyward_registry::KeyEdit;
use keyward_secret::Origin;
use keyward_testing::{
    Behaviour, Canary, FakeProvider, Placement, RawRecorder, TestCa,
    client::{RawAnswer, send_raw},
};

use crate::{
    support::{ACCOUNT, ACTOR, Base, Running, Setup, code, mint, now},
    upstream::Upstream,
};

/// Status, code, and the words that the message must hold; and no secret in any of it.
#[track_caller]
fn check(running: &Running, answer: &RawAnswer, status: u16, wanted: u64, words: &[&str]) {
    let text = answer.text();
    assert_eq!((answer.status, code(answer)), (status, wanted), "{text}");
    let body = answer.json();
    let message = body["message"].as_str().unwrap();
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
    let whole = format!("{answer:?}");
    for canary in Canary::all_of_this_process() {
        assert!(!text.contains(canary.random_part()), "{canary:?} in {text}");
        assert!(!whole.contains(canary.random_part()), "{canary:?} in a header");
    }
    assert!(!text.contains(running.token.random_part()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_gateway_is_named_with_the_command_that_makes_it() {
    let running = Running::start(Setup::default()).await;
    let bearer = running.bearer();
    let path = format!("/v1/{ACCOUNT}/staging/openai/chat/completions");
    let mut client = running.client().await;
    let answer = client.get(&path, &[("cf-aig-authorization", &bearer)]).await.unwrap();
    check(&running, &answer, 400, 2001, &["`staging`", "keyward gateways create staging"]);
    // Whoever holds no token learns nothing.
    let answer = client.get(&path, &[]).await.unwrap();
    check(&running, &answer, 401, 2009, &["Unauthorized"]);
    let mut grant = Running::grant();
    grant.gateways = Scope::only(["prod"]);
    let elsewhere = mint(&running.registry, grant).await.0;
    let bearer = format!("Bearer {}", elsewhere.text());
    let answer = client.get(&path, &[("cf-aig-authorization", &bearer)]).await.unwrap();
    check(&running, &answer, 401, 2009, &[]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_provider_is_named() {
    let running = Running::start(Setup::default()).await;
    for slug in ["nebius", "OpenAI", "openai%20", "custom-mine", "compat"] {
        let answer = running.authorized_chat(slug, &[]).await;
        check(&running, &answer, 400, 2008, &["Invalid provider", slug, "docs/providers.md"]);
        let answer = running.chat(slug, &[]).await;
        check(&running, &answer, 401, 2009, &[]);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_cannot_be_used_says_why() {
    let recorder = RawRecorder::start("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let running = Running::start(Setup {
        slugs: &["openai", "baseten"],
        ..Setup::default()
    })
    .await;
    for (slug, words) in [
        ("aws-bedrock", &["`aws-bedrock` cannot be used"][..]),
        ("google-vertex-ai", &["`google-vertex-ai` cannot be used"]),
        ("azure-openai", &["`azure-openai` cannot be used"]),
        ("workers-ai", &["`workers-ai` cannot be used", "account_id", "[providers.workers-ai]"]),
    ] {
        let answer = running.authorized_chat(slug, &[]).await;
        check(&running, &answer, 400, 2008, words);
        // A key of the client's own helps nothing.
        let answer = running.authorized_chat(slug, &[("Authorization", "Bearer sk-own")]).await;
        check(&running, &answer, 400, 2008, words);
    }
    let bearer = running.bearer();
    let mut client = running.client().await;
    let path = running.path("baseten/model/abc123/production/predict");
    let answer = client.post(&path, &[("cf-aig-authorization", &bearer)], b"{}").await.unwrap();
    check(&running, &answer, 400, 9007, &["dedicated deployments", "`baseten`"]);

    for url in [
        format!("http://{}/fal-ai/x", recorder.addr()),
        "https://evil.example/fal-ai/x".to_owned(),
        "https://queue.fal.run@evil.example/x".to_owned(),
        "https://queue.fal.run.evil.example/x".to_owned(),
        "http://queue.fal.run/x".to_owned(),
        "//queue.fal.run/x".to_owned(),
        "https://queue.fal.run/../x".to_owned(),
    ] {
        let headers = [("cf-aig-authorization", bearer.as_str()), ("x-fal-target-url", &url)];
        let answer = client.post(&running.path("fal"), &headers, b"{}").await.unwrap();
        check(&running, &answer, 400, 9007, &["`fal`", "x-fal-target-url"]);
    }
    assert_eq!(running.provider.count(), 0);
    assert!(recorder.received().is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_alias_lists_those_that_the_token_may_use() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "batch").await;
    running.store_key("openai", "research").await;
    let answer = running.authorized_chat("openai", &[("cf-aig-byok-alias", "nightly")]).await;
    let store = "keyward keys add openai --gateway prod --alias nightly";
    check(&running, &answer, 400, 2040, &["'nightly'", "'batch'", "'research'", store]);
    // Without the header it is `default` that is missing.
    let answer = running.authorized_chat("openai", &[]).await;
    check(&running, &answer, 400, 2040, &["'default'", "'batch'", "'research'"]);

    let mut grant = Running::grant();
    grant.aliases = Scope::only(["batch"]);
    let narrow = format!("Bearer {}", mint(&running.registry, grant).await.0.text());
    let ask = |alias| [("cf-aig-authorization", narrow.as_str()), ("cf-aig-byok-alias", alias)];
    let answer = running.chat("openai", &ask("nightly")).await;
    check(&running, &answer, 400, 2040, &["'batch'"]);
    assert!(!answer.text().contains("research"));
    let answer = running.chat("openai", &ask("research")).await;
    check(&running, &answer, 401, 2009, &[]);

    // What is no alias is not repeated, and two are not guessed at.
    let answer = running.authorized_chat("openai", &[("cf-aig-byok-alias", "<b>x</b>")]).await;
    check(&running, &answer, 400, 2040, &["'?'"]);
    let twice = [("cf-aig-byok-alias", "batch"), ("cf-aig-byok-alias", "research")];
    let answer = running.authorized_chat("openai", &twice).await;
    check(&running, &answer, 400, 9006, &["cf-aig-byok-alias", "more than once"]);
    assert_eq!(running.provider.count(), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_key_is_named_with_the_command_that_stores_it() {
    let running = Running::start(Setup::default()).await;
    for alias in [None, Some(("cf-aig-byok-alias", "nightly"))] {
        let headers: Vec<_> = alias.into_iter().collect();
        let answer = running.authorized_chat("openai", &headers).await;
        check(&running, &answer, 400, 2044, &["`prod`", "`openai`", "keyward keys add openai --gateway prod"]);
    }
    // By an alias of the provider's name the command still names the provider itself.
    let answer = running.authorized_chat("xai", &[]).await;
    check(&running, &answer, 400, 2044, &["keyward keys add grok --gateway prod"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_one_host() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let path = running.path("openai/models");
    let token = format!("cf-aig-authorization: {}", running.bearer());
    for hosts in ["", "Host: a.example\r\nHost: a.example\r\n", "Host: a.example\r\nhost: b.example\r\n"] {
        let request = format!("GET {path} HTTP/1.1\r\n{hosts}{token}\r\n\r\n");
        let answer = send_raw(running.addr, request.as_bytes()).await.unwrap();
        check(&running, &answer, 400, 9002, &["exactly one Host"]);
    }
    assert_eq!(running.provider.count(), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trace_and_connect_are_not_passed_on() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let answer = send_raw(running.addr, running.head("TRACE", "openai/models", "").as_bytes()).await;
    check(&running, &answer.unwrap(), 405, 9005, &["TRACE"]);
    for target in ["api.openai.com:443".to_owned(), running.addr.to_string()] {
        let request = format!(
            "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\ncf-aig-authorization: {}\r\n\r\n",
            running.bearer()
        );
        let answer = send_raw(running.addr, request.as_bytes()).await.unwrap();
        check(&running, &answer, 405, 9005, &["CONNECT"]);
    }
    assert_eq!(running.provider.count(), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_or_expired_key_is_424_with_the_command_that_mends_it() {
    let running = Running::start(Setup::default()).await;
    let (_, key) = running.store_key("openai", "default").await;
    let id = key.record.id;
    let edit = async |edit| running.registry.edit_provider_key(ACCOUNT, id, edit, ACTOR, now()).await.unwrap();
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);

    edit(KeyEdit { enabled: Some(false), ..KeyEdit::default() }).await;
    let answer = running.authorized_chat("openai", &[]).await;
    let command = "keyward keys enable openai --gateway prod --alias default";
    check(&running, &answer, 424, 9010, &["disabled", command]);

    edit(KeyEdit { enabled: Some(true), ..KeyEdit::default() }).await;
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);

    let past = Some(Some(now() - Duration::from_secs(1)));
    edit(KeyEdit { expires_at: past, ..KeyEdit::default() }).await;
    let answer = running.authorized_chat("openai", &[]).await;
    let command = "keyward keys rotate openai --gateway prod --alias default";
    check(&running, &answer, 424, 9011, &["expired", command]);
    assert_eq!(running.provider.count(), 2);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_refuses_the_connection_is_502() {
    let gone = FakeProvider::start(Placement::bearer(), Vec::<String>::new()).await;
    let origin = gone.origin();
    gone.stop().await;
    let (running, _) = Running::at(&origin, Config::default()).await;
    let answer = running.authorized_chat("openai", &[]).await;
    check(&running, &answer, 502, 9020, &["127.0.0.1 refused the connection"]);
    running.stop().await;
}

/// A dialler for which no name has an address.
#[derive(Debug)]
struct NoName;

impl Dial for NoName {
    fn dial<'a>(&'a self, _origin: &'a Origin) -> BoxFuture<'a, Result<Connection, DialError>> {
        Box::pin(async { Err(DialError::from(dial::Kind::Unresolvable)) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_without_an_address_is_502() {
    let unused = FakeProvider::start(Placement::bearer(), Vec::<String>::new()).await;
    let url = [("openai", "https://nowhere.invalid")];
    let dial = Arc::new(NoName);
    let running = Running::dialling(&Base::new(), &url, unused, dial, Config::default()).await;
    running.store_key("openai", "default").await;
    let answer = running.authorized_chat("openai", &[]).await;
    check(&running, &answer, 502, 9020, &["nowhere.invalid has no address"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_not_who_it_should_be_is_502_and_sees_nothing() {
    let ca = TestCa::new();
    let keys = Vec::<String>::new;
    let another = FakeProvider::start_tls_as(Placement::bearer(), keys(), &ca, &["other.example"]).await;
    let untrusted = FakeProvider::start_tls(Placement::bearer(), keys(), &TestCa::new()).await;
    for provider in [another, untrusted] {
        let url = provider.origin();
        let base_urls = [("openai", url.as_str())];
        let running = Running::over(&Base::new(), &base_urls, provider, &ca, Config::default()).await;
        running.store_key("openai", "default").await;
        let answer = running.authorized_chat("openai", &[]).await;
        check(&running, &answer, 502, 9020, &["TLS handshake with 127.0.0.1 failed"]);
        assert_eq!(running.provider.count(), 0);
        running.stop().await;
    }
    // One that does no TLS at all, and answers a handshake as a server of plain HTTP does.
    let plain = Upstream::listen().await;
    let url = plain.base_url().replace("http://", "https://");
    let (running, key) = Running::at(&url, Config::default()).await;
    let refusing = async {
        let mut link = plain.accept().await;
        link.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        link.rest().await
    };
    let (answer, came) = tokio::join!(running.authorized_chat("openai", &[]), refusing);
    check(&running, &answer, 502, 9020, &["TLS handshake with 127.0.0.1 failed"]);
    assert!(!String::from_utf8_lossy(&came).contains(key.random_part()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_too_slow_is_504() {
    let mut config = Config::default();
    config.forward.response_header_timeout = Duration::from_millis(150);
    config.forward.connect_timeout = Duration::from_millis(150);
    let running = Running::start(Setup {
        config: config.clone(),
        ..Setup::default()
    })
    .await;
    running.store_key("openai", "default").await;
    running.provider.behave(Behaviour::StallBeforeHead);
    let answer = running.authorized_chat("openai", &[]).await;
    check(&running, &answer, 504, 9021, &["127.0.0.1 did not answer in time"]);
    assert_eq!(running.provider.count(), 1);
    running.stop().await;

    // It takes the connection and never answers the TLS handshake.
    let silent = RawRecorder::start("").await;
    let (running, _) = Running::at(&format!("https://{}", silent.addr()), config).await;
    let answer = running.authorized_chat("openai", &[]).await;
    check(&running, &answer, 504, 9021, &["connecting to 127.0.0.1 took too long"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_breaks_off_or_talks_nonsense_is_502() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    for behaviour in [Behaviour::CutBeforeHead, Behaviour::Reset, Behaviour::CloseOnAccept] {
        // On a fresh connection, so that none is taken for one that was closed while it was kept.
        running.provider.behave(behaviour);
        let answer = running.authorized_chat("openai", &[]).await;
        assert_eq!((answer.status, code(&answer)), (502, 9020), "{}", answer.text());
    }
    running.stop().await;
    for nonsense in [
        "SSH-2.0-OpenSSH\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx".to_owned(),
        format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "x".repeat(128 * 1024)),
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n".to_owned(),
    ] {
        let recorder = RawRecorder::start(nonsense.as_bytes()).await;
        let (running, _) = Running::at(&format!("http://{}", recorder.addr()), Config::default()).await;
        let answer = running.authorized_chat("openai", &[]).await;
        let shown: String = nonsense.chars().take(40).collect();
        assert_eq!(answer.status, 502, "{shown:?}: {}", answer.text());
        check(&running, &answer, 502, 9020, &["127.0.0.1"]);
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_beyond_the_limits_is_431() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let limits = Config::default();
    let long = format!("x-long: {}\r\n", "x".repeat(limits.max_head_bytes));
    let many: String = (0..=limits.max_headers).map(|n| format!("x-{n}: 1\r\n")).collect();
    for lines in [long, many] {
        let head = running.head("GET", "openai/models", &lines);
        let answer = send_raw(running.addr, head.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 431);
        assert!(answer.body.is_empty());
    }
    assert_eq!(running.provider.count(), 0);
    // As many as the limit says, with those that a head has anyway, do pass.
    let most: String = (0..limits.max_headers - 2).map(|n| format!("x-{n}: 1\r\n")).collect();
    let head = running.head("GET", "openai/models", &most);
    let answer = send_raw(running.addr, head.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    running.stop().await;
}
