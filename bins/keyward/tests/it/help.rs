//! What `--help` says.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::{
    support::{Server, foreign, keyward, run, run_with, until},
    transcripts,
};

pub(crate) const COMMANDS: &[&[&str]] = &[
    &["dev"],
    &["serve"],
    &["keys", "add"],
    &["keys", "list"],
    &["keys", "show"],
    &["keys", "rotate"],
    &["keys", "rotation"],
    &["keys", "roll-back"],
    &["keys", "destroy-old"],
    &["keys", "verify"],
    &["keys", "update"],
    &["keys", "disable"],
    &["keys", "enable"],
    &["keys", "delete"],
    &["tokens", "create"],
    &["tokens", "list"],
    &["tokens", "show"],
    &["tokens", "update"],
    &["tokens", "roll"],
    &["tokens", "revoke"],
    &["gateways", "create"],
    &["gateways", "list"],
    &["gateways", "show"],
    &["gateways", "update"],
    &["gateways", "delete"],
    &["providers", "list"],
    &["providers", "create"],
    &["providers", "show"],
    &["providers", "update"],
    &["providers", "delete"],
    &["routes", "list"],
    &["routes", "show"],
    &["routes", "create"],
    &["routes", "rename"],
    &["routes", "delete"],
    &["routes", "versions"],
    &["routes", "save"],
    &["routes", "deploy"],
    &["routes", "roll-back"],
    &["routes", "deployments"],
    &["routes", "diff"],
    &["routes", "check"],
    &["routes", "explain"],
    &["secrets", "create"],
    &["secrets", "list"],
    &["secrets", "show"],
    &["secrets", "update"],
    &["secrets", "delete"],
    &["logs", "list"],
    &["logs", "show"],
    &["logs", "tail"],
    &["logs", "export"],
    &["audit", "tail"],
    &["audit", "verify"],
    &["audit", "export"],
    &["audit", "key"],
    &["vault", "init"],
    &["vault", "slots", "list"],
    &["vault", "slots", "add"],
    &["vault", "slots", "remove"],
    &["vault", "slots", "test"],
    &["vault", "status"],
    &["config", "check"],
    &["config", "show"],
    &["config", "schema"],
    &["profile", "list"],
    &["profile", "show"],
    &["profile", "set"],
    &["profile", "use"],
    &["profile", "remove"],
    &["status"],
    &["doctor"],
    &["snippet"],
    &["run"],
    &["explain"],
    &["import"],
    &["man"],
    &["completions"],
    &["help"],
];

/// Servers do not end by themselves, so no transcript can show them.
const SERVERS: &[&[&str]] = &[&["dev"], &["serve"]];

pub(crate) fn help(command: &[&str]) -> String {
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
        let examples: Vec<_> = examples.lines().map(str::trim).collect();
        assert_eq!(examples.len(), 2, "{help}");
        let name = format!("keyward {}", command.join(" "));
        for example in examples {
            assert!(example.contains(&name), "{example}");
        }
    }
}

/// Every example that `--help` shows has been run, and what it printed was looked at.
#[test]
fn every_example_stands_in_a_transcript() {
    let transcripts: String = fs::read_dir(transcripts::folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let run: Vec<_> = transcripts
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .collect();
    for command in COMMANDS.iter().filter(|command| !SERVERS.contains(command)) {
        let help = help(command);
        let (_, examples) = help.split_once("\nExamples:\n").unwrap();
        for example in examples.lines().map(str::trim) {
            assert!(run.contains(&example), "no transcript runs `{example}`");
        }
    }
}

/// The examples of servers, as they are typed, on free ports: each comes up.
#[test]
fn the_examples_of_servers_start() {
    let directory = TempDir::new().unwrap();
    let passphrase = directory.path().join("passphrase");
    fs::write(&passphrase, "correct horse battery staple").unwrap();
    fs::write(
        directory.path().join("keyward.toml"),
        "data_dir = \"data\"\n",
    )
    .unwrap();
    let mut init = keyward(
        directory.path(),
        &[
            "vault",
            "init",
            "--config",
            "keyward.toml",
            "--passphrase",
            "--token-out",
            "token",
        ],
    );
    init.env("KEYWARD_PASSPHRASE_FILE", &passphrase);
    run_with(init, "").ok();
    for server in SERVERS {
        let help = help(server);
        let (_, examples) = help.split_once("\nExamples:\n").unwrap();
        for (at, example) in examples.lines().map(str::trim).enumerate() {
            let words: Vec<_> = example
                .split(' ')
                .skip_while(|word| word.contains('='))
                .skip(1)
                .collect();
            let mut command = keyward(directory.path(), &words);
            command
                .env("KEYWARD_GATEWAY_LISTEN", "127.0.0.1:0")
                .env("KEYWARD_CONTROL_LISTEN", "127.0.0.1:0")
                .env("KEYWARD_PASSPHRASE_FILE", &passphrase);
            let log = directory.path().join(format!("{}-{at}", server[0]));
            let server = Server::spawn(command, log);
            until("the server is up", || {
                server.has_printed() || server.logged().contains("roots trusted")
            });
            server.stop();
        }
    }
}

#[test]
fn topics_are_told_and_end_with_two_examples() {
    for topic in ["environment", "exit-codes", "output", "security"] {
        let text = run(Path::new("."), &["help", topic]).ok().out;
        let (_, examples) = text.split_once("\nExamples:\n").unwrap();
        assert_eq!(examples.lines().count(), 2, "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 120),
            "{text}"
        );
    }
    let command = run(Path::new("."), &["help", "keys", "add"]).ok().out;
    assert!(command.contains("Usage: keyward keys add"), "{command}");
    run(Path::new("."), &["help", "nothing"]).failed(2, &["no help about `nothing`", "exit-codes"]);
}

#[test]
fn commands_that_are_not_listed_here_do_not_exist() {
    for group in [
        &["keys"][..],
        // The commands of the front page.
        &[],
        &["tokens"],
        &["gateways"],
        &["providers"],
        &["routes"],
        &["secrets"],
        &["logs"],
        &["audit"],
        &["vault"],
        &["vault", "slots"],
        &["config"],
        &["profile"],
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

/// As `keyward completions elvish | head -1`: who has read enough is not told of an error.
#[test]
fn completions_end_quietly_where_nobody_reads_on() {
    let script = format!(
        "{{ '{}' completions elvish; echo $? >&2; }} | head -n 1",
        env!("CARGO_BIN_EXE_keyward")
    );
    let mut shell = foreign("sh", Path::new("."));
    shell.args(["-c", &script]);
    let done = run_with(shell, "").ok();
    assert_eq!(done.err, "0\n");
}
