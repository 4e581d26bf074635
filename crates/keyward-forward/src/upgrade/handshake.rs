//! The fields of a WebSocket handshake: taken out of a request, written into another, checked in the answer.
//! Pure.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Version,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use http_body::Body;
use sha1::{Digest, Sha1};

use super::write_upgrade;
use crate::AcceptEncoding;

/// RFC 6455 §1.3.
const ACCEPT_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// RFC 6455 §4.1.
const VERSION: HeaderValue = HeaderValue::from_static("13");

/// What a request's `Upgrade` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever reads a request must say what comes of each"
)]
pub enum Asked {
    /// Nothing that counts: no `Upgrade`, one that `Connection` does not name, one over another version than
    /// HTTP/1.1, or one to `h2c`, which is to be ignored.
    Nothing,
    /// A WebSocket, perhaps among others.
    WebSocket,
    /// Something else.
    Other,
}

/// The fields of a WebSocket handshake.
///
/// Sub-protocols may carry credentials: this has no printed form that shows them.
#[derive(Clone)]
pub struct Handshake {
    key: HeaderValue,
    protocols: Vec<HeaderValue>,
    extensions: Vec<HeaderValue>,
}

/// A request asks for a WebSocket and is no handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no WebSocket handshake: {problem}")]
pub struct HandshakeError {
    problem: &'static str,
}

/// An upstream switched without completing the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer does not complete the handshake: {problem}")]
pub(super) struct CompleteError {
    problem: &'static str,
}

/// What the upstream agreed to.
pub(super) struct Completed {
    accept: HeaderValue,
    protocol: Option<HeaderValue>,
    extensions: Vec<HeaderValue>,
}

impl Asked {
    /// Reads `Upgrade` and `Connection` (RFC 9110 §7.8). Allocates nothing.
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Self {
        let headers = request.headers();
        if !headers.contains_key(UPGRADE)
            || request.version() != Version::HTTP_11
            || !items(headers, &CONNECTION).any(|item| item.eq_ignore_ascii_case(b"upgrade"))
        {
            return Self::Nothing;
        }
        let mut asked = Self::Nothing;
        for item in items(headers, &UPGRADE) {
            if item.eq_ignore_ascii_case(b"websocket") {
                return Self::WebSocket;
            }
            if !item.eq_ignore_ascii_case(b"h2c") {
                asked = Self::Other;
            }
        }
        asked
    }
}

impl Handshake {
    /// Takes the handshake's fields out of a request that asks for a WebSocket; `Upgrade` stays and says
    /// nothing else.
    ///
    /// # Errors
    ///
    /// When the method is not `GET`, when there is a body, and when a field is missing, repeated or malformed.
    /// The request is then left as it was.
    pub fn take<B: Body>(request: &mut Request<B>) -> Result<Self, HandshakeError> {
        let refuse = |problem| Err(HandshakeError { problem });
        if request.method() != Method::GET {
            return refuse("its method is not GET");
        }
        if !request.body().is_end_stream() {
            return refuse("it has a body");
        }
        let headers = request.headers_mut();
        if single(headers, &SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
            return refuse("Sec-WebSocket-Version is not 13");
        }
        let Some(key) = single(headers, &SEC_WEBSOCKET_KEY)
            .filter(|key| STANDARD.decode(key).is_ok_and(|key| key.len() == 16))
        else {
            return refuse("Sec-WebSocket-Key is not the Base64 of 16 bytes");
        };
        if !items(headers, &SEC_WEBSOCKET_PROTOCOL).all(is_token) {
            return refuse("Sec-WebSocket-Protocol is not a list of names");
        }
        let taken = Self {
            key: key.clone(),
            protocols: items(headers, &SEC_WEBSOCKET_PROTOCOL)
                .filter_map(|item| {
                    let mut value = HeaderValue::from_bytes(item).ok()?;
                    value.set_sensitive(true);
                    Some(value)
                })
                .collect(),
            extensions: all(headers, &SEC_WEBSOCKET_EXTENSIONS),
        };
        for name in [
            SEC_WEBSOCKET_VERSION,
            SEC_WEBSOCKET_KEY,
            SEC_WEBSOCKET_PROTOCOL,
            SEC_WEBSOCKET_EXTENSIONS,
        ] {
            headers.remove(name);
        }
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        Ok(taken)
    }

