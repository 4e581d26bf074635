//! Loops: our own mark in `CDN-Loop` (RFC 8586) says that a request came by here before. Pure.
//!
//! The mark is sent to custom and overridden origins only, because only there may we ourselves stand; it is
//! the same for every process over one vault.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use keyward_vault::VaultId;

pub(crate) const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// The mark of this installation.
#[derive(Debug, Clone)]
pub(crate) struct LoopMark(HeaderValue);

/// What `CDN-Loop` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// The request was not here before.
    First,
    /// It was.
    Again,
    /// The header is no list of CDN ids: it could hide ours.
    Malformed,
}

impl LoopMark {
    pub(crate) fn new(vault: VaultId) -> Self {
        let text = Bytes::from(format!("keyward-{vault}"));
        // A name of letters, digits and dashes is a header value.
        Self(HeaderValue::from_maybe_shared(text).unwrap_or(HeaderValue::from_static("keyward")))
    }

    pub(crate) const fn value(&self) -> &HeaderValue {
        &self.0
    }

    /// Whether a request with these headers was here before.
    pub(crate) fn came(&self, headers: &HeaderMap) -> Came {
        let mut came = Came::First;
        for value in headers.get_all(CDN_LOOP) {
            for info in list(value.as_bytes()) {
                match id(info) {
                    None => return Came::Malformed,
                    Some(id) if id.eq_ignore_ascii_case(self.0.as_bytes()) => came = Came::Again,
                    Some(_) => {}
                }
            }
        }
        came
    }
}

/// The elements of a list (RFC 9110 §5.6.1); commas in quotes are no borders.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quotes = Quotes::default();
    value
        .split(move |byte| {
            quotes.read(*byte);
            *byte == b',' && !quotes.is_open
        })
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// The id of `cdn-id *( OWS ";" OWS parameter )`: a name, or a host with or without a port.
fn id(info: &[u8]) -> Option<&[u8]> {
    let (id, parameters) = match info.iter().position(|byte| *byte == b';') {
        Some(at) => info.split_at(at),
        None => (info, &[][..]),
    };
    let id = id.trim_ascii_end();
    let is_id = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:[]()".contains(byte);
    let is_shown = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    let mut quotes = Quotes::default();
    parameters.iter().for_each(|byte| quotes.read(*byte));
    let is_good = !id.is_empty()
        && id.iter().all(is_id)
        && parameters.iter().all(is_shown)
        && !quotes.is_open;
    is_good.then_some(id)
}

/// Follows quoted strings (RFC 9110 §5.6.4).
#[derive(Default)]
struct Quotes {
    is_open: bool,
    is_escaped: bool,
}

impl Quotes {
    fn read(&mut self, byte: u8) {
        let was_escaped = std::mem::take(&mut self.is_escaped);
        match byte {
            b'"' if !was_escaped => self.is_open = !self.is_open,
            b'\\' if self.is_open && !was_escaped => self.is_escaped = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
    use keyward_vault::VaultId;

    use super::{Came, LoopMark};

    fn came(lines: &[&str]) -> Came {
        let mark = LoopMark(HeaderValue::from_static("keyward-1"));
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("cdn-loop", HeaderValue::from_str(line).unwrap());
        }
        mark.came(&headers)
    }

    #[test]
    fn our_mark_is_found_wherever_it_stands() {
        for lines in [
            &["keyward-1"][..],
            &["cdn.example, keyward-1"],
            &["cdn.example:8080;v=1 , KEYWARD-1 ; a=\"b,c\""],
            &["a", "b, c", "[::1]:443, keyward-1"],
            &[",, keyward-1"],
        ] {
            assert_eq!(came(lines), Came::Again, "{lines:?}");
        }
    }

    #[test]
    fn others_are_not_ours() {
        for lines in [
            &[][..],
            &[""],
            &["keyward-2"],
            &["keyward-11, xkeyward-1"],
            &["a; b=\"keyward-1\""],
            &["a; b=\", keyward-1\""],
            &["a; b=\"\\\", keyward-1\""],
        ] {
            assert_eq!(came(lines), Came::First, "{lines:?}");
        }
    }

    #[test]
    fn what_is_no_list_of_ids_is_malformed() {
        for lines in [
            &["a b"][..],
            &["; a=b"],
            &["a; b=\"c"],
            &["<a>"],
            &["a, {keyward-1}"],
            &["\"keyward-1\""],
        ] {
            assert_eq!(came(lines), Came::Malformed, "{lines:?}");
        }
    }

    #[test]
    fn a_mark_is_an_id_of_its_own() {
        let vault = VaultId::random().unwrap();
        let mark = LoopMark::new(vault);
        let mut headers = HeaderMap::new();
        headers.append("cdn-loop", mark.value().clone());
        assert_eq!(mark.came(&headers), Came::Again);
        let other = LoopMark::new(VaultId::random().unwrap());
        assert_eq!(other.came(&headers), Came::First);
    }
}
