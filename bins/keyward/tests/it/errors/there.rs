//! A server that answers, or does not.

use std::{fs, net::TcpListener};

use keyward_testing::{Canary, assert_texts};
use serde_json::Value;

use super::Area;
use crate::{
    listeners::{Place, TLS},
    support::{Dev, run},
};

/// A server with a gateway `staging`, and what differs in it from run to run.
fn server() -> Dev {
    let dev = Dev::start();
    dev.run(&["gateways", "create", "staging"]).ok();
    dev
}

fn area(dev: &Dev) -> Area<'_> {
    let mut area = Area::new(dev.path());
    for (name, shown) in [
        ("control_url", "<control>"),
        ("gateway_url", "<gateway>"),
        ("account_id", "<account>"),
    ] {
        area.redact(dev.text(name), shown);
        let bare = dev.text(name).trim_start_matches("http://");
        area.redact(bare, shown);
    }
    area
}

#[test]
fn a_server_that_does_not_answer_as_it_should() {
    let dev = server();
    fs::write(dev.path().join("token"), dev.text("api_token")).unwrap();
    fs::write(dev.path().join("nothing.pem"), "no certificate\n").unwrap();
    // Whatever listens there never speaks.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed_url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let control = dev.text("control_url").to_owned();
    let gateway = dev.text("gateway_url").to_owned();
    let mut area = area(&dev);
    area.redact(&closed_url, "<closed>");
    let mut asks = |how: &str, place: &str, more: &str, url: &str| {
        let line = format!("keys list --control-url {url}{more}");
        area.fails_with(how, place, &line, &[("KEYWARD_API_TOKEN_FILE", "token")]);
    };
    asks("nobody listens", "", "", &closed_url);
    asks("the data plane's URL", "", "", &gateway);
    asks(
        "TLS with a server that has none",
        "",
        "",
        &control.replace("http:", "https:"),
    );
    asks(
        "a file of authorities that is away",
        "absent.pem",
        " --ca-file absent.pem",
        &control,
    );
    asks(
        "a file of authorities without one",
        "",
        " --ca-file nothing.pem",
        &control,
    );
    asks("a name without an address", "", "", "https://keys.invalid");
    assert_texts!("server", area.texts);
    drop(dev.stop());
}

#[test]
fn a_server_whose_certificate_is_not_trusted() {
    let place = Place::new();
    place.configure(TLS, TLS);
    let (server, _, control) = place.serve();
    let mut area = Area::new(place.directory.path());
    area.redact(&control, "<control>");
    area.fails_with(
        "an authority that is not trusted",
        "",
        &format!("keys list --control-url {control}"),
        &[("KEYWARD_API_TOKEN_FILE", "token")],
    );
    assert_texts!("tls", area.texts);
    server.stop();
}

#[test]
fn a_token_that_does_not_do() {
    let dev = server();
    let path = dev.path();
    let write = |name: &str, text: &str| fs::write(path.join(name), text).unwrap();
    let create = [
        "tokens",
        "create",
        "reader",
        "--api",
        "--permission",
        "AI Gateway Read",
    ];
    dev.run(&[&create[..], &["--out", "reader"]].concat()).ok();
    let revoked = dev.run(&[&create[..], &["--out", "revoked", "--json"]].concat());
    let revoked: Value = revoked.ok().json();
    let id = revoked["id"].as_str().unwrap();
    dev.run(&["tokens", "revoke", id, "--yes"]).ok();
    write("unknown", "kw_api_none\n");
    write("of-gateway", dev.text("gateway_token"));
    write("two-lines", "one\ntwo\n");
    let control = dev.text("control_url").to_owned();
    let mut area = area(&dev);
    let list = format!("gateways list --control-url {control}");
    area.fails(
        "none for another machine",
        "",
        "gateways list --control-url https://192.0.2.1:8788",
    );
    area.fails_with(
        "one in a variable",
        "KEYWARD_API_TOKEN",
        &list,
        &[("KEYWARD_API_TOKEN", "text")],
    );
    let mut shows = |how: &str, place: &str, file: &str, line: &str| {
        area.fails_with(how, place, line, &[("KEYWARD_API_TOKEN_FILE", file)]);
    };
    shows(
        "its file is away",
        "KEYWARD_API_TOKEN_FILE: absent",
        "absent",
        &list,
    );
    shows("unknown", "", "unknown", &list);
    shows("revoked", "", "revoked", &list);
    shows("a gateway token", "", "of-gateway", &list);
    shows("two lines", "", "two-lines", &list);
    shows(
        "without the right",
        "",
        "reader",
        &format!("gateways create mine --control-url {control}"),
    );
    shows(
        "for another account",
        "",
        "reader",
        &format!("{list} --account 00000000000000000000000000000000"),
    );
    shows(
        "an API token for an application",
        "reader",
        "reader",
        &format!("run --control-url {control} --token-file reader -- true"),
    );
    assert_texts!("token", area.texts);
    drop(dev.stop());
}

