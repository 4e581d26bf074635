//! Limits of cost in routes.

use std::sync::Arc;

use keyward_routes::{Budgets, MemoryBudgets};
use keyward_testing::client::RawAnswer;
use serde_json::{Value, json};

use super::{COST, rule, start, start_with};
use crate::support::{Running, code};

fn to(element: &str) -> Value {
    json!({"elementId": element})
}

pub(super) fn cost(id: &str, limit: f64, success: &str, fallback: Option<&str>) -> Value {
    let mut outputs = json!({"success": to(success)});
    if let Some(fallback) = fallback {
        outputs["fallback"] = to(fallback);
    }
    json!({"id": id, "type": "rate", "outputs": outputs, "properties":
        {"limitType": "cost", "key": "metadata.user", "limit": limit, "window": 86_400}})
}

fn model(id: &str, provider: &str, name: &str, fallback: Option<&str>) -> Value {
    let mut outputs = json!({"success": to("end")});
    if let Some(fallback) = fallback {
        outputs["fallback"] = to(fallback);
    }
    let properties = json!({"provider": provider, "model": name});
    json!({"id": id, "type": "model", "outputs": outputs, "properties": properties})
}

pub(super) fn large(fallback: Option<&str>) -> Value {
    model("large", "openai", "gpt-4o", fallback)
}

fn small() -> Value {
    model("small", "groq", "llama-3.1-8b-instant", None)
}

pub(super) async fn route(running: &Running, name: &str, first: &str, elements: &[Value]) {
    let start = json!({"id": "start", "type": "start", "outputs": {"next": to(first)}});
    let end = json!({"id": "end", "type": "end", "outputs": {}});
    let elements = [&[start], elements, &[end]].concat();
    running.route(name, &json!(elements)).await;
}

pub(super) async fn ask(running: &Running, name: &str, user: &str) -> RawAnswer {
    let bearer = running.bearer();
    let metadata = json!({"user": user}).to_string();
    let headers = [
        ("cf-aig-authorization", bearer.as_str()),
        ("cf-aig-metadata", metadata.as_str()),
    ];
    let body = json!({"model": format!("dynamic/{name}"), "messages": [], "max_tokens": 3});
    let path = running.path("compat/chat/completions");
    let mut client = running.client().await;
    let body = body.to_string();
    client.post(&path, &headers, body.as_bytes()).await.unwrap()
}

#[track_caller]
fn came_from(answer: &RawAnswer, model: &str) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cf-aig-model"), Some(model));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_room_takes_the_fallback_of_the_limit_or_is_refused() {
    let running = start(&json!([])).await;
    let elements = |fallback| [cost("budget", COST / 2.0, "large", fallback), large(None)];
    let split = [&elements(Some("small"))[..], &[small()]].concat();
    route(&running, "split", "budget", &split).await;
    route(&running, "hard", "budget", &elements(None)).await;
    for (count, name) in [(1, "split"), (2, "hard")] {
        came_from(&ask(&running, name, "u1").await, "gpt-4o");
        running.log_of(count).await;
    }
    came_from(&ask(&running, "split", "u1").await, "llama-3.1-8b-instant");
    // What the fallback cost is not counted in the limit.
    came_from(&ask(&running, "split", "u1").await, "llama-3.1-8b-instant");
    came_from(&ask(&running, "split", "u2").await, "gpt-4o");
    let refused = ask(&running, "hard", "u1").await;
    let text = refused.text();
    assert_eq!((refused.status, code(&refused)), (429, 2045), "{text}");
    assert!(text.contains("rule 'budget' of the route"), "{text}");
    assert!(text.contains("86400s, fixed"), "{text}");
    came_from(&ask(&running, "hard", "u2").await, "gpt-4o");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_asked_where_every_limit_on_the_way_has_room() {
    let running = start(&json!([])).await;
    let elements = [
        cost("outer", 1.5 * COST, "inner", Some("small")),
        cost("inner", COST / 2.0, "large", Some("other")),
        large(None),
        model("other", "openai", "gpt-4o-mini", None),
        small(),
    ];
    route(&running, "two", "outer", &elements).await;
    came_from(&ask(&running, "two", "u1").await, "gpt-4o");
    running.log_of(1).await;
    // The inner one is full, and the outer one has room for the other model.
    came_from(&ask(&running, "two", "u1").await, "gpt-4o-mini");
    // Refused at the first, and answered by the second.
    let told = running.log_of(3).await;
    assert_eq!(told[1].error_code, Some(2045));
    let mut count = 3;
    loop {
        let answer = ask(&running, "two", "u1").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        count += 2;
        let told = running.log_of(count).await;
        assert_eq!(told[count - 2].error_code, Some(2045));
        match answer.header("cf-aig-model") {
            Some("gpt-4o-mini") => assert!(count < 100, "the outer limit is never full"),
            model => {
                assert_eq!(model, Some("llama-3.1-8b-instant"));
                break;
            }
        }
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_of_the_gateway_refuses_holds_nothing_in_a_limit_of_a_route() {
    let budgets = Arc::new(MemoryBudgets::default());
    let counting: Arc<dyn Budgets> = Arc::clone(&budgets) as _;
    let running = start_with(&rule(COST / 2.0), counting).await;
    let elements = [cost("budget", 100.0 * COST, "large", None), large(None)];
    route(&running, "both", "budget", &elements).await;
    came_from(&ask(&running, "both", "u1").await, "gpt-4o");
    running.log_of(1).await;
    for _ in 0..3 {
        let refused = ask(&running, "both", "u1").await;
        assert_eq!((refused.status, code(&refused)), (429, 2045));
        assert!(
            refused.text().contains("rule 'all' ("),
            "{}",
            refused.text()
        );
    }
    running.log_of(4).await;
    assert_eq!(budgets.count_open(), 0);
    // What was spent is in the rule and in the limit, once.
    assert_eq!(budgets.count(), 2);
    running.stop().await;
}
