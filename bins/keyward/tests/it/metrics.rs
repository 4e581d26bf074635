//! What `/metrics` exposes after a server has done much, against docs/metrics.md and the Grafana dashboard.

mod exposition;
mod grafana;
mod page;

use std::{fs, path::PathBuf};

use keyward_testing::{Canary, FakeProvider, Placement, RedisServer};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use self::{exposition::Exposition, page::Page};
use crate::support::{Answer, Dev, send, until};

fn docs() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"))
}

/// A server with Redis, a webhook that nobody takes, a rotation that fails, and a provider of ours as OpenAI.
struct World {
    dev: Dev,
    redis: RedisServer,
    provider: FakeProvider,
    runtime: Runtime,
    key: Canary,
}

impl World {
    fn start() -> Self {
        let redis = RedisServer::start();
        let runtime = Runtime::new().unwrap();
        let key = Canary::new("own key");
        let provider = runtime.block_on(FakeProvider::start(Placement::bearer(), [key.text()]));
        let directory = TempDir::new().unwrap();
        let secret = directory.path().join("hook-secret");
        fs::write(
            &secret,
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr",
        )
        .unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&secret, private).unwrap();
        let config = format!(
            r#"
[limits]
store = "redis"
url = "{}"
on_loss = "open"
[providers.openai]
base_url = "{}"
[prices]
models = [{{ provider = "echo", names = ["echo"], input = 1000000, output = 1000000 }}]
[webhooks.ops]
url = "http://127.0.0.1:9/nobody"
secret_file = "hook-secret"
[rotation.echo]
command = ["/bin/false"]
keys = [{{ gateway = "default", provider = "echo" }}]
every = "1s"
overlap = "0s"
verify = false
"#,
            redis.url(),
            provider.origin()
        );
        Self {
            dev: Dev::start_with(directory, &config),
            redis,
            provider,
            runtime,
            key,
        }
    }

    fn exposed(&self) -> Exposition {
        let url = format!("{}/metrics", self.dev.text("control_url"));
        Exposition::parse(&send("GET", &url, &[], "").body)
    }

    /// A chat, with the client's own key where none is stored.
    fn chat(&self, provider: &str, model: &str) -> Answer {
        let url = format!(
            "{}/v1/{}/default/{provider}/chat/completions",
            self.dev.text("gateway_url"),
            self.dev.text("account_id")
        );
        let token = format!("Bearer {}", self.dev.text("gateway_token"));
        let own = format!("Bearer {}", self.key.text());
        let mut headers = vec![
            ("cf-aig-authorization", token.as_str()),
            ("content-type", "application/json"),
        ];
        // Of echo one is stored.
        if provider != "echo" {
            headers.push(("authorization", own.as_str()));
        }
        let body = json!({"model": model, "max_tokens": 10, "messages": [{"role": "user", "content": "one two"}]});
        send("POST", &url, &headers, &body.to_string())
    }

    fn echo(&self) -> u16 {
        self.chat("echo", "echo").status
    }

    fn stop(self) {
        self.dev.stop();
        self.runtime.block_on(self.provider.stop());
    }
}

