//! Budgets of tokens.

use std::sync::Arc;

use keyward_registry::{KeySource, TokenUpdate};
use keyward_routes::{Budgets, MemoryBudgets};
use keyward_testing::{Canary, client::RawAnswer};
use serde_json::{Value, json};

use super::{BODY, COST, rule, start, start_with};
use crate::support::{ACCOUNT, ACTOR, Running, code, make_gateway, mint, new_key, now, value};

/// A token with these rules.
pub(super) async fn token(running: &Running, rules: &Value) -> Canary {
    let (text, minted) = mint(&running.registry, Running::grant()).await;
    let update = TokenUpdate {
        name: "limited".to_owned(),
        grant: Running::grant(),
        spend_limits: Some(serde_json::from_value(json!({"rules": rules})).unwrap()),
        disabled: None,
    };
    let id = &minted.record.id;
    let registry = &running.registry;
    let updated = registry.update_token(ACCOUNT, id, update, None, ACTOR, now());
    updated.await.unwrap();
    text
}

pub(super) async fn ask(running: &Running, token: &Canary, path: &str) -> RawAnswer {
    let bearer = format!("Bearer {}", token.text());
    let headers = [
        ("cf-aig-authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let mut client = running.client().await;
    client.post(path, &headers, BODY).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_whose_budget_is_spent_is_refused_whatever_the_gateway_says() {
    let budgets = Arc::new(MemoryBudgets::default());
    let counting: Arc<dyn Budgets> = Arc::clone(&budgets) as _;
    let running = start_with(&json!([]), counting).await;
    let mut rules = rule(COST / 2.0);
    rules[0]["provider"] = json!({"mode": "filter", "values": ["openai"]});
    let limited = token(&running, &rules).await;
    let other = token(&running, &rules).await;
    let openai = running.path("openai/v1/chat/completions");
    assert_eq!(ask(&running, &limited, &openai).await.status, 200);
    running.log_of(1).await;
    let refused = ask(&running, &limited, &openai).await;
    let text = refused.text();
    assert_eq!((refused.status, code(&refused)), (429, 2045), "{text}");
    assert!(text.contains("rule 'all' of the token ("), "{text}");
    assert_eq!(refused.header("retry-after"), None);
    // It is counted in every gateway together.
    let registry = &running.registry;
    make_gateway(registry, "other").await;
    let source = KeySource::Value(value(&Canary::new("elsewhere")));
    let key = new_key("other", "openai", source);
    let stored = registry.create_provider_key(key, ACTOR, now());
    stored.await.unwrap();
    let elsewhere = openai.replace("/prod/", "/other/");
    let refused = ask(&running, &limited, &elsewhere).await;
    assert_eq!((refused.status, code(&refused)), (429, 2045));
    assert_eq!(ask(&running, &other, &openai).await.status, 200);
    running.log_of(3).await;
    assert_eq!(budgets.count_open(), 0);
    assert_eq!(budgets.count(), 2, "one for each token");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_to_fit_into_the_rules_of_its_gateway_and_of_its_token() {
    let running = start(&rule(1.5 * COST)).await;
    let limited = token(&running, &rule(COST / 2.0)).await;
    let free = token(&running, &json!([])).await;
    let openai = running.path("openai/v1/chat/completions");
    assert_eq!(ask(&running, &limited, &openai).await.status, 200);
    running.log_of(1).await;
    let refused = ask(&running, &limited, &openai).await;
    assert!(
        refused.text().contains("of the token"),
        "{}",
        refused.text()
    );
    assert_eq!(ask(&running, &free, &openai).await.status, 200);
    running.log_of(3).await;
    let refused = ask(&running, &free, &openai).await;
    assert!(
        refused.text().contains("rule 'all' ("),
        "{}",
        refused.text()
    );
    running.stop().await;
}
