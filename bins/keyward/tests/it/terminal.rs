//! What the binary does on a terminal: tables, questions, and a token that is shown.

use std::path::Path;

use keyward_testing::{Canary, register_named_canary};
use tempfile::TempDir;

use crate::support::{Dev, OnTerminal, keyward, run};

fn on_terminal(directory: &Path, args: &[&str]) -> OnTerminal {
    OnTerminal::spawn(keyward(directory, args))
}

#[test]
fn a_list_is_a_table_with_a_head() {
    let dev = Dev::start();
    let (code, screen) = on_terminal(dev.path(), &["keys", "list"]).end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(
        screen.contains("PROVIDER") && screen.contains("echo"),
        "{screen}"
    );
    let (code, screen) = on_terminal(dev.path(), &["keys", "list", "--provider", "openai"]).end();
    assert_eq!((code, screen.trim()), (Some(0), "none"));
    dev.stop();
}

#[test]
fn deleting_wants_the_alias_typed() {
    let dev = Dev::start();
    let delete = ["keys", "delete", "echo"];
    for (typed, code, left) in [("echo", 1, 1), ("", 1, 1), ("echo/default", 0, 0)] {
        let mut terminal = on_terminal(dev.path(), &delete);
        terminal.wait_for("Type echo/default to go on: ");
        assert!(
            terminal
                .seen
                .contains("This takes away key echo/default in gateway default")
        );
        terminal.type_line(typed);
        let (ended, screen) = terminal.end();
        assert_eq!(ended, Some(code), "{screen}");
        let keys = dev.run(&["keys", "list"]).ok().out;
        assert_eq!(keys.lines().count(), left, "{typed}");
    }
    dev.stop();
}

#[test]
fn vault_init_shows_the_token_on_a_terminal() {
    let directory = TempDir::new().unwrap();
    let init = ["vault", "init", "--data-dir", "data", "--key-file", "key"];
    let (code, screen) = {
        let mut terminal = on_terminal(directory.path(), &init);
        terminal.wait_for("Make one? [y/N] ");
        terminal.type_line("");
        terminal.wait_for("kw_api_");
        // Not kept for the sweep: this is the one place where the token stands.
        terminal.end_unswept()
    };
    assert_eq!(code, Some(0), "{screen}");
    assert!(
        !screen.contains("recovery key, shown this once"),
        "{screen}"
    );
    let token = screen
        .split_whitespace()
        .find(|word| word.starts_with("kw_api_"))
        .unwrap();
    register_named_canary("token on a terminal", token);
    run(directory.path(), &["vault", "status", "--data-dir", "data"]).ok();
}

/// Waits until the recovery key stands on the screen, and returns it.
fn shown_recovery_key(terminal: &mut OnTerminal) -> String {
    terminal.wait_for("Its last four characters: ");
    let (_, rest) = terminal
        .seen
        .split_once("recovery key, shown this once: ")
        .unwrap();
    let key = rest.lines().next().unwrap().trim().to_owned();
    register_named_canary("recovery key on a terminal", &key);
    key
}

#[test]
fn a_recovery_key_is_shown_once_and_its_end_asked_back() {
    let directory = TempDir::new().unwrap();
    let init = [
        "vault",
        "init",
        "--data-dir",
        "data",
        "--key-file",
        "key",
        "--token-out",
        "token",
    ];
    // Not kept for the sweep: this is the one place where the recovery key stands.
    let mut terminal = on_terminal(directory.path(), &init);
    terminal.wait_for("Make one? [y/N] ");
    terminal.type_line("y");
    let key = shown_recovery_key(&mut terminal);
    terminal.type_line("nope");
    terminal.wait_for("That is not how it ends.");
    terminal.type_line(&key[key.len() - 4..].to_lowercase());
    assert_eq!(terminal.end_unswept().0, Some(0));

    std::fs::write(directory.path().join("typed"), key.to_lowercase()).unwrap();
    let test = [
        "vault",
        "slots",
        "test",
        "--data-dir",
        "data",
        "--open-with",
        "recovery-key",
    ];
    let mut command = keyward(directory.path(), &test);
    command.env("KEYWARD_RECOVERY_KEY_FILE", "typed");
    let (code, screen) = OnTerminal::spawn(command).end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(
        screen.contains("slot 2 (recovery key) opens the vault"),
        "{screen}"
    );
}

#[test]
fn a_recovery_key_that_nobody_took_down_opens_nothing() {
    let directory = TempDir::new().unwrap();
    let init = [
        "vault",
        "init",
        "--data-dir",
        "data",
        "--key-file",
        "key",
        "--token-out",
        "token",
        "--recovery",
    ];
    let mut terminal = on_terminal(directory.path(), &init);
    shown_recovery_key(&mut terminal);
    for _ in 0..3 {
        terminal.type_line("xxxx");
    }
    assert_eq!(terminal.end_unswept().0, Some(1));
    assert!(!directory.path().join("data").exists() && !directory.path().join("token").exists());
}

