//! The dashboard in Chromium: what people do there, and how every page looks.

mod chromium;
mod life;
mod logs;
mod pages;
mod pictures;
mod proof;
mod routes;
mod seed;

use keyward_testing::{Canary, FakeProvider, Placement};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use self::chromium::Chromium;
use crate::support::{Answer, Dev, send};

const CHAT: &str = r#"{"model":"gpt-5-mini","messages":[{"role":"user","content":"hello"}]}"#;

/// A server whose OpenAI is a provider of ours.
struct World {
    dev: Dev,
    provider: FakeProvider,
    runtime: Runtime,
    first: Canary,
    second: Canary,
}

impl World {
    fn start() -> Self {
        Self::with("")
    }

    /// The provider's answers count as OpenAI's own: it is asked about keys.
    fn relayed() -> Self {
        Self::with("relay = true\n")
    }

    fn with(more: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let (first, second) = (Canary::new("first key"), Canary::new("second key"));
        let provider = runtime.block_on(FakeProvider::start(Placement::bearer(), [first.text()]));
        let config = format!(
            "[providers.openai]\nbase_url = \"{}\"\n{more}",
            provider.origin()
        );
        Self {
            dev: Dev::start_with(TempDir::new().unwrap(), &config),
            provider,
            runtime,
            first,
            second,
        }
    }

    /// A value that must be found nowhere.
    fn canary(&self) -> String {
        Canary::new("seed").text().to_owned()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.dev.text("control_url"))
    }

    /// A request of an application, which holds a gateway token alone.
    fn chat(&self) -> Answer {
        let url = format!(
            "{}/v1/{}/default/openai/chat/completions",
            self.dev.text("gateway_url"),
            self.dev.text("account_id")
        );
        let bearer = format!("Bearer {}", self.dev.text("gateway_token"));
        send("POST", &url, &[("cf-aig-authorization", &bearer)], CHAT)
    }

    #[track_caller]
    fn is_answered(&self) {
        let answer = self.chat();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(self.provider.take_recorded().len(), 1);
    }

    #[track_caller]
    fn is_refused(&self) {
        let answer = self.chat();
        assert!((400..500).contains(&answer.status), "{answer:?}");
        assert_eq!(self.provider.take_recorded().len(), 0);
    }

    fn stop(self) {
        self.dev.stop();
        self.runtime.block_on(self.provider.stop());
    }
}

fn sign_in(world: &World, browser: &Chromium) {
    browser.goto(world.dev.text("dashboard_url"));
    browser.click("button.primary");
    browser.see("h1", "Overview");
}
