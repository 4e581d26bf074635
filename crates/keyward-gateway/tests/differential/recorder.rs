//! The upstream: keeps every byte of every connection, and answers 204 to what it takes for a request.
//!
//! Its own reading decides only when it answers. What the bytes mean is for the parsers.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use memchr::memmem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

type Streams = Arc<Mutex<Vec<Vec<u8>>>>;

pub(crate) struct Recorder {
    pub(crate) addr: SocketAddr,
    streams: Streams,
    _tasks: JoinSet<()>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let streams = Streams::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&streams)));
        Self {
            addr,
            streams,
            _tasks: tasks,
        }
    }

    /// What came, by connection.
    pub(crate) fn streams(&self) -> Vec<Vec<u8>> {
        self.streams.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, streams: Streams) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = {
            let mut streams = streams.lock().unwrap();
            streams.push(Vec::new());
            streams.len() - 1
        };
        connections.spawn(record(stream, number, Arc::clone(&streams)));
        while connections.try_join_next().is_some() {}
    }
}

async fn record(mut stream: TcpStream, number: usize, streams: Streams) {
    let mut read = 0;
    let mut buffer = Vec::with_capacity(16 * 1024);
    let mut unread = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut buffer).await {
        unread.extend_from_slice(&buffer);
        streams.lock().unwrap()[number].append(&mut buffer);
        while let Some(length) = message_length(&unread[read..]) {
            let is_last = !is_known_to_node(&unread[read..]);
            read += length;
            let answer: &[u8] = match is_last {
                true => b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
                false => b"HTTP/1.1 204 No Content\r\n\r\n",
            };
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
        unread.drain(..read);
        read = 0;
    }
}

/// Whether Node takes a request with this method; it refuses those that it does not know, and reads no further.
pub(crate) fn is_known_to_node(request: &[u8]) -> bool {
    let method = request.split(|byte| *byte == b' ').next();
    NODE_METHODS
        .iter()
        .any(|known| Some(known.as_bytes()) == method)
}

/// `http.METHODS` of Node 20, but for CONNECT, which is never forwarded. QUERY is Node 22's.
const NODE_METHODS: &[&str] = &[
    "ACL",
    "BIND",
    "CHECKOUT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LINK",
    "LOCK",
    "M-SEARCH",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "NOTIFY",
    "OPTIONS",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SUBSCRIBE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

/// The length of the first message, once it is whole.
fn message_length(bytes: &[u8]) -> Option<usize> {
    let head = memmem::find(bytes, b"\r\n\r\n")? + 4;
    let fields = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let value = |name: &str| {
        let from = fields.find(&format!("\r\n{name}:"))? + name.len() + 3;
        fields[from..].split("\r\n").next().map(str::trim)
    };
    if value("transfer-encoding").is_some() {
        let mut at = head;
        loop {
            let line = memmem::find(&bytes[at..], b"\r\n")?;
            let digits = String::from_utf8_lossy(&bytes[at..at + line]);
            let size = usize::from_str_radix(digits.split(';').next()?.trim(), 16).ok()?;
            at += line + 2;
            if size == 0 {
                // The gateway forwards no trailers of requests.
                return (bytes.len() >= at + 2).then_some(at + 2);
            }
            at += size + 2;
            if at > bytes.len() {
                return None;
            }
        }
    }
    let length: usize = value("content-length").map_or(Some(0), |text| text.parse().ok())?;
    (bytes.len() >= head + length).then_some(head + length)
}
