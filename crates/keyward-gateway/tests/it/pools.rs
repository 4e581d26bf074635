//! Pools: which key a request takes, what happens to it where that one is limited or has no money.

use std::collections::HashMap;

use keyward_auth::{Grant, Scope};
use keyward_registry::{
    Alias, GatewaySettings, KeyEdit, KeyStatus, Member, Pool, PoolStrategy, Pools, ProviderKey,
    ProviderSlug, Weight,
};
use keyward_routes::{Limit, Technique};
use keyward_testing::{Behaviour, Canary, Recorded};

use crate::support::{ACCOUNT, ACTOR, Running, Setup, code, mint, now};

const RATE: &str =
    r#"{"error":{"message":"Rate limit reached.","type":"requests","code":"rate_limit_exceeded"}}"#;
const QUOTA: &str = r#"{"error":{"message":"You exceeded your current quota.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;

const ALIASES: [&str; 3] = ["default", "blue", "green"];

struct Pooled {
    running: Running,
    keys: Vec<(Canary, std::sync::Arc<ProviderKey>)>,
}

impl Pooled {
    async fn start(strategy: PoolStrategy) -> Self {
        let members = ALIASES.map(|alias| Member {
            alias: Alias::parse(alias).unwrap(),
            weight: Weight::default(),
        });
        let openai = ProviderSlug::parse("openai").unwrap();
        let pool = Pool::new(openai, strategy, members.to_vec()).unwrap();
        let setup = Setup {
            relay: true,
            settings: GatewaySettings {
                pools: Pools::new(vec![pool]).unwrap(),
                ..GatewaySettings::default()
            },
            ..Setup::default()
        };
        let mut running = Running::start(setup).await;
        running.keep();
        let mut keys = Vec::new();
        for alias in ALIASES {
            keys.push(running.store_key("openai", alias).await);
        }
        running
            .provider
            .accept_keys(keys.iter().map(|(canary, _)| canary.text()));
        Self { running, keys }
    }

