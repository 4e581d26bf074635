//! An HTTP/2 server that a test writes frame by frame, over TLS.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use keyward_secret::Origin;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::support::tls;

pub(crate) const DATA: u8 = 0x0;
pub(crate) const HEADERS: u8 = 0x1;
pub(crate) const RST_STREAM: u8 = 0x3;
pub(crate) const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const GOAWAY: u8 = 0x7;

pub(crate) const REFUSED_STREAM: u32 = 0x7;
pub(crate) const CANCEL: u32 = 0x8;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const ACK: u8 = 0x1;

/// A server whose connections are handed to a script, in order of their number.
pub(crate) struct RawServer {
    pub(crate) origin: Origin,
    pub(crate) pem: Vec<u8>,
    accepted: Arc<AtomicUsize>,
}

/// One connection, greeted.
pub(crate) struct RawPeer {
    stream: TlsStream<TcpStream>,
    /// Counted from 1.
    pub(crate) number: usize,
}

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl RawServer {
    pub(crate) async fn start<F, S>(script: S) -> Self
    where
        S: Fn(RawPeer) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (config, pem) = tls::server(&[b"h2"]);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                let mut stream = acceptor.accept(stream).await.unwrap();
                let mut preface = [0; 24];
                stream.read_exact(&mut preface).await.unwrap();
                assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
                let mut peer = RawPeer { stream, number };
                peer.write(SETTINGS, 0, 0, &[]).await;
                tokio::spawn(script(peer));
            }
        });
        Self {
            origin: Origin::parse(&format!("https://localhost:{port}")).unwrap(),
            pem,
            accepted,
        }
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl RawPeer {
    pub(crate) async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        // The other side may be gone; what it makes of that is what the test looks at.
        let _gone = self.stream.write_all(&frame).await;
        let _gone = self.stream.flush().await;
    }

    /// The next frame that is about a stream. None at the end.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut payload).await.ok()?;
            let frame = Frame {
                kind: head[3],
                flags: head[4],
                stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
                payload,
            };
            match frame.kind {
                SETTINGS if frame.flags & ACK == 0 => self.write(SETTINGS, ACK, 0, &[]).await,
                PING if frame.flags & ACK == 0 => self.write(PING, ACK, 0, &frame.payload).await,
                DATA | HEADERS | RST_STREAM => return Some(frame),
                _ => {}
            }
        }
    }

    /// The stream of the next request whose head and body are here whole. None at the end.
    pub(crate) async fn request(&mut self) -> Option<u32> {
        loop {
            let frame = self.next().await?;
            if frame.flags & END_STREAM != 0 && frame.kind != RST_STREAM {
                return Some(frame.stream);
            }
        }
    }

    /// Waits for the head of a request, whatever its body.
    pub(crate) async fn head(&mut self) -> Option<u32> {
        loop {
            let frame = self.next().await?;
            if frame.kind == HEADERS {
                return Some(frame.stream);
            }
        }
    }

    /// Answers 200 with `body`.
    pub(crate) async fn answer(&mut self, stream: u32, body: &str) {
        self.begin(stream, "").await;
        self.write(DATA, END_STREAM, stream, body.as_bytes()).await;
    }

    /// Answers 200 with a body that begins with `piece`.
    pub(crate) async fn begin(&mut self, stream: u32, piece: &str) {
        // `:status: 200` is entry 8 of the static table (RFC 7541, appendix A).
        self.write(HEADERS, END_HEADERS, stream, &[0x88]).await;
        if !piece.is_empty() {
            self.write(DATA, 0, stream, piece.as_bytes()).await;
        }
    }

    pub(crate) async fn reset(&mut self, stream: u32, reason: u32) {
        self.write(RST_STREAM, 0, stream, &reason.to_be_bytes())
            .await;
    }

    /// Says that no stream beyond `last` was worked on.
    pub(crate) async fn go_away(&mut self, last: u32) {
        let payload = [last.to_be_bytes(), 0_u32.to_be_bytes()].concat();
        self.write(GOAWAY, 0, 0, &payload).await;
    }

    /// Reads until the other side closes.
    pub(crate) async fn closed(&mut self) {
        while self.next().await.is_some() {}
    }
}
