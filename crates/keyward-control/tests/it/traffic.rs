//! How many requests there were: what is summed up, for whom, and what is refused.

use axum::body::Body;
use http::Method;
use keyward_auth::{Grant, Permission, Permissions, Scope};
use keyward_registry::{
    Latencies, ProviderKeyId, TrafficClass, TrafficRow, TrafficSeries, TrafficSpan, TrafficStore,
    traffic_secs,
};
use keyward_secret::AccountId;
use serde_json::{Value, json};

use crate::support::{Harness, OURS, THEIRS, ago, now, request, rfc3339};

const TRAFFIC: &str = "/client/v4/accounts/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/keyward/traffic";

fn series(account: AccountId, gateway: &str, provider: &str, key: Option<&str>) -> TrafficSeries {
    TrafficSeries {
        account,
        gateway: gateway.parse().unwrap(),
        provider: provider.parse().unwrap(),
        key: key.map(|id| id.parse().unwrap()),
    }
}

impl Harness {
    /// Counts requests in a minute, each in a bucket.
    pub(crate) async fn count(
        &self,
        series: &TrafficSeries,
        secs_ago: u64,
        class: TrafficClass,
        buckets: &[usize],
    ) {
        let mut latencies = Latencies::default();
        for bucket in buckets {
            latencies.add(*bucket, 1);
        }
        let row = TrafficRow {
            series: series.clone(),
            minute: TrafficSpan::Minute.start(traffic_secs(ago(secs_ago))),
            class,
            latencies,
        };
        self.store.save_traffic(&[row]).await.unwrap();
    }

    async fn requests(&self, token: &str, query: &str) -> Value {
        let path = format!("{TRAFFIC}?{query}");
        let answer = self
            .send(request(token, Method::GET, &path, Body::empty()))
            .await;
        answer.result()["total"]["requests"].clone()
    }
}

#[tokio::test]
async fn requests_are_summed_up_by_step() {
    let harness = Harness::new().await;
    let key = harness.key("default").await;
    let ours = series(OURS, "default", "openai", Some(&key));
    harness
        .count(&ours, 0, TrafficClass::Success, &[3, 3, 3, 3])
        .await;
    harness.count(&ours, 0, TrafficClass::Redirect, &[3]).await;
    harness
        .count(&ours, 120, TrafficClass::ClientError, &[10])
        .await;
    harness
        .count(&ours, 120, TrafficClass::ServerError, &[10])
        .await;
    harness
        .count(&ours, 120, TrafficClass::Refused, &[0; 50])
        .await;
    harness
        .count(&ours, 180, TrafficClass::Canceled, &[17; 50])
        .await;
    let theirs = series(THEIRS, "default", "openai", Some(&key));
    harness
        .count(&theirs, 0, TrafficClass::Success, &[0; 9])
        .await;

    let answer = harness.get(TRAFFIC).await;
    let result = answer.result();
    let total = &result["total"];
    assert_eq!(total["requests"], 107);
    assert_eq!(total["errors"], 52);
    let classes = json!({
        "success": 4, "redirect": 1, "client_error": 1, "server_error": 1, "refused": 50, "canceled": 50
    });
    assert_eq!(total["classes"], classes);
    // Of the seven that a provider answered: the fourth of the five from 4 to 8 ms, and the last up to 1,024.
    assert_eq!(total["latency_ms"], json!({ "p50": 7.2, "p99": 1024.0 }));
    assert_eq!(result["step"], 3600);
    let steps = result["steps"].as_array().unwrap();
    assert!((24..=25).contains(&steps.len()), "{}", steps.len());
    assert!(steps[0]["start"].as_str().unwrap().ends_with(":00:00Z"));
    assert_eq!(steps[0]["requests"], 0);
    assert_eq!(steps[0]["latency_ms"], json!({ "p50": null, "p99": null }));
    let sum: u64 = steps
        .iter()
        .map(|step| step["requests"].as_u64().unwrap())
        .sum();
    assert_eq!(sum, 107);

    let since = rfc3339(-300);
    let minutes = harness
        .get(&format!("{TRAFFIC}?step=60&since={since}"))
        .await;
    let steps = minutes.result()["steps"].as_array().unwrap().clone();
    let busy: Vec<_> = steps
        .iter()
        .map(|step| step["requests"].as_u64().unwrap())
        .filter(|requests| *requests > 0)
        .collect();
    assert_eq!(busy, [50, 52, 5]);
    let one = harness
        .get(&format!("{TRAFFIC}?provider_key_id={key}&step=86400"))
        .await;
    assert_eq!(one.result()["total"]["requests"], 107);
}

