//! Routes: which model a request comes to, and what becomes of it where one fails.

use std::{sync::Arc, time::SystemTime};

use keyward_gateway::Config;
use keyward_routes::{Ask, Counters, Decision, Loss, Taking};
use keyward_testing::{Behaviour, FakeProvider, Placement, TestCa, client::RawAnswer};
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Base, Running, Setup, code};

async fn running() -> Running {
    let running = Running::start(Setup {
        slugs: &["openai", "groq", "mistral"],
        ..Setup::default()
    })
    .await;
    let mut keys = Vec::new();
    for slug in ["openai", "groq"] {
        keys.push(running.store_key(slug, "default").await.0);
    }
    running
        .provider
        .accept_keys(keys.iter().map(|key| key.text()));
    running
}

fn to(element: &str) -> Value {
    json!({"elementId": element})
}

fn start(next: &str) -> Value {
    json!({"id": "start", "type": "start", "outputs": {"next": to(next)}})
}

fn end() -> Value {
    json!({"id": "end", "type": "end", "outputs": {}})
}

fn model(id: &str, provider: &str, properties: &Value, fallback: Option<&str>) -> Value {
    let mut all = json!({"provider": provider, "model": format!("{id}-model")});
    for (name, value) in properties.as_object().unwrap() {
        all[name] = value.clone();
    }
    let mut outputs = json!({"success": to("end")});
    if let Some(fallback) = fallback {
        outputs["fallback"] = to(fallback);
    }
    json!({"id": id, "type": "model", "properties": all, "outputs": outputs})
}

/// `first` at OpenAI, and `second` at Groq behind it.
fn two(properties: &Value) -> Value {
    json!([
        start("first"),
        model("first", "openai", properties, Some("second")),
        model("second", "groq", &json!({}), None),
        end(),
    ])
}

async fn ask(running: &Running, name: &str, headers: &[(&str, &str)]) -> RawAnswer {
    let bearer = running.bearer();
    let body = format!("{{\"messages\": [], \"model\":\"dynamic/{name}\", \"user\": \"u1\"}}");
    let token = [("cf-aig-authorization", bearer.as_str())];
    let path = running.path("compat/chat/completions");
    let mut client = running.client().await;
    client
        .post(&path, &[&token, headers].concat(), body.as_bytes())
        .await
        .unwrap()
}

