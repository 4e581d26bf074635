//! The log of requests by REST: the shapes of wire-spec §4.2, filters in every form in which clients send them, and what a
//! token may.

mod ours;

use std::time::{Duration, SystemTime};

use axum::body::Body;
use http::Method;
use keyward_auth::{Grant, Permission, Scope};
use keyward_registry::{
    LogBody, LogEntry, LogId, LogMetadata, LogRecord, LogStore, LogText, ProviderKeyId,
};
use keyward_routes::{Metadata, Money};
use keyward_secret::AccountId;
use serde_json::{Value, json};

use crate::support::{Answer, Harness, OURS, THEIRS, gateways, request};

/// 2027-01-15T08:00:00Z.
const START: u64 = 1_800_000_000_000;

pub(crate) fn id(number: u8) -> LogId {
    let millis = START + 1_000 * u64::from(number);
    let first = LogId::first_at(SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
    let mut bytes = *first.as_bytes();
    bytes[15] = number;
    LogId::from_bytes(bytes).unwrap()
}

pub(crate) fn entry(account: AccountId, number: u8) -> LogEntry {
    let mut usage = keyward_providers::Usage::UNKNOWN;
    usage.input = Some(u64::from(number) * 10);
    usage.output = Some(u64::from(number));
    LogEntry {
        id: id(number),
        account,
        gateway: "default".parse().unwrap(),
        event_id: None,
        provider: if number.is_multiple_of(2) {
            "openai"
        } else {
            "anthropic"
        }
        .parse()
        .unwrap(),
        model: Some(LogText::new("gpt-5")),
        path: LogText::path("v1/chat/completions"),
        request_content_type: Some(LogText::new("application/json")),
        response_content_type: Some(LogText::new("application/json")),
        status: Some(if number.is_multiple_of(5) { 429 } else { 200 }),
        success: !number.is_multiple_of(5),
        cached: false,
        duration: Duration::from_millis(u64::from(number) * 100),
        step: None,
        usage,
        cost: Some(Money::from_nanos(u64::from(number) * 10_000_000)),
        custom_cost: false,
        metadata: LogMetadata::default(),
        provider_key: Some(ProviderKeyId::from_bytes([7; 16])),
        token: None,
        user_agent: Some(LogText::new("OpenAI/Python 3.54.0")),
        authentication: true,
        byok: true,
        compat: false,
        error_code: None,
        request_bytes: 100,
        response_bytes: 200,
        feedback: None,
        score: None,
    }
}

fn logs(account: AccountId) -> String {
    format!("{}/default/logs", gateways(account))
}

impl Harness {
    pub(crate) async fn save_log(&self, record: LogRecord) {
        self.store.save_logs(&[record], &[]).await.unwrap();
    }

    /// Keeps a request with its bodies, and returns its id.
    pub(crate) async fn kept_log(&self) -> String {
        let body = || LogBody::new(b"{}".to_vec());
        let record = LogRecord {
            entry: entry(OURS, 1),
            request: body(),
            response: body(),
        };
        self.save_log(record).await;
        id(1).to_string()
    }

    /// Keeps a request that has this text wherever a client may put one, and returns its id.
    pub(crate) async fn log_of(&self, text: &str) -> String {
        let body = || LogBody::new(text.as_bytes().to_vec());
        let own = || Some(LogText::new(text));
        let metadata = json!({text: text}).to_string();
        let entry = LogEntry {
            event_id: own(),
            model: own(),
            path: LogText::path(text),
            request_content_type: own(),
            response_content_type: own(),
            user_agent: own(),
            metadata: LogMetadata::from(&Metadata::parse(metadata.as_bytes())),
            ..entry(OURS, 2)
        };
        self.save_log(LogRecord {
            entry,
            request: body(),
            response: body(),
        })
        .await;
        id(2).to_string()
    }

    /// Keeps ten requests, of which the odd ones went to Anthropic and every fifth failed.
    async fn with_ten() -> Self {
        let harness = Self::new().await;
        for number in 1..=10 {
            harness.save_log(LogRecord::new(entry(OURS, number))).await;
        }
        harness.save_log(LogRecord::new(entry(THEIRS, 1))).await;
        harness
    }

    async fn log(&self, query: &str) -> Answer {
        self.get(&format!("{}?{query}", logs(OURS))).await
    }

    /// The numbers of the entries that a query finds, as they are listed.
    async fn found(&self, query: &str) -> Vec<u8> {
        let answer = self.log(query).await;
        let listed = answer.result().as_array().unwrap().clone();
        let number = |entry: &Value| {
            let id: LogId = entry["id"].as_str().unwrap().parse().unwrap();
            id.as_bytes()[15]
        };
        listed.iter().map(number).collect()
    }
}

/// As it stands in a URL.
pub(crate) fn encoded(filters: &Value) -> String {
    let encoded = |byte: u8| format!("%{byte:02x}");
    format!(
        "filters={}",
        filters.to_string().bytes().map(encoded).collect::<String>()
    )
}

#[tokio::test]
async fn requests_are_listed_the_newest_first_and_by_page() {
    let harness = Harness::with_ten().await;
    let answer = harness.log("per_page=3").await;
    let newest = &answer.result()[0];
    for (field, value) in [
        ("id", json!(id(10).to_string())),
        ("event_id", json!(id(10).to_string())),
        ("created_at", json!("2027-01-15T08:00:10.000Z")),
        ("provider", json!("openai")),
        ("model", json!("gpt-5")),
        ("path", json!("v1/chat/completions")),
        ("status_code", json!(429)),
        ("success", json!(false)),
        ("cached", json!(false)),
        ("duration", json!(1_000)),
        ("tokens_in", json!(100)),
        ("tokens_out", json!(10)),
        ("cost", json!(0.1)),
        ("custom_cost", json!(false)),
        ("metadata", Value::Null),
        ("byok", json!(true)),
        ("provider_key_id", json!("07".repeat(16))),
        ("user_agent", json!("OpenAI/Python 3.54.0")),
        ("request_size", json!(100)),
    ] {
        assert_eq!(newest[field], value, "{field}");
    }
    let info = &answer.json["result_info"];
    assert_eq!(
        *info,
        json!({"page": 1, "per_page": 3, "count": 3, "total_count": 10})
    );
    assert_eq!(harness.found("per_page=3&page=4").await, [1]);
    assert_eq!(harness.found("page=2").await, [0_u8; 0]);
    assert_eq!(
        harness.found("order_by_direction=asc&per_page=2").await,
        [1, 2]
    );
    assert_eq!(harness.found("order_by=provider&per_page=2").await, [10, 8]);
    assert_eq!(
        harness
            .found("order_by=success&direction=asc&per_page=3")
            .await,
        [5, 10, 1]
    );

    let answer = harness
        .log("per_page=1&meta_info=true&provider=openai")
        .await;
    let info = &answer.json["result_info"];
    for (field, value) in [
        ("total_count", json!(5)),
        ("min_cost", json!(0.02)),
        ("max_cost", json!(0.1)),
        ("min_duration", json!(200)),
        ("max_tokens_in", json!(100)),
        ("min_tokens_out", json!(2)),
        ("max_total_tokens", json!(110)),
    ] {
        assert_eq!(info[field], value, "{field}");
    }
}

#[tokio::test]
async fn filters_are_taken_in_every_form_in_which_clients_send_them() {
    let harness = Harness::with_ten().await;
    let filters = json!([
        {"key": "provider", "operator": "eq", "value": ["openai", "groq"]},
        {"key": "cost", "operator": "gt", "value": [0.05]},
        {"key": "created_at", "operator": "lt", "value": ["2027-01-15T08:00:10Z"]},
    ]);
    // As dashboards and scripts do.
    assert_eq!(harness.found(&encoded(&filters)).await, [8, 6]);
    assert_eq!(harness.found(&encoded(&filters[0])).await, [10, 8, 6, 4, 2]);
    // As the SDK for TypeScript does: one after the other.
    let query = "filters.key=provider&filters.operator=eq&filters.value=openai&filters.value=groq\
                 &filters.key=cost&filters.operator=gt&filters.value=0.05\
                 &filters.key=created_at&filters.operator=lt&filters.value=2027-01-15T08:00:10Z";
    assert_eq!(harness.found(query).await, [8, 6]);
    // As the SDK for Python does: each field together.
    let query = "filters.key=provider&filters.key=cost&filters.operator=eq&filters.operator=gt\
                 &filters.value=openai&filters.value=0.05";
    assert_eq!(harness.found(query).await, [10, 8, 6]);
    let one = "filters.key=provider&filters.operator=eq&filters.value=openai&filters.value=anthropic&per_page=2";
    assert_eq!(harness.found(one).await, [10, 9]);
    // The forms that came before.
    for (query, expected) in [
        ("provider=anthropic&success=false", vec![5]),
        ("model=gpt-5&min_cost=0.09", vec![10, 9]),
        ("max_cost=0.02", vec![2, 1]),
        ("min_duration=300&max_duration=400", vec![4, 3]),
        ("min_tokens_in=95&max_tokens_out=10", vec![10]),
        ("max_total_tokens=11", vec![1]),
        (
            "start_date=2027-01-15T08:00:02Z&end_date=2027-01-15T08:00:03Z",
            vec![3, 2],
        ),
        ("cached=true", vec![]),
        ("feedback=1", vec![]),
        ("search=ANTHROPIC&per_page=1", vec![9]),
        (
            "request_content_type=application/json&response_content_type=text/plain",
            vec![],
        ),
    ] {
        assert_eq!(harness.found(query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn what_is_no_filter_is_refused_with_its_place() {
    let harness = Harness::with_ten().await;
    let refused = async |query: &str, place: Value| {
        let answer = harness.log(query).await;
        let message = answer.refused(400, 7001).to_owned();
        assert_eq!(answer.json["errors"][0]["path"], place, "{query}");
        message
    };
    let filter = |key: &str, operator: &str, value: Value| {
        encoded(&json!([{"key": key, "operator": operator, "value": value}]))
    };
    let place = |rest: Value| {
        let mut place = vec![json!("query"), json!("filters")];
        place.extend(rest.as_array().unwrap().clone());
        Value::Array(place)
    };
    let query = filter("colour", "eq", json!(["red"]));
    let message = refused(&query, place(json!([0, "key"]))).await;
    assert!(
        message.contains("Invalid enum value. Expected 'id' | 'created_at'"),
        "{message}"
    );
    assert!(message.contains("received 'colour'"), "{message}");
    let query = filter("kw_gw_0V2kQ9xTz3Ab_secret", "eq", json!(["red"]));
    let message = refused(&query, place(json!([0, "key"]))).await;
    assert!(!message.contains("kw_gw"), "{message}");
    refused(
        &filter("model", "like", json!(["x"])),
        place(json!([0, "operator"])),
    )
    .await;
    refused(&filter("model", "lt", json!(["x"])), place(json!([0]))).await;
    refused(&filter("cost", "eq", json!(["cheap"])), place(json!([0]))).await;
    refused(
        &filter("created_at", "gt", json!(["yesterday"])),
        place(json!([0])),
    )
    .await;
    refused(&filter("model", "eq", json!([])), place(json!([0]))).await;
    refused(
        &filter("model", "eq", json!([{}])),
        place(json!([0, "value", 0])),
    )
    .await;
    for query in ["filters=x", "filters=[1]", "filters.colour=red"] {
        refused(query, place(json!([]))).await;
    }
    let several = "filters.key=provider&filters.key=model&filters.operator=eq&filters.operator=eq\
                   &filters.value=a&filters.value=b&filters.value=c";
    let message = refused(several, place(json!([]))).await;
    assert!(message.contains("JSON array"), "{message}");
    let many: Vec<_> = (0..21)
        .map(|_| json!({"key": "model", "operator": "eq", "value": ["x"]}))
        .collect();
    refused(&encoded(&json!(many)), place(json!([]))).await;
    for (query, name) in [
        ("per_page=51", "per_page"),
        ("order_by=path", "order_by"),
        ("order_by=cost", "order_by"),
        ("order_by_direction=up", "order_by_direction"),
        ("meta_info=1", "meta_info"),
        ("success=perhaps", "success"),
        ("min_cost=NaN", "min_cost"),
        ("start_date=2027", "start_date"),
        ("feedback=2", "feedback"),
    ] {
        refused(query, json!(["query", name])).await;
    }
}

#[tokio::test]
async fn an_entry_is_shown_with_what_is_kept_of_its_bodies() {
    let harness = Harness::new().await;
    let long = format!(r#"{{"text":"{}"}}"#, "a".repeat(2_000));
    let body = |text: &str| LogBody::new(text.as_bytes().to_vec());
    harness
        .save_log(LogRecord {
            entry: entry(OURS, 1),
            request: body(&long),
            response: body("data: <script>alert(1)</script>\n\n"),
        })
        .await;
    harness.save_log(LogRecord::new(entry(OURS, 2))).await;
    let path = format!("{}/{}", logs(OURS), id(1));
    let shown = harness.get(&path).await;
    assert_eq!(shown.result()["id"], id(1).to_string());
    assert_eq!(
        shown.result()["request_head"].as_str().unwrap(),
        &long[..1_024]
    );
    assert_eq!(shown.result()["request_head_complete"], false);
    assert_eq!(shown.result()["response_head_complete"], true);

    let asked = harness.get(&format!("{path}/request")).await;
    assert_eq!((asked.status, asked.text.as_str()), (200, long.as_str()));
    assert_eq!(asked.headers["content-type"], "application/json");
    // What somebody else wrote is no page of ours.
    let answered = harness.get(&format!("{path}/response")).await;
    assert!(answered.text.starts_with("data: <script>"));
    assert_eq!(answered.headers["content-type"], "application/octet-stream");
    assert_eq!(answered.headers["x-content-type-options"], "nosniff");

    let without = format!("{}/{}", logs(OURS), id(2));
    assert_eq!(
        harness.get(&without).await.result()["request_head"],
        Value::Null
    );
    harness
        .get(&format!("{without}/request"))
        .await
        .refused(404, 7002);
    for id in [id(3).to_string(), "x".to_owned()] {
        let path = format!("{}/{id}", logs(OURS));
        for path in [
            path.clone(),
            format!("{path}/request"),
            format!("{path}/response"),
        ] {
            harness.get(&path).await.refused(404, 7002);
        }
        harness
            .call(Method::PATCH, &path, Some(json!({})))
            .await
            .refused(404, 7002);
    }
}

#[tokio::test]
async fn people_say_what_they_think_of_an_answer() {
    let harness = Harness::new().await;
    let mut first = entry(OURS, 1);
    first.metadata = LogMetadata::from(&Metadata::parse(br#"{"team":"blue","seats":3}"#));
    harness.save_log(LogRecord::new(first)).await;
    let path = format!("{}/{}", logs(OURS), id(1));
    let patch = async |body: Value| harness.call(Method::PATCH, &path, Some(body)).await;
    let shown = async || harness.get(&path).await.result().clone();
    assert_eq!(
        shown().await["metadata"],
        json!({"team": "blue", "seats": 3})
    );

    let body = json!({"feedback": 1, "score": 99.5});
    assert_eq!(*patch(body).await.result(), json!({}));
    let now = shown().await;
    assert_eq!(
        (&now["feedback"], &now["score"]),
        (&json!(1.0), &json!(99.5))
    );
    assert_eq!(now["metadata"]["team"], "blue");
    patch(json!({"feedback": null, "metadata": {"seen": true}}))
        .await
        .result();
    let now = shown().await;
    assert_eq!(
        (&now["feedback"], &now["score"]),
        (&Value::Null, &json!(99.5))
    );
    assert_eq!(now["metadata"], json!({"seen": true}));
    assert_eq!(
        harness
            .found(&encoded(
                &json!([{"key": "metadata.key", "operator": "eq", "value": ["seen"]}])
            ))
            .await,
        [1]
    );
    patch(json!({"metadata": null})).await.result();
    assert_eq!(shown().await["metadata"], Value::Null);

    for (body, field) in [
        (json!({"feedback": 2}), "feedback"),
        (json!({"feedback": "good"}), "feedback"),
        (json!({"score": -1}), "score"),
        (json!({"metadata": {"user": {"id": 1}}}), "metadata"),
        (json!({"metadata": {"user": null}}), "metadata"),
        (json!({"metadata": {"cf.user": "1"}}), "metadata"),
        (
            json!({"metadata": {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}}),
            "metadata",
        ),
        (json!({"metadata": []}), "metadata"),
    ] {
        patch(body).await.invalid(&json!(["body", field]));
    }
}

#[tokio::test]
async fn entries_are_deleted_without_a_result() {
    let harness = Harness::with_ten().await;
    let failed = encoded(&json!([{"key": "success", "operator": "eq", "value": [false]}]));
    let answer = harness.delete(&format!("{}?{failed}", logs(OURS))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json,
        json!({"success": true, "errors": [], "messages": []})
    );
    assert_eq!(harness.found("").await, [9, 8, 7, 6, 4, 3, 2, 1]);
    let path = format!(
        "{}?limit=2&order_by=cost&order_by_direction=asc",
        logs(OURS)
    );
    harness.delete(&path).await;
    assert_eq!(harness.found("").await, [9, 8, 7, 6, 4, 3]);
    for (query, name) in [
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("order_by=x", "order_by"),
    ] {
        let answer = harness.delete(&format!("{}?{query}", logs(OURS))).await;
        answer.invalid(&json!(["query", name]));
    }
    harness.delete(&logs(OURS)).await;
    assert_eq!(harness.found("").await, [0_u8; 0]);
}

#[tokio::test]
async fn the_log_is_for_tokens_that_may_see_the_whole_gateway() {
    let harness = Harness::with_ten().await;
    let path = logs(OURS);
    let reader = || Grant::new(OURS, [Permission::AiGatewayRead].into_iter().collect());
    let only = |name: &str| Scope::Only([name.into()].into());
    let status = async |grant: Grant, method: Method| {
        let (_, token) = harness.token(grant).await;
        let answer = harness
            .send(request(&token, method, &path, Body::empty()))
            .await;
        answer.status
    };
    assert_eq!(status(reader(), Method::GET).await, 200);
    assert_eq!(status(reader(), Method::DELETE).await, 403);
    let mut grant = reader();
    grant.gateways = only("default");
    assert_eq!(status(grant, Method::GET).await, 200);
    let mut grant = reader();
    grant.gateways = only("other");
    assert_eq!(status(grant, Method::GET).await, 403);
    // Entries tell of every provider and every key.
    let mut grant = reader();
    grant.providers = only("openai");
    assert_eq!(status(grant, Method::GET).await, 403);
    harness.get(&logs(THEIRS)).await.refused(404, 7003);
    let missing = format!("{}/missing/logs", gateways(OURS));
    harness.get(&missing).await.refused(404, 7002);
}
