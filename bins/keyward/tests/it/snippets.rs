//! Every snippet, run as it is shown: against a provider that demands the stored key and answers in its format.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use keyward_providers::{Catalogue, Language, snippet, variables};
use keyward_testing::{Canary, FakeProvider, Placement};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::{Dev, Done, foreign, keyward, prepared, run_within};

const DEADLINE: Duration = Duration::from_secs(300);
/// One for each format that is spoken.
const SDKS: [&str; 3] = ["openai", "anthropic", "google-ai-studio"];

/// A server whose every provider with snippets is a fake one, with a key of its own.
struct World {
    dev: Dev,
    providers: Vec<(String, FakeProvider)>,
    runtime: Runtime,
}

impl World {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let catalogue = Catalogue::built_in().unwrap();
        let mut config = String::new();
        let mut providers = Vec::new();
        for known in catalogue.iter() {
            if snippet(known, Language::Curl, "").is_none() || known.slug() == "echo" {
                continue;
            }
            let placement = match known.slug() {
                "anthropic" => Placement::x_api_key(),
                "google-ai-studio" => Placement::x_goog_api_key(),
                _ => Placement::bearer(),
            };
            let key = Canary::new(&format!("snippet {}", known.slug()));
            let provider = runtime.block_on(FakeProvider::start(placement, [key.text()]));
            config.push_str(&format!(
                "[providers.{}]\nbase_url = \"{}\"\n",
                known.slug(),
                provider.origin()
            ));
            providers.push((known.slug().to_owned(), key, provider));
        }
        let directory = TempDir::new().unwrap();
        let dev = Dev::start_with(directory, &config);
        let providers = providers
            .into_iter()
            .map(|(slug, key, provider)| {
                dev.run_with(&["keys", "add", &slug], key.text()).ok();
                (slug, provider)
            })
            .collect();
        Self {
            dev,
            providers,
            runtime,
        }
    }

    fn snippet(&self, slug: &str, language: &str) -> String {
        let args = ["snippet", slug, "--lang", language];
        self.dev.run(&args).ok().out
    }

    /// Runs the command with the token in its variable; it must have reached the provider, and told of its answer.
    #[track_caller]
    fn run(&self, slug: &str, mut command: Command) -> Done {
        command.env("KEYWARD_TOKEN", self.dev.text("gateway_token"));
        let done = run_within(DEADLINE, command, "").ok();
        let (_, provider) = self
            .providers
            .iter()
            .find(|(known, _)| known == slug)
            .unwrap();
        assert_eq!(provider.take_recorded().len(), 1, "{slug}: {done:?}");
        assert!(!done.out.trim().is_empty(), "{slug}: {done:?}");
        done
    }

    fn stop(self) {
        self.dev.stop();
        for (_, provider) in self.providers {
            self.runtime.block_on(provider.stop());
        }
    }
}

#[test]
fn every_curl_snippet_works() {
    let world = World::start();
    for (slug, _) in &world.providers {
        let mut shell = foreign("sh", world.dev.path());
        shell.args(["-ec", &world.snippet(slug, "curl")]);
        let done = world.run(slug, shell);
        assert!(!done.out.contains("\"success\":false"), "{slug}: {done:?}");
    }
    let mut shell = foreign("sh", world.dev.path());
    shell.args(["-ec", &world.snippet("echo", "curl")]);
    shell.env("KEYWARD_TOKEN", world.dev.text("gateway_token"));
    let done = run_within(DEADLINE, shell, "").ok();
    assert!(done.out.contains("chat.completion"), "{done:?}");
    world.stop();
}

#[test]
fn every_python_snippet_works() {
    let world = World::start();
    for slug in SDKS {
        let mut python = foreign(prepared("KEYWARD_TEST_PYTHON"), world.dev.path());
        python.args(["-c", &world.snippet(slug, "python")]);
        world.run(slug, python);
    }
    world.stop();
}

