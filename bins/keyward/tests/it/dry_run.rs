//! `--dry-run`: what would be done is checked and told, and nothing is changed.

use std::{collections::BTreeSet, fs, path::Path};

use keyward_testing::Canary;
use serde_json::Value;

use crate::{
    help::{COMMANDS, help},
    slots::{QUICK, configure, shell, slots, vault},
    support::{Dev, Done, keyward, run_with},
};

/// The last words of commands that change something which is kept.
const VERBS: [&str; 15] = [
    "add",
    "create",
    "update",
    "rotate",
    "rename",
    "save",
    "deploy",
    "roll-back",
    "destroy-old",
    "roll",
    "revoke",
    "enable",
    "disable",
    "delete",
    "remove",
];

/// Commands in an order in which each can be done. `ID` is the token that `tokens create` made, `KEY` in front stands
/// for a key on standard input.
const LINES: &[&str] = &[
    "gateways create trial",
    "gateways update trial --set cache_ttl=300",
    "KEY keys add openai --gateway trial",
    "KEY keys rotate openai --gateway trial --now",
    "KEY keys rotate openai --gateway trial --no-verify",
    "keys roll-back openai --gateway trial",
    "KEY keys rotate openai --gateway trial --no-verify --overlap 1h",
    "keys destroy-old openai --gateway trial",
    "keys update openai --gateway trial --description note --expires-action warn",
    "keys disable openai --gateway trial",
    "keys enable openai --gateway trial",
    "providers create our-llm --base-url https://llm.example.com/v1",
    "providers update our-llm --disable",
    "KEY keys add custom-our-llm --gateway trial --alias team",
    "KEY secrets create backup --scope workers",
    "secrets update backup --comment note",
    "KEY secrets update backup --new-value",
    "routes create bot --gateway trial --from-file graph.json",
    "routes rename bot helpdesk --gateway trial",
    "routes save helpdesk --gateway trial --from-file graph.json",
    "routes save helpdesk --gateway trial --from-file graph.json --deploy",
    "routes deploy helpdesk 2 --gateway trial",
    "routes roll-back helpdesk --gateway trial",
    "routes delete helpdesk --gateway trial --yes",
    "tokens create x --gateway trial --provider custom-our-llm --out x",
    "tokens update ID --name y --expires-in 1d",
    "tokens update ID --disable",
    "tokens roll ID --overlap 10m --out rolled",
    "tokens roll ID --out again --yes",
    "tokens revoke ID --yes",
    "secrets delete backup --yes",
    "keys delete openai --gateway trial --yes",
    "providers delete our-llm --yes",
    "gateways delete trial --yes",
];

/// What `graph.json` holds.
const GRAPH: &str = r#"[
    {"id": "start", "type": "start", "outputs": {"next": {"elementId": "small"}}},
    {"id": "small", "type": "model", "properties": {"provider": "custom-our-llm", "model": "small"},
     "outputs": {"success": {"elementId": "end"}}},
    {"id": "end", "type": "end"}
]"#;

/// Those that need no server: tried below.
const ELSEWHERE: [&str; 3] = ["vault slots add", "vault slots remove", "profile remove"];

/// Everything that the control plane keeps, but for when it was last used.
fn kept(dev: &Dev) -> Vec<Value> {
    let mut kept: Vec<Value> = ["gateways", "keys", "providers", "secrets", "tokens"]
        .iter()
        .map(|what| dev.run(&[what, "list", "--json"]).ok().json())
        .collect();
    let items = kept.iter_mut().filter_map(Value::as_array_mut).flatten();
    for item in items.filter_map(Value::as_object_mut) {
        item.retain(|name, _| !name.starts_with("last_used"));
    }
    for gateway in dev.run(&["gateways", "list"]).ok().out.lines() {
        let gateway = gateway.split('\t').next().unwrap();
        let list = ["routes", "list", "--gateway", gateway, "--json"];
        kept.push(dev.run(&list).ok().json());
    }
    let log = dev.run(&["audit", "export", "--format", "jsonl"]).ok().out;
    kept.push(log.into());
    kept
}

fn files(directory: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(directory).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn words<'a>(line: &'a str, id: &'a str) -> (bool, Vec<&'a str>) {
    let reads_key = line.starts_with("KEY ");
    let words = line.trim_start_matches("KEY ").split(' ');
    (
        reads_key,
        words
            .map(|word| if word == "ID" { id } else { word })
            .collect(),
    )
}

/// The same as a dry run: nobody is asked.
fn dry<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let asked = words.iter().copied().filter(|word| *word != "--yes");
    asked.chain(["--dry-run"]).collect()
}

