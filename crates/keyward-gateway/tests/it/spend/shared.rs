//! Budgets of every kind, counted in one Redis.

use std::{sync::Arc, time::Duration};

use keyward_limits_redis::{OnLoss, RedisCounters, Settings};
use keyward_registry::KeyEdit;
use keyward_testing::RedisServer;
use serde_json::json;

use super::{
    COST,
    routes::{ask as ask_route, cost, large, route},
    rule, start_with,
    tokens::{ask, token},
};
use crate::support::{ACCOUNT, ACTOR, code, now};

const LONG: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_counted_in_the_rules_of_gateway_token_key_and_route_or_in_none() {
    let redis = RedisServer::start();
    let counters = RedisCounters::start(Settings {
        url: redis.url().parse().unwrap(),
        password: None,
        extra_ca_pem: Vec::new(),
        on_loss: OnLoss::Closed,
        deadline: LONG,
    })
    .unwrap();
    assert!(counters.is_up_within(LONG).await);
    let running = start_with(&rule(3.5 * COST), Arc::new(counters.budgets())).await;
    let snapshot = running.registry.snapshot();
    let gateway = snapshot.gateway(ACCOUNT, "prod").unwrap();
    let key = gateway.key("openai", "default").unwrap().record.id;
    let edit = KeyEdit {
        spend_limits: Some(serde_json::from_value(json!({"rules": rule(2.5 * COST)})).unwrap()),
        ..KeyEdit::default()
    };
    let edited = running
        .registry
        .edit_provider_key(ACCOUNT, key, edit, ACTOR, now());
    edited.await.unwrap();
    let limited = token(&running, &rule(COST / 2.0)).await;
    let elements = [cost("budget", COST / 2.0, "large", None), large(None)];
    route(&running, "limited", "budget", &elements).await;

    let openai = running.path("openai/v1/chat/completions");
    assert_eq!(ask(&running, &limited, &openai).await.status, 200);
    running.log_of(1).await;
    let told = async |answer: keyward_testing::client::RawAnswer, whose: &str| {
        let text = answer.text();
        assert_eq!((answer.status, code(&answer)), (429, 2045), "{text}");
        assert!(text.contains(&format!("'{whose} (cost limit")), "{text}");
    };
    // Whatever is refused by one holds nothing in the others, or they were full long ago.
    for count in 0..10 {
        told(ask(&running, &limited, &openai).await, "all' of the token").await;
        running.log_of(2 + count).await;
    }
    assert_eq!(ask_route(&running, "limited", "u1").await.status, 200);
    running.log_of(12).await;
    let answer = ask_route(&running, "limited", "u1").await;
    told(answer, "budget' of the route").await;
    running.log_of(13).await;
    assert_eq!(ask(&running, &running.token, &openai).await.status, 200);
    running.log_of(14).await;
    let answer = ask(&running, &running.token, &openai).await;
    told(answer, "all' of the provider key").await;
    running.stop().await;
}
