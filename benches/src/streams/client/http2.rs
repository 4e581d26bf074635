//! The same exchanges over HTTP/2 in clear, many on each connection.

use std::{io, iter::repeat_n};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, StatusCode,
    body::Incoming,
    client::conn::http2::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::task::{JoinSet, spawn_local};

use super::{Many, OPENING, StreamError, compare, connect};
use crate::streams::{Ask, PER_HTTP2_CONNECTION, ThisThread, event};

type Sender = SendRequest<Empty<Bytes>>;

/// An answer whose first event has come. It stays open for as long as this is held.
#[derive(Debug)]
pub struct Begun {
    body: Incoming,
    read: Vec<u8>,
    _sender: Sender,
}

impl Many {
    /// Begins every exchange for events, as [`open`](Self::open) does over HTTP/1.1.
    ///
    /// Runs on a [`tokio::runtime::LocalRuntime`].
    ///
    /// # Errors
    ///
    /// At the first exchange that fails.
    pub async fn open_http2(&self) -> Result<Vec<Begun>, StreamError> {
        self.begin().await?.into_iter().collect()
    }

    /// Runs every exchange for events to its end, all at once, as [`complete`](Self::complete) does over HTTP/1.1.
    ///
    /// Runs on a [`tokio::runtime::LocalRuntime`].
    ///
    /// # Errors
    ///
    /// When no connection can be made.
    pub async fn complete_http2(&self) -> Result<Vec<StreamError>, StreamError> {
        let count = match self.ask {
            Ask::Events { count, .. } => count,
            Ask::Hold | Ask::Bytes(_) => 1,
        };
        let mut errors = Vec::new();
        let mut running = JoinSet::new();
        for begun in self.begin().await? {
            match begun {
                Ok(begun) => drop(running.spawn_local(begun.finish(count))),
                Err(error) => errors.push(error),
            }
        }
        errors.extend(running.join_all().await.into_iter().filter_map(Result::err));
        Ok(errors)
    }

    async fn begin(&self) -> Result<Vec<Result<Begun, StreamError>>, StreamError> {
        let mut begun = Vec::with_capacity(self.streams);
        let mut beginning = JoinSet::new();
        for sender in self.senders().await? {
            if beginning.len() >= OPENING
                && let Some(joined) = beginning.join_next().await
            {
                begun.push(joined.map_err(io::Error::other)?);
            }
            beginning.spawn_local(Begun::begin(sender, self.request()?));
        }
        begun.extend(beginning.join_all().await);
        Ok(begun)
    }

    /// A sender for each exchange.
    async fn senders(&self) -> Result<Vec<Sender>, StreamError> {
        let most = usize::try_from(PER_HTTP2_CONNECTION).unwrap_or(usize::MAX);
        let mut senders = Vec::with_capacity(self.streams);
        while senders.len() < self.streams {
            let stream = connect(self.target.address, senders.len() / most).await?;
            let (sender, connection) = handshake(ThisThread, TokioIo::new(stream)).await?;
            spawn_local(async move { drop(connection.await) });
            let left = self.streams - senders.len();
            senders.extend(repeat_n(sender, most.min(left)));
        }
        Ok(senders)
    }

    fn request(&self) -> io::Result<Request<Empty<Bytes>>> {
        let target = &self.target;
        let mut request = Request::post(format!(
            "http://{}{}?{}",
            target.address, target.path, self.ask
        ))
        .header("user-agent", "bench-streams");
        for header in &target.headers {
            let (name, value) = header.split_once(": ").unwrap_or_default();
            request = request.header(name, value);
        }
        request.body(Empty::new()).map_err(io::Error::other)
    }
}

impl Begun {
    async fn begin(
        mut sender: Sender,
        request: Request<Empty<Bytes>>,
    ) -> Result<Self, StreamError> {
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(StreamError::Status(response.status().to_string()));
        }
        let mut begun = Self {
            body: response.into_body(),
            read: Vec::new(),
            _sender: sender,
        };
        let first = event(0);
        while begun.read.len() < first.len() && begun.read_on().await? {}
        if begun.read.starts_with(first.as_bytes()) {
            Ok(begun)
        } else {
            Err(StreamError::Different(0))
        }
    }

    async fn finish(mut self, count: u32) -> Result<(), StreamError> {
        while self.read_on().await? {}
        compare(&self.read, count)
    }

    /// Whether there was more.
    async fn read_on(&mut self) -> Result<bool, StreamError> {
        let Some(frame) = self.body.frame().await else {
            return Ok(false);
        };
        if let Some(data) = frame?.data_ref() {
            self.read.extend_from_slice(data);
        }
        Ok(true)
    }
}
