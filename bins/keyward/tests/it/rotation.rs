//! `keyward keys rotate` and what belongs to it, against a provider that is asked for real.

use keyward_testing::Canary;
use serde_json::Value;

use crate::{
    support::{Answer, Done, OnTerminal, keyward, send, until},
    verify::World,
};

const CHAT: &str = r#"{"model":"gpt-5-mini","messages":[{"role":"user","content":"hello"}]}"#;

impl World {
    fn rotate(&self, args: &[&str], key: &Canary) -> Done {
        let args = [&["keys", "rotate", "openai"], args].concat();
        self.dev.run_with(&args, key.text())
    }

    fn rotation(&self) -> Value {
        let args = ["keys", "rotation", "openai", "--json"];
        self.dev.run(&args).ok().json()
    }

    fn chat(&self) -> Answer {
        let url = format!(
            "{}/v1/{}/default/openai/chat/completions",
            self.dev.text("gateway_url"),
            self.dev.text("account_id")
        );
        let bearer = format!("Bearer {}", self.dev.text("gateway_token"));
        send("POST", &url, &[("cf-aig-authorization", &bearer)], CHAT)
    }

    /// The key of the request that the provider got last.
    fn key_of_last(&self) -> String {
        let recorded = self.provider.recorded();
        let header = recorded.last().unwrap().header("authorization").unwrap();
        header.strip_prefix("Bearer ").unwrap().to_owned()
    }
}

fn started() -> (World, Canary) {
    let world = World::start();
    world.add(&["openai"], world.key.text()).ok();
    let new = Canary::new("cli rotated");
    world.provider.accept_keys([world.key.text(), new.text()]);
    (world, new)
}

#[test]
fn a_new_value_is_proven_used_and_the_old_one_erased_after_the_overlap() {
    let (world, new) = started();
    let done = world.rotate(&["--overlap", "2s"], &new).ok();
    let lines: Vec<_> = done.out.lines().collect();
    assert!(
        lines[0].starts_with("version 2 is staged: openai is asked"),
        "{done:?}"
    );
    assert!(lines[1].starts_with("rotated key openai/default in gateway default to"));
    assert!(lines[1].ends_with(", version 2"), "{done:?}");
    assert!(lines[2].starts_with("version 1 is kept until "), "{done:?}");
    assert!(
        lines[2].contains("keyward keys roll-back openai"),
        "{done:?}"
    );
    assert_eq!(world.chat().status, 200);
    assert_eq!(world.key_of_last(), new.text());

    let watched = world
        .dev
        .run(&["keys", "rotation", "openai", "--watch"])
        .ok();
    assert!(watched.out.contains("revoke the old key"), "{watched:?}");
    assert_eq!(world.rotation()["phase"], "finished");
    world
        .dev
        .run(&["keys", "roll-back", "openai"])
        .failed(1, &["finished", "[7001]"]);
    world.stop();
}

#[test]
fn a_new_value_that_the_provider_refuses_changes_nothing_and_ends_with_5() {
    let (world, _new) = started();
    let bad = Canary::new("cli bad");
    let refused = world.rotate(&[], &bad);
    refused.failed(
        5,
        &[
            "the new value was not taken",
            "does not know the new value (401)",
        ],
    );
    assert_eq!(world.rotation()["phase"], "refused");
    assert_eq!(world.chat().status, 200);
    assert_eq!(world.key_of_last(), world.key.text());
    // In JSON a line for each phase, and the error on standard error.
    let refused = world.rotate(&["--json"], &bad);
    let phases: Vec<_> = refused
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["phase"].clone())
        .collect();
    assert_eq!(phases, ["staged", "refused"]);
    refused.failed_json(5, "not taken");
    world.stop();
}

#[test]
fn it_is_left_running_taken_back_and_ended_by_hand() {
    let (world, new) = started();
    let named = ["--detach", "--request-id", "deploy-7"];
    world.rotate(&named, &new).ok();
    until("the new value is in use", || {
        world.rotation()["phase"] == "overlapping"
    });
    // The same request begins no other; another one has to wait.
    world.rotate(&named, &new).ok();
    assert_eq!(world.rotation()["to_version"], 2);
    world
        .rotate(&[], &new)
        .failed(1, &["is under way", "`deploy-7`", "help: "]);

    let back = world.dev.run(&["keys", "roll-back", "openai"]).ok().out;
    assert_eq!(
        back,
        "key openai/default in gateway default: version 1 is in use again, version 2 is erased\n"
    );
    assert_eq!(world.chat().status, 200);
    assert_eq!(world.key_of_last(), world.key.text());

    world.rotate(&["--no-verify", "--overlap", "1h"], &new).ok();
    let ended = world.dev.run(&["keys", "destroy-old", "openai"]).ok().out;
    assert!(ended.contains("version 1 is erased"), "{ended}");
    assert_eq!(world.chat().status, 200);
    assert_eq!(world.key_of_last(), new.text());
    world.stop();
}

#[test]
fn a_value_that_leaked_is_replaced_at_once() {
    let (world, new) = started();
    let done = world.rotate(&["--now"], &new).ok().out;
    assert!(
        done.contains("version 2") && done.contains("cut 0 requests"),
        "{done}"
    );
    world
        .rotate(&["--now", "--overlap", "1h"], &new)
        .failed(2, &["--now"]);
    let missing = world.dev.run(&["keys", "rotation", "openai"]);
    missing.failed(1, &["no rotation", "[7002]"]);
    world.stop();
}

#[test]
fn ctrl_c_leaves_it_running_and_says_how_to_watch_or_undo_it() {
    let (world, new) = started();
    let file = world.dev.path().join("new-key");
    std::fs::write(&file, new.text()).unwrap();
    let args = ["keys", "rotate", "openai", "--from-file", "new-key"];
    let mut terminal = OnTerminal::controlled(&keyward(world.dev.path(), &args));
    terminal.wait_for("is staged");
    terminal.wait_for("is kept until");
    terminal.wait_for("the old value is erased in 9:");
    terminal.type_keys("\u{3}");
    terminal.wait_for("the rotation goes on");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(130), "{screen}");
    assert!(
        screen.contains("keyward keys rotation openai --watch"),
        "{screen}"
    );
    assert!(screen.contains("keyward keys roll-back openai"), "{screen}");
    assert_eq!(world.rotation()["phase"], "overlapping");
    world.stop();
}