fn failing(status: u16) -> Behaviour {
    Behaviour::Status(status, r#"{"error":{"message":"no"}}"#.to_owned())
}

#[track_caller]
fn came_from(answer: &RawAnswer, step: &str, provider: &str, model: &str) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let headers = ["cf-aig-step", "cf-aig-provider", "cf-aig-model"];
    let found = headers.map(|name| answer.header(name).unwrap_or_default());
    assert_eq!(found, [step, provider, model]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_fails_has_its_fall_back() {
    let running = running().await;
    running.route("two", &two(&json!({}))).await;
    let answer = ask(&running, "two", &[]).await;
    came_from(&answer, "0", "openai", "first-model");
    let sent = running.provider.take_recorded();
    let expected = br#"{"messages": [], "model":"first-model", "user": "u1"}"#;
    assert_eq!(sent[0].body, expected);
    for behaviour in [
        failing(500),
        failing(429),
        failing(400),
        failing(404),
        Behaviour::CutBeforeHead,
    ] {
        running.provider.behave_once(behaviour.clone());
        let answer = ask(&running, "two", &[]).await;
        came_from(&answer, "1", "groq", "second-model");
        assert_eq!(running.provider.take_recorded().len(), 2, "{behaviour:?}");
    }
    running.provider.behave(failing(503));
    let answer = ask(&running, "two", &[]).await;
    let text = answer.text();
    assert_eq!((answer.status, code(&answer)), (400, 2005), "{text}");
    assert!(text.contains("openai/first-model answered 503"), "{text}");
    assert!(text.contains("groq/second-model answered 503"), "{text}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_down_has_its_fall_back() {
    let gone = FakeProvider::start(Placement::bearer(), Vec::<String>::new()).await;
    let down = gone.origin();
    gone.stop().await;
    let provider = FakeProvider::start(Placement::bearer(), Vec::<String>::new()).await;
    let up = provider.origin();
    let urls = [("openai", down.as_str()), ("groq", up.as_str())];
    let ca = TestCa::new();
    let running = Running::over(&Base::new(), &urls, provider, &ca, Config::default()).await;
    let (_unused, _) = running.store_key("openai", "default").await;
    let (key, _) = running.store_key("groq", "default").await;
    running.provider.accept_keys([key.text()]);
    running.route("two", &two(&json!({}))).await;
    let answer = ask(&running, "two", &[]).await;
    came_from(&answer, "1", "groq", "second-model");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_says_how_long_and_how_often() {
    let running = running().await;
    let patience = json!({"timeout": 200});
    running.route("slow", &two(&patience)).await;
    running.provider.behave_once(Behaviour::StallBeforeHead);
    came_from(
        &ask(&running, "slow", &[]).await,
        "1",
        "groq",
        "second-model",
    );
    drop(running.provider.take_recorded());
    running.route("again", &two(&json!({"retries": 1}))).await;
    running.provider.behave_once(failing(500));
    came_from(
        &ask(&running, "again", &[]).await,
        "0",
        "openai",
        "first-model",
    );
    assert_eq!(running.provider.take_recorded().len(), 2);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_has_no_fall_back() {
    let running = running().await;
    running.route("two", &two(&json!({}))).await;
    running.provider.behave(Behaviour::CutMidBody);
    let bearer = running.bearer();
    let headers = [("cf-aig-authorization", bearer.as_str())];
    let path = running.path("compat/chat/completions");
    let mut client = running.client().await;
    let cut = client
        .post(&path, &headers, br#"{"model":"dynamic/two","messages":[]}"#)
        .await;
    assert!(cut.is_err() || cut.is_ok_and(|answer| answer.truncated));
    assert_eq!(running.provider.take_recorded().len(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_read_metadata_headers_and_body() {
    let running = running().await;
    for (name, conditions) in [
        ("by-metadata", json!({"metadata.plan": {"$eq": "free"}})),
        ("by-header", json!({"headers.x-plan": "free"})),
        ("by-body", json!({"body.user": {"$in": ["u1", "u2"]}})),
    ] {
        let elements = json!([
            start("which"),
            {"id": "which", "type": "conditional", "properties": {"conditions": conditions},
             "outputs": {"true": to("small"), "false": to("large")}},
            model("small", "groq", &json!({}), None),
            model("large", "openai", &json!({}), None),
            end(),
        ]);
        running.route(name, &elements).await;
    }
    let free = [
        ("cf-aig-metadata", r#"{"plan":"free"}"#),
        ("x-plan", "free"),
    ];
    for name in ["by-metadata", "by-header", "by-body"] {
        came_from(
            &ask(&running, name, &free).await,
            "0",
            "groq",
            "small-model",
        );
    }
    for name in ["by-metadata", "by-header"] {
        came_from(
            &ask(&running, name, &[]).await,
            "0",
            "openai",
            "large-model",
        );
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_sends_what_is_over_it_another_way_or_refuses_it() {
    let running = running().await;
    let rate = |fallback: bool| {
        let mut outputs = json!({"success": to("large")});
        if fallback {
            outputs["fallback"] = to("small");
        }
        let mut elements = vec![
            start("limit"),
            json!({"id": "limit", "type": "rate", "outputs": outputs,
             "properties": {"limitType": "count", "key": "metadata.user", "limit": 1, "window": 86400}}),
            model("large", "openai", &json!({}), None),
            end(),
        ];
        if fallback {
            elements.push(model("small", "groq", &json!({}), None));
        }
        Value::from(elements)
    };
    running.route("split", &rate(true)).await;
    running.route("hard", &rate(false)).await;
    let one = [("cf-aig-metadata", r#"{"user":"one"}"#)];
    let two = [("cf-aig-metadata", r#"{"user":"two"}"#)];
    for user in [&one, &two] {
        came_from(
            &ask(&running, "split", user).await,
            "0",
            "openai",
            "large-model",
        );
    }
    came_from(
        &ask(&running, "split", &one).await,
        "0",
        "groq",
        "small-model",
    );
    assert_eq!(ask(&running, "hard", &one).await.status, 200);
    let over = ask(&running, "hard", &one).await;
    assert_eq!((over.status, code(&over)), (429, 2003), "{}", over.text());
    assert!(over.header("retry-after").is_some());
    running.stop().await;
}

/// The route that docs/routes.md begins with, which has the elements of the reference's examples: by plan, by a limit for each
/// user, by chance, with a fall-back.
#[tokio::test(flavor = "multi_thread")]
async fn the_route_of_the_documentation_does_what_is_said_of_it() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/routes.md");
    let page = std::fs::read_to_string(page).unwrap();
    let block = page.split("```json\n").nth(1).unwrap();
    let elements = block.split("```").next().unwrap();
    // So that no window ends meanwhile, but at midnight.
    let elements = elements.replace("\"window\": 60", "\"window\": 86400");
    let running = running().await;
    running
        .route("docs", &serde_json::from_str(&elements).unwrap())
        .await;
    let of = |plan: &str, user: &str| json!({"plan": plan, "user_id": user}).to_string();
    let asked = async |metadata: &str| {
        let answer = ask(&running, "docs", &[("cf-aig-metadata", metadata)]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let header = |name| answer.header(name).unwrap().to_owned();
        (header("cf-aig-step"), header("cf-aig-model"))
    };
    let came = |step: &str, model: &str| (step.to_owned(), model.to_owned());
    let (large, small) = (came("0", "gpt-5"), came("0", "llama-3.1-8b-instant"));
    assert_eq!(asked(&of("paid", "one")).await, large);
    for number in 0..20 {
        let model = asked(&of("free", "one")).await;
        assert!(model == large || model == small, "{number}: {model:?}");
    }
    // Over the limit there is no chance of the large model.
    for _ in 0..40 {
        assert_eq!(asked(&of("free", "one")).await, small);
    }
    // The large model is tried twice, and fails both times.
    running.provider.behave_once(failing(500));
    running.provider.behave_once(failing(500));
    let fallen = asked(&of("paid", "one")).await;
    assert_eq!(fallen, came("1", "llama-3.1-8b-instant"));
    running.stop().await;
}

/// Counters that are not reachable, where that is a reason to refuse.
#[derive(Debug)]
struct Gone;

impl Counters for Gone {
    fn take_now(&self, _asks: &[Ask], _now: SystemTime) -> Option<Decision> {
        Some(Decision::Lost(Loss::Closed))
    }

    fn take<'a>(&'a self, _asks: &'a [Ask], _now: SystemTime) -> Taking<'a> {
        Box::pin(async { Decision::Lost(Loss::Closed) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_counted_takes_no_fall_back_from_its_limit() {
    let running = Running::start(Setup {
        config: Config {
            counters: Arc::new(Gone),
            ..Setup::default().config
        },
        ..Setup::default()
    })
    .await;
    let (key, _) = running.store_key("openai", "default").await;
    running.provider.accept_keys([key.text()]);
    let elements = json!([
        start("limit"),
        {"id": "limit", "type": "rate", "outputs": {"success": to("model"), "fallback": to("model")},
         "properties": {"limitType": "count", "limit": 1, "window": 60}},
        model("model", "openai", &json!({}), None),
        end(),
    ]);
    running.route("counted", &elements).await;
    let answer = ask(&running, "counted", &[]).await;
    assert_eq!(
        (answer.status, code(&answer)),
        (503, 9031),
        "{}",
        answer.text()
    );
    assert!(running.provider.take_recorded().is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_opens_nothing_that_its_client_may_not_use() {
    let running = running().await;
    running.route("two", &two(&json!({}))).await;
    let grant = keyward_auth::Grant {
        providers: keyward_auth::Scope::only(["groq"]),
        ..Running::grant()
    };
    let (token, _) = crate::support::mint(&running.registry, grant).await;
    let bearer = format!("Bearer {}", token.text());
    let path = running.path("compat/chat/completions");
    let mut client = running.client().await;
    let answer = client
        .post(
            &path,
            &[("cf-aig-authorization", &bearer)],
            br#"{"model":"dynamic/two","messages":[]}"#,
        )
        .await
        .unwrap();
    assert_eq!((answer.status, code(&answer)), (401, 2009));
    assert!(running.provider.take_recorded().is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_gateways_route_is_none_of_this_one() {
    let running = running().await;
    crate::support::make_gateway(&running.registry, "other").await;
    running.route("two", &two(&json!({}))).await;
    let bearer = running.bearer();
    let path = format!("/v1/{ACCOUNT}/other/compat/chat/completions");
    let mut client = running.client().await;
    let headers = [("cf-aig-authorization", bearer.as_str())];
    let body = br#"{"model":"dynamic/two","messages":[]}"#;
    let answer = client.post(&path, &headers, body).await.unwrap();
    assert_eq!((answer.status, code(&answer)), (400, 2005));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_clients_own_goes_to_no_model_of_a_route() {
    let running = running().await;
    running.route("two", &two(&json!({}))).await;
    let own = keyward_testing::Canary::new("own");
    let own = format!("Bearer {}", own.text());
    running.provider.behave_once(failing(500));
    let headers = [("authorization", own.as_str()), ("x-api-key", own.as_str())];
    let answer = ask(&running, "two", &headers).await;
    came_from(&answer, "1", "groq", "second-model");
    for sent in running.provider.take_recorded() {
        assert_ne!(sent.header("authorization"), Some(own.as_str()));
        assert_eq!(sent.header("x-api-key"), None);
    }
    running.stop().await;
}
