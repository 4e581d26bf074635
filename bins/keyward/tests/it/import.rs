//! `keyward import`: what is found is stored, once, and nothing is told of a value.

use std::fs;

use keyward_testing::Canary;

use crate::support::{Dev, keyward, run_with};

#[test]
fn keys_of_an_env_file_are_stored_and_the_lines_to_delete_are_told() {
    let dev = Dev::start();
    let (openai, groq) = (Canary::new("import openai"), Canary::new("import groq"));
    let text = format!(
        "# keys\nOPENAI_API_KEY={}\nDEBUG=1\nexport GROQ_API_KEY_TEAM=\"{}\"\nMISTRAL_API_KEY=\n",
        openai.text(),
        groq.text()
    );
    fs::write(dev.path().join(".env"), &text).unwrap();

    let tried = dev.run(&["import", ".env"]).ok();
    assert!(tried.err.contains("nothing was stored"), "{tried:?}");
    assert!(
        dev.run(&["keys", "list", "--provider", "openai"])
            .ok()
            .out
            .is_empty()
    );

    let applied = dev.run(&["import", ".env", "--apply"]).ok();
    for line in [
        "line 2: OPENAI_API_KEY",
        "line 4: GROQ_API_KEY_TEAM",
        "stored 2 keys",
    ] {
        assert!(applied.err.contains(line), "{applied:?}");
    }
    let keys = dev.run(&["keys", "list", "--json"]).ok().json();
    let keys: Vec<_> = keys
        .as_array()
        .unwrap()
        .iter()
        .map(|key| format!("{}/{}", key["provider_slug"], key["alias"]).replace('"', ""))
        .collect();
    assert!(keys.contains(&"openai/default".to_owned()), "{keys:?}");
    assert!(keys.contains(&"groq/team".to_owned()), "{keys:?}");

    let again = dev.run(&["import", ".env", "--apply", "--json"]).ok();
    let again = again.json();
    let told: Vec<_> = again.as_array().unwrap().iter().collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().all(|row| row["imported"] == false), "{told:?}");
    assert_eq!(fs::read_to_string(dev.path().join(".env")).unwrap(), text);
    fs::remove_file(dev.path().join(".env")).unwrap();
    dev.stop();
}

#[test]
fn keys_of_the_environment_and_of_litellm_are_found() {
    let dev = Dev::start();
    let (xai, groq) = (Canary::new("import xai"), Canary::new("import litellm"));
    let mut command = keyward(dev.path(), &["import", "--env", "--apply"]);
    command.env("XAI_API_KEY", xai.text());
    let applied = run_with(command, "").ok();
    assert!(applied.out.contains("grok\tdefault\tstored"), "{applied:?}");

    let config = format!(
        "model_list:\n- model_name: fast\n  litellm_params:\n    model: groq/llama\n    api_key: {}\n",
        groq.text()
    );
    fs::write(dev.path().join("config.yaml"), config).unwrap();
    let applied = dev
        .run(&["import", "--litellm", "config.yaml", "--apply"])
        .ok();
    assert!(
        applied.err.contains("line 5: model_list[0] fast"),
        "{applied:?}"
    );

    // A parser's message would quote the line.
    let broken = format!(
        "model_list:\n- litellm_params: {{api_key: {}\n",
        groq.text()
    );
    fs::write(dev.path().join("config.yaml"), broken).unwrap();
    let refused = dev.run(&["import", "--litellm", "config.yaml"]);
    refused.failed(1, &["no configuration of LiteLLM's"]);
    fs::remove_file(dev.path().join("config.yaml")).unwrap();
    dev.stop();
}