#[test]
fn removing_a_slot_wants_its_number_typed() {
    let directory = TempDir::new().unwrap();
    let init = [
        "vault",
        "init",
        "--data-dir",
        "data",
        "--key-file",
        "key",
        "--token-out",
        "token",
        "--recovery-out",
        "recovery",
    ];
    run(directory.path(), &init).ok();
    let remove = [
        "vault",
        "slots",
        "remove",
        "2",
        "--data-dir",
        "data",
        "--open-key-file",
        "key",
    ];
    for (typed, code) in [("2", 1), ("slot 2", 0)] {
        let mut terminal = on_terminal(directory.path(), &remove);
        terminal.wait_for("Type slot 2 to go on: ");
        terminal.type_line(typed);
        let (ended, screen) = terminal.end();
        assert_eq!(ended, Some(code), "{screen}");
    }
}

/// `keys add openai` at its question.
fn at_the_question(dev: &Dev) -> OnTerminal {
    let mut terminal = OnTerminal::controlled(&keyward(dev.path(), &["keys", "add", "openai"]));
    terminal.wait_for("Key for openai (not shown): ");
    assert!(!terminal.echoes());
    terminal
}

fn keys_of_openai(dev: &Dev) -> String {
    dev.run(&["keys", "list", "--provider", "openai"]).ok().out
}

#[test]
fn a_key_that_is_typed_is_not_shown_and_nowhere_kept() {
    let dev = Dev::start();
    let key = Canary::new("typed at a question");
    let mut terminal = at_the_question(&dev);
    // With a mistake in it that is taken back.
    terminal.type_line(&format!("x\u{7f}{}", key.text()));
    // The sweep looks for the canary on the screen and in the directory too.
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("stored ••••"), "{screen}");
    assert!(!screen.contains(key.text()), "{screen}");
    assert_eq!(keys_of_openai(&dev).lines().count(), 1);
    dev.stop();
}

#[test]
fn ctrl_c_at_a_hidden_question_gives_the_terminal_back_and_ends_with_130() {
    let dev = Dev::start();
    for (typed, code, says) in [
        ("sk-half\u{3}", 130, "error: stopped by Ctrl-C"),
        ("\n", 1, "error: nothing was typed"),
        ("\u{4}", 1, "error: nothing was typed"),
    ] {
        let mut terminal = at_the_question(&dev);
        terminal.type_keys(typed);
        terminal.wait_for(says);
        assert!(terminal.echoes(), "{says}");
        let (ended, screen) = terminal.end();
        assert_eq!(ended, Some(code), "{screen}");
        assert!(!screen.contains("sk-half"), "{screen}");
    }
    assert_eq!(keys_of_openai(&dev), "");
    dev.stop();
}

#[test]
fn deleting_wants_the_name_typed_whatever_is_deleted() {
    let dev = Dev::start();
    dev.run(&["gateways", "create", "staging"]).ok();
    dev.run_line("providers create our-llm --base-url https://llm.example.com/v1")
        .ok();
    let graph = r#"[{"id":"start","type":"start","outputs":{"next":{"elementId":"end"}}},{"id":"end","type":"end"}]"#;
    std::fs::write(dev.path().join("graph.json"), graph).unwrap();
    dev.run_line("routes create bot --from-file graph.json")
        .ok();
    let value = Canary::new("deleted by name");
    dev.run_with(
        &["secrets", "create", "backup", "--scope", "workers"],
        value.text(),
    )
    .ok();
    let made = dev
        .run(&["tokens", "create", "x", "--json", "--out", "x"])
        .ok()
        .json();
    let id = made["id"].as_str().unwrap();
    for (delete, name) in [
        (["gateways", "delete", "staging"], "staging"),
        (["providers", "delete", "our-llm"], "our-llm"),
        (["routes", "delete", "bot"], "bot"),
        (["secrets", "delete", "backup"], "backup"),
        (["tokens", "roll", id], id),
        (["tokens", "revoke", id], id),
    ] {
        for (typed, expected) in [("y", 1), (name, 0)] {
            // The text of a token that is rolled stands on the screen.
            let mut terminal = on_terminal(dev.path(), &delete);
            terminal.wait_for(&format!("Type {name} to go on: "));
            terminal.type_line(typed);
            let (code, screen) = terminal.end_unswept();
            assert_eq!(code, Some(expected), "{delete:?}: {screen}");
        }
    }
    std::fs::remove_file(dev.path().join("x")).unwrap();
    dev.stop();
}
