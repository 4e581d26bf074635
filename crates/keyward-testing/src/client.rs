//! An HTTP/1.1 client that sends what it is told, byte for byte.
//!
//! Every answer is also kept for the sweep, under the output name `client`. An answer that does not come
//! within thirty seconds is an error, so that a test does not hang; under a paused clock the time passes at
//! once, which is why these functions are for tests with a running clock.

use std::{io, net::SocketAddr, time::Duration};

use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{
    TestCa, append_output,
    wire::{self, AnswerHead, Headers, MessageReader},
};

const DEADLINE: Duration = Duration::from_secs(30);

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawAnswer {
    /// Status code.
    pub status: u16,
    /// Reason phrase.
    pub reason: String,
    /// Header fields in order, names as they stood on the wire.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, without its chunks' framing.
    pub body: Vec<u8>,
    /// Trailer fields in order.
    pub trailers: Vec<(String, Vec<u8>)>,
    /// Whether the connection ended before the body's end.
    pub truncated: bool,
    /// Status codes of the interim answers (1xx) before this one.
    pub interim: Vec<u16>,
}

impl RawAnswer {
    /// The first header field of that name, in any letter case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        wire::find(&self.headers, name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is none; the message holds the status and the body.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in a {}: {}", self.status, self.text()))
    }

    /// The `data:` lines of a body of server-sent events.
    #[must_use]
    pub fn sse_data(&self) -> Vec<String> {
        self.text()
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|data| data.trim_start().to_owned())
            .collect()
    }
}

/// Sends `bytes` on a new connection and reads one answer.
///
/// # Errors
///
/// When the connection ends or breaks before the answer's head is complete.
pub async fn send_raw(addr: SocketAddr, bytes: &[u8]) -> io::Result<RawAnswer> {
    let mut client = Client::connect(addr).await?;
    client.exchange(bytes).await
}

