//! What is ours beside the reference: entries one after another, and sums.

use axum::body::Body;
use http::Method;
use keyward_auth::{Grant, Permission, Scope};
use keyward_registry::LogRecord;
use serde_json::{Value, json};

use super::{encoded, entry, id};
use crate::support::{Answer, Harness, OURS, request};

fn ours(rest: &str) -> String {
    format!("/client/v4/accounts/{OURS}/keyward/gateways/default/logs{rest}")
}

impl Harness {
    async fn sums(&self, query: &str) -> Answer {
        let time = "start_date=2027-01-15T08:00:00Z&end_date=2027-01-15T08:00:59Z";
        self.get(&ours(&format!("/sums?{time}&{query}"))).await
    }
}

#[tokio::test]
async fn entries_are_read_one_after_another() {
    let harness = Harness::with_ten().await;
    let read = async |query: &str| {
        let (mut read, mut cursor) = (Vec::new(), String::new());
        loop {
            let answer = harness.get(&ours(&format!("?{query}{cursor}"))).await;
            let entries = answer.result().as_array().unwrap().clone();
            assert_eq!(answer.json["result_info"]["count"], entries.len());
            read.extend(entries.iter().map(|entry| entry["id"].clone()));
            match &answer.json["result_info"]["cursor"] {
                Value::String(last) => cursor = format!("&cursor={last}"),
                _ => return read,
            }
            // Where there is a cursor, there is more.
            assert!(!entries.is_empty());
        }
    };
    let ids = |numbers: &[u8]| -> Vec<Value> {
        numbers
            .iter()
            .map(|number| json!(id(*number).to_string()))
            .collect()
    };
    assert_eq!(read("limit=3").await, ids(&[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]));
    assert_eq!(
        read("limit=5&direction=asc").await[..6],
        ids(&[1, 2, 3, 4, 5, 6])
    );
    assert_eq!(
        read("limit=2&provider=openai&success=true").await,
        ids(&[8, 6, 4, 2])
    );
    assert_eq!(read("search=ANTHRO").await, ids(&[9, 7, 5, 3, 1]));
    let search = encoded(&json!([{"key": "search", "operator": "neq", "value": ["openai"]}]));
    assert_eq!(read(&search).await, ids(&[9, 7, 5, 3, 1]));
    let listed = harness.get(&ours("?limit=1")).await.result()[0].clone();
    assert_eq!(listed, harness.log("per_page=1").await.result()[0]);
    for (query, name) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=x", "cursor"),
        ("direction=x", "direction"),
        ("order_by=model", "order_by"),
    ] {
        let answer = harness.get(&ours(&format!("?{query}"))).await;
        answer.invalid(&json!(["query", name]));
    }
}

#[tokio::test]
async fn entries_are_summed_up() {
    let harness = Harness::with_ten().await;
    let answer = harness.sums("").await;
    let sums = answer.result();
    for (field, value) in [
        ("since", json!("2027-01-15T08:00:00Z")),
        ("before", json!("2027-01-15T08:01:00Z")),
        ("step", json!(10)),
        ("read_since", json!("2027-01-15T08:00:00Z")),
        ("by", json!("provider")),
    ] {
        assert_eq!(sums[field], value, "{field}");
    }
    // Nine in the first ten seconds, the last behind them.
    let total = &sums["total"];
    assert_eq!(
        (&total["requests"], &total["errors"]),
        (&json!(10), &json!(2))
    );
    assert_eq!(
        (&total["tokens_in"], &total["tokens_out"]),
        (&json!(550), &json!(55))
    );
    assert_eq!(total["cost"], 0.55);
    let names = |sums: &Value| -> Vec<Value> {
        let series = sums["series"].as_array().unwrap().iter();
        series.map(|series| series["name"].clone()).collect()
    };
    assert_eq!(names(sums), ["anthropic", "openai"]);
    let openai = &sums["series"][1];
    assert_eq!(openai["others"], false);
    assert_eq!(openai["total"]["requests"], 5);
    let steps = openai["steps"].as_array().unwrap();
    let told: Vec<_> = steps
        .iter()
        .map(|step| {
            json!([
                step["number"],
                step["start"],
                step["requests"],
                step["errors"]
            ])
        })
        .collect();
    assert_eq!(
        told,
        [
            json!([0, "2027-01-15T08:00:00Z", 4, 0]),
            json!([1, "2027-01-15T08:00:10Z", 1, 1]),
        ]
    );
    // 200, 400, 600 and 800 ms: the second lies at the end of the bucket from 256 to 512.
    assert_eq!(
        steps[0]["duration_ms"],
        json!({"p50": 512.0, "p95": 1024.0})
    );

    let failed = harness.sums("success=false&by=model").await;
    assert_eq!(names(failed.result()), ["gpt-5"]);
    assert_eq!(failed.result()["total"]["requests"], 2);
    assert_eq!(
        names(harness.sums("by=key").await.result()),
        ["07".repeat(16)]
    );
    assert_eq!(
        names(harness.sums("by=token").await.result()),
        [Value::Null]
    );
    // Beyond the bounds of the time nothing is counted, although the step holds it.
    let cut = ours("/sums?start_date=2027-01-15T08:00:04Z&end_date=2027-01-15T08:00:06Z");
    let cut = harness.get(&cut).await;
    assert_eq!(cut.result()["total"]["requests"], 3);
}

