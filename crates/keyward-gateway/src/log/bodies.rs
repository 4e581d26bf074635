//! The bodies of a request and its answer, where the log is to keep them.

use std::sync::Arc;

use http::HeaderMap;
use keyward_forward::Codings;
use keyward_registry::LogBody;

use super::copy::BodyCopy;
use crate::replay::Room;

/// Both bodies, as far as they are known: each whole or not at all. Nothing compressed: what is in it was not looked through
/// for the key that was injected.
#[derive(Debug)]
pub(crate) struct Bodies {
    /// How long either may be, in bytes.
    most: usize,
    request: Option<BodyCopy>,
    response: Option<BodyCopy>,
    room: Arc<Room>,
}

impl Bodies {
    /// Of bodies of at most so many bytes each, within a room that is the log's alone: what is copied keeps it from no
    /// request that must be read.
    pub(crate) const fn new(most: usize, room: Arc<Room>) -> Self {
        Self {
            most,
            request: None,
            response: None,
            room,
        }
    }

    /// Copies what the client sent.
    pub(crate) fn asked(&mut self, body: &[u8]) {
        let mut copy = BodyCopy::new(self.most, &self.room);
        copy.take(body);
        self.request = Some(copy);
    }

    /// Takes the head of an answer.
    pub(super) fn answered(&mut self, headers: &HeaderMap) {
        if Codings::of(headers).is_ok_and(|codings| codings.is_empty()) {
            self.response = Some(BodyCopy::new(self.most, &self.room));
        }
    }

    /// Copies the next piece of the answer.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        if let Some(response) = &mut self.response {
            response.take(bytes);
        }
    }

    /// What the client sent.
    pub(crate) fn request(&self) -> Option<LogBody> {
        LogBody::new(self.request.as_ref()?.bytes()?.to_vec())
    }

    /// What came of the answer.
    pub(crate) fn response(&self) -> Option<LogBody> {
        LogBody::new(self.response.as_ref()?.bytes()?.to_vec())
    }

    /// What they take in memory, in bytes.
    pub(super) fn held(&self) -> usize {
        let copies = [&self.request, &self.response].into_iter().flatten();
        copies.map(BodyCopy::held).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{HeaderMap, HeaderValue};
    use keyward_registry::LogBody;

    use super::Bodies;
    use crate::replay::Room;

    const ROOM: u64 = 1024;

    /// What is kept of an answer in this coding that comes byte by byte.
    fn kept(coding: &'static str, sent: &[u8], most: usize) -> Option<Vec<u8>> {
        let room = Arc::new(Room::of(ROOM));
        let mut headers = HeaderMap::new();
        headers.insert("content-encoding", HeaderValue::from_static(coding));
        let mut bodies = Bodies::new(most, Arc::clone(&room));
        bodies.answered(&headers);
        for byte in sent {
            bodies.take(&[*byte]);
            assert!(bodies.held() <= most);
        }
        let kept = bodies.response().map(LogBody::into_bytes);
        drop(bodies);
        assert!(room.take(1024), "all room is given back");
        kept
    }

    #[test]
    fn an_answer_is_kept_whole_and_plain_or_not_at_all() {
        let text = vec![b'a'; 500];
        assert_eq!(kept("identity", &text, 500), Some(text.clone()));
        assert_eq!(kept("identity", &text, 499), None);
        assert_eq!(kept("gzip", &text, 500), None, "nobody looked through it");
        assert_eq!(
            kept("identity", &[b'a'; 1025], 2000),
            None,
            "there is no room"
        );
        let room = Arc::new(Room::of(ROOM));
        let mut bodies = Bodies::new(700, Arc::clone(&room));
        bodies.asked(&[b'a'; 700]);
        bodies.answered(&HeaderMap::new());
        bodies.take(&[b'b'; 400]);
        assert!(bodies.request().is_some() && bodies.response().is_none());
    }
}