    /// The sub-protocols that the client offers, in its order.
    #[must_use]
    pub fn protocols(&self) -> &[HeaderValue] {
        &self.protocols
    }

    /// Keeps the sub-protocols for which `keeps`, given their place, says so.
    pub fn retain_protocols(&mut self, mut keeps: impl FnMut(usize) -> bool) {
        let mut place = 0;
        self.protocols.retain(|_protocol| {
            place += 1;
            keeps(place - 1)
        });
    }

    /// Writes the handshake into the head of a request that was rewritten. Extensions compress, so they are offered
    /// where the client's `Accept-Encoding` stays.
    pub fn write(&self, headers: &mut HeaderMap, accept_encoding: AcceptEncoding) {
        write_upgrade(headers);
        headers.insert(SEC_WEBSOCKET_VERSION, VERSION);
        headers.insert(SEC_WEBSOCKET_KEY, self.key.clone());
        for protocol in &self.protocols {
            headers.append(SEC_WEBSOCKET_PROTOCOL, protocol.clone());
        }
        if accept_encoding == AcceptEncoding::Client {
            for extension in &self.extensions {
                headers.append(SEC_WEBSOCKET_EXTENSIONS, extension.clone());
            }
        }
    }

    /// Checks a 101 as a client must (RFC 6455 §4.1).
    pub(super) fn complete(
        &self,
        headers: &HeaderMap,
        offered_extensions: bool,
    ) -> Result<Completed, CompleteError> {
        let refuse = |problem| Err(CompleteError { problem });
        let mut upgrades = items(headers, &UPGRADE);
        let is_websocket = matches!(
            (upgrades.next(), upgrades.next()),
            (Some(only), None) if only.eq_ignore_ascii_case(b"websocket")
        );
        if !is_websocket {
            return refuse("Upgrade is not websocket");
        }
        if !items(headers, &CONNECTION).any(|item| item.eq_ignore_ascii_case(b"upgrade")) {
            return refuse("Connection does not name Upgrade");
        }
        let accept = single(headers, &SEC_WEBSOCKET_ACCEPT)
            .filter(|accept| accept.as_bytes() == self.accept().as_bytes());
        let Some(accept) = accept else {
            return refuse("Sec-WebSocket-Accept does not answer the key");
        };
        let protocol = single(headers, &SEC_WEBSOCKET_PROTOCOL);
        if headers.contains_key(SEC_WEBSOCKET_PROTOCOL)
            && protocol.is_none_or(|chosen| !self.protocols.contains(chosen))
        {
            return refuse("the sub-protocol is none that was offered");
        }
        let offered = offered_extensions && !self.extensions.is_empty();
        if headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) && !offered {
            return refuse("it uses an extension that was not offered");
        }
        Ok(Completed {
            accept: accept.clone(),
            protocol: protocol.cloned(),
            extensions: all(headers, &SEC_WEBSOCKET_EXTENSIONS),
        })
    }

    fn accept(&self) -> String {
        let mut digest = Sha1::new();
        digest.update(self.key.as_bytes());
        digest.update(ACCEPT_SUFFIX);
        STANDARD.encode(digest.finalize())
    }
}

impl Completed {
    /// Writes what was agreed into the head of the answer.
    pub(super) fn write(self, headers: &mut HeaderMap) {
        write_upgrade(headers);
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        if let Some(protocol) = self.protocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        for extension in self.extensions {
            headers.append(SEC_WEBSOCKET_EXTENSIONS, extension);
        }
    }
}

impl HandshakeError {
    /// What is wrong, as a clause: "its method is not GET".
    #[must_use]
    pub const fn problem(&self) -> &'static str {
        self.problem
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("protocols", &self.protocols.len())
            .field("extensions", &self.extensions)
            .finish_non_exhaustive()
    }
}

/// The items of a list header, over all its lines, without blanks around them and without empty ones.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|item| !item.is_empty())
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn all(headers: &HeaderMap, name: &HeaderName) -> Vec<HeaderValue> {
    headers.get_all(name).iter().cloned().collect()
}

/// RFC 9110 §5.6.2.
fn is_token(item: &[u8]) -> bool {
    item.iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

#[cfg(test)]
mod tests;
