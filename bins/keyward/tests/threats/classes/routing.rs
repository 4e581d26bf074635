//! Where a request goes: destination, downgrade, host, path (classes 1, 5, 6, 7).

use crate::{
    ask::{Ask, Fields, Plane, field, replace, without},
    case::{Case, Must, hold_that},
    world::{ACCOUNT, World},
};

pub(super) fn cases(world: &World) -> Vec<Case> {
    let mut cases = destination(world);
    cases.extend(downgrade(world));
    cases.extend(hosts(world));
    cases.extend(paths(world));
    cases
}

fn destination(world: &World) -> Vec<Case> {
    let evil = world.attacker.addr().to_string();
    let url = format!("http://{evil}/v1");
    let chat = || Ask::chat(world);
    let data = |name: &str, ask: Ask, must| Case::ask(1, name, &ask, must);
    let body = format!(
        r#"{{"model":"m","api_base":"{url}","base_url":"{url}","url":"{url}","endpoint":"{url}","provider":"{evil}"}}"#
    );
    let universal =
        format!(r#"[{{"provider":"openai","endpoint":"{url}","headers":{{}},"query":{{}}}}]"#);
    let key = format!(
        r#"{{"alias":"moved","default_config":false,"provider_slug":"openai","secret":"sk-kwcanary-x","base_url":"{url}","destination":["{url}"]}}"#
    );
    let absolute = format!("http://{evil}/v1/{ACCOUNT}/prod/openai/chat/completions");
    let user = format!("http://x@{evil}/v1/{ACCOUNT}/prod/openai/chat/completions");
    vec![
        data(
            "a base URL in every body field that some proxy reads",
            chat().body(body.as_bytes()),
            Must::Pass,
        ),
        data(
            "a base URL in the query",
            chat().and(&format!("?api_base={url}&base_url={url}")),
            Must::Pass,
        ),
        data(
            "a base URL in headers",
            chat()
                .with("x-base-url", &url)
                .with("x-forwarded-host", &evil)
                .with("x-original-url", &url)
                .with("cf-aig-custom-host", &evil)
                .with("cf-aig-base-url", &url),
            Must::Pass,
        ),
        data("Host names the attacker", chat().host(&evil), Must::Pass),
        data("an absolute target", chat().target(absolute), Must::Refuse),
        data(
            "an absolute target with user information",
            chat().target(user),
            Must::Refuse,
        ),
        data(
            "the attacker as provider",
            Ask::data(world, "POST", &evil, b"{}"),
            Must::Refuse,
        ),
        data(
            "an encoded URL as provider",
            Ask::data(world, "POST", "http%3A%2F%2Fx/chat", b"{}"),
            Must::Refuse,
        ),
        data(
            "a universal request that names a URL",
            Ask::data(world, "POST", "", universal.as_bytes()),
            Must::Refuse,
        ),
        Case::ask(
            1,
            "a key with a destination of the caller's",
            &Ask::api(
                world,
                "POST",
                "/ai-gateway/gateways/prod/provider_configs",
                &key,
            ),
            hold_that("refused, or sealed for the provider's own origin", {
                let evil = evil.clone();
                move |seen| {
                    !String::from_utf8_lossy(&seen.body).contains(&format!("http://{evil}"))
                        || seen.status.is_some_and(|status| status >= 400)
                }
            }),
        ),
        Case::ask(
            1,
            "an absolute target",
            &Ask::list(world).target(format!("http://{evil}/client/v4/accounts")),
            Must::Refuse,
        ),
        Case::ask(
            1,
            "Host names the attacker",
            &Ask::list(world).host(&evil.replace("127.0.0.1", "evil.example")),
            Must::RefuseWith(&[421]),
        ),
        Case::ask(
            1,
            "a gateway with a base URL",
            &Ask::api(
                world,
                "POST",
                "/ai-gateway/gateways",
                &format!(r#"{{"id":"made","base_url":"{url}"}}"#),
            ),
            Must::Refuse,
        ),
        Case::ask(
            1,
            "a key of a provider that is a URL",
            &Ask::api(
                world,
                "POST",
                "/ai-gateway/gateways/prod/provider_configs",
                &format!(
                    r#"{{"alias":"x","default_config":false,"provider_slug":"{url}","secret":"sk-kwcanary-x"}}"#
                ),
            ),
            Must::Refuse,
        ),
    ]
}

/// What HTTP/2 can say and HTTP/1 must not; the HTTP/1 form is the same thing said there.
fn downgrade(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    for (plane, ask) in [
        (Plane::Data, Ask::chat(world)),
        (Plane::Control, Ask::create(world)),
    ] {
        let mut case = |name: &str, http1: Option<Vec<u8>>, http2: Vec<u8>| {
            cases.push(Case::send(5, plane, name, http1, Some(http2), Must::Refuse));
        };
        let path = ask.target.clone();
        let split = [&path[..], b" HTTP/1.1\r\nHost: evil\r\n\r\nGET /smuggled"].concat();
        let with_target = |target: &[u8]| {
            let mut ask = ask.clone();
            ask.target = target.to_vec();
            (Some(ask.http1()), ask.http2())
        };
        for (name, target) in [
            ("a path without a slash", &path[1..]),
            (
                "a path that begins with @",
                &[b"@evil", &path[..]].concat()[..],
            ),
            ("a path that holds a request line", &split[..]),
            ("a path with a blank", &[&path[..], b" x"].concat()[..]),
            ("a path with NUL", &[&path[..], b"\0"].concat()[..]),
            (
                "a path with raw UTF-8",
                &[&path[..], b"\xc3\xa9"].concat()[..],
            ),
            ("an empty path", b""),
        ] {
            let (http1, http2) = with_target(target);
            case(name, http1, http2);
        }
        for (name, field_name, value) in [
            (
                "CR LF in a value",
                &b"x"[..],
                &b"a\r\nauthorization: Bearer planted"[..],
            ),
            ("LF in a value", b"x", b"a\nauthorization: Bearer planted"),
            ("CR in a value", b"x", b"a\rb"),
            ("NUL in a value", b"x", b"a\0b"),
            ("a colon in a name", b"x: y\r\nz", b"a"),
            ("CR LF in a name", b"x\r\nauthorization", b"Bearer planted"),
            ("a blank in a name", b"x y", b"a"),
            ("an empty name", b"", b"a"),
            ("a high byte in a name", b"x\xe9", b"a"),
        ] {
            let spoilt = ask.clone().with_bytes(field_name, value);
            // Over HTTP/1 some of these are two lines, each of them good.
            let http1 =
                (!field_name.contains(&b'\n') && !value.contains(&b'\n')).then(|| spoilt.http1());
            case(name, http1, spoilt.http2());
        }
        let changed = |change: fn(&mut Fields)| ask.changed2(change);
        case(
            "transfer-encoding",
            None,
            changed(|fields| fields.push(field("transfer-encoding", "chunked"))),
        );
        case(
            "a name in capitals",
            None,
            changed(|fields| fields.push(field("X-Upper", "a"))),
        );
        case(
            "a pseudo-header behind a field",
            None,
            changed(|fields| {
                let path = fields.remove(3);
                fields.push(path);
            }),
        );
        case(
            "an unknown pseudo-header",
            None,
            changed(|fields| fields.insert(0, field(":evil", "a"))),
        );
        case(
            "a pseudo-header of answers",
            None,
            changed(|fields| fields.insert(0, field(":status", "200"))),
        );
        case(
            "a method twice",
            None,
            changed(|fields| fields.insert(0, field(":method", "GET"))),
        );
        case(
            "a path twice",
            None,
            changed(|fields| fields.insert(0, field(":path", "/smuggled"))),
        );
        case(
            "no method",
            None,
            changed(|fields| without(fields, ":method")),
        );
        case("no path", None, changed(|fields| without(fields, ":path")));
        case(
            "a method with a blank",
            None,
            changed(|fields| replace(fields, ":method", "GET /smuggled HTTP/1.1\r\nx:")),
        );
        case(
            "a scheme that is a URL",
            None,
            changed(|fields| replace(fields, ":scheme", "http://evil/smuggled?")),
        );
        case(
            "an authority with CR LF",
            None,
            changed(|fields| replace(fields, ":authority", "a\r\nx: y")),
        );
        case(
            "an authority with a path",
            None,
            changed(|fields| replace(fields, ":authority", "a/smuggled?")),
        );
    }
    cases
}

fn hosts(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    for (plane, ask) in [
        (Plane::Data, Ask::chat(world)),
        (Plane::Control, Ask::create(world)),
    ] {
        let own = String::from_utf8(ask.host.clone()).unwrap();
        let second = |host: &str| {
            let with = ask.clone().with("host", host);
            (Some(with.http1()), Some(with.http2()))
        };
        let mut case = |name: &str, (http1, http2): (Option<Vec<u8>>, Option<Vec<u8>>)| {
            cases.push(Case::send(6, plane, name, http1, http2, Must::Refuse));
        };
        case("another host besides", second("evil.example"));
        case(
            "another name of the same machine besides",
            second("localhost"),
        );
        let two = ask.clone().with("host", &own).with("host", &own);
        case("three hosts", (Some(two.http1()), Some(two.http2())));
        let none = ask.http1();
        let line = format!("Host: {own}\r\n");
        let at = memchr::memmem::find(&none, line.as_bytes()).unwrap();
        let none = [&none[..at], &none[at + line.len()..]].concat();
        case(
            "no host",
            (
                Some(none),
                Some(ask.changed2(|fields| without(fields, ":authority"))),
            ),
        );
        let with_host = |host: &str| {
            let asked = ask.clone().host(host);
            (Some(asked.http1()), Some(asked.http2()))
        };
        case("user information", with_host(&format!("evil@{own}")));
        case("a host with a blank", with_host("a b"));
        let absolute = |authority: &str| {
            let target = [format!("http://{authority}").as_bytes(), &ask.target].concat();
            ask.clone().target(target)
        };
        case(
            "an absolute target of another host",
            (
                Some(absolute("evil.example").http1()),
                Some(ask.changed2(|fields| fields.push(field("host", "evil.example")))),
            ),
        );
        case(
            "an absolute target of another name of the same machine",
            (
                Some(absolute(&own.replace("127.0.0.1", "localhost")).http1()),
                Some(ask.changed2(|fields| {
                    fields.push(field("host", own.replace("127.0.0.1", "localhost")))
                })),
            ),
        );
        let two_authorities =
            ask.changed2(|fields| fields.insert(2, field(":authority", "evil.example")));
        case("two authorities", (None, Some(two_authorities)));
        let empty = ask.clone().host("");
        case("an empty host", (Some(empty.http1()), None));
    }
    cases.push(Case::ask(
        6,
        "any name that a client was pointed to",
        &Ask::chat(world).host("ai.example.com"),
        Must::Pass,
    ));
    cases.push(Case::ask(
        6,
        "X-Forwarded-Host",
        &Ask::chat(world)
            .with("x-forwarded-host", "planted.example")
            .with("forwarded", "host=planted"),
        Must::Pass,
    ));
    cases.push(Case::ask(
        6,
        "X-Forwarded-Host",
        &Ask::list(world)
            .host("evil.example")
            .with("x-forwarded-host", "localhost"),
        Must::RefuseWith(&[421]),
    ));
    cases
}

fn paths(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    for rest in [
        "openai/../smuggled",
        "openai/%2e%2e/smuggled",
        "openai/%2E%2E%2Fsmuggled",
        "openai/%252e%252e/smuggled",
        "openai/..%2fsmuggled",
        "openai/..;/smuggled",
        "openai/.%2e/smuggled",
        "openai/..\\smuggled",
        "openai/..%5csmuggled",
        "openai/./chat",
        "openai/a%00b",
        "openai/a%0d%0ab",
        "openai/a%",
        "openai%2f..%2fprod/x",
        "%6fpenai/chat/completions",
        "OPENAI/chat/completions",
        "/openai/chat/completions",
    ] {
        cases.push(Case::ask(
            7,
            format!("`{rest}`"),
            &Ask::data(world, "POST", rest, b"{}"),
            Must::Refuse,
        ));
    }
    for rest in ["openai/a//b", "openai/models/x:y%2Fz", "openai/%41%7e"] {
        let expected = rest.strip_prefix("openai").unwrap().to_owned();
        let must = hold_that("sent on byte for byte", move |seen| {
            seen.only()
                .is_some_and(|request| request.target == format!("/v1{expected}"))
        });
        cases.push(Case::ask(
            7,
            format!("`{rest}` passes as it is"),
            &Ask::data(world, "GET", rest, b""),
            must,
        ));
    }
    let base = format!("/client/v4/accounts/{ACCOUNT}");
    for target in [
        format!("{base}/ai-gateway/../ai-gateway/gateways"),
        format!("{base}/ai-gateway/%2e%2e/ai-gateway/gateways"),
        format!("{base}/%61i-gateway/gateways"),
        format!("{base}//ai-gateway/gateways"),
        format!("//client/v4/accounts/{ACCOUNT}/ai-gateway/gateways"),
        format!("{base}/ai-gateway/gateways/"),
        format!("{base}/AI-Gateway/gateways"),
        format!("{base}/ai-gateway\\gateways"),
        format!(
            "/client/v4/accounts/{}/ai-gateway/gateways",
            "bb".repeat(16)
        ),
        format!("/x/..;/client/v4/accounts/{ACCOUNT}/ai-gateway/gateways"),
    ] {
        let name = format!("`{}`", target.replace(&ACCOUNT.to_string(), "ACCOUNT"));
        let must = hold_that("not found", |seen| {
            seen.status
                .is_none_or(|status| status == 404 || status == 400)
        });
        cases.push(Case::ask(7, name, &Ask::list(world).target(target), must));
    }
    cases
}
