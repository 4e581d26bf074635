//! Budgets of provider keys.

use std::sync::Arc;

use keyward_gateway::Config;
use keyward_registry::{
    Alias, ChangeError, GatewaySettings, KeyEdit, Member, Pool, PoolStrategy, Pools, ProviderKey,
    ProviderSlug, Weight,
};
use keyward_routes::{Budgets, MemoryBudgets};
use keyward_testing::Canary;
use serde_json::{Value, json};

use super::{BODY, COST, ask, rule};
use crate::support::{ACCOUNT, ACTOR, Running, Setup, code, now};

const RATE: &str =
    r#"{"error":{"message":"Rate limit reached.","type":"requests","code":"rate_limit_exceeded"}}"#;

/// A gateway with two keys of OpenAI, `default` and `spare`, and what it counts with.
struct TwoKeys {
    running: Running,
    keys: [(Canary, Arc<ProviderKey>); 2],
    budgets: Arc<MemoryBudgets>,
}

impl TwoKeys {
    async fn start() -> Self {
        let budgets = Arc::new(MemoryBudgets::default());
        let mut running = Running::start(Setup {
            relay: true,
            config: Config {
                budgets: Arc::clone(&budgets) as Arc<dyn Budgets>,
                ..Setup::default().config
            },
            ..Setup::default()
        })
        .await;
        let keys = [
            running.store_key("openai", "default").await,
            running.store_key("openai", "spare").await,
        ];
        running
            .provider
            .accept_keys(keys.iter().map(|(canary, _)| canary.text()));
        running.keep();
        Self {
            running,
            keys,
            budgets,
        }
    }

    /// Both in one pool, the first of them first.
    async fn pooled() -> Self {
        let keys = Self::start().await;
        let members = ["default", "spare"].map(|alias| Member {
            alias: Alias::parse(alias).unwrap(),
            weight: Weight::default(),
        });
        let openai = ProviderSlug::parse("openai").unwrap();
        let pool = Pool::new(openai, PoolStrategy::Ordered, members.to_vec()).unwrap();
        let decide = |settings: &GatewaySettings| {
            Ok::<_, ChangeError>(GatewaySettings {
                pools: Pools::new(vec![pool]).unwrap(),
                ..settings.clone()
            })
        };
        let registry = &keys.running.registry;
        let edited = registry.update_gateway(ACCOUNT, "prod", decide, ACTOR, now());
        edited.await.unwrap();
        keys
    }

    async fn limit(&self, at: usize, rules: Value) {
        let edit = KeyEdit {
            spend_limits: Some(serde_json::from_value(json!({"rules": rules})).unwrap()),
            ..KeyEdit::default()
        };
        let id = self.keys[at].1.record.id;
        let registry = &self.running.registry;
        let edited = registry.edit_provider_key(ACCOUNT, id, edit, ACTOR, now());
        edited.await.unwrap();
    }

    /// Which keys the provider saw since this was asked last.
    fn seen(&self) -> Vec<usize> {
        let recorded = self.running.provider.take_recorded();
        let key_of = |header: &str| {
            let is_its = |(key, _): &(Canary, _)| header == format!("Bearer {}", key.text());
            self.keys.iter().position(is_its).unwrap()
        };
        let headers = recorded.iter().map(|sent| sent.header("authorization"));
        headers.map(|header| key_of(header.unwrap())).collect()
    }

    async fn ask(&self, headers: &[(&str, &str)]) -> (u16, String) {
        let answer = ask(&self.running, "openai", headers, BODY).await;
        if answer.status == 429 {
            assert_eq!(code(&answer), 2045, "{}", answer.text());
        }
        (answer.status, answer.text())
    }
}

