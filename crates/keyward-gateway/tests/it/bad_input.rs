//! Requests that cannot be served: each gets an answer that says what is wrong and what mends it.

use std::time::Duration;

use keyward_auth::Scope;
use keyward_gateway::Config;
use keyward_registry::KeyEdit;
use keyward_testing::{
    Canary, RawRecorder,
    client::{RawAnswer, send_raw},
};

use crate::support::{ACCOUNT, ACTOR, Running, Setup, code, mint, now};

/// Status, code, and the words that the message must hold; and no secret in any of it.
#[track_caller]
pub(crate) fn check(
    running: &Running,
    answer: &RawAnswer,
    status: u16,
    wanted: u64,
    words: &[&str],
) {
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
        assert!(
            !whole.contains(canary.random_part()),
            "{canary:?} in a header"
        );
    }
    assert!(!text.contains(running.token.random_part()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_gateway_is_named_with_the_command_that_makes_it() {
    let running = Running::start(Setup::default()).await;
    let bearer = running.bearer();
    let path = format!("/v1/{ACCOUNT}/staging/openai/chat/completions");
    let mut client = running.client().await;
    let answer = client
        .get(&path, &[("cf-aig-authorization", &bearer)])
        .await
        .unwrap();
    check(
        &running,
        &answer,
        400,
        2001,
        &["`staging`", "keyward gateways create staging"],
    );
    // Whoever holds no token learns nothing.
    let answer = client.get(&path, &[]).await.unwrap();
    check(&running, &answer, 401, 2009, &["Unauthorized"]);
    let mut grant = Running::grant();
    grant.gateways = Scope::only(["prod"]);
    let elsewhere = mint(&running.registry, grant).await.0;
    let bearer = format!("Bearer {}", elsewhere.text());
    let answer = client
        .get(&path, &[("cf-aig-authorization", &bearer)])
        .await
        .unwrap();
    check(&running, &answer, 401, 2009, &[]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_provider_is_named() {
    let running = Running::start(Setup::default()).await;
    for slug in ["nebius", "OpenAI", "openai%20", "custom-mine", "Compat"] {
        let answer = running.authorized_chat(slug, &[]).await;
        check(
            &running,
            &answer,
            400,
            2008,
            &["Invalid provider", slug, "docs/providers.md"],
        );
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
        (
            "workers-ai",
            &[
                "`workers-ai` cannot be used",
                "account_id",
                "[providers.workers-ai]",
            ],
        ),
    ] {
        let answer = running.authorized_chat(slug, &[]).await;
        check(&running, &answer, 400, 2008, words);
        // A key of the client's own helps nothing.
        let answer = running
            .authorized_chat(slug, &[("Authorization", "Bearer sk-own")])
            .await;
        check(&running, &answer, 400, 2008, words);
    }
    let bearer = running.bearer();
    let mut client = running.client().await;
    let path = running.path("baseten/model/abc123/production/predict");
    let answer = client
        .post(&path, &[("cf-aig-authorization", &bearer)], b"{}")
        .await
        .unwrap();
    check(
        &running,
        &answer,
        400,
        9007,
        &["dedicated deployments", "`baseten`"],
    );

    for url in [
        format!("http://{}/fal-ai/x", recorder.addr()),
        "https://evil.example/fal-ai/x".to_owned(),
        "https://queue.fal.run@evil.example/x".to_owned(),
        "https://queue.fal.run.evil.example/x".to_owned(),
        "http://queue.fal.run/x".to_owned(),
        "//queue.fal.run/x".to_owned(),
        "https://queue.fal.run/../x".to_owned(),
    ] {
        let headers = [
            ("cf-aig-authorization", bearer.as_str()),
            ("x-fal-target-url", &url),
        ];
        let answer = client
            .post(&running.path("fal"), &headers, b"{}")
            .await
            .unwrap();
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
    let answer = running
        .authorized_chat("openai", &[("cf-aig-byok-alias", "nightly")])
        .await;
    let store = "keyward keys add openai --gateway prod --alias nightly";
    check(
        &running,
        &answer,
        400,
        2040,
        &["'nightly'", "'batch'", "'research'", store],
    );
    // Without the header it is `default` that is missing.
    let answer = running.authorized_chat("openai", &[]).await;
    check(
        &running,
        &answer,
        400,
        2040,
        &["'default'", "'batch'", "'research'"],
    );

    let mut grant = Running::grant();
    grant.aliases = Scope::only(["batch"]);
    let narrow = format!("Bearer {}", mint(&running.registry, grant).await.0.text());
    let ask = |alias| {
        [
            ("cf-aig-authorization", narrow.as_str()),
            ("cf-aig-byok-alias", alias),
        ]
    };
    let answer = running.chat("openai", &ask("nightly")).await;
    check(&running, &answer, 400, 2040, &["'batch'"]);
    assert!(!answer.text().contains("research"));
    let answer = running.chat("openai", &ask("research")).await;
    check(&running, &answer, 401, 2009, &[]);

    // What is no alias is not repeated, and two are not guessed at.
    let answer = running
        .authorized_chat("openai", &[("cf-aig-byok-alias", "<b>x</b>")])
        .await;
    check(&running, &answer, 400, 2040, &["'?'"]);
    let twice = [
        ("cf-aig-byok-alias", "batch"),
        ("cf-aig-byok-alias", "research"),
    ];
    let answer = running.authorized_chat("openai", &twice).await;
    check(
        &running,
        &answer,
        400,
        9006,
        &["cf-aig-byok-alias", "more than once"],
    );
    assert_eq!(running.provider.count(), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_key_is_named_with_the_command_that_stores_it() {
    let running = Running::start(Setup::default()).await;
    for alias in [None, Some(("cf-aig-byok-alias", "nightly"))] {
        let headers: Vec<_> = alias.into_iter().collect();
        let answer = running.authorized_chat("openai", &headers).await;
        check(
            &running,
            &answer,
            400,
            2044,
            &[
                "`prod`",
                "`openai`",
                "keyward keys add openai --gateway prod",
            ],
        );
    }
    // By an alias of the provider's name the command still names the provider itself.
    let answer = running.authorized_chat("xai", &[]).await;
    check(
        &running,
        &answer,
        400,
        2044,
        &["keyward keys add grok --gateway prod"],
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_one_host() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let path = running.path("openai/models");
    let token = format!("cf-aig-authorization: {}", running.bearer());
    for hosts in [
        "",
        "Host: a.example\r\nHost: a.example\r\n",
        "Host: a.example\r\nhost: b.example\r\n",
        "Host:\r\n",
        "Host: a.example, b.example\r\n",
        "Host: a.example b.example\r\n",
        "Host: user@a.example\r\n",
        "Host: a.example/b\r\n",
    ] {
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
    let answer = send_raw(
        running.addr,
        running.head("TRACE", "openai/models", "").as_bytes(),
    )
    .await;
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
    let edit = async |edit| {
        running
            .registry
            .edit_provider_key(ACCOUNT, id, edit, ACTOR, now())
            .await
            .unwrap()
    };
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);

    edit(KeyEdit {
        enabled: Some(false),
        ..KeyEdit::default()
    })
    .await;
    let answer = running.authorized_chat("openai", &[]).await;
    let command = "keyward keys enable openai --gateway prod --alias default";
    check(&running, &answer, 424, 9010, &["disabled", command]);

    edit(KeyEdit {
        enabled: Some(true),
        ..KeyEdit::default()
    })
    .await;
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);

    let past = Some(Some(now() - Duration::from_secs(1)));
    edit(KeyEdit {
        expires_at: past,
        ..KeyEdit::default()
    })
    .await;
    let answer = running.authorized_chat("openai", &[]).await;
    let command = "keyward keys update openai --gateway prod --alias default --expires-on";
    check(&running, &answer, 424, 9011, &["expired", command]);
    assert_eq!(running.provider.count(), 2);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_beyond_the_limits_is_431() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let limits = Config::default();
    let long = format!("x-long: {}\r\n", "x".repeat(limits.listen.max_head_bytes));
    let many: String = (0..=limits.listen.max_headers)
        .map(|n| format!("x-{n}: 1\r\n"))
        .collect();
    for lines in [long, many] {
        let head = running.head("GET", "openai/models", &lines);
        let answer = send_raw(running.addr, head.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 431);
        assert!(answer.body.is_empty());
    }
    assert_eq!(running.provider.count(), 0);
    // As many as the limit says, with those that a head has anyway, do pass.
    let most: String = (0..limits.listen.max_headers - 2)
        .map(|n| format!("x-{n}: 1\r\n"))
        .collect();
    let head = running.head("GET", "openai/models", &most);
    let answer = send_raw(running.addr, head.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    running.stop().await;
}
