//! Spend limits of a gateway; below, of routes, keys and tokens.

mod keys;
mod routes;
mod shared;
mod tokens;

use std::sync::Arc;

use keyward_gateway::Config;
use keyward_routes::{Budgets, MemoryBudgets, Money};
use keyward_testing::{Behaviour, FakeProvider, Placement, TestCa, client::RawAnswer};
use serde_json::{Value, json};

use crate::support::{Base, Running, Setup, code};

/// An answer to it takes 9 tokens in and 3 out.
const BODY: &[u8] = br#"{"model":"gpt-4o","messages":[],"max_tokens":3}"#;
/// What that costs at the shipped price, 2.50 and 10 dollars per million tokens.
const COST: f64 = 9.0 * 2.5e-6 + 3.0 * 1e-5;

async fn start(rules: &Value) -> Running {
    start_with(rules, Arc::new(MemoryBudgets::default())).await
}

async fn start_with(rules: &Value, budgets: Arc<dyn Budgets>) -> Running {
    let mut running = Running::start(Setup {
        slugs: &["openai", "groq"],
        config: Config {
            budgets,
            ..Setup::default().config
        },
        ..Setup::default()
    })
    .await;
    let (openai, _) = running.store_key("openai", "default").await;
    let (groq, _) = running.store_key("groq", "default").await;
    running.provider.accept_keys([openai.text(), groq.text()]);
    limit(&running, rules).await;
    running.keep();
    running
}

async fn limit(running: &Running, rules: &Value) {
    let limits = json!({"enabled": true, "rules": rules}).to_string();
    let limits = &limits;
    running
        .set(|settings| settings.spend_limits = serde_json::from_str(limits).unwrap())
        .await;
}

async fn ask(running: &Running, slug: &str, headers: &[(&str, &str)], body: &[u8]) -> RawAnswer {
    let bearer = running.bearer();
    let mut headers = headers.to_vec();
    headers.push(("cf-aig-authorization", &bearer));
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        headers.push(("content-type", "application/json"));
    }
    let path = running.path(&format!("{slug}/v1/chat/completions"));
    let mut client = running.client().await;
    client.post(&path, &headers, body).await.unwrap()
}

