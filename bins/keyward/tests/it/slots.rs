//! `keyward vault slots …`.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use keyward_testing::{Canary, outputs, register_named_canary};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    serve::serve,
    support::{Dev, Done, keyward, run, run_with},
};

/// The least there is: these tests derive keys often.
pub(crate) const QUICK: &str = "--memory-mib=19";
const LISTEN: &str = "[gateway]\nlisten = \"127.0.0.1:0\"\nworkers = 1\n[control]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n";

/// A directory with a vault that `key` opens, named in `keyward.toml`.
pub(crate) fn vault() -> TempDir {
    let directory = TempDir::new().unwrap();
    configure(directory.path(), "key_file = \"key\"");
    let init = [
        "vault",
        "init",
        "--config",
        "keyward.toml",
        "--token-out",
        "token",
    ];
    run(directory.path(), &init).ok();
    let token = fs::read_to_string(directory.path().join("token")).unwrap();
    register_named_canary("token of vault init", token.trim_end());
    directory
}

pub(crate) fn configure(directory: &Path, seal: &str) {
    let text = format!("data_dir = \"data\"\n[seal]\n{seal}\n{LISTEN}");
    fs::write(directory.join("keyward.toml"), text).unwrap();
}

fn args<'a>(what: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["vault", "slots"];
    args.extend(what);
    args.extend(["--config", "keyward.toml"]);
    args
}

pub(crate) fn slots(directory: &TempDir, what: &[&str]) -> Done {
    run(directory.path(), &args(what))
}

fn slots_with(directory: &TempDir, what: &[&str], variables: &[(&str, &str)]) -> Done {
    let mut command = keyward(directory.path(), &args(what));
    command.envs(variables.iter().copied());
    run_with(command, "")
}

/// A file with a secret that must not be seen anywhere.
pub(crate) fn secret_file(directory: &TempDir, name: &'static str) -> Canary {
    let canary = Canary::new(name);
    fs::write(directory.path().join(name), canary.text()).unwrap();
    canary
}

fn ids(directory: &TempDir) -> Vec<u64> {
    let listed = slots(directory, &["list", "--json"]).ok().json();
    let ids = listed.as_array().unwrap().iter();
    ids.map(|slot| slot["id"].as_u64().unwrap()).collect()
}

/// `[seal] command` that runs this shell text; the file's path is no secret, and its text holds none.
pub(crate) fn shell(directory: &Path, text: &str) -> String {
    let script = directory.join("command.sh");
    fs::write(&script, text).unwrap();
    format!("command = [\"/bin/sh\", \"{}\"]", script.display())
}

/// A vault with five slots, two of them key files; the configuration names the first one and a command.
fn vault_with_every_kind() -> TempDir {
    let directory = vault();
    let _first = secret_file(&directory, "phrase");
    let _kms = secret_file(&directory, "kms");
    let with_command = format!(
        "key_file = \"key\"\n{}",
        shell(
            directory.path(),
            &format!("cat {}", directory.path().join("kms").display())
        )
    );
    let added = slots_with(
        &directory,
        &["add", "passphrase", QUICK, "--json"],
        &[("KEYWARD_NEW_PASSPHRASE_FILE", "phrase")],
    );
    assert_eq!(added.ok().json()["id"], 2);
    let added = slots(
        &directory,
        &[
            "add",
            "recovery-key",
            "--recovery-out",
            "recovery",
            "--json",
        ],
    );
    assert_eq!(added.ok().json()["id"], 3);
    let recovery = fs::read_to_string(directory.path().join("recovery")).unwrap();
    register_named_canary("recovery key", recovery.trim_end());
    let mode = fs::metadata(directory.path().join("recovery"))
        .unwrap()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let added = slots(&directory, &["add", "key-file", "--key-file", "second"]).ok();
    assert_eq!(added.out, "added slot 4: second opens it\n");
    // The command is the configuration's; with the key file beside it, what opens the vault must be said.
    configure(directory.path(), &with_command);
    let added = slots(
        &directory,
        &["add", "command", QUICK, "--open-with", "key-file", "--json"],
    );
    assert_eq!(added.ok().json()["id"], 5);

    directory
}

