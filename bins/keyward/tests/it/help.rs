//! What `--help` says.

use std::path::Path;

use crate::support::run;

const COMMANDS: &[&[&str]] = &[
    &["dev"],
    &["serve"],
    &["keys", "add"],
    &["keys", "list"],
    &["keys", "show"],
    &["keys", "rotate"],
    &["keys", "disable"],
    &["keys", "enable"],
    &["keys", "delete"],
    &["tokens", "create"],
    &["tokens", "list"],
    &["tokens", "revoke"],
    &["gateways", "create"],
    &["gateways", "list"],
    &["gateways", "delete"],
    &["vault", "init"],
    &["vault", "slots", "list"],
    &["vault", "slots", "add"],
    &["vault", "slots", "remove"],
    &["vault", "slots", "test"],
    &["vault", "status"],
    &["completions"],
];

fn help(command: &[&str]) -> String {
    let args = [command, &["--help"]].concat();
    run(Path::new("."), &args).ok().out
}

#[test]
fn the_front_page_is_as_it_was() {
    assert_eq!(help(&[]), include_str!("help/keyward.txt"));
}

#[test]
fn every_command_shows_two_examples_of_itself() {
    for command in COMMANDS {
        let help = help(command);
        let (_, examples) = help
            .split_once("\nExamples:\n")
            .unwrap_or_else(|| panic!("{help}"));
        let examples: Vec<_> = examples.lines().collect();
        assert_eq!(examples.len(), 2, "{help}");
        let name = format!("keyward {}", command.join(" "));
        for example in examples {
            assert!(example.contains(&name), "{example}");
        }
    }
}

#[test]
fn commands_that_are_not_listed_here_do_not_exist() {
    for group in [
        &["keys"][..],
        &["tokens"],
        &["gateways"],
        &["vault"],
        &["vault", "slots"],
    ] {
        let help = help(group);
        let (_, rest) = help.split_once("Commands:\n").unwrap();
        let (list, _) = rest.split_once("\n\n").unwrap();
        for line in list.lines() {
            let name = line.split_whitespace().next().unwrap();
            let named = [group, &[name]].concat();
            let known = COMMANDS.iter().any(|command| command.starts_with(&named));
            assert!(known || name == "help", "{named:?}");
        }
    }
}

#[test]
fn completions_name_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let out = run(Path::new("."), &["completions", shell]).ok().out;
        assert!(out.contains("keyward") && out.contains("rotate"), "{shell}");
    }
}

#[test]
fn what_is_not_understood_ends_with_2() {
    for args in [
        &["nonsense"][..],
        &["keys", "add"],
        &["keys", "add", "Open AI"],
        &["keys", "show", "openai", "--gateway", "../x"],
        &["tokens", "create", "x", "--permission", "AI Gateway Read"],
        &["tokens", "create", "x", "--api"],
        &["tokens", "create", "x", "--expires-in", "soon"],
        &["tokens", "revoke", "not-an-id"],
        &["dev", "--listen", "here"],
        &["serve"],
        &["vault", "init"],
    ] {
        let done = run(Path::new("."), args);
        done.failed(2, &[]);
    }
}
