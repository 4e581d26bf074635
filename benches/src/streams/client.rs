//! Opens many exchanges at once and checks that each arrives whole.

mod http2;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
    sync::Arc,
};

use memchr::memmem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::Duration,
};

use crate::{
    load::Target,
    streams::{Ask, event, fill_pattern, has_pattern},
    wire::{MessageReader, ReadError},
};

/// Connections that come from one loopback address, before the next one is used: a proxy limits them.
const PER_ADDRESS: usize = 400;
/// Exchanges that are being begun at a time: a listener's queue is short, and so is a proxy's for its upstream.
const OPENING: usize = 64;
const PIECE_BYTES: usize = 16 * 1024;

/// An exchange did not go as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The connection could not be made, read or written.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// The answer could not be read.
    #[error("cannot read the answer")]
    Read(#[from] ReadError),
    /// The exchange failed over HTTP/2.
    #[error("the exchange failed")]
    Http2(#[from] hyper::Error),
    /// The answer has another status than 200.
    #[error("the target answered {0:?}")]
    Status(String),
    /// The answer ended early or holds something else.
    #[error("the answer is not the one asked for, at byte {0}")]
    Different(u64),
}

/// What is asked for, and how often.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Many {
    /// Where to.
    pub target: Target,
    /// What.
    pub ask: Ask,
    /// How many bytes the body of each request has.
    pub upload_bytes: u64,
    /// How many exchanges, all at once.
    pub streams: usize,
}

impl Many {
    /// Asks for `ask` as often as `streams` says, with requests of `upload_bytes`.
    pub fn new(target: Target, ask: Ask, upload_bytes: u64, streams: usize) -> Self {
        Self {
            target,
            ask,
            upload_bytes,
            streams,
        }
    }

