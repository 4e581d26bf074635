//! Clients that send the next request as soon as the last answer is whole, at the least cost of their own.

use std::{
    cell::Cell,
    io,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

use crate::{
    job::{self, Answer},
    wire::{MessageReader, ReadError},
};

/// Where requests go, and what they carry.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Target {
    /// The listener to connect to.
    pub address: SocketAddr,
    /// The path of every request.
    pub path: String,
    /// Header lines beside host, content type and length, each as `name: value`.
    pub headers: Vec<String>,
    /// The model that every request asks for.
    pub model: &'static str,
}

impl Target {
    /// Names a target.
    pub fn new(address: SocketAddr, path: impl Into<String>, headers: Vec<String>) -> Self {
        Self {
            address,
            path: path.into(),
            headers,
            model: job::MODEL,
        }
    }

    /// The same for another model.
    #[must_use]
    pub fn for_model(self, model: &'static str) -> Self {
        Self { model, ..self }
    }

    /// Makes the bytes of one request for `answer`.
    pub fn request(&self, answer: Answer) -> Vec<u8> {
        let body = answer.request_body(self.model);
        let mut request = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\naccept: application/json\r\nuser-agent: bench-load\r\ncontent-length: {}\r\n",
            self.path,
            self.address,
            body.len()
        )
        .into_bytes();
        for header in &self.headers {
            request.extend_from_slice(header.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(&body);
        request
    }
}

/// An exchange failed, or its answer was not the expected one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The connection could not be made or written to.
    #[error("cannot reach the target")]
    Io(#[from] io::Error),
    /// The answer could not be read.
    #[error("cannot read the answer")]
    Read(#[from] ReadError),
    /// The target closed the connection instead of answering.
    #[error("the target closed the connection")]
    Closed,
    /// The answer has another status than 200.
    #[error("the target answered {0:?}")]
    Status(String),
    /// The answer's body has another length than the job's.
    #[error("the answer has {got} bytes, not {wanted}")]
    Length {
        /// How many bytes came.
        got: usize,
        /// How many belong to the job.
        wanted: usize,
    },
}

/// One kept-alive connection that sends the same request over and over.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    reader: MessageReader,
    request: Rc<[u8]>,
    wanted: usize,
}

impl Connection {
    /// Connects to `target`.
    ///
    /// # Errors
    ///
    /// When the target does not accept.
    pub async fn open(target: &Target, answer: Answer) -> Result<Self, ExchangeError> {
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            reader: MessageReader::default(),
            request: target.request(answer).into(),
            wanted: answer.body_bytes(),
        })
    }

    /// Sends one request and reads its answer to the end.
    ///
    /// # Errors
    ///
    /// When the connection fails, or the answer is not a 200 of the job's length.
    pub async fn exchange(&mut self) -> Result<(), ExchangeError> {
        self.stream.write_all(&self.request).await?;
        let Some(answer) = self.reader.next(&mut self.stream).await? else {
            return Err(ExchangeError::Closed);
        };
        if answer.first_line.get(9..12) != Some(b"200") {
            return Err(ExchangeError::Status(
                String::from_utf8_lossy(answer.first_line).into_owned(),
            ));
        }
        if answer.body_bytes != self.wanted {
            return Err(ExchangeError::Length {
                got: answer.body_bytes,
                wanted: self.wanted,
            });
        }
        Ok(())
    }
}

/// What a run of the load came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// How many exchanges were complete and right.
    pub succeeded: u64,
    /// Why connections gave up, at most one error per connection.
    pub errors: Vec<ExchangeError>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

/// Sends `requests` in all over `connections` kept-alive connections. A connection stops at its first failure.
///
/// Runs on a [`tokio::runtime::LocalRuntime`].
///
/// # Errors
///
/// When a connection cannot be opened. What fails later is in the [`Outcome`].
pub async fn run(
    target: &Target,
    answer: Answer,
    connections: usize,
    requests: u64,
) -> Result<Outcome, ExchangeError> {
    let left = Rc::new(Cell::new(requests));
    let succeeded = Rc::new(Cell::new(0));
    let mut opened = Vec::with_capacity(connections);
    for _ in 0..connections {
        opened.push(Connection::open(target, answer).await?);
    }
    let started = Instant::now();
    let mut clients = JoinSet::new();
    for mut connection in opened {
        let (left, succeeded) = (Rc::clone(&left), Rc::clone(&succeeded));
        clients.spawn_local(async move {
            while let Some(now_left) = left.get().checked_sub(1) {
                left.set(now_left);
                connection.exchange().await?;
                succeeded.set(succeeded.get() + 1);
            }
            Ok::<(), ExchangeError>(())
        });
    }
    let errors = clients
        .join_all()
        .await
        .into_iter()
        .filter_map(Result::err)
        .collect();
    Ok(Outcome {
        succeeded: succeeded.get(),
        errors,
        elapsed: started.elapsed(),
    })
}