#[tokio::test]
async fn a_token_sees_what_its_scopes_hold() {
    let harness = Harness::new().await;
    let first = harness.key("default").await;
    let second = harness.key("other").await;
    for (gateway, provider, key, times) in [
        ("default", "openai", Some(&first), 1),
        ("default", "openai", Some(&second), 10),
        ("default", "openai", None, 100),
        ("default", "anthropic", None, 1_000),
        ("else", "openai", None, 10_000),
    ] {
        let series = series(OURS, gateway, provider, key.map(String::as_str));
        let buckets = vec![0; times];
        harness
            .count(&series, 0, TrafficClass::Success, &buckets)
            .await;
    }
    let base = || Grant::new(OURS, Permissions::from_iter([Permission::AiGatewayRead]));
    let narrow = |change: fn(&mut Grant)| {
        let mut grant = base();
        change(&mut grant);
        grant
    };
    for (grant, query, requests) in [
        (base(), "", 11_111),
        (base(), "gateway_id=default", 1_111),
        (base(), "gateway_id=default&provider_slug=openai", 111),
        (base(), "gateway_id=nowhere", 0),
        (
            narrow(|grant| grant.gateways = Scope::only(["else"])),
            "",
            10_000,
        ),
        (
            narrow(|grant| grant.gateways = Scope::only(["else"])),
            "gateway_id=default",
            0,
        ),
        (
            narrow(|grant| grant.providers = Scope::only(["anthropic"])),
            "",
            1_000,
        ),
        // Nobody knows which alias a request without a stored key would have had.
        (
            narrow(|grant| grant.aliases = Scope::only(["other"])),
            "",
            10,
        ),
    ] {
        let token = harness.token(grant).await.1;
        assert_eq!(harness.requests(&token, query).await, requests, "{query}");
    }
    let narrowed = narrow(|grant| grant.aliases = Scope::only(["other"]));
    let token = harness.token(narrowed).await.1;
    let mine = format!("provider_key_id={second}");
    assert_eq!(harness.requests(&token, &mine).await, 10);
    let path = format!("{TRAFFIC}?provider_key_id={first}");
    let answer = harness
        .send(request(&token, Method::GET, &path, Body::empty()))
        .await;
    assert_eq!(answer.status, 404);
    let other = Grant::new(OURS, Permissions::from_iter([Permission::SecretsStoreRead]));
    let token = harness.token(other).await.1;
    let answer = harness
        .send(request(&token, Method::GET, TRAFFIC, Body::empty()))
        .await;
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_by_name() {
    let harness = Harness::new().await;
    for (query, name) in [
        ("step=61", "step"),
        ("step=0", "step"),
        ("step=x", "step"),
        ("since=yesterday", "since"),
        ("before=2027-01-15T08:00", "before"),
        ("since=2027-01-15&before=2027-01-14", "before"),
        ("since=0001-01-01", "step"),
        ("before=9999-12-30&since=2020-01-01&step=60", "step"),
        ("gateway_id=No%20Such", "gateway_id"),
        ("provider_slug=", "provider_slug"),
        ("provider_key_id=1", "provider_key_id"),
    ] {
        let answer = harness.get(&format!("{TRAFFIC}?{query}")).await;
        answer.invalid(&json!(["query", name]));
    }
    let unknown = ProviderKeyId::from_bytes([9; 16]);
    let answer = harness
        .get(&format!("{TRAFFIC}?provider_key_id={unknown}"))
        .await;
    assert_eq!(answer.status, 404);
    // As much as there may be.
    let since = rfc3339(-60 * 1_499);
    let answer = harness
        .get(&format!("{TRAFFIC}?step=60&since={since}"))
        .await;
    assert!(answer.result()["steps"].as_array().unwrap().len() >= 1_499);
}

#[tokio::test]
async fn the_answer_says_since_when_counts_are_kept() {
    let harness = Harness::new().await;
    let ours = series(OURS, "default", "openai", None);
    for minutes_ago in 0..10 {
        harness
            .count(&ours, minutes_ago * 60, TrafficClass::Success, &[0])
            .await;
    }
    let path = format!("{TRAFFIC}?step=60&since={}", rfc3339(-3_000));
    let kept_since = async || {
        let answer = harness.get(&path).await;
        answer.result()["kept_since"].as_str().unwrap().to_owned()
    };
    assert!(kept_since().await < rfc3339(-86_400));
    harness.store.trim_traffic(now(), 10).await.unwrap();
    assert!(kept_since().await > rfc3339(-600));
}