#[test]
fn each_kind_opens_and_is_shown() {
    let directory = vault_with_every_kind();
    let shown = slots(&directory, &["list"]).ok().out;
    assert_eq!(
        shown,
        "1\tkey file\t\n2\tpassphrase\t19 MiB, 3 passes, 4 lanes\n3\trecovery key\t\n4\tkey file\t\n5\tcommand\t19 MiB, 3 passes, 4 lanes\n"
    );
    for (open, variable, slot) in [
        (
            &["--open-with", "key-file"][..],
            None,
            json!({ "id": 1, "kind": "key file" }),
        ),
        (
            &["--open-with", "passphrase"],
            Some(("KEYWARD_PASSPHRASE_FILE", "phrase")),
            json!({ "id": 2, "kind": "passphrase" }),
        ),
        (
            &["--open-with", "recovery-key"],
            Some(("KEYWARD_RECOVERY_KEY_FILE", "recovery")),
            json!({ "id": 3, "kind": "recovery key" }),
        ),
        (
            &["--open-key-file", "second"],
            None,
            json!({ "id": 4, "kind": "key file" }),
        ),
        (
            &["--open-with", "command"],
            None,
            json!({ "id": 5, "kind": "command" }),
        ),
    ] {
        let what = [&["test", "--json"], open].concat();
        assert_eq!(
            slots_with(&directory, &what, variable.as_slice())
                .ok()
                .json(),
            slot
        );
    }
    slots(&directory, &["test"]).failed(1, &["both a key file and a command"]);
}

#[test]
fn each_kind_is_removed() {
    let directory = vault_with_every_kind();
    configure(directory.path(), "key_file = \"key\"");
    for slot in ["2", "3", "4", "5"] {
        let removed = slots(&directory, &["remove", slot, "--yes"]).ok();
        assert!(
            removed.out.contains("older copies of the database"),
            "{}",
            removed.out
        );
    }
    assert_eq!(ids(&directory), [1]);
    let what = ["test", "--open-with", "recovery-key"];
    slots_with(
        &directory,
        &what,
        &[("KEYWARD_RECOVERY_KEY_FILE", "recovery")],
    )
    .failed(3, &["it has no recovery key slot"]);
    outputs(
        "database",
        &fs::read(directory.path().join("data/keyward.db")).unwrap(),
    );
}

#[test]
fn the_last_slot_the_opened_one_and_unconfirmed_ones_stay() {
    let directory = vault();
    slots(&directory, &["remove", "1", "--yes"]).failed(1, &["the last one", "vault slots add"]);
    slots(&directory, &["add", "key-file", "--key-file", "second"]).ok();
    slots(&directory, &["remove", "1", "--yes"])
        .failed(1, &["the one that was opened", "--open-key-file"]);
    slots(&directory, &["remove", "9", "--yes"]).failed(1, &["there is no slot 9", "slots list"]);
    slots(&directory, &["remove", "2"]).failed(2, &["slot 2 (key file) of the vault", "--yes"]);
    assert_eq!(ids(&directory), [1, 2]);
    slots(&directory, &["add", "key-file", "--key-file", "second"])
        .failed(1, &["slot 2 is opened by the same already"]);
    slots(
        &directory,
        &["remove", "1", "--yes", "--open-key-file", "second"],
    )
    .ok();
    slots(&directory, &["test"]).failed(3, &["stays sealed", "not the one"]);
    slots(&directory, &["test", "--open-key-file", "second"]).ok();
}