const DEFAULT: (&str, &str) = ("cf-aig-byok-alias", "default");
const SPARE: (&str, &str) = ("cf-aig-byok-alias", "spare");

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_budget_is_spent_is_refused_and_another_is_not() {
    let keys = TwoKeys::start().await;
    let mut rules = rule(COST / 2.0);
    rules[0]["metadata"] = json!({"user": {"mode": "partition"}});
    keys.limit(0, rules).await;
    let user = |name: &'static str| ("cf-aig-metadata", name);
    let (one, other) = (user(r#"{"user":"u1"}"#), user(r#"{"user":"u2"}"#));
    assert_eq!(keys.ask(&[DEFAULT, one]).await.0, 200);
    keys.running.log_of(1).await;
    let (status, text) = keys.ask(&[DEFAULT, one]).await;
    assert_eq!(status, 429);
    assert!(text.contains("rule 'all' of the provider key ("), "{text}");
    for headers in [[DEFAULT, other], [SPARE, one]] {
        assert_eq!(keys.ask(&headers).await.0, 200);
    }
    // A client's own key has none.
    let own = ("authorization", "Bearer sk-own");
    assert_ne!(keys.ask(&[own, one]).await.0, 429);
    // It holds at once, with what was spent, and no more once it is gone.
    keys.limit(0, rule(1.0)).await;
    assert_eq!(keys.ask(&[DEFAULT, one]).await.0, 200);
    keys.limit(0, json!([])).await;
    assert_eq!(keys.ask(&[DEFAULT, one]).await.0, 200);
    keys.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_pool_without_room_is_passed_over() {
    let keys = TwoKeys::pooled().await;
    keys.limit(0, rule(COST / 2.0)).await;
    for count in 1..=3 {
        assert_eq!(keys.ask(&[]).await.0, 200);
        keys.running.log_of(count).await;
    }
    assert_eq!(keys.seen(), [0, 1, 1]);
    keys.limit(1, rule(COST / 2.0)).await;
    assert_eq!(keys.ask(&[]).await.0, 200);
    keys.running.log_of(4).await;
    assert_eq!(keys.seen(), [1]);
    let (status, text) = keys.ask(&[]).await;
    assert_eq!(status, 429);
    assert!(text.contains("of the provider key"), "{text}");
    assert!(keys.seen().is_empty());
    // What was refused holds nothing.
    keys.running.log_of(5).await;
    assert_eq!(keys.budgets.count_open(), 0);
    keys.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_counts_in_the_budget_of_the_key_that_it_was_answered_with() {
    let keys = TwoKeys::pooled().await;
    for at in [0, 1] {
        keys.limit(at, rule(COST / 2.0)).await;
    }
    let headers = [("retry-after", "0")];
    let first = keys.keys[0].0.text();
    keys.running.provider.answer_key(first, 429, &headers, RATE);
    assert_eq!(keys.ask(&[]).await.0, 200);
    assert_eq!(keys.seen(), [0, 1]);
    keys.running.log_of(1).await;
    assert_eq!(keys.budgets.count_open(), 0);
    // The one that answered has spent, the other nothing.
    assert_eq!(keys.ask(&[SPARE]).await.0, 429);
    assert!(keys.seen().is_empty());
    let sent = ask(&keys.running, "openai", &[DEFAULT], BODY).await;
    assert_eq!(sent.status, 429);
    assert_eq!(keys.seen(), [0], "it was sent: {}", sent.text());
    keys.running.log_of(3).await;
    assert_eq!(keys.budgets.count_open(), 0);
    keys.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_goes_with_no_key_whose_budget_is_spent() {
    let keys = TwoKeys::pooled().await;
    keys.limit(1, rule(COST / 2.0)).await;
    assert_eq!(keys.ask(&[SPARE]).await.0, 200);
    keys.running.log_of(1).await;
    let headers = [("retry-after", "0")];
    let first = keys.keys[0].0.text();
    keys.running.provider.answer_key(first, 429, &headers, RATE);
    drop(keys.running.provider.take_recorded());
    // The provider's own answer.
    let answer = ask(&keys.running, "openai", &[], BODY).await;
    assert_eq!(answer.status, 429);
    assert!(answer.text().contains("Rate limit reached."));
    assert_eq!(keys.seen(), [0]);
    keys.running.log_of(2).await;
    assert_eq!(keys.budgets.count_open(), 0);
    keys.running.stop().await;
}