    /// The alias of the key that a request came with.
    fn alias_of(&self, request: &Recorded) -> &'static str {
        let header = request.header("authorization").unwrap();
        let key = header.strip_prefix("Bearer ").unwrap();
        let at = self
            .keys
            .iter()
            .position(|(canary, _)| canary.text() == key);
        ALIASES[at.unwrap()]
    }

    /// The aliases that the provider saw since this was asked last.
    fn seen(&self) -> Vec<&'static str> {
        let recorded = self.running.provider.take_recorded();
        recorded
            .iter()
            .map(|request| self.alias_of(request))
            .collect()
    }

    fn limit(&self, at: usize, seconds: &str) {
        let key = self.keys[at].0.text();
        let headers = [("retry-after", seconds)];
        self.running.provider.answer_key(key, 429, &headers, RATE);
    }

    fn empty(&self, at: usize) {
        let key = self.keys[at].0.text();
        self.running.provider.answer_key(key, 429, &[], QUOTA);
    }

    async fn rate_limit(&self, at: usize, requests: Option<u64>) {
        let year = Limit::LONGEST_WINDOW.as_secs();
        let limit = requests.map(|most| Limit::new(most, year, Technique::Fixed).unwrap());
        let edit = KeyEdit {
            rate_limit: Some(limit),
            ..KeyEdit::default()
        };
        let record = &self.keys[at].1.record;
        let (account, id) = (record.account, record.id);
        let registry = &self.running.registry;
        let edited = registry.edit_provider_key(account, id, edit, ACTOR, now());
        edited.await.unwrap();
    }

    async fn chat(&self, headers: &[(&str, &str)]) -> u16 {
        self.running.authorized_chat("openai", headers).await.status
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_over_its_own_limit_is_passed_over() {
    let pooled = Pooled::start(PoolStrategy::Ordered).await;
    let limits = [Some(2), Some(3), None];
    for (place, requests) in limits.into_iter().enumerate() {
        pooled.rate_limit(place, requests).await;
    }
    for _ in 0..10 {
        assert_eq!(pooled.chat(&[]).await, 200);
    }
    let seen = pooled.seen();
    let times = |alias| seen.iter().filter(|seen| **seen == alias).count();
    assert_eq!(ALIASES.map(times), [2, 3, 5]);
    // One that the provider itself limits hands over to none that is over its own.
    pooled.rate_limit(0, Some(3)).await;
    pooled.limit(0, "60");
    assert_eq!(pooled.chat(&[]).await, 200);
    assert_eq!(pooled.seen(), ["default", "green"]);
    // All of them over their limits: the client hears of the one that is free first.
    pooled.rate_limit(2, Some(1)).await;
    assert_eq!(pooled.chat(&[]).await, 200);
    assert_eq!(pooled.seen(), ["green"]);
    assert_eq!(pooled.chat(&[]).await, 429);
    assert!(pooled.seen().is_empty());
    pooled.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_limited_and_one_without_money_fail_no_request_and_recover() {
    for strategy in [PoolStrategy::Ordered, PoolStrategy::Weighted] {
        let pooled = Pooled::start(strategy).await;
        pooled.limit(0, "2");
        pooled.empty(1);
        for number in 0..60 {
            assert_eq!(pooled.chat(&[]).await, 200, "{number}");
        }
        let seen = pooled.seen();
        let times = |alias| seen.iter().filter(|seen| **seen == alias).count();
        // Each worker may find out once; what it found out holds for all.
        assert!(times("default") <= 3, "{seen:?}");
        assert!(times("blue") <= 3, "{seen:?}");
        assert_eq!(times("green"), 60);
        // When the two seconds are over it is asked again, and takes its share.
        pooled.running.provider.forgive_key(pooled.keys[0].0.text());
        crate::support::eventually("the limited key is used again", async || {
            assert_eq!(pooled.chat(&[]).await, 200);
            pooled.seen().contains(&"default")
        })
        .await;
        for (_, key) in &pooled.keys {
            let snapshot = pooled.running.registry.snapshot();
            let key = snapshot
                .provider_key(key.record.account, key.record.id)
                .unwrap();
            assert_eq!(key.record.status, KeyStatus::Active);
        }
        pooled.running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_keeps_its_key_while_it_is_healthy() {
    let pooled = Pooled::start(PoolStrategy::Weighted).await;
    let mut of: HashMap<String, &'static str> = HashMap::new();
    for round in 0..10 {
        for number in 0..30 {
            let session = format!("conversation-{number}");
            assert_eq!(pooled.chat(&[("cf-aig-session-id", &session)]).await, 200);
            let seen = pooled.seen();
            assert_eq!(seen.len(), 1);
            let first = of.entry(session).or_insert(seen[0]);
            assert_eq!(*first, seen[0], "round {round}, conversation {number}");
        }
    }
    let used: std::collections::HashSet<_> = of.values().collect();
    assert_eq!(used.len(), 3, "{of:?}");
    // One key is limited: its conversations move, and no others; then they come back.
    pooled.limit(0, "2");
    for (session, alias) in &of {
        assert_eq!(pooled.chat(&[("cf-aig-session-id", session)]).await, 200);
        let last = *pooled.seen().last().unwrap();
        assert_eq!(last == *alias, *alias != "default", "{session}");
    }
    pooled.running.provider.forgive_key(pooled.keys[0].0.text());
    let (moved, _) = of.iter().find(|(_, alias)| **alias == "default").unwrap();
    crate::support::eventually("it comes back", async || {
        assert_eq!(pooled.chat(&[("cf-aig-session-id", moved)]).await, 200);
        pooled.seen() == ["default"]
    })
    .await;
    pooled.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_selects_exactly_one_key() {
    let pooled = Pooled::start(PoolStrategy::Ordered).await;
    pooled.limit(1, "30");
    let answer = pooled
        .running
        .authorized_chat("openai", &[("cf-aig-byok-alias", "blue")])
        .await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.json()["error"]["code"], "rate_limit_exceeded");
    assert_eq!(pooled.seen(), ["blue"]);
    pooled.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_are_out_one_error_lists_each_and_why() {
    let pooled = Pooled::start(PoolStrategy::Ordered).await;
    pooled.limit(0, "40");
    pooled.limit(1, "20");
    pooled.empty(2);
    // The last one's own answer is passed on: there was nothing else to try.
    assert_eq!(pooled.chat(&[]).await, 429);
    let answer = pooled.running.authorized_chat("openai", &[]).await;
    assert_eq!((answer.status, code(&answer)), (429, 9019));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    let text = answer.text();
    for expected in [
        "'default' is limited for",
        "'blue' is limited for",
        "'green' is out of funds",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(pooled.seen(), ["default", "blue", "green"]);
    pooled.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_key_is_passed_over_and_its_request_answered_by_another() {
    let pooled = Pooled::start(PoolStrategy::Ordered).await;
    let others = pooled.keys[1..].iter().map(|(canary, _)| canary.text());
    pooled.running.provider.accept_keys(others);
    assert_eq!(pooled.chat(&[]).await, 200);
    let key = &pooled.keys[0].1;
    crate::support::wait_until("the key is invalid", || {
        let snapshot = pooled.running.registry.snapshot();
        let key = snapshot
            .provider_key(key.record.account, key.record.id)
            .unwrap();
        key.record.status == KeyStatus::Invalid
    })
    .await;
    pooled.seen();
    for _ in 0..5 {
        assert_eq!(pooled.chat(&[]).await, 200);
    }
    assert_eq!(pooled.seen(), ["blue"; 5]);
    pooled.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_takes_the_members_that_it_may_use_and_is_told_of_no_other() {
    let pooled = Pooled::start(PoolStrategy::Ordered).await;
    let grant = Grant {
        aliases: Scope::only(["green", "blue"]),
        ..Running::grant()
    };
    let (token, _) = mint(&pooled.running.registry, grant).await;
    let bearer = format!("Bearer {}", token.text());
    let headers = [("cf-aig-authorization", bearer.as_str())];
    let answer = pooled.running.chat("openai", &headers).await;
    assert_eq!(answer.status, 200);
    assert_eq!(pooled.seen(), ["blue"]);
    pooled.limit(1, "30");
    pooled.limit(2, "30");
    assert_eq!(pooled.running.chat("openai", &headers).await.status, 429);
    let answer = pooled.running.chat("openai", &headers).await;
    assert_eq!(code(&answer), 9019);
    assert!(!answer.text().contains("default"), "{}", answer.text());
    assert!(!pooled.seen().contains(&"default"));
    pooled.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_large_to_be_held_is_not_sent_twice() {
    let pooled = Pooled::start(PoolStrategy::Ordered).await;
    pooled.limit(0, "1");
    // Nor is it counted for the key that it would have been sent with.
    pooled.rate_limit(1, Some(1)).await;
    let path = pooled.running.path("openai/chat/completions");
    let bearer = pooled.running.bearer();
    let headers = [("cf-aig-authorization", bearer.as_str())];
    let large = vec![b' '; 400 * 1024];
    let mut client = pooled.running.client().await;
    let answer = client.post(&path, &headers, &large).await.unwrap();
    assert_eq!(answer.status, 429);
    assert_eq!(pooled.seen(), ["default"]);
    // The next one takes another key at once.
    let mut client = pooled.running.client().await;
    let answer = client.post(&path, &headers, &large).await.unwrap();
    assert_eq!(answer.status, 200);
    let recorded = pooled.running.provider.take_recorded();
    let last = recorded.last().unwrap();
    assert_eq!(last.body.len(), large.len());
    assert_eq!(pooled.alias_of(last), "blue");
    pooled.running.stop().await;
}

/// A request waits for the first key's answer while what would come after it is revoked.
async fn revoked_meanwhile(
    pooled: &Pooled,
    revoke: impl Future<Output = ()>,
) -> (u16, Vec<&'static str>) {
    pooled.limit(0, "30");
    pooled
        .running
        .provider
        .behave_once(Behaviour::StallBeforeHead);
    let revoking = async {
        let patience = std::time::Duration::from_secs(20);
        pooled.running.provider.wait_for(1, patience).await;
        revoke.await;
        pooled.running.provider.release(1);
    };
    let (status, ()) = tokio::join!(pooled.chat(&[]), revoking);
    (status, pooled.seen())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_starts_with_a_key_that_was_revoked_while_another_was_tried() {
    let pooled = Pooled::start(PoolStrategy::Ordered).await;
    let registry = &pooled.running.registry;
    let [_, second, third] = [0, 1, 2].map(|at| pooled.keys[at].1.record.id);
    let revoke = async {
        let deleted = registry.delete_provider_key(ACCOUNT, second, ACTOR, now());
        deleted.await.unwrap();
        let edit = KeyEdit {
            enabled: Some(false),
            ..KeyEdit::default()
        };
        let edited = registry.edit_provider_key(ACCOUNT, third, edit, ACTOR, now());
        edited.await.unwrap();
    };
    let told = revoked_meanwhile(&pooled, revoke).await;
    assert_eq!(told, (429, vec!["default"]));
    pooled.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_starts_for_a_token_that_was_revoked_while_a_key_was_tried() {
    let pooled = Pooled::start(PoolStrategy::Ordered).await;
    let registry = &pooled.running.registry;
    let revoke = async {
        let snapshot = registry.snapshot();
        let ids: Vec<_> = snapshot
            .tokens()
            .iter()
            .map(|token| token.record.id)
            .collect();
        for id in ids {
            let deleted = registry.delete_token(ACCOUNT, &id, ACTOR, now());
            deleted.await.unwrap();
        }
    };
    let told = revoked_meanwhile(&pooled, revoke).await;
    assert_eq!(told, (429, vec!["default"]));
    pooled.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_for_none_of_the_members_learns_nothing_of_the_pool() {
    let pooled = Pooled::start(PoolStrategy::Ordered).await;
    let grant = Grant {
        aliases: Scope::only(["other"]),
        ..Running::grant()
    };
    let (token, _) = mint(&pooled.running.registry, grant).await;
    let bearer = format!("Bearer {}", token.text());
    let headers = [("cf-aig-authorization", bearer.as_str())];
    let answer = pooled.running.chat("openai", &headers).await;
    assert_eq!((answer.status, code(&answer)), (401, 2009));
    assert!(pooled.seen().is_empty());
    pooled.running.stop().await;
}

/// A conversation's request: what it began with, and how many turns came after that.
fn conversation(number: usize, turns: usize) -> String {
    let turn = |role: &str, text: &str| format!(r#"{{"role":"{role}","content":"{text}"}}"#);
    let mut messages = vec![
        turn("system", "be kind"),
        turn("user", &format!("question {number}")),
    ];
    for turns in 0..turns {
        messages.push(turn("assistant", &format!("answer {turns}")));
        messages.push(turn("user", "and then?"));
    }
    format!(
        r#"{{"messages":[{}],"model":"m{turns}"}}"#,
        messages.join(",")
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_without_a_header_keeps_its_key_by_how_it_begins() {
    let pooled = Pooled::start(PoolStrategy::Conversation).await;
    let path = pooled.running.path("openai/chat/completions");
    let bearer = pooled.running.bearer();
    let json = [
        ("cf-aig-authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let send = async |headers: &[(&str, &str)], body: &str| {
        // A connection of its own, so that every worker takes part.
        let mut client = pooled.running.client().await;
        let answer = client.post(&path, headers, body.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let recorded = pooled.running.provider.take_recorded();
        assert_eq!(recorded.len(), 1);
        assert_eq!(recorded[0].body, body.as_bytes(), "as it came");
        pooled.alias_of(&recorded[0])
    };
    let mut by_number = Vec::new();
    for number in 0..24 {
        let first = send(&json, &conversation(number, 0)).await;
        for turns in 1..4 {
            assert_eq!(
                send(&json, &conversation(number, turns)).await,
                first,
                "{number}"
            );
        }
        by_number.push(first);
    }
    let used: std::collections::BTreeSet<_> = by_number.iter().collect();
    assert_eq!(used.len(), 3, "{by_number:?}");

    // What names its conversation is told by that.
    let named = [&json[..], &[("cf-aig-session-id", "one")]].concat();
    let first = send(&named, &conversation(0, 0)).await;
    for number in 1..12 {
        assert_eq!(send(&named, &conversation(number, 0)).await, first);
    }
    // What holds no conversation, or is too long to be held, is drawn, and goes through as it came.
    let long = format!(r#"{{"x":"{}"}}"#, "x".repeat(300 * 1024));
    for body in ["{}", "not JSON", "", &long] {
        send(&json, body).await;
    }
    pooled.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_was_read_is_sent_again_with_another_key() {
    let pooled = Pooled::start(PoolStrategy::Conversation).await;
    let path = pooled.running.path("openai/chat/completions");
    let bearer = pooled.running.bearer();
    let headers = [
        ("cf-aig-authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let body = conversation(7, 2);
    for limited in 0..2 {
        pooled.limit(limited, "60");
    }
    let mut client = pooled.running.client().await;
    let answer = client.post(&path, &headers, body.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let recorded = pooled.running.provider.take_recorded();
    assert!(
        recorded
            .iter()
            .all(|request| request.body == body.as_bytes())
    );
    assert_eq!(pooled.alias_of(recorded.last().unwrap()), "green");
    pooled.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_asked_for_again_is_asked_again_what_it_takes() {
    let pooled = Pooled::start(PoolStrategy::Ordered).await;
    pooled.limit(0, "600");
    let running = &pooled.running;
    let bearer = running.bearer();
    let headers = [
        ("cf-aig-authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let body = br#"{"model":"m","messages":[],"stream":true}"#;
    let path = running.path("openai/chat/completions");
    let mut client = running.client().await;
    let answer = client.post(&path, &headers, body).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.text().contains("_tokens"), "{}", answer.text());
    let recorded = running.provider.take_recorded();
    assert_eq!(recorded.len(), 2);
    for request in recorded {
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["stream_options"]["include_usage"], true);
    }
    pooled.running.stop().await;
}
