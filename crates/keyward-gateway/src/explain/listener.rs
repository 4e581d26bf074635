//! What the listener makes of a request before the gateway sees it.

use http::{
    HeaderMap, HeaderValue, Request, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};

use super::{Announced, Refused};
use crate::respond::Unread;

/// Why the listener would refuse `request`, by its limits and by how the request frames its body; else what is known of
/// the body. Of several equal lengths one is left, as the listener leaves it.
pub(super) fn read(
    request: &mut Request<()>,
    limits: &keyward_listen::Config,
) -> Result<Announced, Refused> {
    let (fields, size) = (request.headers().len(), head_size(request));
    if fields > limits.max_headers {
        let most = limits.max_headers;
        return Err(refused(
            Unread::HeadTooLarge,
            format!("the request has {fields} header fields; the listener takes {most}"),
            "send fewer header fields",
        ));
    }
    if size > limits.max_head_bytes {
        let most = limits.max_head_bytes;
        return Err(refused(
            Unread::HeadTooLarge,
            format!("the request's head has {size} bytes; the listener takes {most}"),
            "send fewer or shorter header fields, or a shorter URL",
        ));
    }
    framing(request.version(), request.headers_mut()).map_err(|problem| {
        refused(
            Unread::Malformed,
            problem.to_owned(),
            "leave the framing of the body to the client library",
        )
    })
}

/// As it comes over the wire; over HTTP/2 as its limit counts it (RFC 9113 §6.5.2).
fn head_size(request: &Request<()>) -> usize {
    let target = request.uri().path_and_query();
    let target = target.map_or(1, |target| target.as_str().len());
    let line = request.method().as_str().len() + target;
    let (start, around) = match request.version() {
        Version::HTTP_2 => (line + ":method".len() + ":path".len() + 64, 32),
        _ => (line + "  HTTP/1.1\r\n\r\n".len(), ": \r\n".len()),
    };
    let fields = request.headers().iter();
    start
        + fields
            .map(|(name, value)| name.as_str().len() + value.len() + around)
            .sum::<usize>()
}

/// RFC 9112 §6.3.
fn framing(version: Version, headers: &mut HeaderMap) -> Result<Announced, &'static str> {
    let codings: Vec<_> = headers.get_all(TRANSFER_ENCODING).iter().collect();
    if let Some(last) = codings.last() {
        if version == Version::HTTP_10 {
            return Err("`transfer-encoding` is not for HTTP/1.0");
        }
        if !is_chunked(last) {
            return Err("`transfer-encoding` does not end with `chunked`");
        }
        headers.remove(CONTENT_LENGTH);
        return Ok(Announced::Unknown);
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else {
        return Ok(Announced::Length(0));
    };
    let Some(length) = parse(first) else {
        return Err("`content-length` is no number");
    };
    if lengths.any(|other| parse(other) != Some(length)) {
        return Err("`content-length` stands there with several values");
    }
    let first = first.clone();
    headers.insert(CONTENT_LENGTH, first);
    Ok(Announced::Length(length))
}

fn is_chunked(value: &HeaderValue) -> bool {
    let last = value.as_bytes().rsplit(|byte| *byte == b',').next();
    last.is_some_and(|last| last.trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

fn parse(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // The largest two mean something else to the parser.
    text.parse()
        .ok()
        .filter(|length| is_number && *length < u64::MAX - 1)
}

fn refused(unread: Unread, reason: String, help: &str) -> Refused {
    Refused {
        status: unread.status().as_u16(),
        code: None,
        message: String::new(),
        reason: Some(reason),
        help: Some(help.to_owned()),
    }
}
