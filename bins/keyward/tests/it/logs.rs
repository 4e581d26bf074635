//! `keyward logs` over a log that holds four requests.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::support::{
    keyward,
    logs::{log_id, with_logs},
};

#[test]
fn requests_are_listed_and_filtered() {
    let dev = with_logs();
    let list = |args: &str| {
        let out = dev
            .run_line(&format!("logs list {args}").trim_end().replace("  ", " "))
            .ok()
            .out;
        let last = |line: &str| line.rsplit('\t').next().unwrap().to_owned();
        out.lines().map(last).collect::<Vec<_>>()
    };
    let ids = |numbers: &[u8]| {
        numbers
            .iter()
            .map(|number| log_id(*number).to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(""), ids(&[4, 3, 2, 1]));
    assert_eq!(list("-n 2"), ids(&[4, 3]));
    for (args, found) in [
        ("--provider openai", &[3, 2, 1][..]),
        ("--model claude-haiku-4-5", &[4]),
        ("--failed", &[2]),
        ("--status 200 --provider openai", &[3, 1]),
        ("--key 07070707070707070707070707070707 -n 1", &[4]),
        ("--token 0V2kQ9xTz3Ab", &[]),
        (
            "--since 2027-01-15T08:00:02Z --before 2027-01-15T08:00:03Z",
            &[3, 2],
        ),
        ("--since 2027-01-15 --before 2027-01-15 -n 1", &[4]),
        ("--before 2027-01-14", &[]),
    ] {
        assert_eq!(list(args), ids(found), "{args}");
    }
    let line = dev.run_line("logs list -n 1").ok().out;
    let expected = format!(
        "2027-01-15T08:00:04.000Z\t200\tanthropic\tclaude-haiku-4-5\t40\t4\t0.04\t400\t{}\n",
        log_id(4)
    );
    assert_eq!(line, expected);
    let tail = dev.run_line("logs tail -n 2").ok().out;
    assert!(
        tail.lines()
            .next()
            .unwrap()
            .ends_with(&log_id(3).to_string()),
        "{tail}"
    );

    let shown = dev.run_line(&format!("logs show {}", log_id(3))).ok().out;
    for field in [
        "provider\topenai",
        "tokens in\t30",
        "cost\t0.03",
        "request\t{\"model\":\"gpt-5\"}",
    ] {
        assert!(
            shown.lines().any(|line| line == field),
            "no {field} in {shown}"
        );
    }
    dev.stop();
}

#[test]
fn requests_are_shown_and_exported() {
    let dev = with_logs();
    let shown = dev
        .run_line(&format!("logs show {} --json", log_id(4)))
        .ok()
        .json();
    assert_eq!(shown["metadata"]["team"], "blue");

    let csv = dev
        .run_line("logs export --format csv --provider anthropic")
        .ok()
        .out;
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[1].contains(
            ",anthropic,claude-haiku-4-5,v1/chat/completions,200,true,false,400,,40,4,0.04,"
        ),
        "{csv}"
    );
    assert!(lines[1].contains(r#","{""team"":""blue""}","#), "{csv}");
    let jsonl = dev.run_line("logs export --format jsonl").ok().out;
    let provider =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["provider"].clone();
    assert_eq!(
        jsonl.lines().map(provider).collect::<Vec<_>>(),
        ["anthropic", "openai", "openai", "openai"]
    );
    dev.stop();
}

#[test]
fn who_follows_sees_what_is_there_first() {
    let dev = with_logs();
    let mut follow = keyward(dev.path(), &["logs", "tail", "--follow", "-n", "2"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    for number in [3, 4] {
        let line = lines.next().unwrap().unwrap();
        assert!(line.ends_with(&log_id(number).to_string()), "{line}");
    }
    follow.kill().unwrap();
    follow.wait().unwrap();
    dev.stop();
}
