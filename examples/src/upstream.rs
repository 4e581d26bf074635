//! An API on this machine that tells what it was asked.

use std::{convert::Infallible, error::Error};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, LOCATION},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use keyward_secret::Origin;
use tokio::{net::TcpListener, task::JoinHandle};

/// An API that answers with the request line and the headers that reached it: credentials too, as careless ones do
/// in their error texts. `/elsewhere` redirects to another host.
#[derive(Debug)]
pub struct Upstream {
    origin: Origin,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Starts it on a free port of the loopback address. It ends when dropped.
    ///
    /// # Errors
    ///
    /// When there is no free port.
    pub async fn start() -> Result<Self, Box<dyn Error>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = origin_of(&listener)?;
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = http1::Builder::new().serve_connection(
                    TokioIo::new(stream),
                    service_fn(async |request| answer(&request)),
                );
                // A connection that breaks concerns its client alone.
                drop(tokio::spawn(async move { drop(connection.await) }));
            }
        });
        Ok(Self { origin, task })
    }

    /// Where it is.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn origin_of(listener: &TcpListener) -> Result<Origin, Box<dyn Error>> {
    let address = listener.local_addr()?;
    Ok(Origin::parse(&format!("http://{address}"))?)
}

fn answer(request: &Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut lines = vec![format!("{} {}", request.method(), request.uri())];
    let mut headers: Vec<_> = request
        .headers()
        .iter()
        // `CDN-Loop` names the installation: another one in every run.
        .filter(|(name, _)| {
            ![HOST, CONTENT_LENGTH, HeaderName::from_static("cdn-loop")].contains(name)
        })
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    headers.sort();
    lines.append(&mut headers);
    let mut answer = Response::new(Full::new(Bytes::from(lines.join("\n"))));
    if request.uri().path() == "/elsewhere" {
        *answer.status_mut() = StatusCode::FOUND;
        let there = HeaderValue::from_static("https://elsewhere.example/");
        answer.headers_mut().insert(LOCATION, there);
    }
    Ok(answer)
}
