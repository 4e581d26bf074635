//! Bodies of a request and its answer, where a gateway keeps them.

use std::fmt;

use super::mask::mask;

/// Which of the two bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a request has these two")]
pub enum LogSide {
    /// What the client sent.
    Request,
    /// What it was answered.
    Response,
}

/// A body as the log keeps it: what looks like a key or a token is masked.
#[derive(Clone, PartialEq, Eq)]
pub struct LogBody(Box<[u8]>);

impl LogBody {
    /// The most bytes of a body that is kept: 10 MB, as the reference keeps (wire-spec §6.6).
    pub const MOST: usize = 10_000_000;

    /// Takes a body; none where it is longer than [`MOST`](Self::MOST): half a body is none.
    #[must_use]
    pub fn new(mut body: Vec<u8>) -> Option<Self> {
        if body.len() > Self::MOST {
            return None;
        }
        mask(&mut body);
        Some(Self(body.into()))
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_vec()
    }
}

impl fmt::Debug for LogBody {
    /// Its length alone: a body is what a person asked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogBody({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::LogBody;

    #[test]
    fn a_body_is_kept_whole_or_not_at_all_and_without_keys() {
        let body = LogBody::new(br#"{"key":"sk-proj-0123456789ab"}"#.to_vec()).unwrap();
        assert_eq!(body.as_bytes(), br#"{"key":"********************"}"#);
        assert_eq!(format!("{body:?}"), "LogBody(30 bytes)");
        assert!(LogBody::new(vec![b' '; LogBody::MOST]).is_some());
        assert_eq!(LogBody::new(vec![b' '; LogBody::MOST + 1]), None);
    }
}
