//! `keyward audit …` against a running server, and against what it left.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::support::{DEV, Dev, Done, Server, keyward, run, run_with, until};
use tempfile::TempDir;

const CHECKPOINTS: &str = "checkpoints";

/// A server that signs after every line.
fn start() -> Dev {
    let directory = TempDir::new().unwrap();
    let mut command = keyward(directory.path(), DEV);
    command
        .arg("--json")
        .env("KEYWARD_LOG", "trace")
        .env("KEYWARD_AUDIT_CHECKPOINT_FILE", CHECKPOINTS)
        .env("KEYWARD_AUDIT_CHECKPOINT_LINES", "1");
    let server = Server::spawn(command, directory.path().join("log"));
    Dev::of(server, directory)
}

fn refused(dev: &Dev) -> Done {
    fs::write(dev.path().join("bad-token"), "kw_api_none").unwrap();
    let mut command = keyward(dev.path(), &["gateways", "list"]);
    command
        .env("KEYWARD_API_TOKEN_FILE", "bad-token")
        .env("KEYWARD_CONTROL_URL", dev.text("control_url"))
        .env("KEYWARD_ACCOUNT_ID", dev.text("account_id"));
    run_with(command, "")
}

#[test]
fn the_log_is_read_signed_and_checked_at_the_server() {
    let dev = start();
    dev.run(&["gateways", "create", "mine"]).ok();
    refused(&dev).failed(4, &[]);
    let denied = || {
        let args = ["audit", "tail", "--result", "unauthenticated"];
        dev.run(&args).ok().out
    };
    until("the refused attempt is told", || !denied().is_empty());
    let line = denied();
    let fields: Vec<_> = line.trim_end().split('\t').collect();
    assert_eq!(fields[2..4], ["unauthenticated", "gateway.list"], "{line}");
    assert_eq!(fields[5..], ["unknown", "127.0.0.1"], "{line}");

    let made = dev.run(&[
        "audit",
        "tail",
        "--action",
        "gateway.create",
        "-n",
        "1",
        "--json",
    ]);
    let made = made.ok().json();
    assert_eq!(made[0]["resource"]["id"], "mine");
    assert_eq!(made[0]["actor"]["ip_address"], "127.0.0.1");
    let csv = dev.run(&["audit", "export", "--format", "csv"]).ok().out;
    assert!(csv.starts_with("seq,time,actor,"), "{csv}");
    assert!(csv.contains(",gateway.create,done,1,gateway,"), "{csv}");
    dev.run(&["audit", "export", "--format", "csv", "--since", "yesterday"])
        .failed(1, &["since: is neither a moment"]);

    let key = dev.run(&["audit", "key"]).ok().out;
    assert!(key.starts_with("ed25519:"), "{key}");
    let verified = dev.run(&["audit", "verify"]).ok().out;
    assert!(verified.starts_with("the audit log is whole"), "{verified}");
    dev.stop();
}

#[test]
fn following_ends_when_nobody_reads_any_more() {
    let dev = start();
    let mut follow = keyward(dev.path(), &["audit", "tail", "--follow"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(follow.stdout.take().unwrap());
    reader.read_line(&mut String::new()).unwrap();
    drop(reader);
    dev.run(&["gateways", "create", "mine"]).ok();
    until("the command ends", || {
        follow
            .try_wait()
            .unwrap()
            .is_some_and(|status| status.success())
    });
    dev.stop();
}

#[test]
fn what_a_server_left_is_checked_anywhere() {
    let dev = start();
    dev.run(&["gateways", "create", "mine"]).ok();
    dev.run(&["tokens", "create", "app", "--out", "token"]).ok();
    let key = dev.run(&["audit", "key"]).ok().out.trim().to_owned();
    let exported = dev.run(&["audit", "export", "--format", "jsonl"]).ok().out;
    let directory = dev.stop();
    let path = directory.path();
    fs::write(path.join("audit.jsonl"), &exported).unwrap();
    let evidence = ["--public-key", &key, "--checkpoints", CHECKPOINTS];
    let verify = |rest: &[&str]| run(path, &[&["audit", "verify"], rest].concat());

    let database = ".keyward/keyward.db";
    let told = verify(&[&evidence[..], &[database]].concat()).ok().out;
    assert!(told.starts_with("the audit log is whole"), "{told}");
    let told = verify(&["--key-file", ".keyward/key", database]).ok();
    assert!(told.out.contains("with their keyed codes"), "{told:?}");
    assert!(told.err.contains("no checkpoints were given"), "{told:?}");
    let json = verify(&[&evidence[..], &[database, "--json"]].concat())
        .ok()
        .json();
    assert_eq!(json["state"], "whole");
    assert!(json["checkpoints"].as_u64() > Some(1), "{json}");

    // The export ends before the last checkpoint, which was signed when the server stopped, or with it.
    verify(&["audit.jsonl"]).ok();
    fs::write(
        path.join("audit.jsonl"),
        exported.replace("gateway.create", "gateway.delete"),
    )
    .unwrap();
    verify(&["audit.jsonl"]).found(&["it is not as it was written", "help: "]);
    let cut = exported.lines().take(3).map(|line| format!("{line}\n"));
    fs::write(path.join("audit.jsonl"), cut.collect::<String>()).unwrap();
    verify(&[&evidence[..], &["audit.jsonl"]].concat()).found(&["line 4: the end was cut off"]);

    // One byte of a line, in the file itself.
    let mut bytes = fs::read(path.join(database)).unwrap();
    let at = memchr::memmem::find(&bytes, b"token.create").unwrap();
    bytes[at] = b'T';
    fs::write(path.join("edited.db"), bytes).unwrap();
    let edited = verify(&[&evidence[..], &["edited.db"]].concat());
    edited.failed(5, &["it is not as it was written", "at: edited.db"]);
    let edited = verify(&[&evidence[..], &["edited.db", "--json"]].concat());
    assert_eq!(edited.code, Some(5));
    assert_eq!(edited.json()["state"], "broken");

    verify(&["--public-key", &key, database]).failed_usage();
    verify(&["--public-key", "x", "--checkpoints", CHECKPOINTS, database]).failed_usage();
    verify(&["absent.db"]).failed(1, &["cannot read absent.db"]);
}

impl Done {
    /// A check found this; notes may stand before it.
    #[track_caller]
    fn found(&self, says: &[&str]) {
        assert_eq!(self.code, Some(5), "{self:?}");
        for text in says {
            assert!(self.err.contains(text), "no `{text}` in {}", self.err);
        }
    }

    #[track_caller]
    fn failed_usage(&self) {
        assert_eq!(self.code, Some(2), "{self:?}");
    }
}

#[test]
fn a_checkpoint_file_that_cannot_be_written_stops_the_start() {
    let directory = TempDir::new().unwrap();
    let mut command = keyward(directory.path(), DEV);
    command.env("KEYWARD_AUDIT_CHECKPOINT_FILE", "absent/checkpoints");
    run_with(command, "").failed(
        1,
        &[
            "cannot write checkpoints",
            "absent/checkpoints",
            "checkpoint_file",
        ],
    );
}
