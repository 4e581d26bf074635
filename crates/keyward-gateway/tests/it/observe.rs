//! What an observer is told of requests that have ended.

use std::sync::{Arc, Mutex};

use keyward_gateway::{Finished, Observe, TraceParent};
use keyward_testing::Placement;
use tokio_util::sync::CancellationToken;

use crate::support::{Running, Setup};

const BODY: &[u8] = br#"{"model":"made-up","messages":[]}"#;
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// What was told of one request.
#[derive(Clone, Debug, PartialEq)]
struct Heard {
    path: String,
    status: Option<u16>,
    code: Option<u32>,
    is_told: bool,
    asked: Option<String>,
    answered: Option<String>,
    priced: Option<String>,
    provider: String,
    parent: Option<TraceParent>,
    user_agent: Option<String>,
}

#[derive(Debug, Default)]
struct Ear(Mutex<Vec<Heard>>);

impl Observe for Ear {
    fn finished(&self, request: &Finished<'_>) {
        let entry = request.entry;
        let text = |text: Option<&str>| text.map(str::to_owned);
        self.0.lock().unwrap().push(Heard {
            path: entry.path.to_string(),
            status: entry.status,
            code: entry.error_code,
            is_told: request.is_told,
            asked: text(request.asked),
            answered: text(request.answered),
            priced: text(request.priced),
            provider: request.provider.to_owned(),
            parent: request.parent,
            user_agent: text(entry.user_agent.as_deref()),
        });
    }
}

async fn start(setup: Setup) -> (Running, Arc<Ear>) {
    let ear = Arc::new(Ear::default());
    let setup = Setup {
        observer: Some(Arc::clone(&ear) as _),
        ..setup
    };
    (Running::start(setup).await, ear)
}

/// Sends a request, runs the recorder once to its end, and gives what was told of it.
async fn heard(
    (running, ear): &(Running, Arc<Ear>),
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<Heard> {
    let bearer = running.bearer();
    let mut headers = headers.to_vec();
    headers.push(("cf-aig-authorization", &bearer));
    let mut client = running.client().await;
    client
        .post(&running.path(path), &headers, body)
        .await
        .unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    Arc::clone(&running.gateway).record(stop).await;
    std::mem::take(&mut ear.0.lock().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_is_told_of_every_request_and_of_its_trace() {
    let world = start(Setup::default()).await;
    world.0.store_key("openai", "default").await;
    let chat = "openai/v1/chat/completions";
    let said = [
        ("user-agent", "test/1.0"),
        ("cf-aig-otel-trace-id", TRACE),
        ("cf-aig-otel-parent-span-id", PARENT),
    ];
    let expected = Heard {
        path: "v1/chat/completions".to_owned(),
        status: Some(200),
        code: None,
        is_told: true,
        asked: None,
        answered: Some("made-up".to_owned()),
        priced: None,
        provider: "openai".to_owned(),
        parent: TraceParent::parse(TRACE.as_bytes(), Some(PARENT.as_bytes())),
        user_agent: Some("test/1.0".to_owned()),
    };
    assert_eq!(
        heard(&world, chat, &said, BODY).await,
        std::slice::from_ref(&expected)
    );
    // What goes to the provider has none of it.
    let recorded = world.0.provider.take_recorded();
    assert!(!format!("{:?}", recorded[0]).contains(TRACE));

    // A model that the table knows, and a trace that nobody can read.
    let said = [("cf-aig-otel-trace-id", "x")];
    let priced = br#"{"model":"gpt-5-2025-08-07","messages":[]}"#;
    let told = heard(&world, chat, &said, priced).await;
    assert_eq!(told[0].priced.as_deref(), Some("gpt-5"));
    assert_eq!(told[0].parent, None);

    // Of what the log is not told of, no text but the path.
    let said = [
        ("user-agent", "test/1.0"),
        ("cf-aig-collect-log", "false"),
        ("cf-aig-otel-trace-id", TRACE),
    ];
    let told = heard(&world, chat, &said, BODY).await;
    let untold = Heard {
        is_told: false,
        parent: None,
        user_agent: None,
        ..expected
    };
    assert_eq!(told, [untold]);

    // And of the gateway's own refusals.
    let told = heard(&world, "groq/v1/chat/completions", &[], BODY).await;
    assert_eq!((told[0].status, told[0].code.is_some()), (Some(400), true));
    world.0.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_stands_in_the_path_is_the_one_that_is_asked_for() {
    let world = start(Setup {
        slugs: &["google-ai-studio"],
        placement: Placement::x_goog_api_key(),
        ..Setup::default()
    })
    .await;
    world.0.store_key("google-ai-studio", "default").await;
    let path = "google-ai-studio/v1beta/models/gemini-2.5-pro:generateContent";
    let told = heard(&world, path, &[], b"{}").await;
    assert_eq!(told[0].asked.as_deref(), Some("gemini-2.5-pro"), "{told:?}");
    world.0.stop().await;
}
