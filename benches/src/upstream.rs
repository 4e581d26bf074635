//! A provider that answers at once: a keep-alive loop without an HTTP library.
//!
//! It demands the provider's key, so that a proxy which does not inject cannot look fast.

use std::{io, rc::Rc, sync::Arc};

use memchr::memmem;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::spawn_local,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    job,
    wire::{Message, MessageReader, ReadError},
};

/// Answers every connection to `listener`, over TLS when `tls` is given, until the listener fails.
///
/// Runs on a [`tokio::runtime::LocalRuntime`].
///
/// # Errors
///
/// When no connection can be accepted any more.
pub async fn serve(listener: TcpListener, tls: Option<Arc<ServerConfig>>) -> io::Result<()> {
    let answers = Rc::new(Answers::new());
    let acceptor = tls.map(TlsAcceptor::from);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (answers, acceptor) = (Rc::clone(&answers), acceptor.clone());
        spawn_local(async move {
            // A connection that fails has told its client so; the next one is answered all the same.
            match acceptor {
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        drop(answers.connection(stream).await);
                    }
                }
                None => drop(answers.connection(stream).await),
            }
        });
    }
}

/// Every answer, ready to be written.
#[derive(Debug)]
struct Answers {
    json: Vec<u8>,
    events: Vec<Vec<u8>>,
    authorization: String,
}

const UNAUTHORIZED: &[u8] = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";

// A provider's answers carry a date; a fixed one costs the measurement nothing.
const COMMON: &str = "HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\nx-request-id: req_0123456789abcdef\r\n";

impl Answers {
    fn new() -> Self {
        let body = job::json_body();
        let mut json = format!(
            "{COMMON}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        json.extend_from_slice(&body);
        let head = format!(
            "{COMMON}content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        let mut events = vec![head.into_bytes()];
        events.extend(job::events().into_iter().map(|event| {
            let mut chunk = format!("{:x}\r\n", event.len()).into_bytes();
            chunk.extend_from_slice(&event);
            chunk.extend_from_slice(b"\r\n");
            chunk
        }));
        events.push(b"0\r\n\r\n".to_vec());
        Self {
            json,
            events,
            authorization: format!("Bearer {}\r\n", job::PROVIDER_KEY),
        }
    }

    async fn connection<S>(&self, mut stream: S) -> Result<(), ReadError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut reader = MessageReader::default();
        while let Some(request) = reader.next(&mut stream).await? {
            if memmem::find(request.head, self.authorization.as_bytes()).is_none() {
                stream.write_all(UNAUTHORIZED).await?;
            } else if wants_events(&request) {
                for piece in &self.events {
                    stream.write_all(piece).await?;
                    stream.flush().await?;
                }
                continue;
            } else {
                stream.write_all(&self.json).await?;
            }
            stream.flush().await?;
        }
        Ok(())
    }
}

fn wants_events(request: &Message<'_>) -> bool {
    memmem::find(request.first_line, b"stream").is_some()
        // The flag stands near the start of a request of ours.
        || request.raw_body.get(..64).is_some_and(|start| memmem::find(start, br#""stream":true"#).is_some())
}