    fn head(&self) -> Rc<[u8]> {
        let mut head = format!(
            "POST {}?{} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/octet-stream\r\nuser-agent: bench-streams\r\ncontent-length: {}\r\n",
            self.target.path, self.ask, self.target.address, self.upload_bytes
        )
        .into_bytes();
        for header in &self.target.headers {
            head.extend_from_slice(header.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head.into()
    }

    /// Begins every exchange and returns when each has sent its request and seen the head of its answer and the first
    /// event, if there is one. The connections stay open for as long as they are held.
    ///
    /// Runs on a [`tokio::runtime::LocalRuntime`].
    ///
    /// # Errors
    ///
    /// At the first exchange that fails.
    pub async fn open(&self) -> Result<Vec<TcpStream>, StreamError> {
        let head = self.head();
        let mut opened = Vec::with_capacity(self.streams);
        let mut opening = JoinSet::new();
        for index in 0..self.streams {
            if opening.len() >= OPENING {
                opened.extend(joined(opening.join_next().await)?);
            }
            let (head, address) = (Rc::clone(&head), self.target.address);
            let (upload, ask) = (self.upload_bytes, self.ask);
            opening.spawn_local(async move {
                let mut stream = connect(address, index).await?;
                stream.write_all(&head).await?;
                upload_pattern(&mut stream, upload).await?;
                read_beginning(&mut stream, ask).await?;
                Ok(stream)
            });
        }
        while let Some(stream) = joined(opening.join_next().await)? {
            opened.push(stream);
        }
        Ok(opened)
    }

    /// Runs every exchange to its end, all at once, and returns the errors of those that failed.
    ///
    /// Runs on a [`tokio::runtime::LocalRuntime`].
    pub async fn complete(&self) -> Vec<StreamError> {
        let head = self.head();
        let opening = Arc::new(Semaphore::new(OPENING));
        let mut running = JoinSet::new();
        for index in 0..self.streams {
            let (head, address) = (Rc::clone(&head), self.target.address);
            let (upload, ask) = (self.upload_bytes, self.ask);
            // Nobody closes the semaphore.
            let turn = Arc::clone(&opening).acquire_owned().await;
            running.spawn_local(async move {
                let mut stream = connect(address, index).await?;
                stream.write_all(&head).await?;
                upload_pattern(&mut stream, upload).await?;
                stream.readable().await?;
                drop(turn);
                match ask {
                    Ask::Events { count, .. } => read_events(&mut stream, count).await,
                    Ask::Bytes(length) => read_bytes(&mut stream, length).await,
                    Ask::Hold => read_beginning(&mut stream, ask).await,
                }
            });
        }
        let ended = running.join_all().await;
        ended.into_iter().filter_map(Result::err).collect()
    }
}

/// Takes `bytes` from each of `streams` in every `pause`, for ever: clients that can hardly read.
///
/// # Errors
///
/// At the first stream that fails or ends.
pub async fn read_slowly(
    streams: &mut [TcpStream],
    bytes: usize,
    pause: Duration,
) -> Result<(), StreamError> {
    let mut ticks = tokio::time::interval(pause);
    let mut piece = vec![0; bytes];
    loop {
        ticks.tick().await;
        for stream in &mut *streams {
            if stream.read(&mut piece).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
}

type Joined = Option<Result<Result<TcpStream, StreamError>, tokio::task::JoinError>>;

fn joined(joined: Joined) -> Result<Option<TcpStream>, StreamError> {
    joined
        .map(|joined| joined.map_err(io::Error::other)?)
        .transpose()
}

/// Connects from one loopback address after the other when the target is on loopback.
async fn connect(address: SocketAddr, index: usize) -> io::Result<TcpStream> {
    let SocketAddr::V4(_) = address else {
        return TcpStream::connect(address).await;
    };
    let socket = TcpSocket::new_v4()?;
    if address.ip().is_loopback() {
        let last = u8::try_from(1 + index / PER_ADDRESS).unwrap_or(u8::MAX);
        let source = IpAddr::from(Ipv4Addr::new(127, 0, 0, last));
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(address).await
}

async fn upload_pattern(stream: &mut TcpStream, length: u64) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES.min(usize::try_from(length).unwrap_or(PIECE_BYTES))];
    let mut sent = 0;
    while sent < length {
        let bytes =
            usize::try_from(length - sent).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        let piece = piece.get_mut(..bytes).unwrap_or_default();
        fill_pattern(sent, piece);
        stream.write_all(piece).await?;
        sent += u64::try_from(bytes).unwrap_or_default();
    }
    Ok(())
}

/// Reads one byte more than the head: whatever the body begins with; for events, the whole first one.
async fn read_beginning(stream: &mut TcpStream, ask: Ask) -> Result<(), StreamError> {
    let mut buffer = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(StreamError::Different(length(&buffer)));
        }
        if let Some(end) = memmem::find(&buffer, b"\r\n\r\n") {
            check_status(&buffer)?;
            let body = buffer.get(end + 4..).unwrap_or_default();
            let has_begun = match ask {
                Ask::Bytes(_) => true,
                Ask::Hold | Ask::Events { .. } => memmem::find(body, event(0).as_bytes()).is_some(),
            };
            if has_begun {
                return Ok(());
            }
        }
        // An answer whose beginning does not come in this many bytes is another one.
        if buffer.len() >= PIECE_BYTES {
            return Err(StreamError::Different(length(&buffer)));
        }
        buffer.reserve(1024);
    }
}

async fn read_events(stream: &mut TcpStream, count: u32) -> Result<(), StreamError> {
    let mut reader = MessageReader::default();
    let answer = reader.next(stream).await?;
    let answer = answer.ok_or(StreamError::Different(0))?;
    check_status(answer.head)?;
    compare(&decode_chunks(answer.raw_body), count)
}

/// Whether `got` are this many events, whole and in order.
fn compare(got: &[u8], count: u32) -> Result<(), StreamError> {
    let wanted: String = (0..count).map(event).collect();
    if got == wanted.as_bytes() {
        return Ok(());
    }
    let same = got
        .iter()
        .zip(wanted.as_bytes())
        .take_while(|(got, wanted)| got == wanted)
        .count();
    Err(StreamError::Different(
        u64::try_from(same).unwrap_or(u64::MAX),
    ))
}

/// What chunks hold. Their framing was checked when the message was read.
fn decode_chunks(mut raw: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(raw.len());
    while let Some(end) = memmem::find(raw, b"\r\n") {
        let line = raw.get(..end).unwrap_or_default();
        let size = line.split(|&byte| byte == b';').next().unwrap_or_default();
        let size = std::str::from_utf8(size).ok();
        let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let Some(size @ 1..) = size else { break };
        decoded.extend_from_slice(raw.get(end + 2..end + 2 + size).unwrap_or_default());
        raw = raw.get(end + 2 + size + 2..).unwrap_or_default();
    }
    decoded
}

/// Reads a head and a body of `wanted` bytes without keeping them.
async fn read_bytes(stream: &mut TcpStream, wanted: u64) -> Result<(), StreamError> {
    let mut buffer = Vec::with_capacity(PIECE_BYTES);
    let body = loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(StreamError::Different(0));
        }
        if let Some(end) = memmem::find(&buffer, b"\r\n\r\n") {
            check_status(&buffer)?;
            break buffer.split_off(end + 4);
        }
    };
    if !has_pattern(0, &body) {
        return Err(StreamError::Different(0));
    }
    let mut seen = length(&body);
    let mut piece = vec![0; PIECE_BYTES];
    while seen < wanted {
        let read = stream.read(&mut piece).await?;
        let piece = piece.get(..read).unwrap_or_default();
        if piece.is_empty() || !has_pattern(seen, piece) {
            return Err(StreamError::Different(seen));
        }
        seen += length(piece);
    }
    if seen == wanted {
        Ok(())
    } else {
        Err(StreamError::Different(wanted))
    }
}

fn check_status(head: &[u8]) -> Result<(), StreamError> {
    if head.get(9..12) == Some(b"200") {
        return Ok(());
    }
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    Err(StreamError::Status(
        String::from_utf8_lossy(line).into_owned(),
    ))
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
