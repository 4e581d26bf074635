//! HTTP/2 frame by frame, for tests that send what no library would.
//!
//! Written by hand for the same reason as the HTTP/1.1 client: what goes out is what the test says, and what comes
//! back is seen as it came.

mod hpack;

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

pub use self::hpack::{block, integer};
use crate::{append_output, wire::Headers};

type Fields = Headers;

/// What a client sends first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Kinds of frames (RFC 9113 §6).
pub mod kind {
    #![expect(missing_docs, reason = "the names are those of RFC 9113")]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub mod flag {
    #![expect(missing_docs, reason = "the names are those of RFC 9113")]
    pub const ACK: u8 = 1;
    pub const END_STREAM: u8 = 1;
    pub const END_HEADERS: u8 = 4;
    pub const PADDED: u8 = 8;
    pub const PRIORITY: u8 = 32;
}

/// Longer than anything takes, so that a test does not hang.
const DEADLINE: Duration = Duration::from_secs(30);

/// A frame as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// See [`kind`].
    pub kind: u8,
    /// See [`flag`].
    pub flags: u8,
    /// The stream; 0 is the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// A frame's bytes, whatever they mean.
///
/// # Panics
///
/// When `payload` has more than 16 MiB.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a length of 24 bits")
        .to_be_bytes();
    assert_eq!(length[0], 0, "a length of 24 bits");
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The payload of SETTINGS: identifiers and values.
#[must_use]
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (identifier, value) in values {
        payload.extend_from_slice(&identifier.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    payload
}

/// A whole request: HEADERS, and DATA where there is a body.
#[must_use]
pub fn request<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    stream: u32,
    fields: &[(N, V)],
    body: &[u8],
) -> Vec<u8> {
    let ends = if body.is_empty() { flag::END_STREAM } else { 0 };
    let mut bytes = frame(
        kind::HEADERS,
        flag::END_HEADERS | ends,
        stream,
        &block(fields),
    );
    let mut pieces = body.chunks(16 * 1024).peekable();
    while let Some(piece) = pieces.next() {
        let ends = if pieces.peek().is_none() {
            flag::END_STREAM
        } else {
            0
        };
        bytes.extend(frame(kind::DATA, ends, stream, piece));
    }
    bytes
}

/// What came of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The status of the final answer.
    pub status: Option<u16>,
    /// Its header fields, without `:status`.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body, as far as it came.
    pub body: Vec<u8>,
    /// Whether the stream came to its end.
    pub is_complete: bool,
    /// The error that the stream was reset with.
    pub reset: Option<u32>,
    /// The error of the first GOAWAY.
    pub goaway: Option<u32>,
    /// Whether the connection ended.
    pub is_closed: bool,
}

impl Outcome {
    /// The first header field of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        crate::wire::find(&self.headers, name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The error, of the stream or of the connection.
    #[must_use]
    pub fn error(&self) -> Option<u32> {
        self.reset.or(self.goaway.filter(|&code| code != 0))
    }
}

/// What happened on a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Watched {
    /// What came of the stream that was looked at.
    pub outcome: Outcome,
    /// The payloads of acknowledged PINGs.
    pub pongs: Vec<Vec<u8>>,
    /// How many of our SETTINGS were acknowledged.
    pub acknowledged: usize,
    /// Streams that were reset, and the errors.
    pub resets: Vec<(u32, u32)>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection. It answers SETTINGS and PING by itself while it waits for something.