#[tokio::test]
async fn what_is_not_told_apart_is_counted_together() {
    let harness = Harness::new().await;
    for number in 1..=9 {
        for again in 0..=number {
            let mut one = entry(OURS, 20 * number + again);
            one.model = Some(keyward_registry::LogText::new(&format!("model-{number}")));
            harness.save_log(LogRecord::new(one)).await;
        }
    }
    let time = "start_date=2027-01-15T08:00:00Z&end_date=2027-01-15T08:05:00Z";
    let answer = harness.get(&ours(&format!("/sums?{time}&by=model"))).await;
    let series = answer.result()["series"].as_array().unwrap();
    let told: Vec<_> = series
        .iter()
        .map(|series| (series["name"].clone(), series["total"]["requests"].clone()))
        .collect();
    let mut expected: Vec<_> = (3..=9)
        .rev()
        .map(|number| (json!(format!("model-{number}")), json!(number + 1)))
        .collect();
    expected.push((Value::Null, json!(5)));
    assert_eq!(told, expected);
    assert_eq!(series[7]["others"], true);
}

#[tokio::test]
async fn steps_are_as_long_as_the_time_needs() {
    let harness = Harness::new().await;
    let step = async |start: &str, end: &str| {
        let path = ours(&format!("/sums?start_date={start}&end_date={end}"));
        harness.get(&path).await.result()["step"].clone()
    };
    for (start, end, seconds) in [
        ("2027-01-15T08:00:00Z", "2027-01-15T08:00:00Z", 10),
        ("2027-01-15T08:00:00Z", "2027-01-15T08:30:00Z", 60),
        ("2027-01-14T08:10:00Z", "2027-01-15T08:10:00Z", 1_800),
        ("2027-01-01T00:00:00Z", "2027-01-30T00:00:00Z", 43_200),
        ("2027-01-01T00:00:00Z", "2027-03-04T00:00:00Z", 86_400),
    ] {
        assert_eq!(step(start, end).await, seconds, "{start} {end}");
    }
    assert_eq!(harness.get(&ours("/sums")).await.result()["step"], 1_800);
    for (query, name) in [
        ("by=x", "by"),
        ("start_date=x", "start_date"),
        ("start_date=2020-01-01T00:00:00Z", "start_date"),
        ("start_date=2090-01-01T00:00:00Z", "end_date"),
    ] {
        let answer = harness.get(&ours(&format!("/sums?{query}"))).await;
        answer.invalid(&json!(["query", name]));
    }
}

#[tokio::test]
async fn they_are_for_tokens_that_may_see_the_whole_gateway() {
    let harness = Harness::with_ten().await;
    for rest in ["", "/sums"] {
        let status = async |grant: Grant| {
            let (_, token) = harness.token(grant).await;
            let asked = request(&token, Method::GET, &ours(rest), Body::empty());
            harness.send(asked).await.status
        };
        let reader = || Grant::new(OURS, [Permission::AiGatewayRead].into_iter().collect());
        assert_eq!(status(reader()).await, 200);
        let mut grant = reader();
        grant.providers = Scope::Only(["openai".into()].into());
        assert_eq!(status(grant).await, 403);
        let missing = ours(rest).replace("/default/", "/missing/");
        harness.get(&missing).await.refused(404, 7002);
    }
}