#[test]
fn every_typescript_snippet_works() {
    let world = World::start();
    // Node looks for packages beside the script, so it is run from where they are.
    let packages = prepared("KEYWARD_TEST_NODE_DIR");
    for slug in SDKS {
        let file = packages.join(format!("snippet-{slug}-{}.mjs", std::process::id()));
        fs::write(&file, world.snippet(slug, "ts")).unwrap();
        let mut node = foreign("node", &packages);
        node.arg(&file);
        world.run(slug, node);
        fs::remove_file(&file).unwrap();
    }
    world.stop();
}

#[test]
fn every_rust_snippet_works() {
    let world = World::start();
    let bins = build(SDKS.map(|slug| (slug, world.snippet(slug, "rust"))));
    for slug in SDKS {
        world.run(slug, foreign(bins.join(slug), world.dev.path()));
    }
    world.stop();
}

/// Builds the snippets as a crate of their own, with the versions that this workspace has; the folder of the programs.
fn build(snippets: [(&str, String); 3]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("snippets");
    fs::create_dir_all(folder.join("src/bin")).unwrap();
    let manifest = "[package]\nname = \"snippets\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
        [dependencies]\nreqwest = { version = \"0.13\", features = [\"json\"] }\nserde_json = \"1\"\n\
        tokio = { version = \"1\", features = [\"full\"] }\n\n[profile.dev]\ndebug = false\n";
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    fs::copy(lock, folder.join("Cargo.lock")).unwrap();
    for (slug, text) in snippets {
        fs::write(folder.join(format!("src/bin/{slug}.rs")), text).unwrap();
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--bins"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", folder.join("target"));
    run_within(DEADLINE, cargo, "").ok();
    folder.join("target/debug")
}

#[test]
fn run_gives_a_program_the_gateway_and_no_key() {
    let world = World::start();
    let catalogue = Catalogue::built_in().unwrap();
    let mut command = keyward(world.dev.path(), &["run", "--", "env"]);
    command
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("OPENAI_API_KEY", "sk-proj-of-its-own")
        .env("GOOGLE_API_KEY", "AIza-of-its-own")
        .env("ANTHROPIC_AUTH_TOKEN", "of-its-own");
    let environment = run_within(DEADLINE, command, "").ok().out;
    assert!(!environment.contains("of-its-own"), "{environment}");
    let token = world.dev.text("gateway_token");
    assert!(environment.contains(&format!("KEYWARD_TOKEN={token}\n")));
    for slug in SDKS {
        let provider = catalogue.find(slug).unwrap();
        let url = format!(
            "{}/v1/{}/default/{slug}",
            world.dev.text("gateway_url"),
            world.dev.text("account_id")
        );
        for variable in variables(provider, &url).unwrap() {
            let value = match &variable.value {
                keyward_providers::VariableValue::Url(url) => url.as_str(),
                keyward_providers::VariableValue::Token => token,
            };
            let line = format!("{}={value}\n", variable.name);
            assert!(environment.contains(&line), "{line} in {environment}");
        }
    }

    // The SDKs as they are, without a word of the gateway.
    let scripts = [
        (
            "openai",
            "from openai import OpenAI; print(OpenAI().models.list())",
        ),
        (
            "anthropic",
            "from anthropic import Anthropic; print(Anthropic().messages.create(model='m', max_tokens=8, messages=[{'role': 'user', 'content': 'hello'}]))",
        ),
        (
            "google-ai-studio",
            "from google import genai; c = genai.Client(); print(c.models.generate_content(model='m', contents='hello').text)",
        ),
    ];
    let python = prepared("KEYWARD_TEST_PYTHON");
    for (slug, script) in scripts {
        let args = ["run", "--", python.to_str().unwrap(), "-c", script];
        let mut command = keyward(world.dev.path(), &args);
        command.env("PATH", std::env::var_os("PATH").unwrap());
        world.run(slug, command);
    }

    let failing = keyward(world.dev.path(), &["run", "--", "sh", "-c", "exit 7"]);
    assert_eq!(run_within(DEADLINE, failing, "").code, Some(7));
    let missing = keyward(world.dev.path(), &["run", "--", "no-such-program"]);
    run_within(DEADLINE, missing, "").failed(1, &["cannot run no-such-program"]);
    world.stop();
}
