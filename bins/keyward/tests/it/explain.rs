//! `keyward explain`: what it says is what the server does, and nothing of a secret is in it.

use std::fs;

use keyward_testing::Canary;

use crate::support::{Dev, keyward, run_with};

/// A line as somebody pastes it, with the gateway token in it.
fn line(dev: &Dev, rest: &str, more: &str) -> String {
    format!(
        "curl -s '{}/v1/{}/default/{rest}' -H 'cf-aig-authorization: Bearer {}' {more}",
        dev.text("gateway_url"),
        dev.text("account_id"),
        dev.text("gateway_token"),
    )
}

/// The random part of a token, which is what makes it one.
fn secret_of(token: &str) -> &str {
    token.rsplit('_').next().unwrap()
}

#[test]
fn what_a_snippet_shows_is_explained() {
    let dev = Dev::start();
    let key = Canary::new("explain openai");
    dev.run_with(&["keys", "add", "openai"], key.text()).ok();
    let snippet = dev.run(&["snippet", "openai"]).ok().out;
    // The token is the one in dev.json, as for `keyward run`.
    let told = dev.run_with(&["explain", "--json"], &snippet).ok();
    let said = told.json();
    assert_eq!(said["verdict"], "forwarded", "{said}");
    assert_eq!(said["token_state"], "known");
    assert_eq!(
        said["token"]["id"],
        dev.text("gateway_token").split('_').nth(2).unwrap()
    );
    assert_eq!(said["destination"]["origin"], "https://api.openai.com");
    assert_eq!(said["destination"]["target"], "/v1/chat/completions");
    let credential = &said["credential"];
    assert_eq!(credential["from"], "stored_key");
    let shown = dev.run(&["keys", "show", "openai", "--json"]).ok().json();
    for field in ["id", "alias", "version", "secret_preview"] {
        assert_eq!(credential["key"][field], shown[field], "{field}");
    }
    let people = dev.run_with(&["explain"], &snippet).ok();
    assert_eq!(people.err, "", "the snippet's URL is this server's");
    for (name, value) in [
        ("goes to", "https://api.openai.com/v1/chat/completions"),
        ("dropped", "cf-aig-authorization"),
        ("set", "authorization: ••••"),
        ("key", "openai/default (id "),
    ] {
        let line = people
            .out
            .lines()
            .find(|line| line.starts_with(&format!("{name}\t")));
        let line = line.unwrap_or_else(|| panic!("no {name} in {}", people.out));
        assert!(line.contains(value), "{line}");
    }
    assert!(!people.out.contains('\x1b'), "{}", people.out);
    for out in [&told.out, &people.out] {
        for secret in [
            key.random_part(),
            secret_of(dev.text("gateway_token")),
            secret_of(dev.text("api_token")),
        ] {
            assert!(!out.contains(secret), "{out}");
        }
    }
    dev.stop();
}

#[test]
fn an_explanation_notes_no_use() {
    let dev = Dev::start();
    let line = line(&dev, "echo/chat/completions", "-d '{}'");
    dev.run_with(&["explain"], &line).ok();
    let last_used = || {
        let id = dev.text("gateway_token").split('_').nth(2).unwrap();
        let token = dev.run(&["tokens", "show", id, "--json"]).ok().json();
        let key = dev.run(&["keys", "show", "echo", "--json"]).ok().json();
        (token["last_used_on"].clone(), key["last_used_at"].clone())
    };
    let (token, key) = last_used();
    assert!(token.is_null() && key.is_null(), "{token} {key}");
    assert_eq!(dev.chat_with(dev.text("gateway_token")).status, 200);
    let (token, key) = last_used();
    assert!(token.is_string() && key.is_string(), "{token} {key}");
    dev.stop();
}