#[test]
fn what_cannot_be_used_is_refused_and_nothing_is_left_of_it() {
    let directory = vault();
    let _phrase = secret_file(&directory, "phrase");
    slots(&directory, &["add", "recovery-key"]).failed(2, &["--recovery-out FILE"]);
    fs::write(directory.path().join("mine"), "mine").unwrap();
    slots(
        &directory,
        &["add", "recovery-key", "--recovery-out", "mine"],
    )
    .failed(1, &["does not exist yet"]);
    assert_eq!(
        fs::read_to_string(directory.path().join("mine")).unwrap(),
        "mine"
    );
    slots(&directory, &["add", "passphrase"]).failed(2, &["KEYWARD_NEW_PASSPHRASE_FILE"]);
    slots(&directory, &["add", "key-file"]).failed(2, &[]);
    slots(&directory, &["add", "key-file", "--key-file", "data/key"])
        .failed(1, &["in the data directory"]);
    slots(&directory, &["add", "command"]).failed(2, &["[seal] command"]);
    let small = ["add", "passphrase", "--memory-mib", "18"];
    slots_with(
        &directory,
        &small,
        &[("KEYWARD_NEW_PASSPHRASE_FILE", "phrase")],
    )
    .failed(2, &["19456 to"]);
    let what = ["test", "--open-with", "recovery-key"];
    slots(&directory, &what).failed(3, &["KEYWARD_RECOVERY_KEY_FILE"]);
    for (text, why) in [
        ("E1RQ-4WVM", "36 digits and letters"),
        (
            "E1RQ-4WVM-ENV7-EY3S-F9XQ-RZBY-FY08-30M3-0355",
            "does not fit",
        ),
    ] {
        fs::write(directory.path().join("typed"), text).unwrap();
        slots_with(&directory, &what, &[("KEYWARD_RECOVERY_KEY_FILE", "typed")]).failed(3, &[why]);
    }
    assert_eq!(ids(&directory), [1]);
}

#[test]
fn slots_are_not_touched_while_a_server_runs() {
    let dev = Dev::start();
    for what in [
        &["list"][..],
        &["test"],
        &["add", "recovery-key", "--recovery-out", "recovery"],
        &["remove", "1", "--yes"],
    ] {
        let mut args = vec!["vault", "slots"];
        args.extend(what);
        args.extend(["--data-dir", ".keyward"]);
        dev.run(&args).failed(1, &["another process uses it"]);
    }
    let directory = dev.stop();
    assert!(!directory.path().join("recovery").exists());
    // The key file of `dev` is found without being named.
    let test = ["vault", "slots", "test", "--data-dir", ".keyward"];
    let tested = run(directory.path(), &test).ok();
    assert_eq!(tested.out, "slot 1 (key file) opens the vault\n");
}

#[test]
fn init_makes_a_recovery_key_beside_the_key_file() {
    let directory = TempDir::new().unwrap();
    configure(directory.path(), "key_file = \"key\"");
    let init = [
        "vault",
        "init",
        "--config",
        "keyward.toml",
        "--token-out",
        "token",
        "--recovery-out",
        "recovery",
    ];
    let made = run(directory.path(), &init).ok();
    assert!(
        made.err.contains("the recovery key is in recovery"),
        "{}",
        made.err
    );
    let recovery = fs::read_to_string(directory.path().join("recovery")).unwrap();
    register_named_canary("recovery key of init", recovery.trim_end());
    // The key file is lost; the recovery key lets a new one in.
    fs::remove_file(directory.path().join("key")).unwrap();
    let typed = recovery.to_lowercase().replace('-', " ");
    fs::write(directory.path().join("typed"), &typed).unwrap();
    let add = [
        "add",
        "key-file",
        "--key-file",
        "key",
        "--open-with",
        "recovery-key",
    ];
    slots_with(&directory, &add, &[("KEYWARD_RECOVERY_KEY_FILE", "typed")]).ok();
    let (server, _url) = serve(directory.path(), &[]);
    server.stop();
    let again = run(directory.path(), &init);
    again.failed(1, &["does not exist yet"]);
}

/// As they stand in `--help`.
#[test]
fn the_examples_of_help_run() {
    let directory = vault();
    let typed = directory.path().join("recovery-key");
    for command in ["list", "add", "remove", "test"] {
        let help = run(directory.path(), &["vault", "slots", command, "--help"])
            .ok()
            .out;
        let (_, examples) = help.split_once("\nExamples:\n").unwrap();
        for (number, example) in examples.lines().enumerate() {
            let words: Vec<_> = example.split_whitespace().skip(1).collect();
            if command == "remove" && number == 0 {
                // Nobody can be asked here.
                run(directory.path(), &words).failed(2, &["--yes"]);
                continue;
            }
            let mut command = keyward(directory.path(), &words);
            command.env("KEYWARD_RECOVERY_KEY_FILE", &typed);
            let done = run_with(command, "");
            if example.contains("test") && example.contains("recovery-key") {
                // The example before this one removed that slot.
                done.failed(3, &["it has no recovery key slot"]);
            } else {
                done.ok();
            }
        }
    }
    let recovery = fs::read_to_string(typed).unwrap();
    register_named_canary("recovery key of an example", recovery.trim_end());
}
