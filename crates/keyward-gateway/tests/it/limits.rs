//! Rate limits of gateways and of provider keys.

use std::{
    sync::{Arc, Mutex},
    time::SystemTime,
};

use keyward_auth::{Grant, ModelPattern, Models};
use keyward_gateway::Config;
use keyward_registry::{GatewaySettings, KeyEdit, ProviderKey, RateLimitingTechnique};
use keyward_routes::{Ask, Counters, Decision, Limit, Loss, Taking, Technique};
use keyward_testing::Canary;
use serde_json::json;

use crate::support::{ACTOR, Running, Setup, code, mint, now};

const YEAR: u64 = 366 * 24 * 60 * 60;

/// A gateway with a limit per year, so that no window ends meanwhile but at a border that comes once in 366 days.
async fn limited(limit: u64, technique: Option<RateLimitingTechnique>) -> (Running, Canary) {
    let running = Running::start(Setup {
        settings: GatewaySettings {
            rate_limiting_limit: limit,
            rate_limiting_interval: YEAR,
            rate_limiting_technique: technique,
            ..GatewaySettings::default()
        },
        ..Setup::default()
    })
    .await;
    let (key, _) = running.store_key("openai", "default").await;
    running.provider.accept_keys([key.text()]);
    (running, key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_lets_through_its_limit_and_answers_429_beyond() {
    for technique in [None, Some(RateLimitingTechnique::Sliding)] {
        let (running, _key) = limited(3, technique).await;
        // What is refused for another reason is not counted.
        let alias = [("cf-aig-byok-alias", "nobody")];
        assert_eq!(running.authorized_chat("openai", &alias).await.status, 400);
        for _ in 0..3 {
            assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
        }
        let sent = running.provider.take_recorded().len();
        assert_eq!(sent, 3);
        for _ in 0..3 {
            let answer = running.authorized_chat("openai", &[]).await;
            assert_eq!(answer.status, 429);
            assert_eq!(
                answer.json(),
                serde_json::json!({
                    "success": false, "result": [], "messages": [],
                    "error": [{"code": 2003, "message": "Rate limited"}],
                    "name": "AiGatewayError", "httpCode": 429, "internalCode": 2003,
                    "message": "Rate limited", "description": "Rate limited"
                })
            );
            let retry = answer.header("retry-after").unwrap().to_owned();
            assert!((1..=YEAR * 2).contains(&retry.parse::<u64>().unwrap()));
            assert_eq!(
                answer.header("ratelimit-policy"),
                Some(r#""gateway";q=3;w=31622400"#)
            );
            let state = format!(r#""gateway";r=0;t={retry}"#);
            assert_eq!(answer.header("ratelimit"), Some(state.as_str()));
        }
        assert!(running.provider.take_recorded().is_empty());
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_workers_share_one_count() {
    let (running, _key) = limited(20, None).await;
    let asked = (0..60).map(|_| running.authorized_chat("openai", &[]));
    let answers = futures_util::future::join_all(asked).await;
    let with = |status: u16| {
        answers
            .iter()
            .filter(|answer| answer.status == status)
            .count()
    };
    assert_eq!((with(200), with(429)), (20, 40));
    running.stop().await;
}

impl Running {
    async fn limit_key(&self, key: &ProviderKey, requests: Option<u64>) {
        let limit = requests.map(|most| Limit::new(most, YEAR, Technique::Fixed).unwrap());
        let edit = KeyEdit {
            rate_limit: Some(limit),
            ..KeyEdit::default()
        };
        let (account, id) = (key.record.account, key.record.id);
        let edited = self
            .registry
            .edit_provider_key(account, id, edit, ACTOR, now());
        edited.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keys_limit_holds_for_that_key_alone_and_for_as_long_as_it_is_set() {
    let running = Running::start(Setup::default()).await;
    let (key, stored) = running.store_key("openai", "default").await;
    let (other, _) = running.store_key("openai", "other").await;
    running.provider.accept_keys([key.text(), other.text()]);
    running.limit_key(&stored, Some(2)).await;
    for _ in 0..2 {
        assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    }
    let answer = running.authorized_chat("openai", &[]).await;
    assert_eq!((answer.status, code(&answer)), (429, 2003));
    assert_eq!(
        answer.header("ratelimit-policy"),
        Some(r#""provider_key";q=2;w=31622400"#)
    );
    let alias = [("cf-aig-byok-alias", "other")];
    assert_eq!(running.authorized_chat("openai", &alias).await.status, 200);
    // What was counted stays when the limit is raised.
    running.limit_key(&stored, Some(3)).await;
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 429);
    running.limit_key(&stored, None).await;
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_limit_refuses_is_counted_in_no_other() {
    let (running, key) = limited(3, None).await;
    let (other, stored) = running.store_key("openai", "other").await;
    running.provider.accept_keys([key.text(), other.text()]);
    running.limit_key(&stored, Some(1)).await;
    let alias = [("cf-aig-byok-alias", "other")];
    assert_eq!(running.authorized_chat("openai", &alias).await.status, 200);
    for _ in 0..5 {
        let answer = running.authorized_chat("openai", &alias).await;
        let policy = answer.header("ratelimit-policy").unwrap();
        assert!(policy.starts_with(r#""provider_key""#), "{policy}");
    }
    // Two are left of the gateway's three, whatever the key's limit refused.
    for status in [200, 200, 429] {
        assert_eq!(running.authorized_chat("openai", &[]).await.status, status);
    }
    running.limit_key(&stored, Some(2)).await;
    let answer = running.authorized_chat("openai", &alias).await;
    assert_eq!(
        answer.header("ratelimit-policy"),
        Some(r#""gateway";q=3;w=31622400"#)
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_whose_models_are_all_over_their_keys_limits_says_when_to_come_back() {
    let running = Running::start(Setup::default()).await;
    let (key, stored) = running.store_key("openai", "default").await;
    running.provider.accept_keys([key.text()]);
    running.limit_key(&stored, Some(1)).await;
    let to = |element: &str| json!({"elementId": element});
    let elements = json!([
        {"id": "start", "type": "start", "outputs": {"next": to("model")}},
        {"id": "model", "type": "model", "outputs": {"success": to("end")},
         "properties": {"provider": "openai", "model": "gpt-5"}},
        {"id": "end", "type": "end", "outputs": {}},
    ]);
    running.route("one", &elements).await;
    let bearer = running.bearer();
    let headers = [("cf-aig-authorization", bearer.as_str())];
    let path = running.path("compat/chat/completions");
    let body = br#"{"model":"dynamic/one","messages":[]}"#;
    let mut client = running.client().await;
    let answer = client.post(&path, &headers, body).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = client.post(&path, &headers, body).await.unwrap();
    assert_eq!((answer.status, code(&answer)), (429, 2003));
    assert!(answer.header("retry-after").is_some());
    running.stop().await;
}

/// Notes by what clock it is asked to count.
#[derive(Debug, Default)]
struct Clocked(Mutex<Vec<SystemTime>>);

impl Counters for Clocked {
    fn take_now(&self, _asks: &[Ask], now: SystemTime) -> Option<Decision> {
        self.0.lock().unwrap().push(now);
        Some(Decision::Lost(Loss::Open))
    }

    fn take<'a>(&'a self, asks: &'a [Ask], now: SystemTime) -> Taking<'a> {
        Box::pin(async move { self.take_now(asks, now).unwrap() })
    }
}

/// Counters take a time that is long past for a clock that was set back, and begin a window of then anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_counts_when_its_body_was_read_and_not_when_its_head_came() {
    let clocked = Arc::new(Clocked::default());
    let running = Running::start(Setup {
        settings: GatewaySettings {
            rate_limiting_limit: 100,
            rate_limiting_interval: YEAR,
            ..GatewaySettings::default()
        },
        config: Config {
            counters: Arc::clone(&clocked) as _,
            ..Setup::default().config
        },
        ..Setup::default()
    })
    .await;
    running.store_key("openai", "default").await;
    // So that the body is read before anything is decided.
    let grant = Grant {
        models: Models::only([ModelPattern::parse("openai/*").unwrap()]),
        ..Running::grant()
    };
    let (token, _) = mint(&running.registry, grant).await;
    let body = br#"{"model":"gpt-4o"}"#;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: a\r\ncf-aig-authorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        running.path("openai/chat/completions"),
        token.text(),
        body.len()
    );
    let mut client = running.client().await;
    client.send(head.as_bytes()).await.unwrap();
    assert!(
        client
            .read_some()
            .await
            .unwrap()
            .starts_with(b"HTTP/1.1 100")
    );
    let sent = now();
    client.send(body).await.unwrap();
    assert_eq!(client.next_answer("POST").await.unwrap().status, 200);
    let counted = clocked.0.lock().unwrap().clone();
    assert_eq!(counted.len(), 1);
    assert!(counted[0] >= sent);
    running.stop().await;
}
