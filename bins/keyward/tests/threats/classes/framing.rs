//! Where one message ends and the next begins (class 4).

use keyward_testing::http2::{self, block, flag, frame, kind};

use crate::{
    ask::{Ask, Plane, field},
    case::{Case, Must, hold_that},
    world::World,
};

const SMUGGLED: &str = "POST /smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";

pub(super) fn cases(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    for ask in [Ask::chat(world), Ask::create(world)] {
        cases.extend(lengths(&ask));
        cases.extend(lines(&ask));
        cases.extend(frames(&ask));
    }
    cases
}

/// The same idea over HTTP/2 is a length that differs from the DATA frames'.
fn lengths(ask: &Ask) -> Vec<Case> {
    let body = String::from_utf8(ask.body.clone()).unwrap();
    let length = body.len();
    let chunk = format!("{length:x}\r\n{body}\r\n");
    let mut cases = Vec::new();
    let mut refuse = |name: &str, framing: &str, body: &str| {
        let bytes = ask.framed(framing, &format!("{body}{SMUGGLED}"));
        cases.push(Case::send(
            4,
            ask.plane,
            name,
            Some(bytes),
            None,
            Must::Refuse,
        ));
    };
    for (name, value) in [
        ("a signed length", format!("+{length}")),
        ("a length list", format!("{length}, {length}")),
        ("a hexadecimal length", format!("0x{length:x}")),
        ("an empty length", String::new()),
        (
            "a length beyond 64 bits",
            format!("1844674407370955161{length}"),
        ),
        ("a length with a vertical tab", format!("\u{b}{length}")),
    ] {
        refuse(name, &format!("Content-Length: {value}\r\n"), &body);
    }
    refuse(
        "two lengths that differ",
        &format!("Content-Length: {length}\r\nContent-Length: 0\r\n"),
        &body,
    );
    refuse(
        "a blank before the colon",
        &format!("Content-Length : {length}\r\n"),
        &body,
    );
    for coding in [
        "gzip",
        "chunked, gzip",
        "identity",
        "xchunked",
        "\"chunked\"",
        "chunked;q=1",
        "\u{b}chunked",
    ] {
        let framing = format!("Transfer-Encoding: {coding}\r\nContent-Length: {length}\r\n");
        refuse(
            &format!("the coding `{}`", coding.escape_debug()),
            &framing,
            &body,
        );
    }
    for (name, chunks) in [
        (
            "a chunk size with 0x",
            format!("0x{length:x}\r\n{body}\r\n0\r\n\r\n"),
        ),
        (
            "a signed chunk size",
            format!("+{length:x}\r\n{body}\r\n0\r\n\r\n"),
        ),
        ("an empty chunk size", format!("\r\n{body}\r\n0\r\n\r\n")),
        (
            "a chunk size beyond 64 bits",
            format!("1000000000000000{length:x}\r\n{body}\r\n0\r\n\r\n"),
        ),
        (
            "a chunk size ended by LF",
            format!("{length:x}\n{body}\r\n0\r\n\r\n"),
        ),
        (
            "chunk data ended by LF",
            format!("{length:x}\r\n{body}\n0\r\n\r\n"),
        ),
        (
            "a chunk that is longer than it says",
            format!("{length:x}\r\n{body}more\r\n0\r\n\r\n"),
        ),
        (
            "a chunk extension with LF",
            format!("{length:x};a\n{body}\r\n0\r\n\r\n"),
        ),
    ] {
        // The head of a body that breaks off may have been sent on; nobody takes it for a whole request.
        let bytes = ask.framed(
            "Transfer-Encoding: chunked\r\n",
            &format!("{chunks}{SMUGGLED}"),
        );
        cases.push(Case::send(
            4,
            ask.plane,
            name,
            Some(bytes),
            None,
            Must::Harmless,
        ));
    }
    let both = "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n";
    let bytes = ask.framed(both, &format!("{chunk}0\r\n\r\n{SMUGGLED}"));
    let must = match ask.plane {
        Plane::Data => Must::Harmless,
        // Made once from the one framing that counts, and the connection closed.
        Plane::Control => hold_that("an answer that closes", |seen| {
            seen.status != Some(200) || seen.header("connection").as_deref() == Some("close")
        }),
    };
    let name = "Content-Length and Transfer-Encoding";
    cases.push(Case::send(4, ask.plane, name, Some(bytes), None, must));
    cases
}

