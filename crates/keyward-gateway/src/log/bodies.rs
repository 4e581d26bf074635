//! The bodies of a request and its answer, where the log is to keep them.

use std::{fmt, sync::Arc};

use http::HeaderMap;
use keyward_forward::Codings;
use keyward_registry::LogBody;

use super::copy::BodyCopy;
use crate::replay::{Room, Whole};

/// Both bodies, as far as they are known: each whole or not at all.
pub(crate) struct Bodies {
    /// How long either may be, in bytes, also once it is decompressed.
    most: usize,
    request: Option<Whole>,
    response: Option<BodyCopy>,
    codings: Codings,
}

impl Bodies {
    /// Begins with a request's body, where that could be read.
    pub(crate) fn new(most: usize, request: Option<Whole>) -> Self {
        Self {
            most,
            request,
            response: None,
            codings: Codings::default(),
        }
    }

    /// Takes the head of an answer. Of one in a coding that is unknown, nothing can be masked: its body is not kept.
    pub(super) fn answered(&mut self, headers: &HeaderMap, room: &Arc<Room>) {
        if let Ok(codings) = Codings::of(headers) {
            self.codings = codings;
            self.response = Some(BodyCopy::new(self.most, room));
        }
    }

    /// Copies the next piece of the answer.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        if let Some(response) = &mut self.response {
            response.take(bytes);
        }
    }

    /// What the client sent. A request that was compressed is read by nobody here, and was not taken.
    pub(crate) fn request(&self) -> Option<LogBody> {
        LogBody::new(self.request.as_ref()?.joined().to_vec())
    }

    /// What it was answered, decompressed.
    pub(crate) fn response(&self) -> Option<LogBody> {
        let copied = self.response.as_ref()?.bytes()?;
        if self.codings.is_empty() {
            return LogBody::new(copied.to_vec());
        }
        let mut body = Vec::new();
        let undone = self
            .codings
            .undo(copied, self.most, |piece| body.extend_from_slice(piece));
        undone.ok()?;
        LogBody::new(body)
    }

    /// What they take in memory, in bytes.
    pub(super) fn held(&self) -> usize {
        let request = self.request.as_ref().map_or(0, Whole::left);
        let response = self.response.as_ref().map_or(0, BodyCopy::held);
        usize::try_from(request).unwrap_or(usize::MAX) + response
    }
}

impl fmt::Debug for Bodies {
    /// No byte of what a person asked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bodies")
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, sync::Arc};

    use flate2::{Compression, write::GzEncoder};
    use http::{HeaderMap, HeaderValue};
    use keyward_registry::LogBody;

    use super::Bodies;
    use crate::replay::Room;

    /// What is kept of an answer in this coding that comes byte by byte.
    fn kept(coding: &'static str, sent: &[u8], most: usize) -> Option<Vec<u8>> {
        let room = Arc::new(Room::of(1024));
        let mut headers = HeaderMap::new();
        headers.insert("content-encoding", HeaderValue::from_static(coding));
        let mut bodies = Bodies::new(most, None);
        bodies.answered(&headers, &room);
        sent.iter().for_each(|byte| bodies.take(&[*byte]));
        let kept = bodies.response().map(LogBody::into_bytes);
        drop(bodies);
        assert!(room.take(1024), "all room is given back");
        kept
    }

    #[test]
    fn an_answer_is_kept_decompressed_or_not_at_all() {
        let text = vec![b'a'; 500];
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&text).unwrap();
        let gzip = encoder.finish().unwrap();
        assert_eq!(kept("identity", &text, 500), Some(text.clone()));
        assert_eq!(kept("identity", &text, 499), None);
        assert_eq!(kept("gzip", &gzip, 500), Some(text.clone()));
        assert_eq!(kept("gzip", &gzip, 499), None, "it becomes too long");
        assert_eq!(kept("gzip", &gzip[..20], 500), None, "it is cut");
        assert_eq!(kept("gzip", &text, 500), None, "it is none");
        assert_eq!(kept("compress", &text, 500), None, "nobody knows it");
        assert_eq!(
            kept("identity", &[b'a'; 1025], 2000),
            None,
            "there is no room"
        );
    }
}
