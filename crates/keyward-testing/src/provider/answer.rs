//! An answer of the fake provider, before it is written.

use serde_json::Value;

use crate::wire::Headers;

/// What the fake provider says, apart from how well it says it.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) body: AnswerBody,
}

#[derive(Debug, Clone)]
pub(super) enum AnswerBody {
    /// With a `Content-Length`.
    Whole(Vec<u8>),
    /// Chunked, each piece written by itself.
    Pieces {
        pieces: Vec<Vec<u8>>,
        trailers: Headers,
    },
    /// So many bytes with a `Content-Length`, made while they are written.
    Filler(u64),
}

impl Answer {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::whole(status, "application/json", body.to_string().into_bytes())
    }

    pub(super) fn whole(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: AnswerBody::Whole(body),
        }
        .with_header("content-type", content_type)
    }

    /// Server-sent events, one per piece.
    pub(super) fn events(events: Vec<String>) -> Self {
        Self::pieces(
            "text/event-stream",
            events.into_iter().map(String::into_bytes).collect(),
        )
    }

    pub(super) fn pieces(content_type: &str, pieces: Vec<Vec<u8>>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: AnswerBody::Pieces {
                pieces,
                trailers: Vec::new(),
            },
        }
        .with_header("content-type", content_type)
    }

    pub(super) fn filler(length: u64) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: AnswerBody::Filler(length),
        }
        .with_header("content-type", "application/octet-stream")
    }

    pub(super) fn with_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Adds a trailer field; a body in one piece becomes a chunked one.
    pub(super) fn with_trailer(mut self, name: &str, value: Vec<u8>) -> Self {
        let (pieces, mut trailers) = match self.body {
            AnswerBody::Whole(body) => (vec![body], Vec::new()),
            AnswerBody::Pieces { pieces, trailers } => (pieces, trailers),
            AnswerBody::Filler(_) => (Vec::new(), Vec::new()),
        };
        trailers.push((name.to_owned(), value));
        self.body = AnswerBody::Pieces { pieces, trailers };
        self.with_header("trailer", name)
    }
}

/// One server-sent event; without a name, as OpenAI sends them.
pub(super) fn event(name: &str, data: &Value) -> String {
    if name.is_empty() {
        format!("data: {data}\n\n")
    } else {
        format!("event: {name}\ndata: {data}\n\n")
    }
}
