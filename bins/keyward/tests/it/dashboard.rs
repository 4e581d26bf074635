//! The dashboard in Chromium: a key from its first paste to its end, with JavaScript and without.

mod chromium;

use keyward_testing::{Canary, FakeProvider, Placement};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use self::chromium::{Chromium, Script};
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
        let runtime = Runtime::new().unwrap();
        let (first, second) = (Canary::new("first key"), Canary::new("second key"));
        let provider = runtime.block_on(FakeProvider::start(Placement::bearer(), [first.text()]));
        let config = format!("[providers.openai]\nbase_url = \"{}\"\n", provider.origin());
        Self {
            dev: Dev::start_with(TempDir::new().unwrap(), &config),
            provider,
            runtime,
            first,
            second,
        }
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

#[test]
fn a_key_lives_and_ends_in_chromium() {
    live(Script::On);
}

#[test]
fn a_key_lives_and_ends_in_chromium_without_javascript() {
    live(Script::Off);
}

#[test]
fn a_page_that_refreshes_itself_goes_with_its_session() {
    let world = World::start();
    let browser = Chromium::start(Script::On);
    sign_in(&world, &browser);
    add(&world, &browser);
    // As in another tab.
    browser.run(
        "const csrf = document.querySelector('[name=csrf]').value; \
         const form = {method: 'POST', redirect: 'manual', body: new URLSearchParams({csrf})}; \
         return fetch('/sign-out', form).then(() => true)",
    );
    browser.see("h1", "Sign in");
    browser.stop();
    world.stop();
}

fn sign_in(world: &World, browser: &Chromium) {
    browser.goto(world.dev.text("dashboard_url"));
    browser.click("button.primary");
    browser.see("h1", "Overview");
}

fn add(world: &World, browser: &Chromium) {
    browser.click(".side a[href=\"/keys\"]");
    browser.click("a.primary[href=\"/keys/new\"]");
    browser.click("input[value=\"openai\"]");
    browser.fill("#secret", world.first.text());
    browser.click("form.card button.primary");
    browser.see(".banner.ok", "The key is stored");
    browser.see("#status", "active");
    browser.see("#last-used", "never");
}

fn live(script: Script) {
    let world = World::start();
    let browser = Chromium::start(script);
    sign_in(&world, &browser);
    world.is_refused();
    add(&world, &browser);

    // Use. With JavaScript the page refreshes itself.
    world.is_answered();
    if script == Script::Off {
        browser.refresh();
    }
    browser.see("#last-used", "now");

    // Disable, and enable.
    browser.click("form[action$=\"/disable\"] button");
    browser.see(".banner.ok", "The key is disabled");
    browser.see("#status", "disabled");
    world.is_refused();
    browser.click("form[action$=\"/enable\"] button");
    browser.see("#status", "active");
    world.is_answered();

    // Rotate.
    world.provider.accept_keys([world.second.text()]);
    browser.click("a[href$=\"/rotate\"]");
    browser.fill("#secret", world.second.text());
    browser.click("form.card button.primary");
    browser.see(".banner.ok", "The key is rotated");
    world.is_answered();

    // Delete, once its name is typed.
    browser.click("a[href$=\"/delete\"]");
    browser.fill("#typed", "openai/team");
    browser.click("button.danger");
    browser.see("#typed-error", "that is not its name");
    browser.fill("#typed", "openai/default");
    browser.click("button.danger");
    browser.see(".banner.ok", "The key is deleted");
    world.is_refused();

    if script == Script::On {
        // htmx keeps the path of the page, and nothing else is kept.
        let kept = browser.run("return JSON.stringify([localStorage, sessionStorage])");
        let kept = kept.as_str().unwrap();
        for secret in [
            world.first.random_part(),
            world.second.random_part(),
            "kw_",
            "sign-in",
        ] {
            assert!(!kept.contains(secret), "{kept}");
        }
    }
    // Sign out; the link was good once.
    browser.click(".side form[action=\"/sign-out\"] button");
    browser.see("h1", "Sign in");
    browser.goto(world.dev.text("dashboard_url"));
    browser.see(".banner.bad", "The link is good no more");
    browser.stop();
    // Nor does the log hold it, at its most talkative.
    let (_, code) = world.dev.text("dashboard_url").rsplit_once('/').unwrap();
    assert!(!world.dev.server.logged().contains(code));
    world.stop();
}
