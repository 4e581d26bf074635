//! What every request must be, whoever sends it: method, expectation, host.

use http::{HeaderValue, Method, Request, Uri, Version, header::EXPECT};

use crate::{head::Field, respond::Refusal};

pub(super) fn check_method(method: &Method) -> Result<(), Refusal> {
    // TRACE would show the injected credential; CONNECT asks for a tunnel.
    if *method == Method::TRACE || *method == Method::CONNECT {
        return Err(Refusal::Method {
            method: method.to_string(),
        });
    }
    Ok(())
}

/// The one expectation there is (RFC 9110 §10.1.1). hyper says `100 Continue` when the body is first read, which
/// is after everything here; over HTTP/1.0 there are no expectations.
pub(super) fn check_expectation<B>(request: &Request<B>) -> Result<(), Refusal> {
    let met = |value: &HeaderValue| {
        value
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"100-continue")
    };
    if request.version() == Version::HTTP_10 || request.headers().get_all(EXPECT).iter().all(met) {
        return Ok(());
    }
    Err(Refusal::Expectation)
}

/// Exactly one `Host` that is one, and no other authority in the target (RFC 9112 §3.2). On HTTP/2 `:authority`
/// takes its place, or stands beside it and says the same (RFC 9113 §8.3.1).
pub(super) fn check_host(host: Field<'_>, uri: &Uri, version: Version) -> Result<(), Refusal> {
    let host = match host {
        Field::Absent => None,
        Field::Once(host) => Some(host),
        Field::Repeated => return Err(Refusal::Host),
    };
    let is_one = match (host, uri.authority()) {
        (Some(host), Some(authority)) => host
            .as_bytes()
            .eq_ignore_ascii_case(authority.as_str().as_bytes()),
        (Some(_host), None) => true,
        (None, authority) => version == Version::HTTP_2 && authority.is_some(),
    };
    let named = host.map(HeaderValue::as_bytes);
    let named = named.or_else(|| Some(uri.authority()?.as_str().as_bytes()));
    if is_one && named.is_some_and(is_host) {
        Ok(())
    } else {
        Err(Refusal::Host)
    }
}

/// Whether a value could be a host with or without a port. Which one is of no interest here; what looks like user
/// information, a path or a list is a value that somebody else would read in another way.
fn is_host(value: &[u8]) -> bool {
    let ends_host = |byte: &u8| matches!(byte, b'@' | b'/' | b'\\' | b'?' | b'#' | b',');
    !value.is_empty()
        && value
            .iter()
            .all(|byte| byte.is_ascii_graphic() && !ends_host(byte))
}