#[test]
fn a_dry_run_tells_what_would_be_done_and_does_not_do_it() {
    let dev = Dev::start();
    fs::write(dev.path().join("graph.json"), GRAPH).unwrap();
    let mut id = String::new();
    let mut before = kept(&dev);
    for line in LINES {
        let (reads_key, words) = words(line, &id);
        let key = Canary::new("dry run");
        let input = if reads_key { key.text() } else { "" };
        let beside = files(dev.path());
        let told = dev.run_with(&dry(&words), input).ok();
        assert!(told.out.starts_with("would "), "{line}: {told:?}");
        assert!(
            told.out.ends_with("\nnothing was changed\n"),
            "{line}: {told:?}"
        );
        assert_eq!(told.err, "", "{line}");
        let json = dev
            .run_with(&[dry(&words), vec!["--json"]].concat(), input)
            .ok()
            .json();
        assert_eq!(json["dry_run"], true, "{line}");
        assert!(told.out.contains(json["would"].as_str().unwrap()), "{line}");
        assert_eq!(kept(&dev), before, "{line}");
        assert_eq!(files(dev.path()), beside, "{line}");
        // What was told can be done, and would have been seen.
        let done = dev
            .run_with(&[words.clone(), vec!["--json"]].concat(), input)
            .ok();
        let after = kept(&dev);
        assert_ne!(after, before, "{line}: {done:?}");
        before = after;
        if words.starts_with(&["tokens", "create"]) {
            id = done.json()["id"].as_str().unwrap().to_owned();
        }
    }
    for token in ["x", "rolled", "again"] {
        fs::remove_file(dev.path().join(token)).unwrap();
    }
    dev.stop();
}

#[test]
fn every_command_that_changes_something_has_a_dry_run_and_is_tried_here() {
    let tried: BTreeSet<String> = LINES
        .iter()
        .map(|line| words(line, "").1[..2].join(" "))
        .chain(ELSEWHERE.map(str::to_owned))
        .collect();
    let changing: BTreeSet<String> = COMMANDS
        .iter()
        .filter(|command| command.last().is_some_and(|verb| VERBS.contains(verb)))
        .map(|command| command.join(" "))
        .collect();
    assert_eq!(tried, changing);
    for command in COMMANDS {
        let has = help(command).contains("--dry-run");
        assert_eq!(has, changing.contains(&command.join(" ")), "{command:?}");
    }
}

/// The line is refused for the same reason, dry or not.
#[track_caller]
fn refused(dev: &Dev, line: &str, input: &str, code: i32, says: &str) {
    let (_, words) = words(line, "");
    let before = kept(dev);
    let told = dev.run_with(&dry(&words), input);
    told.failed(code, &[says]);
    assert_eq!(kept(dev), before, "{line}");
    dev.run_with(&words, input).failed(code, &[says]);
}

#[test]
fn what_would_be_refused_is_refused() {
    let dev = Dev::start();
    let key = Canary::new("dry refused");
    let key = key.text();
    dev.run_line("providers create our-llm --base-url https://llm.example.com/v1")
        .ok();
    dev.run_with(&["secrets", "create", "backup", "--scope", "workers"], key)
        .ok();
    fs::write(dev.path().join("taken"), "").unwrap();
    for (line, says) in [
        (
            "keys add echo",
            "alias `default` already exists in gateway `default`",
        ),
        ("keys add nowhere", "there is no provider `nowhere`"),
        (
            "keys add custom-nowhere",
            "there is no provider `custom-nowhere`",
        ),
        (
            "keys add azure-openai",
            "provider `azure-openai` cannot be used",
        ),
        (
            "keys add openai --gateway nowhere",
            "gateway `nowhere` was not found",
        ),
        (
            "keys add openai --expires-on 2020-01-01T00:00:00Z",
            "lies in the past",
        ),
        ("keys rotate openai", "there is no key openai/default"),
        ("keys delete openai --yes", "there is no key openai/default"),
        (
            "gateways create default",
            "gateway with id `default` already exists",
        ),
        ("gateways update nowhere --set cache_ttl=1", "was not found"),
        (
            "providers create our-llm --base-url https://a.example",
            "already exists",
        ),
        (
            "providers create openai --base-url https://a.example",
            "built in",
        ),
        (
            "providers update nowhere --disable",
            "there is no custom provider",
        ),
        (
            "secrets create backup --scope workers",
            "exists already in this store",
        ),
        (
            "secrets update nothing --comment x",
            "there is no secret nothing",
        ),
        (
            "secrets create x --scope workers --store nowhere",
            "no such secrets store",
        ),
        ("tokens create x --gateway nowhere", "nowhere"),
        (
            "tokens create x --expires-on 2020-01-01T00:00:00Z",
            "--expires-on lies in the past",
        ),
        ("tokens create x --out taken", "cannot make taken"),
        ("tokens revoke 4pHFIHbBrKxd --yes", "not found"),
    ] {
        refused(&dev, line, key, 1, says);
    }
    refused(&dev, "keys add openai", "sk a", 1, "is a blank");
    refused(&dev, "keys add openai", "", 1, "empty");
    let create = "providers create own --base-url https://a.example --headers-file -";
    refused(&dev, create, "{\"x-a\": \"b\"", 1, "no JSON object");
    refused(&dev, create, "[\"x-a\"]", 1, "no JSON object");
    dev.stop();
}