#[test]
fn what_is_exposed_stands_in_the_page_with_its_labels_and_on_the_dashboard() {
    let mut world = World::start();
    let dev = &world.dev;
    until("Redis is told of", || {
        world.exposed().value("keyward_limits_store_up", &[]) == Some(1.0)
    });
    // Answers, refusals, and strangers on both planes.
    assert_eq!(world.echo(), 200);
    assert_eq!(world.chat("openai", "gpt-5").status, 200);
    assert_eq!(world.chat("openai", "made-up").status, 200);
    assert_eq!(world.chat("nobody", "x").status, 400);
    assert_eq!(dev.chat_with("kw_gw_1").status, 401);
    let url = format!("{}/client/v4/user/tokens/verify", dev.text("control_url"));
    let stranger = send("GET", &url, &[("authorization", "Bearer kw_api_1")], "");
    assert_eq!(stranger.status, 401);
    // A budget that has no room: each token costs a dollar.
    let limits = json!({"enabled": true, "rules": [{"id": "all", "limitType": "cost", "limit": 0.5, "window": 86400}]});
    fs::write(dev.path().join("limits.json"), limits.to_string()).unwrap();
    dev.run_line("gateways update default --spend-limits-file limits.json")
        .ok();
    // A decision of a busy machine's Redis may come too late, and counts as lost then.
    until("the budget has no room", || world.echo() == 429);
    fs::write(
        dev.path().join("limits.json"),
        r#"{"enabled": false, "rules": []}"#,
    )
    .unwrap();
    dev.run_line("gateways update default --spend-limits-file limits.json")
        .ok();
    dev.run_line(
        "gateways update default --set rate_limiting_limit=1 --set rate_limiting_interval=31536000",
    )
    .ok();
    until("the limit is reached", || world.echo() == 429);
    world.redis.kill();
    until("a decision was made without Redis", || {
        world.echo();
        world.exposed().value("keyward_limits_lost_total", &[]) >= Some(1.0)
    });
    until("everything is counted", || {
        let exposed = world.exposed();
        let has = |name: &str| exposed.0.contains_key(name);
        // What is counted off the way of requests, each second or when something has ended.
        let late = [
            "keyward_requests_total",
            "keyward_requests_without_cost_total",
            "keyward_webhooks_waiting",
            "keyward_memory_reserved_bytes",
        ];
        let other = [("model", "other"), ("kind", "output")];
        let failed = [("outcome", "failed")];
        late.into_iter().all(has)
            && exposed.value("keyward_tokens_total", &other).is_some()
            && exposed.value("keyward_scheduled_rotations_total", &failed) >= Some(1.0)
            && exposed.value("keyward_provider_keys", &[("status", "active")]) == Some(1.0)
    });

    let exposed = world.exposed();
    let page = Page::read();
    page.has_all_of(&exposed);
    // Two words go in and come out of every chat with echo that was answered, and each costs a dollar.
    let cost = exposed.value(
        "keyward_cost_dollars_total",
        &[("provider", "echo"), ("model", "echo")],
    );
    assert!(cost >= Some(4.0), "{cost:?}");
    let tokens = |kind| {
        exposed.value(
            "keyward_tokens_total",
            &[("provider", "echo"), ("kind", kind)],
        )
    };
    assert_eq!(
        tokens("input").zip(tokens("output")).map(|(a, b)| a + b),
        cost
    );
    let took = "keyward_request_duration_seconds_count";
    let took = exposed.value(took, &[("provider", "openai"), ("status", "2xx")]);
    assert_eq!(took, Some(2.0));
    grafana::asks_for_what_there_is(&page, &exposed);
    world.stop();
}

/// A series that begins with 1 has no increase.
#[test]
fn what_can_be_known_beforehand_is_counted_from_0_on() {
    let dev = Dev::start();
    let url = format!("{}/metrics", dev.text("control_url"));
    let exposed = Exposition::parse(&send("GET", &url, &[], "").body);
    for (name, row) in &Page::read().0 {
        if row.kind == "counter" && row.labels.is_empty() {
            assert_eq!(exposed.value(name, &[]), Some(0.0), "{name}");
        }
    }
    let failed = "keyward_failed_authentications_total";
    for (name, labels) in [
        (failed, &[("plane", "data"), ("limited", "no")][..]),
        (failed, &[("plane", "control"), ("limited", "yes")]),
        ("keyward_rate_limited_total", &[("what", "route")]),
        ("keyward_spend_limited_total", &[("what", "token")]),
        ("keyward_key_status_changes_total", &[("status", "invalid")]),
        (
            "keyward_scheduled_rotations_total",
            &[("outcome", "failed")],
        ),
        ("keyward_websocket_bytes_total", &[("direction", "down")]),
        ("keyward_connections_refused_total", &[("reason", "resets")]),
    ] {
        assert_eq!(exposed.value(name, labels), Some(0.0), "{name}");
    }
    // Every event that the page of webhooks has.
    let page = fs::read_to_string(docs().join("webhooks.md")).unwrap();
    let events = page.lines().filter_map(|line| {
        let name = line.strip_prefix("| `provider_key.")?;
        Some(format!("provider_key.{}", name.split('`').next()?))
    });
    let events: Vec<_> = events.collect();
    assert!(events.len() > 10, "{events:?}");
    for what in &events {
        let counted = exposed.value("keyward_key_events_total", &[("what", what)]);
        assert!(counted.is_some(), "{what}");
    }
    dev.stop();
}

/// Names of models are the provider's to say: none of them makes a series. All are counted, also where no log is told.
#[test]
fn models_that_nobody_configured_make_no_series() {
    let world = World::start();
    world
        .dev
        .run_line("gateways update default --set collect_logs=false")
        .ok();
    for number in 0..20 {
        assert_eq!(
            world.chat("openai", &format!("made-up-{number}")).status,
            200
        );
    }
    until("they are counted", || {
        let took = "keyward_request_duration_seconds_count";
        world.exposed().value(took, &[("provider", "openai")]) == Some(20.0)
    });
    let exposed = world.exposed();
    let tokens = [
        ("provider", "openai"),
        ("model", "other"),
        ("kind", "input"),
    ];
    // The provider says 9 of each request.
    assert_eq!(exposed.value("keyward_tokens_total", &tokens), Some(180.0));
    let models = exposed.values_of("model");
    assert!(
        !models.iter().any(|model| model.contains("made-up")),
        "{models:?}"
    );
    world.stop();
}