fn lines(ask: &Ask) -> Vec<Case> {
    let whole = ask.http1();
    let text = |from: &str, to: &str| {
        let at = memchr::memmem::find(&whole, from.as_bytes()).unwrap();
        [&whole[..at], to.as_bytes(), &whole[at + from.len()..]].concat()
    };
    let spoilt = |name: &str, value: &[u8]| ask.clone().with_bytes(name.as_bytes(), value).http1();
    let old = text(
        " HTTP/1.1\r\n",
        " HTTP/1.0\r\nTransfer-Encoding: chunked\r\n",
    );
    [
        ("obs-fold", spoilt("x", b"a\r\n b")),
        ("bare CR in a value", spoilt("x", b"a\rb")),
        (
            "a line without a colon",
            text("\r\nHost", "\r\nnonsense\r\nHost"),
        ),
        ("Transfer-Encoding over HTTP/1.0", old),
        (
            "HTTP/2.0 in a request line",
            text(" HTTP/1.1\r\n", " HTTP/2.0\r\n"),
        ),
        (
            "HTTP/1.1 with a word behind",
            text(" HTTP/1.1\r\n", " HTTP/1.1 x\r\n"),
        ),
        (
            "a tab in the request line",
            text(" HTTP/1.1\r\n", "\tHTTP/1.1\r\n"),
        ),
    ]
    .into_iter()
    .map(|(name, bytes)| Case::send(4, ask.plane, name, Some(bytes), None, Must::Refuse))
    .collect()
}

fn frames(ask: &Ask) -> Vec<Case> {
    let length = ask.body.len();
    let head = |more: &[(Vec<u8>, Vec<u8>)], ends: u8| {
        let mut fields = ask.fields2();
        fields.extend_from_slice(more);
        frame(kind::HEADERS, flag::END_HEADERS | ends, 1, &block(&fields))
    };
    let data = |bytes: &[u8], ends: u8| frame(kind::DATA, ends, 1, bytes);
    let end = flag::END_STREAM;
    let says = |length: usize| vec![field("content-length", length.to_string())];
    let trailers = |fields: &[(&str, &str)]| {
        let whole = [head(&[], 0), data(&ask.body, 0)].concat();
        let last = frame(kind::HEADERS, flag::END_HEADERS | end, 1, &block(fields));
        [whole, last].concat()
    };
    let two = [says(length), says(length + 1)].concat();
    let refused = [
        (
            "less DATA than the length",
            [head(&says(length + 1), 0), data(&ask.body, end)].concat(),
        ),
        (
            "more DATA than the length",
            [head(&says(length - 1), 0), data(&ask.body, end)].concat(),
        ),
        ("a length and no DATA", head(&says(length), end)),
        (
            "two lengths",
            [head(&two, 0), data(&ask.body, end)].concat(),
        ),
        (
            "a length that is no number",
            [
                head(&[field("content-length", "+5")], 0),
                data(&ask.body, end),
            ]
            .concat(),
        ),
        (
            "transfer-encoding",
            [
                head(&[field("transfer-encoding", "chunked")], 0),
                data(&ask.body, end),
            ]
            .concat(),
        ),
        ("DATA without HEADERS", data(&ask.body, end)),
        (
            "DATA behind the end",
            [head(&[], end), data(&ask.body, end)].concat(),
        ),
        (
            "trailers with a pseudo-header",
            trailers(&[(":path", "/smuggled")]),
        ),
        ("trailers in capitals", trailers(&[("X-Trailer", "a")])),
    ];
    let mut cases: Vec<Case> = refused
        .into_iter()
        .map(|(name, bytes)| {
            // The request may be under way when its end turns out wrong; and h2 takes no notice of a
            // pseudo-header in trailers, which nobody reads.
            let lax = ask.plane == Plane::Data || name.starts_with("trailers");
            let must = match lax {
                true => hold_that("no server error", |seen| {
                    seen.whole() <= 1 && seen.status.is_none_or(|status| status < 500)
                }),
                false => Must::Refuse,
            };
            Case::send(4, ask.plane, name, None, Some(bytes), must)
        })
        .collect();
    if ask.plane == Plane::Data {
        let with_credential = trailers(&[
            ("authorization", "Bearer planted"),
            ("x-api-key", "planted"),
        ]);
        cases.push(Case::send(
            4,
            ask.plane,
            "trailers with a credential",
            None,
            Some(with_credential),
            Must::Pass,
        ));
        let many: Vec<u8> = ask.body.iter().flat_map(|byte| data(&[*byte], 0)).collect();
        let bytes = [head(&says(length), 0), many, data(b"", end)].concat();
        cases.push(Case::send(
            4,
            ask.plane,
            "a body of one-byte frames",
            None,
            Some(bytes),
            Must::Pass,
        ));
        let padded = [&[3][..], &ask.body, &[0; 3]].concat();
        let bytes = [
            head(&says(length), 0),
            frame(kind::DATA, end | flag::PADDED, 1, &padded),
        ]
        .concat();
        cases.push(Case::send(
            4,
            ask.plane,
            "padding is no body",
            None,
            Some(bytes),
            Must::Pass,
        ));
        let one = http2::request(1, &ask.fields2(), &ask.body);
        cases.push(Case::send(
            4,
            ask.plane,
            "the positive control",
            Some(ask.http1()),
            Some(one),
            Must::Pass,
        ));
    }
    cases
}