#[test]
fn input_that_is_refused() {
    let dev = server();
    let key = Canary::new("key of the error table");
    dev.run_with(&["keys", "add", "openai"], key.text()).ok();
    fs::write(dev.path().join("empty"), "").unwrap();
    let mut area = area(&dev);
    area.redact(key.text(), "<key>");
    let add = "keys add anthropic";
    area.fails_on("an empty key", "", add, "");
    area.fails(
        "an empty file",
        "empty",
        &format!("{add} --from-file empty"),
    );
    area.fails(
        "a file that is away",
        "absent",
        &format!("{add} --from-file absent"),
    );
    area.fails_on("a key with a line break in it", "", add, "first\nsecond\n");
    area.fails_on("a key that is too long", "", add, &"k".repeat(70_000));
    area.fails_on(
        "input without an end in sight",
        "standard input",
        add,
        &"k".repeat(200_000),
    );
    area.fails_on("a token of ours", "", add, dev.text("gateway_token"));
    area.fails(
        "a key as an argument",
        "",
        "keys add openai sk-proj-0123456789abcdefghij",
    );
    area.fails_on("a mistyped provider", "", "keys add opnai", "some-key");
    area.fails_on("an unknown provider", "", "keys add nowhere", "some-key");
    area.fails_on(
        "an unknown gateway",
        "",
        "keys add openai --gateway nowhere",
        "some-key",
    );
    area.fails_on("an alias that is taken", "", "keys add openai", "some-key");
    names_are_refused(&mut area);
    assert_texts!("input", area.texts);
    drop(dev.stop());
}

fn names_are_refused(area: &mut Area<'_>) {
    area.fails(
        "a gateway's name that is taken",
        "",
        "gateways create staging",
    );
    area.fails(
        "a gateway's name that cannot be",
        "",
        "gateways create UPPER",
    );
    area.fails("a key that there is not", "", "keys show groq");
    area.fails("a token that there is not", "", "tokens show 4pHFIHbBrKxd");
    area.fails(
        "a token for an unknown gateway",
        "",
        "tokens create app --gateway nowhere",
    );
    area.fails(
        "a permission that there is not",
        "",
        "tokens create app --api --permission all",
    );
    area.fails(
        "a time beyond all calendars",
        "--expires-in",
        "tokens create app --expires-in 999999999999d",
    );
    area.fails(
        "an unknown secrets store",
        "",
        "secrets list --store nowhere",
    );
    area.fails("an unknown secret", "", "secrets show nothing");
    area.fails("a scope that there is not", "", "secrets list --scope all");
    area.fails(
        "a custom provider in clear",
        "",
        "providers create own --name Own --base-url http://a.example",
    );
    area.fails(
        "a custom provider with a name that is taken",
        "",
        "providers create openai --name Own --base-url https://a.example",
    );
    area.fails("an unknown custom provider", "", "providers show nothing");
    area.fails("an unknown route", "", "routes show nothing");
    area.fails("a route's name that is none", "", "routes show a/b");
    area.fails("a version that is none", "", "routes deploy nothing latest");
    area.fails("a snippet for a mistyped provider", "", "snippet opnai");
    area.fails(
        "a moment that is none",
        "",
        "audit export --format csv --since yesterday",
    );
    area.fails("an unknown option", "", "keys list --jsn");
    area.fails("a mistyped command", "", "kys list");
    area.fails("a missing argument", "", "keys add");
    area.fails("help about nothing", "", "help nothing");
}

#[test]
fn what_is_not_done_unasked_or_cannot_be_done() {
    let dev = server();
    let path = dev.path();
    fs::write(path.join("file"), "mine").unwrap();
    fs::write(path.join("config.yaml"), "model_list: [\n  - a: {\n").unwrap();
    fs::write(path.join("latin"), b"caf\xe9: 1\n").unwrap();
    let mut area = area(&dev);
    area.fails(
        "a key is deleted without a terminal",
        "",
        "keys delete echo",
    );
    area.fails(
        "a gateway is deleted without a terminal",
        "",
        "gateways delete staging",
    );
    area.fails(
        "a token's file exists",
        "file",
        "tokens create app --out file",
    );
    area.fails(
        "a token's file in a directory that is away",
        "absent/token",
        "tokens create app --out absent/token",
    );
    area.fails("nothing to change", "", "secrets update something");
    area.fails(
        "an import of a file that is away",
        "absent",
        "import absent",
    );
    area.fails(
        "an import that is no configuration of LiteLLM's",
        "config.yaml:",
        "import --litellm config.yaml",
    );
    area.fails(
        "an import that is no text",
        "latin",
        "import --litellm latin",
    );
    area.fails("a program that is away", "", "run -- absent-program");
    area.fails("no program", "", "run");

    let exported = dev.run(&["audit", "export", "--format", "jsonl"]).ok().out;
    let changed = exported.replace("gateway.create", "gateway.delete");
    fs::write(path.join("changed.jsonl"), changed).unwrap();
    fs::write(path.join("audit.jsonl"), &exported).unwrap();
    let key = dev.run(&["audit", "key"]).ok().out;
    let key = key.trim();
    area.redact(key, "<key>");
    area.fails(
        "a log that was changed",
        "changed.jsonl",
        "audit verify changed.jsonl",
    );
    area.fails(
        "checkpoints that are away",
        "absent",
        &format!("audit verify --public-key {key} --checkpoints absent audit.jsonl"),
    );
    area.fails(
        "a key without checkpoints",
        "",
        &format!("audit verify --public-key {key} audit.jsonl"),
    );
    area.fails(
        "an export with a key file",
        "--key-file",
        "audit verify --key-file key audit.jsonl",
    );
    assert_texts!("done", area.texts);
    assert!(run(path, &["keys", "list"]).ok().out.contains("echo"));
    drop(dev.stop());
}