pub struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    deadline: Duration,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects, and sends nothing.
    ///
    /// # Errors
    ///
    /// When the connection cannot be made.
    pub async fn silent(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }

    /// Connects, sends the preface with settings that allow no dynamic table and the largest windows, and waits
    /// for the server's settings, so that its windows are those that it announced.
    ///
    /// # Errors
    ///
    /// When the connection cannot be made, or ends before the settings.
    pub async fn open(addr: SocketAddr) -> io::Result<Self> {
        let mut connection = Self::silent(addr).await?;
        connection.send(&opening()).await?;
        connection.greeted().await?;
        Ok(connection)
    }

    /// Waits for the server's settings, acknowledges them, and waits until the server has got that far: by then it
    /// has also opened the window of the connection.
    ///
    /// # Errors
    ///
    /// When the connection ends before.
    pub async fn greeted(&mut self) -> io::Result<()> {
        let is_greeting =
            |frame: &Frame| frame.kind == kind::SETTINGS && frame.flags & flag::ACK == 0;
        let payload = *b"greeting";
        while let Some(frame) = self.next_frame().await {
            self.answer(&frame).await;
            if is_greeting(&frame) {
                let ping = self::frame(kind::PING, 0, 0, &payload);
                self.send(&ping).await?;
            } else if frame.kind == kind::PING && frame.payload == payload {
                return Ok(());
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    /// A connection over a stream that is there already, such as one of TLS. Nothing is sent.
    pub fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            buffer: Vec::new(),
            deadline: DEADLINE,
        }
    }

    /// Waits at most `deadline` for what is waited for.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// The next frame; `None` when the connection has ended, or the time is over.
    pub async fn next_frame(&mut self) -> Option<Frame> {
        timeout(self.deadline, self.read_frame()).await.ok()?
    }

    /// Reads until stream `id` has ended, in whatever way.
    ///
    /// Stays open: `is_closed` and `is_complete` are false, and no error is set, where nothing ended it in time.
    pub async fn outcome(&mut self, id: u32) -> Outcome {
        let mut outcome = Outcome::default();
        let mut head = Vec::new();
        while !outcome.is_complete && outcome.reset.is_none() {
            let frame = match timeout(self.deadline, self.read_frame()).await {
                Ok(Some(frame)) => frame,
                Ok(None) => {
                    outcome.is_closed = true;
                    break;
                }
                Err(_) => break,
            };
            self.answer(&frame).await;
            note(&frame, id, &mut head, &mut outcome);
        }
        outcome
    }

    /// Reads until the connection ends; the error of the first GOAWAY, and whether it ended in time.
    pub async fn ended(&mut self) -> Outcome {
        let never = 0x7fff_ffff;
        self.outcome(never).await
    }

    /// Reads until a PING with this payload is acknowledged, and, where the stream is what counts, until stream
    /// `id` has ended; or until the connection ends, or the time is over.
    pub async fn watch(&mut self, id: u32, ping: &[u8], awaits_stream: bool) -> Watched {
        let mut watched = Watched::default();
        let mut head = Vec::new();
        let is_over = |watched: &Watched| {
            let ended = watched.outcome.is_complete || !watched.resets.is_empty();
            watched.pongs.iter().any(|pong| pong == ping) && (ended || !awaits_stream)
        };
        while !is_over(&watched) {
            let frame = match timeout(self.deadline, self.read_frame()).await {
                Ok(Some(frame)) => frame,
                Ok(None) => {
                    watched.outcome.is_closed = true;
                    break;
                }
                Err(_) => break,
            };
            self.answer(&frame).await;
            note(&frame, id, &mut head, &mut watched.outcome);
            match (frame.kind, frame.flags & flag::ACK) {
                (kind::PING, flag::ACK) => watched.pongs.push(frame.payload),
                (kind::SETTINGS, flag::ACK) => watched.acknowledged += 1,
                (kind::RST_STREAM, _) => {
                    let code = code_at(&frame.payload, 0).unwrap_or_default();
                    watched.resets.push((frame.stream, code));
                }
                _ => {}
            }
        }
        watched
    }

    async fn answer(&mut self, frame: &Frame) {
        let reply = match (frame.kind, frame.flags & flag::ACK) {
            (kind::SETTINGS, 0) => self::frame(kind::SETTINGS, flag::ACK, 0, &[]),
            (kind::PING, 0) => self::frame(kind::PING, flag::ACK, 0, &frame.payload),
            _ => return,
        };
        // Whoever has hung up tells it by what is read next.
        drop(self.send(&reply).await);
    }

    async fn read_frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Some(frame);
            }
            self.buffer.reserve(16 * 1024);
            let before = self.buffer.len();
            if !matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..)) {
                return None;
            }
            append_output("http2-client", &self.buffer[before..]);
        }
    }

    fn take_frame(&mut self) -> Option<Frame> {
        let head = self.buffer.get(..9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let end = 9 + usize::try_from(length).expect("24 bits");
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        let (kind, flags) = (head[3], head[4]);
        let payload = self.buffer.get(9..end)?.to_vec();
        self.buffer.drain(..end);
        Some(Frame {
            kind,
            flags,
            stream,
            payload,
        })
    }
}

/// The preface, settings that allow no dynamic table and a window of 2 GiB, and the same for the connection.
#[must_use]
pub fn opening() -> Vec<u8> {
    const WINDOW: u32 = 0x7fff_ffff;
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(
        kind::SETTINGS,
        0,
        0,
        &settings(&[(1, 0), (4, WINDOW)]),
    ));
    bytes.extend(frame(
        kind::WINDOW_UPDATE,
        0,
        0,
        &(WINDOW - 65_535).to_be_bytes(),
    ));
    bytes
}

fn code_at(payload: &[u8], at: usize) -> Option<u32> {
    let bytes = payload.get(at..at + 4)?;
    Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

fn note(frame: &Frame, id: u32, head: &mut Vec<u8>, outcome: &mut Outcome) {
    let code = |at: usize| code_at(&frame.payload, at);
    if frame.kind == kind::GOAWAY {
        outcome.goaway = outcome.goaway.filter(|&code| code != 0).or(code(4));
    }
    if frame.stream != id {
        return;
    }
    match frame.kind {
        kind::HEADERS | kind::CONTINUATION => {
            head.extend_from_slice(&frame.payload);
            if frame.flags & flag::END_HEADERS != 0 {
                take_head(&std::mem::take(head), outcome);
            }
        }
        kind::DATA => outcome.body.extend_from_slice(&frame.payload),
        kind::RST_STREAM => outcome.reset = code(0),
        _ => {}
    }
    let ends = matches!(frame.kind, kind::HEADERS | kind::DATA);
    outcome.is_complete |= ends && frame.flags & flag::END_STREAM != 0;
}

/// A head, or trailers. Interim answers are passed over.
fn take_head(block: &[u8], outcome: &mut Outcome) {
    let fields = hpack::read(block).expect("a header block without a dynamic table");
    let status = fields.iter().find(|(name, _)| name == ":status");
    let status = status.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok());
    if let Some(status) = status.filter(|&status: &u16| status >= 200) {
        outcome.status = Some(status);
        outcome.headers = fields
            .into_iter()
            .filter(|(name, _)| name != ":status")
            .collect();
    }
}
