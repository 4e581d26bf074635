//! `keyward routes`: what is sent is what the file says, and what is named is what is found.

use std::fs;

use crate::support::{Dev, Done, run_with, send};

const GRAPH: &str = r#"[
    {"id": "start", "type": "start", "outputs": {"next": {"elementId": "small"}}},
    {"id": "small", "type": "model", "properties": {"model": "small", "provider": "echo"},
     "outputs": {"success": {"elementId": "end"}}},
    {"id": "end", "type": "end"}
]"#;

fn server() -> Dev {
    let dev = Dev::start();
    fs::write(dev.path().join("graph.json"), GRAPH).unwrap();
    dev.run_line("routes create bot --from-file graph.json")
        .ok();
    dev
}

fn versions(dev: &Dev) -> Vec<(u64, String, String)> {
    let listed = dev.run_line("routes versions bot --json").ok().json();
    let versions = listed.as_array().unwrap().iter().map(|version| {
        let text = |name: &str| version[name].as_str().unwrap().to_owned();
        let number = version["number"].as_u64().unwrap();
        (number, text("version_id"), text("data"))
    });
    versions.collect()
}

/// A parser that keeps one of two keys would let through what was not meant.
#[test]
fn a_graph_is_sent_as_it_stands_in_the_file() {
    let dev = server();
    assert_eq!(versions(&dev)[0].2, GRAPH);
    let twice = GRAPH.replace(
        r#""model": "small""#,
        r#""model": "small", "model": "large""#,
    );
    fs::write(dev.path().join("twice.json"), twice).unwrap();
    let refused = |line: &str, code: i32| {
        let done = dev.run_line(line);
        done.failed(code, &["twice.json", "model"]);
    };
    refused("routes check --from-file twice.json", 5);
    refused("routes save bot --from-file twice.json", 1);
    refused("routes save bot --from-file twice.json --dry-run", 1);
    refused("routes create other --from-file twice.json", 1);
    refused("routes explain bot --from-file twice.json", 1);
    assert_eq!(versions(&dev).len(), 1);
    // What is shown is a file to save, also by a pipe.
    let shown = dev.run_line("routes show bot --json").ok().out;
    dev.run_with(&["routes", "save", "bot", "--from-file", "-"], &shown)
        .ok();
    let same = dev.run_line("routes diff bot 1 2").ok();
    assert_eq!(same.out, "they are the same\n");
    dev.stop();
}

#[test]
fn a_version_is_found_by_the_beginning_of_its_id() {
    let dev = server();
    dev.run_line("routes save bot --from-file graph.json --deploy")
        .ok();
    let versions = versions(&dev);
    for (number, id, _) in &versions {
        let shown = |version: &str| {
            let line = format!("routes show bot --json --version {version}");
            dev.run_line(&line).ok().json()["version_id"].clone()
        };
        assert_eq!(shown(id), id.as_str());
        assert_eq!(shown(&id[..12]), id.as_str());
        assert_eq!(shown(&number.to_string()), id.as_str());
    }
    dev.run_line("routes show bot --version 000000000000")
        .failed(1, &["no version 000000000000", "routes versions bot"]);
    dev.stop();
}

/// The request goes the way that the version says which is deployed, and that is explained.
#[test]
fn what_is_explained_is_what_happens_also_after_a_roll_back() {
    let dev = server();
    fs::write(
        dev.path().join("larger.json"),
        GRAPH.replace("\"small\", \"provider\"", "\"larger\", \"provider\""),
    )
    .unwrap();
    dev.run_line("routes save bot --from-file larger.json").ok();
    let check = |model: &str| {
        let told = dev.run_line("routes explain bot").ok().out;
        assert!(told.contains(&format!("echo/{model}:")), "{told}");
        let url = format!(
            "{}/v1/{}/default/compat/chat/completions",
            dev.text("gateway_url"),
            dev.text("account_id")
        );
        let bearer = format!("Bearer {}", dev.text("gateway_token"));
        let headers = [("cf-aig-authorization", bearer.as_str())];
        let body = r#"{"model":"dynamic/bot","messages":[{"role":"user","content":"hello"}]}"#;
        let answer = send("POST", &url, &headers, body);
        assert_eq!(answer.header("cf-aig-model"), Some(model), "{answer:?}");
    };
    check("small");
    dev.run_line("routes deploy bot newest").ok();
    check("larger");
    dev.run_line("routes roll-back bot").ok();
    check("small");
    dev.run_line("routes roll-back bot").ok();
    check("larger");
    // What is in force already leads nowhere back.
    dev.run_line("routes deploy bot newest").ok();
    dev.run_line("routes roll-back bot").ok();
    check("small");
    dev.stop();
}

#[test]
fn who_may_read_explains_and_changes_nothing() {
    let dev = server();
    dev.make_api_token("reader", "AI Gateway Read");
    let as_reader = |line: &str| -> Done {
        let words: Vec<_> = line.split(' ').collect();
        run_with(dev.command_with("reader", &words), "")
    };
    for line in [
        "routes list",
        "routes show bot",
        "routes versions bot",
        "routes deployments bot",
        "routes explain bot",
    ] {
        as_reader(line).ok();
    }
    for line in [
        "routes create other --from-file graph.json",
        "routes rename bot other",
        "routes save bot --from-file graph.json",
        "routes deploy bot 1",
        "routes delete bot",
    ] {
        let agreed = match line {
            "routes delete bot" => format!("{line} --yes"),
            _ => line.to_owned(),
        };
        as_reader(&agreed).failed(4, &["may not do this"]);
        as_reader(&format!("{line} --dry-run")).failed(4, &["AI Gateway Write"]);
    }
    assert_eq!(versions(&dev).len(), 1);
    fs::remove_file(dev.path().join("reader")).unwrap();
    dev.stop();
}