fn rule(limit: f64) -> Value {
    json!([{"id": "all", "limitType": "cost", "limit": limit, "window": 86_400}])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_spent_is_refused_with_the_rule_and_what_failed_costs_nothing() {
    let running = start(&rule(1.5 * COST)).await;
    running
        .provider
        .behave_once(Behaviour::Status(500, "{}".to_owned()));
    assert_eq!(ask(&running, "openai", &[], BODY).await.status, 500);
    let mut told = running.log_of(1).await;
    for so_far in 1..=2 {
        let answer = ask(&running, "openai", &[], BODY).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        told = running.log_of(1 + so_far).await;
        assert_eq!(told[so_far].cost, Money::from_dollars(COST));
    }
    assert_eq!(told[0].cost, None);
    let refused = ask(&running, "openai", &[], BODY).await;
    assert_eq!((refused.status, code(&refused)), (429, 2045));
    assert_eq!(refused.header("retry-after"), None);
    let text = refused.text();
    let spent = Money::from_dollars(2.0 * COST).unwrap();
    for expected in [
        "rule 'all'",
        "86400s, fixed",
        "openai gpt-4o",
        &format!("{spent} USD spent"),
    ] {
        assert!(text.contains(expected), "{text}");
    }
    let told = running.log_of(4).await;
    assert_eq!(
        (told[3].status, told[3].error_code),
        (Some(429), Some(2045))
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_for_what_it_names_and_counts_users_apart() {
    let rules = json!([{
        "id": "per-user", "limitType": "cost", "limit": COST / 2.0, "calendar": "month",
        "provider": {"mode": "filter", "values": ["openai"]},
        "metadata": {"user": {"mode": "partition"}},
    }]);
    let running = start(&rules).await;
    let user = |name: &'static str| [("cf-aig-metadata", name)];
    let (one, other) = (user(r#"{"user":"u1"}"#), user(r#"{"user":"u2"}"#));
    assert_eq!(ask(&running, "openai", &one, BODY).await.status, 200);
    running.log_of(1).await;
    let refused = ask(&running, "openai", &one, BODY).await;
    assert_eq!((refused.status, code(&refused)), (429, 2045));
    assert!(refused.text().contains("per month"), "{}", refused.text());
    assert_eq!(ask(&running, "openai", &other, BODY).await.status, 200);
    // Without the name it is not for the request, nor for another provider's.
    assert_eq!(ask(&running, "openai", &[], BODY).await.status, 200);
    let groq = br#"{"model":"llama-3.1-8b-instant","messages":[]}"#;
    assert_eq!(ask(&running, "groq", &one, groq).await.status, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_without_a_price_is_refused_where_a_rule_counts() {
    let running = start(&rule(1.0)).await;
    let body = br#"{"model":"gpt-99","messages":[]}"#;
    let refused = ask(&running, "openai", &[], body).await;
    assert_eq!((refused.status, code(&refused)), (400, 9032));
    assert!(refused.text().contains("[prices]"), "{}", refused.text());
    assert!(running.provider.take_recorded().is_empty());
    // What a client says of its cost is for the log.
    let free = [(
        "cf-aig-custom-cost",
        r#"{"per_token_in":0,"per_token_out":0}"#,
    )];
    assert_eq!(code(&ask(&running, "openai", &free, body).await), 9032);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_counted_is_not_sent_and_what_runs_no_model_is_not_counted() {
    let running = start(&rule(1.0)).await;
    let twice = br#"{"model":"gpt-4o","model":"gpt-5","messages":[]}"#;
    let limit_twice = br#"{"model":"gpt-4o","messages":[],"max_tokens":9,"max_tokens":1}"#;
    let coded = [("content-encoding", "gzip")];
    let text = [("content-type", "text/plain")];
    for (headers, body) in [
        (&[][..], &twice[..]),
        (&[], limit_twice),
        (&[], br#"{"messages":[]}"#),
        (&coded, BODY),
        (&text, BODY),
    ] {
        let refused = ask(&running, "openai", headers, body).await;
        assert_eq!((refused.status, code(&refused)), (400, 9032), "{headers:?}");
    }
    assert!(running.provider.take_recorded().is_empty());
    let bearer = running.bearer();
    let headers = [("cf-aig-authorization", bearer.as_str())];
    let path = running.path("openai/v1/models");
    let mut client = running.client().await;
    let listed = client.get(&path, &headers).await.unwrap();
    assert_eq!(listed.status, 200, "{}", listed.text());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_no_more_are_sent_than_the_budget_has_room_for() {
    // Each is estimated at more than it costs, so the first wave is smaller than the budget has room for in the end.
    let running = Arc::new(start(&rule(50.0 * COST)).await);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let running = Arc::clone(&running);
        clients.spawn(async move { ask(&running, "openai", &[], BODY).await });
    }
    let (mut sent, mut refused) = (0_usize, 0);
    while let Some(answer) = clients.join_next().await {
        let answer = answer.unwrap();
        match answer.status {
            200 => sent += 1,
            429 => {
                assert_eq!(code(&answer), 2045);
                refused += 1;
            }
            other => panic!("{other}: {}", answer.text()),
        }
    }
    assert_eq!(sent + refused, 200);
    assert!((1..=50).contains(&sent), "{sent}");
    let told = running.log_of(200).await;
    let spent = told.iter().filter_map(|entry| entry.cost);
    let spent = spent.fold(Money::ZERO, Money::plus);
    let expected = Money::from_dollars(COST).unwrap().nanos() * sent as u64;
    assert_eq!(spent, Money::from_nanos(expected));
    // What was reserved is free again: the rest is spent one by one.
    let mut more = sent;
    while more < 50 {
        let answer = ask(&running, "openai", &[], BODY).await;
        assert_eq!(answer.status, 200, "{more}: {}", answer.text());
        more += 1;
        running.log_of(200 + more - sent).await;
    }
    assert_eq!(code(&ask(&running, "openai", &[], BODY).await), 2045);
    Arc::into_inner(running).unwrap().stop().await;
}

/// Asks as soon as it can be asked again: also the first request finds what was spent.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_spent_survives_a_restart() {
    let (base, ca) = (Base::new(), TestCa::new());
    let provider = FakeProvider::start_tls(Placement::bearer(), Vec::<String>::new(), &ca).await;
    let origin = provider.origin();
    let base_urls = [("openai", origin.as_str())];
    let mut running = Running::over(&base, &base_urls, provider, &ca, Config::default()).await;
    running.store_key("openai", "default").await;
    limit(&running, &rule(COST / 2.0)).await;
    running.keep();
    assert_eq!(ask(&running, "openai", &[], BODY).await.status, 200);
    for _ in 0..3 {
        let provider = running.stop_and_take_provider().await;
        running = Running::over(&base, &base_urls, provider, &ca, Config::default()).await;
        running.keep();
        let refused = ask(&running, "openai", &[], BODY).await;
        assert_eq!((refused.status, code(&refused)), (429, 2045));
    }
    running.stop().await;
}

/// Nothing but the recorder settled it before: an attempt that was repeated at once found the room still taken.
#[tokio::test(flavor = "multi_thread")]
async fn what_failed_keeps_no_room_from_what_is_made_of_it() {
    // Room for one at a time: an estimate is 16 tokens in, 3 out.
    let running = start(&rule(1.5 * (16.0 * 2.5e-6 + 3.0 * 1e-5))).await;
    running
        .set(|settings| settings.retry_max_attempts = Some(5))
        .await;
    for _ in 0..4 {
        running
            .provider
            .behave_once(Behaviour::Status(503, "{}".to_owned()));
    }
    let answer = ask(&running, "openai", &[], BODY).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_waited_for_costs_nothing_and_keeps_no_room() {
    let running = start(&rule(1.5 * (16.0 * 2.5e-6 + 3.0 * 1e-5))).await;
    running.provider.behave_once(Behaviour::StallBeforeHead);
    let patience = [
        ("cf-aig-request-timeout", "100"),
        ("cf-aig-max-attempts", "2"),
        ("cf-aig-retry-delay", "0"),
    ];
    let answer = ask(&running, "openai", &patience, BODY).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = running.log_of(2).await;
    assert_eq!(
        (told[0].status, told[0].error_code),
        (Some(504), Some(9021))
    );
    // Had it cost its input, there were less left than one of them costs.
    let answer = ask(&running, "openai", &[], BODY).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_request_finds_what_the_one_before_left() {
    // Room for one estimate at a time, and for several costs. Nobody waits for the recorder.
    let estimate = 16.0 * 2.5e-6 + 3.0 * 1e-5;
    let running = start(&rule(estimate + 3.5 * COST)).await;
    for number in 0..4 {
        let answer = ask(&running, "openai", &[], BODY).await;
        assert_eq!(answer.status, 200, "{number}: {}", answer.text());
    }
    running.stop().await;
}