#[test]
fn a_token_that_may_not_do_it_is_told_so() {
    let dev = Dev::start();
    dev.make_api_token("reader", "AI Gateway Read");
    let reader = |words: &[&str]| -> Done {
        let command = dev.command_with("reader", words);
        run_with(command, "sk-proj-0123456789abcdefghij")
    };
    let before = kept(&dev);
    for words in [
        &["keys", "add", "openai", "--dry-run"][..],
        &["keys", "delete", "echo", "--dry-run"],
        &["gateways", "create", "x", "--dry-run"],
        &["gateways", "delete", "default", "--dry-run"],
        &["tokens", "create", "x", "--dry-run"],
    ] {
        reader(words).failed(4, &["may not do this", "it lacks"]);
    }
    assert_eq!(kept(&dev), before);
    fs::remove_file(dev.path().join("reader")).unwrap();
    dev.stop();
}

#[test]
fn a_dry_run_leaves_the_slots_of_a_vault() {
    let directory = vault();
    let log = || {
        let verify = ["audit", "verify", "data/keyward.db"];
        run_with(keyward(directory.path(), &verify), "").ok().out
    };
    let state = || {
        (
            slots(&directory, &["list"]).ok().out,
            log(),
            files(directory.path()),
        )
    };
    let before = state();
    for (args, says) in [
        (
            &["add", "recovery-key", "--recovery-out", "recovery"][..],
            "would add slot 2 (recovery key)",
        ),
        (
            &["add", "key-file", "--key-file", "new.key"],
            "new.key would be made",
        ),
    ] {
        let told = slots(&directory, &[args, &["--dry-run", QUICK]].concat())
            .ok()
            .out;
        assert!(
            told.contains(says) && told.ends_with("nothing was changed\n"),
            "{told}"
        );
        assert_eq!(state(), before);
    }
    slots(
        &directory,
        &["add", "key-file", "--key-file", "key", "--dry-run"],
    )
    .failed(1, &["cannot add a slot"]);
    slots(&directory, &["remove", "1", "--dry-run"]).failed(1, &["cannot remove the slot"]);
    slots(
        &directory,
        &["add", "recovery-key", "--recovery-out", "recovery"],
    )
    .ok();
    let before = state();
    let told = slots(&directory, &["remove", "2", "--dry-run"]).ok().out;
    assert!(told.starts_with("would take away slot 2"), "{told}");
    assert_eq!(state(), before);
    slots(
        &directory,
        &[
            "add",
            "recovery-key",
            "--recovery-out",
            "recovery",
            "--dry-run",
        ],
    )
    .failed(1, &["cannot make recovery"]);
}

#[test]
fn a_dry_run_does_not_run_the_command_of_a_new_slot() {
    let directory = vault();
    let path = directory.path();
    let script = format!("touch {}", path.join("ran").display());
    let seal = format!("key_file = \"key\"\n{}", shell(path, &script));
    configure(path, &seal);
    let add = ["add", "command", "--open-with", "key-file", "--dry-run"];
    let told = slots(&directory, &add).ok().out;
    for says in [
        "would add slot 2 (command)",
        "\nnot checked: the command was not run\n",
    ] {
        assert!(told.contains(says), "{told}");
    }
    assert!(!path.join("ran").exists());
    configure(path, "key_file = \"key\"");
    slots(&directory, &add).failed(2, &["no command is configured"]);
}

#[test]
fn a_dry_run_leaves_a_profile() {
    let directory = tempfile::tempdir().unwrap();
    let profile = |words: &[&str]| {
        let mut command = keyward(directory.path(), words);
        command.env("HOME", directory.path());
        run_with(command, "").ok().out
    };
    profile(&[
        "profile",
        "set",
        "work",
        "--control-url",
        "https://keys.example.com",
    ]);
    let before = profile(&["profile", "list"]);
    let told = profile(&["profile", "remove", "work", "--dry-run"]);
    assert!(told.starts_with("would take away profile work"), "{told}");
    assert_eq!(profile(&["profile", "list"]), before);
}
