//! An HTTP/2 server that is well, over TLS.

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{HeaderMap, Request, Response};
use keyward_secret::Origin;
use rustls::HandshakeKind;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::tls;

/// A server whose exchanges are handed to a script.
pub(crate) struct Server {
    pub(crate) origin: Origin,
    pub(crate) pem: Vec<u8>,
    accepted: Arc<AtomicUsize>,
    /// How each connection's handshake went, and by which name it was asked for.
    pub(crate) handshakes: Arc<Mutex<Vec<Shaken>>>,
}

/// How a handshake went, and the name it asked for.
type Shaken = (HandshakeKind, Option<String>);

/// One request, and the way to answer it.
pub(crate) struct Exchange {
    /// Of the connection, counted from 1.
    pub(crate) connection: usize,
    pub(crate) request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
}

impl Server {
    pub(crate) async fn start<F, S>(script: S) -> Self
    where
        S: Fn(Exchange) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::taking(1_000, script).await
    }

    /// A server that takes so many streams at a time.
    pub(crate) async fn taking<F, S>(streams: u32, script: S) -> Self
    where
        S: Fn(Exchange) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (config, pem) = tls::server(&[b"h2", b"http/1.1"]);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepted = Arc::new(AtomicUsize::new(0));
        let handshakes = Arc::new(Mutex::new(Vec::new()));
        let (count, seen) = (accepted.clone(), handshakes.clone());
        let script = Arc::new(script);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                let (acceptor, seen, script) = (acceptor.clone(), seen.clone(), script.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let tls = stream.get_ref().1;
                    assert_eq!(tls.alpn_protocol(), Some(&b"h2"[..]));
                    let name = tls.server_name().map(str::to_owned);
                    seen.lock()
                        .unwrap()
                        .push((tls.handshake_kind().unwrap(), name));
                    let mut builder = h2::server::Builder::new();
                    builder.max_concurrent_streams(streams);
                    let mut connection = builder.handshake(stream).await.unwrap();
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(script(Exchange {
                            connection: number,
                            request,
                            respond,
                        }));
                    }
                });
            }
        });
        Self {
            origin: Origin::parse(&format!("https://localhost:{port}")).unwrap(),
            pem,
            accepted,
            handshakes,
        }
    }

    /// Answers every request with the number of its connection.
    pub(crate) async fn numbering() -> Self {
        Self::start(|exchange| async move {
            let number = exchange.connection.to_string();
            exchange.answer(number).await;
        })
        .await
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Exchange {
    /// Reads the request's body to its end.
    pub(crate) async fn body(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let body = self.request.body_mut();
        while let Some(Ok(data)) = body.data().await {
            all.extend_from_slice(&data);
            let _closed = body.flow_control().release_capacity(data.len());
        }
        all
    }

    pub(crate) async fn answer(mut self, body: impl Into<Bytes>) {
        self.body().await;
        self.answer_with(Response::new(()), [body.into()], None)
            .await;
    }

    /// Answers piece by piece.
    pub(crate) async fn answer_with(
        mut self,
        head: Response<()>,
        pieces: impl IntoIterator<Item = Bytes>,
        trailers: Option<HeaderMap>,
    ) {
        let Ok(mut stream) = self.respond.send_response(head, false) else {
            return;
        };
        for piece in pieces {
            if stream.send_data(piece, false).is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        // A client that has gone away gets no end.
        let _gone = match trailers {
            Some(trailers) => stream.send_trailers(trailers),
            None => stream.send_data(Bytes::new(), true),
        };
    }

    /// Answers with a head and these pieces, and leaves the rest out until the client gives up.
    pub(crate) async fn begin(
        mut self,
        head: Response<()>,
        pieces: impl IntoIterator<Item = Bytes>,
    ) {
        let mut stream = self.respond.send_response(head, false).unwrap();
        for piece in pieces {
            stream.send_data(piece, false).unwrap();
        }
        let _reason = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
    }

    /// Waits until the client gives the stream up; gives the reason.
    pub(crate) async fn reset_reason(&mut self) -> h2::Reason {
        std::future::poll_fn(|cx| self.respond.poll_reset(cx))
            .await
            .unwrap()
    }
}
