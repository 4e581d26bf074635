//! The least that hyper needs to do the [`job`]: the yardstick for Keyward's price per request.
//!
//! One thread, one hard-coded token, one hard-coded key, one upstream, one stack of idle connections to it. It checks
//! the token by comparing it with a constant, takes it out, puts the key in, maps the path, sets the host and streams
//! both bodies untouched. It has no limits, no time-outs, no retries, no scrub, no log and no metrics, and its token
//! check is not in constant time: it is made to be measured, not to be used.

use std::{
    cell::RefCell,
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::Incoming,
    client::conn::http1::SendRequest,
    header::{AUTHORIZATION, HOST, HeaderName, HeaderValue},
    http::uri::PathAndQuery,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    net::{TcpListener, TcpStream},
    task::spawn_local,
};
use tokio_rustls::TlsConnector;

use crate::job;

static TOKEN_HEADER: HeaderName = HeaderName::from_static("cf-aig-authorization");

/// Forwards every connection to `listener` to `upstream`, over TLS when `tls` is given, until the listener fails.
///
/// Runs on a [`tokio::runtime::LocalRuntime`].
///
/// # Errors
///
/// When no connection can be accepted any more.
pub async fn serve(
    listener: TcpListener,
    upstream: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
) -> io::Result<()> {
    let proxy = Rc::new(Proxy {
        upstream,
        tls: tls.map(TlsConnector::from),
        host: HeaderValue::try_from(upstream.to_string()).map_err(io::Error::other)?,
        authorization: HeaderValue::try_from(format!("Bearer {}", job::PROVIDER_KEY))
            .map_err(io::Error::other)?,
        idle: RefCell::default(),
    });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let proxy = Rc::clone(&proxy);
        spawn_local(async move {
            let service = service_fn(move |request| {
                let proxy = Rc::clone(&proxy);
                async move { Ok::<_, Infallible>(proxy.answer(request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            // A failed connection concerns its client only.
            drop(connection.await);
        });
    }
}

struct Proxy {
    upstream: SocketAddr,
    tls: Option<TlsConnector>,
    host: HeaderValue,
    authorization: HeaderValue,
    idle: RefCell<Vec<SendRequest<Incoming>>>,
}

impl Proxy {
    async fn answer(self: Rc<Self>, request: Request<Incoming>) -> Response<Forwarded> {
        let mut request = request;
        match request.headers_mut().remove(&TOKEN_HEADER) {
            Some(token) if token == job::GATEWAY_TOKEN => {}
            _ => return refusal(StatusCode::UNAUTHORIZED),
        }
        let Some(uri) = upstream_uri(request.uri()) else {
            return refusal(StatusCode::NOT_FOUND);
        };
        *request.uri_mut() = uri;
        request.headers_mut().insert(HOST, self.host.clone());
        request
            .headers_mut()
            .insert(AUTHORIZATION, self.authorization.clone());
        match self.forward(request).await {
            Ok(response) => response,
            Err(_) => refusal(StatusCode::BAD_GATEWAY),
        }
    }

    async fn forward(
        self: Rc<Self>,
        request: Request<Incoming>,
    ) -> io::Result<Response<Forwarded>> {
        let mut sender = self.connection().await?;
        let response = sender
            .send_request(request)
            .await
            .map_err(io::Error::other)?;
        Ok(response.map(|body| Forwarded {
            body: Some(body),
            kept: Some((sender, self)),
        }))
    }

    async fn connection(&self) -> io::Result<SendRequest<Incoming>> {
        loop {
            let Some(mut sender) = self.idle.borrow_mut().pop() else {
                return self.connect().await;
            };
            if sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
    }

    async fn connect(&self) -> io::Result<SendRequest<Incoming>> {
        let stream = TcpStream::connect(self.upstream).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => handshake(TokioIo::new(stream)).await,
            Some(connector) => {
                let name = ServerName::IpAddress(self.upstream.ip().into());
                handshake(TokioIo::new(connector.connect(name, stream).await?)).await
            }
        }
    }
}

async fn handshake<S>(stream: S) -> io::Result<SendRequest<Incoming>>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
{
    let (sender, connection) = hyper::client::conn::http1::handshake(stream)
        .await
        .map_err(io::Error::other)?;
    spawn_local(async move { drop(connection.await) });
    Ok(sender)
}

/// Maps `/v1/{account}/{gateway}/openai/{rest}` to `/v1/{rest}`.
fn upstream_uri(uri: &Uri) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix("/v1/")?;
    let (_account, rest) = rest.split_once('/')?;
    let (_gateway, rest) = rest.split_once('/')?;
    let rest = rest.strip_prefix("openai/")?;
    let path = PathAndQuery::from_maybe_shared(Bytes::from(format!("/v1/{rest}"))).ok()?;
    Some(Uri::from(path))
}

fn refusal(status: StatusCode) -> Response<Forwarded> {
    let mut response = Response::new(Forwarded {
        body: None,
        kept: None,
    });
    *response.status_mut() = status;
    response
}

/// The upstream's body; returns the connection to the idle ones when the answer is over.
struct Forwarded {
    body: Option<Incoming>,
    kept: Option<(SendRequest<Incoming>, Rc<Proxy>)>,
}

impl Body for Forwarded {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Forwarded {
    fn drop(&mut self) {
        // A connection whose answer was left unread is closed by hyper, and `ready` finds that out.
        if let Some((sender, proxy)) = self.kept.take() {
            proxy.idle.borrow_mut().push(sender);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_behind_the_provider_is_the_upstreams() {
        let map = |path: &str| upstream_uri(&path.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(
            map(job::CLIENT_PATH).as_deref(),
            Some("/v1/chat/completions")
        );
        assert_eq!(
            map("/v1/a/g/openai/models?limit=1").as_deref(),
            Some("/v1/models?limit=1")
        );
        assert_eq!(map("/v1/a/g/anthropic/messages"), None);
        assert_eq!(map("/v1/a"), None);
    }
}