/// Sends `bytes` on a new connection and returns all that comes back until it is closed.
///
/// # Errors
///
/// When the connection cannot be made, breaks, or is not closed in time.
pub async fn send_raw_until_close(addr: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let (mut read, mut write) = tokio::io::split(TcpStream::connect(addr).await?);
    let mut received = Vec::new();
    let (read, _written) = tokio::join!(
        within(DEADLINE, read.read_to_end(&mut received)),
        write.write_all(bytes)
    );
    append_output("client", &received);
    read?;
    Ok(received)
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A keep-alive connection.
///
/// It connects again before a request when the last answer ended the connection.
pub struct Client {
    addr: SocketAddr,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    deadline: Duration,
    connection: Option<Connection>,
    connections: usize,
}

struct Connection {
    read: ReadHalf<Box<dyn Stream>>,
    write: WriteHalf<Box<dyn Stream>>,
    reader: MessageReader,
}

impl Client {
    /// Connects to `addr`.
    ///
    /// # Errors
    ///
    /// When the connection cannot be made.
    pub async fn connect(addr: SocketAddr) -> io::Result<Self> {
        Self::open(addr, None).await
    }

    /// Connects to `addr` over TLS, expecting a certificate of `ca` for `name`.
    ///
    /// # Errors
    ///
    /// When the connection cannot be made.
    ///
    /// # Panics
    ///
    /// When `name` is no host name or address.
    pub async fn connect_tls(addr: SocketAddr, name: &str, ca: &TestCa) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).expect("a host name or address");
        let connector = TlsConnector::from(ca.client_config());
        Self::open(addr, Some((connector, name))).await
    }

    async fn open(
        addr: SocketAddr,
        tls: Option<(TlsConnector, ServerName<'static>)>,
    ) -> io::Result<Self> {
        let mut client = Self {
            addr,
            tls,
            deadline: DEADLINE,
            connection: None,
            connections: 0,
        };
        client.reconnect().await?;
        Ok(client)
    }

    /// Waits at most `deadline` for each answer.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How many connections were made so far.
    #[must_use]
    pub const fn connections(&self) -> usize {
        self.connections
    }

    /// Sends a GET request.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub async fn get(&mut self, target: &str, headers: &[(&str, &str)]) -> io::Result<RawAnswer> {
        self.request("GET", target, headers, b"").await
    }

    /// Sends a POST request.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub async fn post(
        &mut self,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<RawAnswer> {
        self.request("POST", target, headers, body).await
    }

    /// Sends a request with these headers as they are, and `Host` and `Content-Length` where they are
    /// missing and needed.
    ///
    /// # Errors
    ///
    /// When the connection ends or breaks before the answer's head is complete, or the time is over.
    pub async fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<RawAnswer> {
        let has = |wanted: &str| {
            headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case(wanted))
        };
        let mut message = format!("{method} {target} HTTP/1.1\r\n");
        if !has("host") {
            message.push_str(&format!("Host: {}\r\n", self.addr));
        }
        for (name, value) in headers {
            message.push_str(&format!("{name}: {value}\r\n"));
        }
        let needs_length = !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH");
        if needs_length && !has("content-length") && !has("transfer-encoding") {
            message.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        message.push_str("\r\n");
        let mut message = message.into_bytes();
        message.extend_from_slice(body);
        self.exchange(&message).await
    }

    /// Sends `bytes` as they are and reads one answer. The body may be longer than the other side reads:
    /// the answer is awaited while sending.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub async fn exchange(&mut self, bytes: &[u8]) -> io::Result<RawAnswer> {
        if self.connection.is_none() {
            self.reconnect().await?;
        }
        let method = bytes.split(|&byte| byte == b' ').next().unwrap_or_default();
        let method = String::from_utf8_lossy(method).into_owned();
        let deadline = self.deadline;
        let connection = self
            .connection
            .as_mut()
            .ok_or(io::ErrorKind::NotConnected)?;
        let (write, read, reader) = (
            &mut connection.write,
            &mut connection.read,
            &mut connection.reader,
        );
        let answer = {
            let reading = within(deadline, read_answer(read, reader, &method));
            tokio::pin!(reading);
            let writing = async {
                write.write_all(bytes).await?;
                write.flush().await
            };
            tokio::select! {
                biased;
                answer = &mut reading => answer,
                // A failed write is no verdict: the other side may have answered early.
                _ = writing => reading.await,
            }
        };
        self.settle(answer)
    }

    /// Sends `bytes` without waiting for an answer: for requests that come in pieces.
    ///
    /// # Errors
    ///
    /// When the connection breaks.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let connection = self
            .connection
            .as_mut()
            .ok_or(io::ErrorKind::NotConnected)?;
        connection.write.write_all(bytes).await?;
        connection.write.flush().await
    }

    /// Reads the next answer, such as of a pipelined request; `method` is that request's.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub async fn next_answer(&mut self, method: &str) -> io::Result<RawAnswer> {
        let connection = self
            .connection
            .as_mut()
            .ok_or(io::ErrorKind::NotConnected)?;
        let reading = read_answer(&mut connection.read, &mut connection.reader, method);
        let answer = within(self.deadline, reading).await;
        self.settle(answer)
    }

    /// Reads some raw bytes, at most 16 KiB and none at the connection's end: to watch a stream as it comes.
    ///
    /// # Errors
    ///
    /// When the connection breaks or the time is over.
    pub async fn read_some(&mut self) -> io::Result<Vec<u8>> {
        let connection = self
            .connection
            .as_mut()
            .ok_or(io::ErrorKind::NotConnected)?;
        let mut bytes = Vec::with_capacity(16 * 1024);
        within(self.deadline, connection.read.read_buf(&mut bytes)).await?;
        append_output("client", &bytes);
        Ok(bytes)
    }

    /// Drops the connection.
    pub fn close(&mut self) {
        self.connection = None;
    }

    async fn reconnect(&mut self) -> io::Result<()> {
        let tcp = TcpStream::connect(self.addr).await?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some((connector, name)) => Box::new(connector.connect(name.clone(), tcp).await?),
        };
        let (read, write) = tokio::io::split(stream);
        let reader = MessageReader::new();
        self.connection = Some(Connection {
            read,
            write,
            reader,
        });
        self.connections += 1;
        Ok(())
    }

    /// Keeps the answer for the sweep, and the connection only if it can carry another request.
    fn settle(&mut self, answer: io::Result<RawAnswer>) -> io::Result<RawAnswer> {
        match &answer {
            Ok(answer) => {
                append_output("client", &rendered(answer));
                let is_last = answer.truncated
                    || wire::lists(&answer.headers, "connection", "close")
                    || (answer.header("content-length").is_none()
                        && answer.header("transfer-encoding").is_none());
                if is_last {
                    self.connection = None;
                }
            }
            Err(_) => self.connection = None,
        }
        answer
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("addr", &self.addr)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

async fn read_answer<R: AsyncRead + Unpin>(
    read: &mut R,
    reader: &mut MessageReader,
    method: &str,
) -> io::Result<RawAnswer> {
    let mut interim = Vec::new();
    loop {
        let Some(head) = reader.head(read).await? else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let Some(head) = AnswerHead::parse(&head) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        if head.status < 200 && head.status != 101 {
            interim.push(head.status);
            continue;
        }
        let body = reader.body(read, head.framing(method)).await;
        return Ok(RawAnswer {
            status: head.status,
            reason: head.reason,
            headers: head.headers,
            body: body.bytes,
            trailers: body.trailers,
            truncated: body.is_truncated,
            interim,
        });
    }
}

/// The answer as bytes, its body in one piece: a canary split by chunks would hide from the sweep.
fn rendered(answer: &RawAnswer) -> Vec<u8> {
    let mut bytes = format!("{} {}\n", answer.status, answer.reason).into_bytes();
    let mut fields = |headers: &Headers| {
        for (name, value) in headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.push(b'\n');
        }
    };
    fields(&answer.headers);
    fields(&answer.trailers);
    bytes.push(b'\n');
    bytes.extend_from_slice(&answer.body);
    bytes.push(b'\n');
    bytes
}

async fn within<T>(deadline: Duration, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(deadline, step)
        .await
        .unwrap_or_else(|_late| Err(io::ErrorKind::TimedOut.into()))
}