/// Own keys, tokens in queries, mistyped tokens, tokens in header names: none of it comes back.
#[test]
fn nothing_of_a_pasted_secret_is_repeated() {
    let dev = Dev::start();
    let canary = Canary::new("explain own key");
    let own = canary.text();
    let url = format!(
        "{}/v1/{}/default",
        dev.text("gateway_url"),
        dev.text("account_id")
    );
    let inference = format!(
        "{}/client/v4/accounts/{}/ai/v1/messages",
        dev.text("gateway_url"),
        dev.text("account_id")
    );
    let token = dev.text("gateway_token");
    let mistyped = format!("{token}{own}");
    for (line, code) in [
        (
            line(
                &dev,
                "echo/chat/completions",
                &format!("-H 'authorization: Bearer {own}'"),
            ),
            0,
        ),
        (line(&dev, &format!("echo/x?key={own}"), ""), 0),
        (line(&dev, &format!("openai/x?access_token={own}"), ""), 5),
        (
            format!("curl {url}/echo/x -H 'authorization: {mistyped}'"),
            5,
        ),
        (format!("curl {url}/echo/x?key={token}"), 0),
        (line(&dev, &format!("echo/x?{own}="), ""), 0),
        (line(&dev, &format!("echo/x?pwd={own}&{own}"), ""), 0),
        (line(&dev, &format!("echo/{own}/x"), ""), 0),
        (line(&dev, &format!("{own}/x"), ""), 5),
        (format!("curl {url}/echo/x?%6b{}=", &token[1..]), 5),
        (format!("curl {url}/echo/%6b{}", &token[1..]), 5),
        (format!("curl https://{own}/v1/models"), 5),
        (
            format!("curl {}/{own}", url.trim_end_matches("/default")),
            5,
        ),
        (
            format!("curl {inference}?key={own} -H 'authorization: {own}'"),
            0,
        ),
        (format!("curl {url}/echo/x -H '{token}: x'"), 5),
        (
            format!("curl {url}/echo/x -H 'cookie: {own}' -H 'cf-aig-authorization: {token}'"),
            0,
        ),
        // None of these is understood.
        (format!("curl {url} -u {own}"), 2),
        (format!("curl {url} -X {own}"), 2),
        (format!("curl {url} '{own}"), 2),
        (format!("curl {url} {own}"), 2),
        (format!("export KEY={own}"), 2),
        (format!("curl 'http://a@{own}/'"), 2),
    ] {
        for args in [&["explain"][..], &["explain", "--json"]] {
            let done = dev.run_with(args, &line);
            assert_eq!(done.code, Some(code), "{done:?}");
            for secret in [canary.random_part(), secret_of(token)] {
                assert!(
                    !done.out.contains(secret) && !done.err.contains(secret),
                    "{done:?}"
                );
            }
        }
    }
    // Not in the server's log either, at whatever level: the sweep looks for the rest.
    assert!(!dev.server.logged().contains(canary.random_part()));
    dev.stop();
}

#[test]
fn variables_are_the_environments_and_those_that_are_not_set_are_named() {
    let dev = Dev::start();
    let line = line(&dev, "echo/x", "-H \"x-team: $TEAM\"");
    let done = dev.run_with(&["explain"], &line);
    done.failed(2, &["the line uses $TEAM, which is not set", "export TEAM"]);
    let mut command = keyward(dev.path(), &["explain"]);
    command.env("TEAM", "a");
    run_with(command, &line).ok();
    // A token that is set is the one that is used.
    let snippet = dev.run(&["snippet", "echo"]).ok().out;
    let mut command = keyward(dev.path(), &["explain"]);
    command.env("KEYWARD_TOKEN", "kw_gw_none");
    let done = run_with(command, &snippet);
    done.failed(
        5,
        &[
            "refuses the request with 401, code 2009",
            "malformed",
            "cf-aig-authorization",
        ],
    );
    dev.stop();
}

#[test]
fn a_refusal_is_a_finding_with_what_mends_it() {
    let dev = Dev::start();
    let snippet = dev.run(&["snippet", "openai"]).ok().out;
    let done = dev.run_with(&["explain"], &snippet);
    done.failed(
        5,
        &[
            "400, code 2044",
            "no stored key for `openai`",
            "help: `keyward keys add openai --gateway default`",
        ],
    );
    assert!(done.out.contains("provider\topenai\n"), "{done:?}");
    let json = dev.run_with(&["explain", "--json"], &snippet);
    json.failed_json(5, "keyward keys add openai --gateway default");
    assert_eq!(json.json()["refusal"]["code"], 2044);
    // What is mended goes on.
    dev.run_with(
        &["keys", "add", "openai"],
        Canary::new("explain mended").text(),
    )
    .ok();
    dev.run_with(&["explain"], &snippet).ok();
    dev.stop();
}

#[test]
fn whoever_may_not_read_the_gateway_is_told_nothing() {
    let dev = Dev::start();
    dev.make_api_token("auditor", "Account API Tokens Read");
    let command = dev.command_with("auditor", &["explain"]);
    let done = run_with(command, &line(&dev, "echo/x", ""));
    done.failed(4, &["the API token may not do this"]);
    fs::remove_file(dev.path().join("auditor")).unwrap();
    dev.stop();
}

/// Of another account nothing is told, whatever the shape of the path.
#[test]
fn a_way_of_another_account_is_not_explained() {
    let dev = Dev::start();
    let account = dev.text("account_id");
    let other = "0".repeat(32);
    for rest in ["default", "default/compat/chat/completions"] {
        let line = line(&dev, "", "");
        let line = line.replace(&format!("{account}/default/"), &format!("{other}/{rest}"));
        let done = dev.run_with(&["explain"], &line);
        done.failed(1, &["[7003]"]);
        assert_eq!(done.out, "");
    }
    dev.stop();
}
