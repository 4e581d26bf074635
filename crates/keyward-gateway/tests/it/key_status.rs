//! What providers' answers do to a stored key's status: what convicts it, what never does, and how it comes back.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use keyward_gateway::Config;
use keyward_registry::{
    Alias, GatewaySettings, KeyEdit, KeySource, KeyStatus, NewProviderKey, ProviderKey,
    StoredKeyRefused,
};
use keyward_testing::{Behaviour, Canary, FakeProvider, Placement, TestCa};

use crate::support::{
    ACCOUNT, ACTOR, Base, CHAT, FIREWORKS_INVALID, Running, Setup, code, now, wait_until,
};

/// A refusal of the key as OpenAI gives it.
const INVALID: &str = r#"{"error":{"message":"Incorrect API key provided: sk-…","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#;
/// A restricted key without the scope that is asked for.
const SCOPE: &str = r#"{"error":{"message":"You have insufficient permissions for this operation. Missing scopes: model.request.","type":"invalid_request_error","param":null,"code":null}}"#;
const MODEL: &str = r#"{"error":{"message":"Project `p` does not have access to model `m`","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#;
const QUOTA: &str = r#"{"error":{"message":"You exceeded your current quota.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
const RATE: &str =
    r#"{"error":{"message":"Rate limit reached.","type":"requests","code":"rate_limit_exceeded"}}"#;

/// Longer than the 30 seconds that a convicted key waits for its next probe.
const UNTIL_PROBED_AGAIN: Duration = Duration::from_secs(60);

async fn start(slugs: &'static [&'static str], settings: GatewaySettings) -> Running {
    let setup = Setup {
        relay: true,
        slugs,
        settings,
        ..Setup::default()
    };
    let mut running = Running::start(setup).await;
    running.keep();
    running
}

impl Running {
    fn key(&self, key: &ProviderKey) -> Arc<ProviderKey> {
        let snapshot = self.registry.snapshot();
        Arc::clone(snapshot.provider_key(ACCOUNT, key.record.id).unwrap())
    }

    fn status(&self, key: &ProviderKey) -> KeyStatus {
        self.key(key).record.status
    }

    /// The provider takes the key no more, and a request finds it out.
    async fn revoked_at_provider(&self, key: &ProviderKey) {
        self.provider.accept_keys(["sk-another"]);
        assert_eq!(self.authorized_chat("openai", &[]).await.status, 424);
        until("the key is invalid", || {
            self.status(key) == KeyStatus::Invalid
        })
        .await;
    }

    /// How many probes the provider got.
    fn probes(&self) -> usize {
        let recorded = self.provider.recorded();
        let probes = recorded.iter().filter(|request| request.method == "GET");
        probes.count()
    }
}

