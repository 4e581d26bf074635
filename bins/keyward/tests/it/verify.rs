//! `keyward keys verify` and `keys add --verify`, against a provider that is asked for real.

use keyward_testing::{Behaviour, Canary, FakeProvider, Placement};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::{Dev, Done};

/// A server whose OpenAI and Groq are one provider of ours, which counts as both.
pub(crate) struct World {
    pub(crate) dev: Dev,
    pub(crate) provider: FakeProvider,
    pub(crate) key: Canary,
    runtime: Runtime,
}

impl World {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let key = Canary::new("cli verified");
        let provider = runtime.block_on(FakeProvider::start(Placement::bearer(), [key.text()]));
        let config = ["openai", "groq"].map(|slug| {
            let origin = provider.origin();
            format!("[providers.{slug}]\nbase_url = \"{origin}\"\nrelay = true\n")
        });
        Self {
            dev: Dev::start_with(TempDir::new().unwrap(), &config.concat()),
            provider,
            key,
            runtime,
        }
    }

    pub(crate) fn add(&self, args: &[&str], key: &str) -> Done {
        let args = [&["keys", "add"], args].concat();
        self.dev.run_with(&args, key)
    }

    pub(crate) fn stop(self) {
        self.dev.stop();
        self.runtime.block_on(self.provider.stop());
    }
}

#[test]
fn a_key_is_stored_only_if_its_provider_takes_it() {
    let world = World::start();
    let bad = Canary::new("cli refused");
    let refused = world.add(&["openai", "--verify"], bad.text());
    refused.failed(5, &["nothing was stored", "wrong key", "help: correct it"]);
    let listed = || {
        world
            .dev
            .run(&["keys", "list", "--provider", "openai"])
            .ok()
    };
    assert_eq!(listed().out, "");

    world
        .provider
        .behave(Behaviour::Status(503, "{}".to_owned()));
    let unclear = world.add(&["openai", "--verify"], world.key.text());
    unclear.failed(5, &["could not be verified", "failing", "without `verify`"]);
    assert_eq!(listed().out, "");

    world.provider.behave(Behaviour::Normal);
    let added = world.add(&["openai", "--verify"], world.key.text()).ok();
    assert!(
        added.err.contains("the provider accepts the key"),
        "{added:?}"
    );
    assert_eq!(listed().out.lines().count(), 1);
    let added = world.add(&["cohere", "--verify"], world.key.text()).ok();
    assert!(added.err.contains("could not be verified"), "{added:?}");
    assert_eq!(world.provider.count(), 3);
    world.stop();
}

#[test]
fn stored_keys_are_asked_about_and_one_that_does_not_work_is_found() {
    let world = World::start();
    let dead = Canary::new("cli dead");
    world.add(&["openai"], world.key.text()).ok();
    let verified = world.dev.run(&["keys", "verify", "openai"]).ok().out;
    assert_eq!(
        verified,
        "default\topenai\tdefault\tworks\tthe provider accepts the key\n"
    );

    world.add(&["groq", "--alias", "old"], dead.text()).ok();
    let one = ["keys", "verify", "groq", "--alias", "old"];
    world.dev.run(&one).failed(5, &["does not take the key"]);
    let all = world.dev.run(&["keys", "verify", "--all", "--json"]);
    assert_eq!(all.code, Some(5), "{all:?}");
    let told = all.json();
    let outcomes: Vec<_> = told.as_array().unwrap().iter().collect();
    let outcome = |provider: &str| {
        let found = outcomes
            .iter()
            .find(|told| told["provider_slug"] == provider);
        found.unwrap()["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(outcome("echo"), "no_probe");
    assert_eq!(outcome("openai"), "works");
    assert_eq!(outcome("groq"), "refused");
    world.dev.run(&["keys", "verify"]).failed(2, &["PROVIDER"]);
    // Who asked stands in the audit log.
    let log = world.dev.run(&["audit", "tail"]).ok().out;
    assert!(log.contains("provider_key.verify"), "{log}");
    world.stop();
}
