//! `keyward dev`: the first request, and every later start.

use std::{fs, io::Write, net::TcpStream, os::unix::fs::MetadataExt};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{DEADLINE, DEV, Dev, Server, curl_request, keyward, run, until};

#[test]
fn the_printed_curl_line_answers() {
    let directory = TempDir::new().unwrap();
    let command = keyward(directory.path(), DEV);
    let server = Server::spawn(command, directory.path().join("log"));
    let lines = server.lines_until(&format!("  {} serve", env!("CARGO_BIN_EXE_keyward")));
    assert!(lines.len() <= 15, "{lines:#?}");
    assert!(lines[0].starts_with("warning: "), "{lines:#?}");
    let link = |line: &&String| line.starts_with("  dashboard ") && line.contains("/sign-in/");
    assert_eq!(lines.iter().filter(link).count(), 1, "{lines:#?}");
    let curl: Vec<_> = lines.iter().filter(|line| line.contains("curl ")).collect();
    let [curl] = curl.as_slice() else {
        panic!("{lines:#?}");
    };
    let answer = curl_request(curl);
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "hello");
    let received = answer["received_headers"].to_string();
    assert!(
        received.contains("Bearer ••••") && !received.contains("kw_"),
        "{received}"
    );
    assert_eq!(server.logged(), "", "dev is silent after its start");
    server.stop();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(
            name == ".keyward" || name == "log",
            "{name:?} was made outside the data directory"
        );
    }
}

#[test]
fn without_the_token_401_and_after_keys_delete_a_clear_400() {
    let dev = Dev::start();
    assert_eq!(dev.chat_with(dev.text("gateway_token")).status, 200);
    assert_eq!(dev.chat("default", &[]).refusal(), (401, 2009));
    assert_eq!(dev.chat_with("kw_gw_unknown").refusal(), (401, 2009));
    assert_eq!(dev.chat_with(dev.text("api_token")).refusal(), (401, 2009));
    dev.run(&["keys", "delete", "echo", "--yes"]).ok();
    let answer = dev.chat_with(dev.text("gateway_token"));
    assert_eq!(answer.refusal(), (400, 2044));
    assert!(answer.body.contains("keyward keys add echo"), "{answer:?}");
    dev.stop();
}

#[test]
fn keys_and_tokens_outlive_the_process() {
    let first = Dev::start();
    let ready = first.ready.clone();
    let key = first.run(&["keys", "list", "--json"]).ok().json();
    let second = Dev::start_in(first.stop());
    for name in ["account_id", "gateway_id", "gateway_token", "api_token"] {
        assert_eq!(second.ready[name], ready[name], "{name}");
    }
    assert_eq!(second.chat_with(second.text("gateway_token")).status, 200);
    let again = second.run(&["keys", "list", "--json"]).ok().json();
    assert_eq!(again[0]["id"], key[0]["id"]);
    second.stop();
}

#[test]
fn when_a_key_was_used_is_kept_over_a_stop() {
    let first = Dev::start();
    assert_eq!(first.chat_with(first.text("gateway_token")).status, 200);
    let second = Dev::start_in(first.stop());
    let keys = second.run(&["keys", "list", "--json"]).ok().json();
    assert!(keys[0]["last_used_at"].is_string(), "{keys}");
    second.stop();
}

#[test]
fn a_deleted_echo_key_stays_deleted_and_a_revoked_token_is_made_anew() {
    let first = Dev::start();
    first.run(&["keys", "delete", "echo", "--yes"]).ok();
    let id = first.text("gateway_token").split('_').nth(2).unwrap();
    first.run(&["tokens", "revoke", id, "--yes"]).ok();
    let old = first.text("gateway_token").to_owned();
    let second = Dev::start_in(first.stop());
    assert_ne!(second.text("gateway_token"), old);
    assert_eq!(second.chat_with(&old).refusal(), (401, 2009));
    assert_eq!(
        second.chat_with(second.text("gateway_token")).refusal(),
        (400, 2044)
    );
    second.stop();
}

#[test]
fn what_dev_makes_is_private() {
    let dev = Dev::start();
    let data = dev.path().join(".keyward");
    assert_eq!(fs::metadata(&data).unwrap().mode() & 0o777, 0o700);
    for entry in fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
    dev.stop();
}

#[test]
fn dev_listens_on_loopback_only() {
    let directory = TempDir::new().unwrap();
    for option in ["--listen", "--control-listen"] {
        let done = run(directory.path(), &["dev", option, "0.0.0.0:0"]);
        done.failed(2, &["no loopback address", "help: use `keyward serve`"]);
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn as_many_files_as_the_system_allows_may_be_open() {
    let dev = Dev::start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", dev.server.id())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[3], words[4], "{line}");
    dev.stop();
}

#[test]
fn metrics_and_probes_answer_on_the_control_plane() {
    let dev = Dev::start();
    let get = |path: &str| {
        crate::support::send(
            "GET",
            &format!("{}{path}", dev.text("control_url")),
            &[],
            "",
        )
    };
    assert_eq!(get("/healthz").status, 200);
    assert_eq!(get("/readyz").status, 200);
    assert_eq!(dev.chat_with(dev.text("gateway_token")).status, 200);
    until("the request is counted", || {
        get("/metrics")
            .body
            .contains("keyward_requests_total{provider=\"echo\",status=\"2xx\"} 1")
    });
    dev.stop();
}

/// A request whose body has not arrived yet.
fn half_a_request(dev: &Dev) -> TcpStream {
    let host = dev.text("gateway_url").strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let head = format!(
        "POST /v1/{}/default/echo/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-length: 15\r\nexpect: 100-continue\r\ncf-aig-authorization: Bearer {}\r\n\r\n",
        dev.text("account_id"),
        dev.text("gateway_token")
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The server asks for the body once the request has gone its way: then it is in flight.
    let mut line = [0; 25];
    std::io::Read::read_exact(&mut stream, &mut line).unwrap();
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    until_stopped(dev);
    stream
}

fn until_stopped(dev: &Dev) {
    dev.server.signal(Signal::INT);
    let host = dev
        .text("gateway_url")
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    until("no connection is accepted", || {
        TcpStream::connect(&host).is_err()
    });
}

#[test]
fn a_signal_lets_requests_in_flight_finish() {
    let mut dev = Dev::start();
    let mut stream = half_a_request(&dev);
    stream.write_all(br#"{"messages":[]}"#).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(dev.server.wait().success());
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let mut dev = Dev::start();
    let _stream = half_a_request(&dev);
    dev.server.signal(Signal::TERM);
    assert_eq!(dev.server.wait().code(), Some(1));
}
