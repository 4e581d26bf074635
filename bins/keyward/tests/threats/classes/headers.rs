//! Which headers pass: nominations and look-alikes (classes 2 and 3).

use crate::{
    ask::{Ask, Plane},
    case::{Case, Must},
    world::World,
};

pub(super) fn cases(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    let nominated = [
        "authorization",
        "AUTHORIZATION, host",
        "host, content-length, transfer-encoding",
        "cf-aig-authorization",
        "x-api-key, api-key, x-goog-api-key, content-encoding",
        "close, , ;authorization=1,Authorization",
    ];
    for names in nominated {
        // HTTP/2 has no such header: it is a malformed request.
        let ask = Ask::chat(world).with("connection", names);
        let name = format!("`Connection: {names}`");
        cases.push(Case::send(
            2,
            Plane::Data,
            &name,
            Some(ask.http1()),
            None,
            Must::Pass,
        ));
        cases.push(Case::send(
            2,
            Plane::Data,
            &name,
            None,
            Some(ask.http2()),
            Must::Refuse,
        ));
        let ask = Ask::list(world).with("connection", names);
        cases.push(Case::send(
            2,
            Plane::Control,
            &name,
            Some(ask.http1()),
            None,
            Must::Pass,
        ));
        cases.push(Case::send(
            2,
            Plane::Control,
            &name,
            None,
            Some(ask.http2()),
            Must::Refuse,
        ));
    }
    let several = Ask::chat(world)
        .with("connection", "keep-alive")
        .with("connection", "authorization")
        .with("Connection", "host");
    cases.push(Case::send(
        2,
        Plane::Data,
        "several lines",
        Some(several.http1()),
        None,
        Must::Pass,
    ));
    for (name, value) in [
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "authorization"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
    ] {
        for ask in [Ask::chat(world), Ask::list(world)] {
            let asked = ask.with(name, value);
            let label = format!("`{name}: {value}`");
            cases.push(Case::send(
                2,
                asked.plane,
                &label,
                Some(asked.http1()),
                None,
                Must::Pass,
            ));
            cases.push(Case::send(
                2,
                asked.plane,
                &label,
                None,
                Some(asked.http2()),
                Must::Refuse,
            ));
        }
    }
    cases.extend(look_alikes(world));
    cases
}

fn look_alikes(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    for name in [
        "x_api_key",
        "api_key",
        "x_goog-api_key",
        "cf_aig_authorization",
        "cf-aig_byok-alias",
        "proxy_authorization",
        "x_forwarded_for",
        "x_real_ip",
        "transfer_encoding",
        "content_length",
    ] {
        let ask = Ask::chat(world).with(name, "planted");
        cases.push(Case::ask(3, format!("`{name}`"), &ask, Must::Pass));
    }
    for ask in [Ask::chat(world), Ask::create(world)] {
        for name in [
            "authorization ",
            "authorization\t",
            " authorization",
            "authorization\u{b}",
            "author\u{0}ization",
        ] {
            let asked = ask.clone().with(name, "Bearer planted");
            let label = format!("`{}`", name.escape_debug());
            cases.push(Case::ask(3, label, &asked, Must::Refuse));
        }
    }
    // Nothing but the header itself authenticates.
    let bearer = format!("Bearer {}", world.token.text());
    let admin = format!("Bearer {}", world.admin.text());
    for name in [
        "cf_aig_authorization",
        "authorization_",
        "x-authorization",
        "proxy-authorization",
    ] {
        let ask = Ask::chat(world).anonymous().with(name, &bearer);
        cases.push(Case::ask(
            3,
            format!("the token in `{name}`"),
            &ask,
            Must::RefuseWith(&[401]),
        ));
        let ask = Ask::create(world).anonymous().with(name, &admin);
        cases.push(Case::ask(
            3,
            format!("the token in `{name}`"),
            &ask,
            Must::RefuseWith(&[401]),
        ));
    }
    cases
}
