//! Answers what [`Ask`] says, without holding any body.

mod http2;

use std::{cell::Cell, io, rc::Rc, sync::Arc};

use memchr::memmem;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::Notify,
    task::spawn_local,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    job,
    streams::{Ask, event, fill_pattern},
};

const MAX_HEAD_BYTES: usize = 16 * 1024;
const PIECE_BYTES: usize = 16 * 1024;

/// Answers every connection to `listener`, over TLS when `tls` is given, until the listener fails. Speaks HTTP/2 where
/// that is agreed on.
///
/// Runs on a [`tokio::runtime::LocalRuntime`].
///
/// # Errors
///
/// When no connection can be accepted any more.
pub async fn serve(listener: TcpListener, tls: Option<Arc<ServerConfig>>) -> io::Result<()> {
    let gate = Rc::new(Gate::default());
    let acceptor = tls.map(TlsAcceptor::from);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (gate, acceptor) = (Rc::clone(&gate), acceptor.clone());
        spawn_local(async move {
            // A connection that fails has told its client so; the next one is answered all the same.
            match acceptor {
                Some(acceptor) => {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    match stream.get_ref().1.alpn_protocol() {
                        Some(b"h2") => drop(http2::connection(stream, gate).await),
                        _ => drop(connection(stream, &gate).await),
                    }
                }
                None => drop(connection(stream, &gate).await),
            }
        });
    }
}

/// How many gated answers have begun since the last time that none was open.
#[derive(Debug, Default)]
struct Gate {
    begun: Cell<u32>,
    open: Cell<u32>,
    more: Notify,
}

impl Gate {
    /// Waits until `wanted` answers have begun. The answer is open for as long as what this returns is held.
    async fn pass(self: &Rc<Self>, wanted: u32) -> Open {
        self.begun.set(self.begun.get() + 1);
        self.open.set(self.open.get() + 1);
        let open = Open(Rc::clone(self));
        self.more.notify_waiters();
        while self.begun.get() < wanted {
            self.more.notified().await;
        }
        open
    }
}

/// A gated answer that has begun.
struct Open(Rc<Gate>);

impl Drop for Open {
    fn drop(&mut self) {
        let gate = &self.0;
        gate.open.set(gate.open.get().saturating_sub(1));
        if gate.open.get() == 0 {
            gate.begun.set(0);
        }
    }
}

/// What is needed of a request's head.
struct Head {
    ask: Option<Ask>,
    is_authorized: bool,
    body_bytes: u64,
}

async fn connection<S>(mut stream: S, gate: &Rc<Gate>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some((head, rest)) = read_head(&mut stream).await? {
        skip(&mut stream, head.body_bytes.saturating_sub(rest)).await?;
        match head.ask {
            _ if !head.is_authorized => answer_empty(&mut stream, "401 Unauthorized").await?,
            None => answer_empty(&mut stream, "404 Not Found").await?,
            Some(Ask::Hold) => {
                begin_events(&mut stream).await?;
                // Whatever comes, the client is not served again.
                let _ = stream.read(&mut [0]).await?;
                return Ok(());
            }
            Some(Ask::Events {
                count,
                gate: wanted,
            }) => {
                begin_events(&mut stream).await?;
                let _open = gate.pass(wanted).await;
                send_events(&mut stream, count).await?;
            }
            Some(Ask::Bytes(length)) => send_bytes(&mut stream, length).await?,
        }
    }
    Ok(())
}

/// The next head, and how many bytes of its body came with it.
async fn read_head<S>(stream: &mut S) -> io::Result<Option<(Head, u64)>>
where
    S: AsyncRead + Unpin,
{
    let mut buffer = Vec::with_capacity(2048);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return if buffer.is_empty() {
                Ok(None)
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
        if let Some(end) = memmem::find(&buffer, b"\r\n\r\n") {
            let (head, body) = buffer.split_at_checked(end + 4).unwrap_or_default();
            let rest = u64::try_from(body.len()).unwrap_or(u64::MAX);
            return Ok(Some((parse(head)?, rest)));
        }
        if buffer.len() > MAX_HEAD_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

fn parse(bytes: &[u8]) -> io::Result<Head> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(bytes).map_err(io::Error::other)?;
    let value = |name: &str| {
        let mut headers = request.headers.iter();
        headers
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let query = request.path.and_then(|path| Some(path.split_once('?')?.1));
    Ok(Head {
        ask: query.and_then(Ask::parse),
        is_authorized: value("authorization").is_some_and(is_authorized),
        body_bytes: value("content-length")
            .map_or(Ok(0), |value| value.parse().map_err(io::Error::other))?,
    })
}

fn is_authorized(value: &str) -> bool {
    value
        .strip_prefix("Bearer ")
        .is_some_and(|key| key == job::PROVIDER_KEY)
}

async fn skip<S>(stream: &mut S, bytes: u64) -> io::Result<()>
where
    S: AsyncRead + Unpin,
{
    let skipped = tokio::io::copy(&mut stream.take(bytes), &mut tokio::io::sink()).await?;
    if skipped == bytes {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

async fn answer_empty<S>(stream: &mut S, status: &str) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await
}

async fn begin_events<S>(stream: &mut S) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    send_event(stream, 0).await
}

async fn send_events<S>(stream: &mut S, count: u32) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    for number in 1..count {
        send_event(stream, number).await?;
        // The streams go on in turn.
        tokio::task::yield_now().await;
    }
    stream.write_all(b"0\r\n\r\n").await?;
    stream.flush().await
}

async fn send_event<S>(stream: &mut S, number: u32) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    let event = event(number);
    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
    stream.write_all(chunk.as_bytes()).await?;
    stream.flush().await
}

async fn send_bytes<S>(stream: &mut S, length: u64) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut sent = 0;
    while sent < length {
        let bytes =
            usize::try_from(length - sent).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        let piece = piece.get_mut(..bytes).unwrap_or_default();
        fill_pattern(sent, piece);
        stream.write_all(piece).await?;
        sent += u64::try_from(bytes).unwrap_or_default();
    }
    stream.flush().await
}
