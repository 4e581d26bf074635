//! What a web page can make a browser do (classes 16 and 17).

use keyward_testing::Behaviour;

use crate::{
    ask::Ask,
    case::{Case, Must, Seen, hold_that},
    world::{ACCOUNT, World},
};

pub(super) fn cases(world: &World) -> Vec<Case> {
    let mut cases = rebinding(world);
    cases.extend(cross_site(world));
    cases.extend(dashboard(world));
    cases
}

fn allows_no_page(seen: &Seen) -> bool {
    seen.headers
        .iter()
        .all(|(name, _)| !name.to_ascii_lowercase().starts_with("access-control-"))
}

fn rebinding(world: &World) -> Vec<Case> {
    let port = world.control.port();
    let mut cases = Vec::new();
    for host in [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        "localhost.evil.example".to_owned(),
        "127.0.0.1.evil.example".to_owned(),
        "2130706433".to_owned(),
        "0.0.0.0".to_owned(),
        "[::ffff:10.0.0.1]".to_owned(),
        "10.0.0.1".to_owned(),
    ] {
        let refused: Must = Must::RefuseWith(&[400, 421]);
        cases.push(Case::ask(
            16,
            format!("`{}` reads", host.replace(&port.to_string(), "PORT")),
            &Ask::list(world).host(&host),
            hold_that("421", |seen| matches!(seen.status, Some(400 | 421) | None)),
        ));
        cases.push(Case::ask(
            16,
            format!("`{}` writes", host.replace(&port.to_string(), "PORT")),
            &Ask::create(world).host(&host),
            refused,
        ));
    }
    for host in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1",
        "[::1]:8788",
        "127.9.9.9",
    ] {
        cases.push(Case::ask(
            16,
            format!("`{host}` is ours"),
            &Ask::list(world).host(host),
            hold_that("200", |seen| seen.status == Some(200)),
        ));
    }
    let open = format!("/v1/{ACCOUNT}/open/openai/chat/completions");
    let token = format!("kw_session={}", world.token.text());
    for (name, ask) in [
        ("a page that has no token", Ask::chat(world).anonymous()),
        (
            "the same at a gateway without authentication",
            Ask::chat(world).anonymous().target(open.clone()),
        ),
        (
            "a token in a cookie",
            Ask::chat(world).anonymous().with("cookie", &token),
        ),
        (
            "a token in a cookie, without authentication",
            Ask::chat(world)
                .anonymous()
                .target(open)
                .with("cookie", &token),
        ),
        (
            "a form",
            Ask::chat(world)
                .anonymous()
                .with("content-type", "text/plain")
                .body(b"{\"a\":\"=b\"}"),
        ),
        (
            "another host",
            Ask::chat(world).anonymous().host("evil.example"),
        ),
    ] {
        cases.push(Case::ask(16, name, &ask, Must::RefuseWith(&[401])));
    }
    cases
}

/// The dashboard's pages and forms, as a page of somebody else reaches them: without a cookie of ours, which a browser
/// does not send along (`SameSite=Strict`), and with what such a page can set.
fn dashboard(world: &World) -> Vec<Case> {
    let own = format!("http://{}", world.control);
    let mut cases = Vec::new();
    for page in ["/", "/keys", "/sign-in"] {
        let ask = Ask::list(world).target(page.to_owned());
        cases.push(Case::ask(
            16,
            format!("the page `{page}` under a name of a stranger's"),
            &ask.anonymous().host("evil.example"),
            Must::RefuseWith(&[400, 421]),
        ));
    }
    let admin = world.admin.text();
    let form =
        format!("csrf=x&token={admin}&provider_slug=openai&gateway=default&secret=sk-planted");
    for page in ["/sign-in", "/keys/new", "/tokens/new"] {
        for origin in ["https://evil.example", "null", own.as_str()] {
            let ask = Ask::create(world)
                .target(page.to_owned())
                .anonymous()
                .with("origin", origin)
                .with("content-type", "application/x-www-form-urlencoded")
                .with("cookie", "keyward-00000000=x; __Host-keyward=x")
                .body(form.as_bytes());
            let shown = if origin == own { "its own" } else { origin };
            cases.push(Case::ask(
                17,
                format!("the form `{page}` with the origin {shown} and no session"),
                &ask,
                Must::RefuseWith(&[403]),
            ));
        }
    }
    let token = Ask::list(world).target("/keys".to_owned());
    cases.push(Case::ask(
        17,
        "a page with a token in the place of a session",
        &token,
        hold_that("it leads to the sign-in", |seen| seen.status == Some(303)),
    ));
    cases
}

fn cross_site(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:8788"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let ask = Ask::create(world).with(name, value);
        cases.push(Case::ask(
            17,
            format!("a write with `{name}: {value}`"),
            &ask,
            Must::RefuseWith(&[403]),
        ));
    }
    let admin = world.admin.text();
    for (name, ask) in [
        (
            "a write with a cookie",
            Ask::create(world).anonymous().with(
                "cookie",
                &format!("token={admin}; authorization=Bearer {admin}"),
            ),
        ),
        (
            "a write with a form's type and no token",
            Ask::create(world)
                .anonymous()
                .with("content-type", "application/x-www-form-urlencoded"),
        ),
        (
            "a write with Basic, which browsers remember",
            Ask::create(world)
                .anonymous()
                .with("authorization", &format!("Basic {admin}")),
        ),
    ] {
        cases.push(Case::ask(17, name, &ask, Must::RefuseWith(&[401])));
    }
    for (plane_name, ask) in [("", Ask::list(world)), ("", Ask::chat(world))] {
        let preflight = ask
            .method("OPTIONS")
            .anonymous()
            .with("origin", "https://evil.example")
            .with("access-control-request-method", "POST")
            .with("access-control-request-headers", "authorization")
            .body(b"");
        cases.push(Case::ask(
            17,
            format!("a preflight{plane_name}"),
            &preflight,
            hold_that("refused, and no page is allowed", |seen| {
                seen.status
                    .is_some_and(|status| (400..500).contains(&status))
                    && allows_no_page(seen)
            }),
        ));
    }
    let read = Ask::list(world).with("origin", "https://evil.example");
    cases.push(Case::ask(
        17,
        "a read from a page",
        &read,
        hold_that("no page is allowed to see it", allows_no_page),
    ));
    let read = Ask::chat(world).with("origin", "https://evil.example");
    cases.push(Case::ask(
        17,
        "a chat from a page",
        &read,
        hold_that("no page is allowed to see it", allows_no_page),
    ));
    let cookie = Ask::chat(world).with("cookie", "planted=1; session=planted");
    cases.push(Case::ask(
        17,
        "a cookie beside the token",
        &cookie,
        Must::Pass,
    ));
    let sets = Behaviour::SetHeaders(vec![("set-cookie".to_owned(), "a=b".to_owned())]);
    cases.push(
        Case::ask(
            17,
            "a provider that sets a cookie",
            &Ask::chat(world),
            hold_that("none is set", |seen| {
                seen.status == Some(200) && seen.header("set-cookie").is_none()
            }),
        )
        .when(sets),
    );
    let anonymous = Ask::chat(world)
        .anonymous()
        .with("origin", "https://evil.example")
        .with("cookie", "a=b");
    cases.push(Case::ask(
        17,
        "a page with a cookie",
        &anonymous,
        Must::RefuseWith(&[401]),
    ));
    cases
}