async fn until(what: &str, is_met: impl FnMut() -> bool) {
    crate::support::wait_within(UNTIL_PROBED_AGAIN, what, is_met).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_revoked_is_known_after_one_request_and_comes_back_by_itself() {
    let running = start(&["openai"], GatewaySettings::default()).await;
    let (canary, key) = running.store_key("openai", "default").await;
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    running.provider.accept_keys(["sk-another"]);

    let answer = running.authorized_chat("openai", &[]).await;
    assert_eq!((answer.status, code(&answer)), (424, 9018));
    let text = answer.text();
    for expected in [
        "`openai`",
        "`default`",
        "401",
        "token is fine",
        "keyward keys rotate",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    until("the key is invalid", || {
        running.status(&key) == KeyStatus::Invalid
    })
    .await;
    let record = running.key(&key).record.clone();
    assert_eq!(record.status_code, Some(401));
    assert!(record.status_since.is_some());
    let reason = record.status_reason.unwrap();
    assert!(reason.contains("401"), "{reason}");

    // From here on nothing is sent, and the client is told since when and why.
    let sent = running.provider.count();
    let answer = running.authorized_chat("openai", &[]).await;
    assert_eq!((answer.status, code(&answer)), (424, 9011));
    let text = answer.text();
    for expected in ["invalid since 20", "401", "keyward keys rotate openai"] {
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(running.provider.count(), sent);

    running.provider.accept_keys([canary.text()]);
    until("the key is active again", || {
        running.status(&key) == KeyStatus::Active
    })
    .await;
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    let record = running.key(&key).record.clone();
    assert_eq!((record.status_code, record.status_reason), (None, None));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_refusal_of_a_key_that_is_good_changes_nothing() {
    let running = start(&["openai"], GatewaySettings::default()).await;
    let (_canary, key) = running.store_key("openai", "default").await;
    running
        .provider
        .behave_once(Behaviour::Status(401, INVALID.to_owned()));
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 424);
    until("the provider is asked", || running.probes() == 1).await;
    for _ in 0..20 {
        assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    }
    assert_eq!(running.status(&key), KeyStatus::Active);
    assert_eq!(running.probes(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_providers_own_words_pass_where_the_gateway_says_so() {
    let settings = GatewaySettings {
        stored_key_refused: StoredKeyRefused::Passthrough,
        ..GatewaySettings::default()
    };
    let running = start(&["openai"], settings).await;
    let (_canary, key) = running.store_key("openai", "default").await;
    running.provider.accept_keys(["sk-another"]);
    let answer = running.authorized_chat("openai", &[]).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["error"]["code"], "invalid_api_key");
    assert_eq!(answer.header("cf-aig-error-source"), None);
    until("the key is invalid", || {
        running.status(&key) == KeyStatus::Invalid
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_probe_three_refusals_of_two_requests_convict_and_a_trial_acquits() {
    let running = start(&["fireworks"], GatewaySettings::default()).await;
    let (_canary, key) = running.store_key("fireworks", "default").await;
    for number in 1..=3 {
        assert_eq!(running.status(&key), KeyStatus::Active, "{number}");
        running
            .provider
            .behave_once(Behaviour::Status(401, FIREWORKS_INVALID.to_owned()));
        assert_eq!(running.authorized_chat("fireworks", &[]).await.status, 424);
    }
    until("the key is invalid", || {
        running.status(&key) == KeyStatus::Invalid
    })
    .await;
    // One request may try it now and then, and the first success brings it back.
    crate::support::eventually_within(UNTIL_PROBED_AGAIN, "a trial goes through", async || {
        running.authorized_chat("fireworks", &[]).await.status == 200
    })
    .await;
    until("the key is active again", || {
        running.status(&key) == KeyStatus::Active
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conviction_outlives_the_process_and_its_end_needs_no_operator() {
    let ca = TestCa::new();
    let base = Base::new();
    let provider = FakeProvider::start_tls(Placement::bearer(), Vec::<String>::new(), &ca).await;
    let url = provider.origin();
    let urls = [("openai", url.as_str())];
    let mut running = Running::relayed(&base, &urls, provider, &ca).await;
    running.keep();
    let (canary, key) = running.store_key("openai", "default").await;
    running.revoked_at_provider(&key).await;
    let provider = running.stop_and_take_provider().await;

    provider.accept_keys([canary.text()]);
    let mut running = Running::relayed(&base, &urls, provider, &ca).await;
    assert_eq!(running.status(&key), KeyStatus::Invalid);
    let answer = running.authorized_chat("openai", &[]).await;
    assert_eq!((answer.status, code(&answer)), (424, 9011));
    running.keep();
    until("the key is active again", || {
        running.status(&key) == KeyStatus::Active
    })
    .await;
    running.stop().await;
}

/// What may befall a provider, and what clients do wrong: nothing of it says anything about the stored key.
fn outages() -> Vec<(&'static str, Behaviour)> {
    let status = |status, body: &str| Behaviour::Status(status, body.to_owned());
    let mut all = vec![
        ("reset", Behaviour::Reset),
        ("cut before the head", Behaviour::CutBeforeHead),
        ("cut within the body", Behaviour::CutMidBody),
        ("closed unread", Behaviour::CloseOnAccept),
        ("silent", Behaviour::StallBeforeHead),
        ("429", status(429, RATE)),
        ("429 of a front door", status(429, "Too Many Requests")),
        ("no money", status(429, QUOTA)),
        (
            "wrong path",
            status(404, r#"{"error":{"message":"Invalid URL","code":null}}"#),
        ),
        ("a model that is not there", status(404, MODEL)),
        ("a model that is not allowed", status(403, MODEL)),
        ("a scope that is missing, 401", status(401, SCOPE)),
        ("a scope that is missing, 403", status(403, SCOPE)),
        (
            "a page of a front door, 401",
            status(401, "<html>401 Authorization Required</html>"),
        ),
        (
            "a page of a front door, 403",
            status(403, "<html>403 Forbidden</html>"),
        ),
        ("half an answer", status(401, &INVALID[..INVALID.len() / 2])),
        (
            "bad request",
            status(400, r#"{"error":{"message":"bad","code":"invalid_value"}}"#),
        ),
    ];
    for code in [500, 502, 503, 504, 529] {
        all.push((
            "the provider fails",
            status(code, r#"{"error":{"message":"overloaded"}}"#),
        ));
        // What somebody wrote into an outage page is no refusal.
        all.push((
            "the provider fails with a refusal's words",
            status(code, INVALID),
        ));
    }
    all
}

/// For how long outages are played: a few rounds in the suite, ten minutes by `cargo xtask show outage`.
fn playing() -> Duration {
    let seconds = std::env::var("KEYWARD_OUTAGE_SECS").ok();
    let seconds = seconds.and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(3))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outages_and_clients_mistakes_change_no_keys_status() {
    let setup = Setup {
        relay: true,
        config: Config {
            forward: keyward_forward::Config {
                response_header_timeout: Duration::from_millis(200),
                ..keyward_forward::Config::default()
            },
            ..Setup::default().config
        },
        ..Setup::default()
    };
    let mut running = Running::start(setup).await;
    running.keep();
    let (canary, key) = running.store_key("openai", "default").await;
    let begun = std::time::Instant::now();
    let (mut rounds, mut requests) = (0, 0);
    while rounds < 3 || begun.elapsed() < playing() {
        rounds += 1;
        for (what, behaviour) in outages() {
            running.provider.behave(behaviour);
            for _ in 0..3 {
                let path = running.path("openai/chat/completions");
                let bearer = running.bearer();
                let headers = [("cf-aig-authorization", bearer.as_str())];
                // A connection that is cut with the answer is no answer.
                let answer = running.client().await.post(&path, &headers, CHAT).await;
                requests += 1;
                if let Ok(answer) = answer {
                    assert_ne!(answer.status, 424, "{what}: {}", answer.text());
                }
            }
        }
        running.provider.behave(Behaviour::Normal);
        // A client's own key is the client's affair.
        for _ in 0..3 {
            let answer = running
                .authorized_chat("openai", &[("authorization", "Bearer sk-not-ours")])
                .await;
            requests += 1;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.text());
        }
        assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
        requests += 1;
        assert_eq!(running.status(&key), KeyStatus::Active);
    }
    assert_eq!(running.probes(), 0, "nothing raised a suspicion");
    println!(
        "outage: {rounds} rounds, {requests} requests in {:.0} s: 0 keys changed their status",
        begun.elapsed().as_secs_f64()
    );
    drop(canary);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_in_a_providers_place_convicts_nobody() {
    // The operator named another server, and did not say that the provider stands behind it.
    let mut running = Running::start(Setup::default()).await;
    running.keep();
    let (_canary, key) = running.store_key("openai", "default").await;
    running.provider.accept_keys(["sk-another"]);
    for _ in 0..5 {
        let answer = running.authorized_chat("openai", &[]).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
    }
    assert_eq!(running.status(&key), KeyStatus::Active);
    assert_eq!(running.probes(), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_value_begins_anew() {
    let running = start(&["openai"], GatewaySettings::default()).await;
    let (_canary, key) = running.store_key("openai", "default").await;
    running.revoked_at_provider(&key).await;
    let next = Canary::new("next");
    running.provider.accept_keys([next.text()]);
    running
        .registry
        .rotate_provider_key(
            ACCOUNT,
            key.record.id,
            &crate::support::value(&next),
            ACTOR,
            now(),
        )
        .await
        .unwrap();
    assert_eq!(running.status(&key), KeyStatus::Active);
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    wait_until("nothing is asked", || running.probes() <= 1).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_proves_nothing_takes_no_trial() {
    let running = start(&["fireworks"], GatewaySettings::default()).await;
    let (canary, key) = running.store_key("fireworks", "default").await;
    running
        .provider
        .answer_key(canary.text(), 401, &[], FIREWORKS_INVALID);
    for _ in 0..3 {
        assert_eq!(running.authorized_chat("fireworks", &[]).await.status, 424);
    }
    until("the key is invalid", || {
        running.status(&key) == KeyStatus::Invalid
    })
    .await;
    running.provider.forgive_key(canary.text());
    // Somebody lists models all the time; the first request that can prove something is tried all the same.
    let path = running.path("fireworks/v1/models");
    let bearer = running.bearer();
    let headers = [("cf-aig-authorization", bearer.as_str())];
    crate::support::eventually_within(UNTIL_PROBED_AGAIN, "a trial goes through", async || {
        let listed = running.client().await.get(&path, &headers).await.unwrap();
        assert_eq!(
            listed.status,
            if running.status(&key) == KeyStatus::Active {
                200
            } else {
                424
            }
        );
        running.authorized_chat("fireworks", &[]).await.status == 200
    })
    .await;
    until("the key is active again", || {
        running.status(&key) == KeyStatus::Active
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_comes_back_where_another_key_that_has_it_is_switched_off() {
    let running = start(&["openai"], GatewaySettings::default()).await;
    let (canary, key) = running.store_key("openai", "default").await;
    let shared = NewProviderKey {
        alias: Alias::parse("shared").unwrap(),
        ..crate::support::new_key("prod", "openai", KeySource::Secret(key.record.secret))
    };
    let registry = &running.registry;
    let made = registry.create_provider_key(shared, ACTOR, now()).await;
    let shared = made.unwrap();
    running.revoked_at_provider(&key).await;
    assert_eq!(running.status(&shared), KeyStatus::Invalid);
    // A change puts a key behind the others of its value: the one that is off comes first.
    for (which, enabled) in [(&key, false), (&shared, true)] {
        let edit = KeyEdit {
            enabled: Some(enabled),
            ..KeyEdit::default()
        };
        let edited = registry.edit_provider_key(ACCOUNT, which.record.id, edit, ACTOR, now());
        edited.await.unwrap();
    }
    running.provider.accept_keys([canary.text()]);
    until("the value is active", || {
        running.status(&shared) == KeyStatus::Active
    })
    .await;
    running.stop().await;
}
