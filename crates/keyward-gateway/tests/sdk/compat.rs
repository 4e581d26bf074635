//! One endpoint for every provider, by official SDKs: `compat` with OpenAI's, the universal endpoint with Cloudflare's own
//! provider for the AI SDK.

use keyward_testing::Canary;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    sdk::{check_requests, program, run, run_node, script},
    support::{Running, Setup},
};

const MODELS: [(&str, &str, &str); 4] = [
    ("openai/gpt-5", "openai", "gpt-5"),
    (
        "anthropic/claude-sonnet-4-5",
        "anthropic",
        "claude-sonnet-4-5",
    ),
    ("groq/openai/gpt-oss-20b", "groq", "openai/gpt-oss-20b"),
    // Its first model is at Groq, and is down.
    ("dynamic/support", "openai", "gpt-5-mini"),
];

struct World {
    running: Running,
    openai: Canary,
    groq: Canary,
}

impl World {
    async fn start() -> Self {
        let running = Running::start(Setup {
            slugs: &["openai", "anthropic", "groq"],
            ..Setup::default()
        })
        .await;
        let (openai, _) = running.store_key("openai", "default").await;
        let (anthropic, _) = running.store_key("anthropic", "default").await;
        let (groq, _) = running.store_key("groq", "default").await;
        let keys = [openai.text(), anthropic.text(), groq.text()];
        running.provider.accept_keys(keys);
        let to = |element: &str| json!({"elementId": element});
        let elements = json!([
            {"id": "start", "type": "start", "outputs": {"next": to("first")}},
            {"id": "first", "type": "model", "outputs": {"success": to("end"), "fallback": to("second")},
             "properties": {"provider": "groq", "model": "llama-3.3-70b-versatile", "timeout": 5000, "retries": 0}},
            {"id": "second", "type": "model", "outputs": {"success": to("end")},
             "properties": {"provider": "openai", "model": "gpt-5-mini", "timeout": 5000, "retries": 0}},
            {"id": "end", "type": "end", "outputs": {}},
        ]);
        running.route("support", &elements).await;
        Self {
            running,
            openai,
            groq,
        }
    }

    /// Groq's model of the route is down, its other model is not: the fake provider tells keys apart, and no models.
    fn break_groq(&self) {
        let problem =
            r#"{"error":{"message":"Service unavailable.","type":"service_unavailable"}}"#;
        let key = self.groq.text();
        self.running.provider.answer_key(key, 503, &[], problem);
    }
}

/// What a script tells of one model.
#[track_caller]
fn check_model(told: &Value, (name, provider, model): (&str, &str, &str), step: &str) {
    assert_eq!(told["provider"], provider, "{name}: {told}");
    assert_eq!(told["model"], model, "{name}: {told}");
    assert_eq!(told["step"], step, "{name}: {told}");
    assert!(!told["chat"].as_str().unwrap().is_empty(), "{name}: {told}");
    assert_eq!(told["streamed"], told["chat"], "{name}: {told}");
    assert!(
        told["stream_chunks"].as_u64().unwrap() > 1,
        "{name}: {told}"
    );
}

async fn run_openai(world: &World, language: &str, models: &[(&str, &str, &str)]) -> Value {
    let names: Vec<_> = models.iter().map(|(name, ..)| *name).collect();
    let names = json!(names).to_string();
    let variables = [("KEYWARD_MODELS", names.as_str())];
    if language == "node" {
        let place = ("compat", "slot");
        return run_node("compat_node.mjs", &world.running, place, &variables).await;
    }
    let mut python = Command::new(program("KEYWARD_TEST_PYTHON"));
    python.arg(script("compat_python.py")).envs(variables);
    run(python, &world.running, "compat", "slot").await
}

#[tokio::test(flavor = "multi_thread")]
async fn openais_sdks_reach_every_provider_and_a_route_by_the_models_name() {
    for language in ["python", "node"] {
        let world = World::start().await;
        let (straight, routes) = MODELS.split_at(3);
        let result = run_openai(&world, language, straight).await;
        for (told, model) in result["told"].as_array().unwrap().iter().zip(straight) {
            check_model(told, *model, "0");
        }
        assert_eq!(result["refused"], 400, "{result}");
        let sent = world.running.provider.take_recorded();
        let chats = |path: &str| {
            sent.iter()
                .filter(|sent| sent.path().ends_with(path))
                .count()
        };
        assert_eq!(chats("/chat/completions"), 6, "{language}");
        world.break_groq();
        let result = run_openai(&world, language, routes).await;
        let told = result["told"].as_array().unwrap();
        check_model(&told[0], routes[0], "1");
        let sent = world.running.provider.take_recorded();
        let answered: Vec<_> = sent
            .into_iter()
            .filter(|sent| sent.body.windows(10).any(|part| part == b"gpt-5-mini"))
            .collect();
        assert_eq!(answered.len(), 2, "{language}");
        let bearer = format!("Bearer {}", world.openai.text());
        check_requests(&answered, "authorization", &bearer, world.openai.text());
        world.running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cloudflares_provider_for_the_ai_sdk_works_whole_streamed_and_with_a_fallback() {
    let world = World::start().await;
    world.break_groq();
    let place = ("compat", "slot");
    let result = run_node("ai_gateway_provider_node.mjs", &world.running, place, &[]).await;
    let told = result["told"].as_object().unwrap();
    assert_eq!(told.len(), 7, "{result}");
    for (what, text) in told {
        assert_eq!(text, "Hello from the fake provider.", "{what}: {result}");
    }
    // By the order of the script: one, unified, a route in an entry, a fall-back; then the same streamed.
    let steps = json!(["0", "0", "0", "1", "0", "1", "0"]);
    assert_eq!(result["steps"], steps, "{result}");
    assert_eq!(result["unauthorized"], true, "{result}");
    world.running.stop().await;
}
