//! A running server with a service that plays every part, and clients that speak bytes.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use keyward_listen::{Config, Http2, Linger, Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot},
    task::JoinHandle,
    time::timeout,
};

/// Longer than anything takes here, also on a machine that has much else to do.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// A limit under test.
pub(crate) const SHORT: Duration = Duration::from_millis(200);
/// A limit that must not matter.
pub(crate) const LONG: Duration = Duration::from_secs(600);

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What the service has seen, and what it waits for.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Requests that reached the service.
    pub(crate) begun: AtomicUsize,
    /// Requests whose future or answer is still there.
    pub(crate) alive: AtomicUsize,
    /// Lets one request to `/hold` go on.
    pub(crate) release: Notify,
}

/// Counts one request for as long as it lives.
struct Alive(Arc<Seen>);

impl Alive {
    fn new(seen: &Arc<Seen>) -> Self {
        seen.begun.fetch_add(1, Ordering::SeqCst);
        seen.alive.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(seen))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A running server.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Seen>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                let stopped = async { drop(stopped.await) };
                Server::new(config)
                    .serve(listener, stopped, move |peer| {
                        let seen = Arc::clone(&seen);
                        service_fn(move |request| {
                            let source = peer.source(request.headers());
                            answer(request, Arc::clone(&seen), source.to_string())
                        })
                    })
                    .await;
            }
        });
        Self {
            address,
            seen,
            stop: Some(stop),
            serving,
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection on which `bytes` have been sent.
    pub(crate) async fn connect_and_send(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream
    }

    pub(crate) fn begin_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until serving has ended.
    pub(crate) async fn ended(self) {
        timeout(DEADLINE, self.serving)
            .await
            .expect("serving ends")
            .unwrap();
    }

    pub(crate) async fn stop(mut self) {
        self.begin_stop();
        self.ended().await;
    }
}

/// Short limits on what clients may keep to themselves.
pub(crate) fn impatient() -> Config {
    Config {
        header_timeout: SHORT,
        ..patient()
    }
}

/// No limit that a test would meet without meaning to.
pub(crate) fn patient() -> Config {
    Config {
        header_timeout: LONG,
        write_timeout: LONG,
        http2: Some(Http2 {
            ping_interval: LONG,
            ..Http2::default()
        }),
        idle_grace: SHORT,
        linger: Linger {
            silence: SHORT,
            ..Linger::default()
        },
        ..Config::default()
    }
}

async fn answer(
    mut request: Request<Incoming>,
    seen: Arc<Seen>,
    source: String,
) -> Result<Response<Body>, Infallible> {
    let alive = Alive::new(&seen);
    let text = |text: String| Full::new(Bytes::from(text)).boxed_unsync();
    let response = match request.uri().path() {
        "/early" => {
            let mut response = Response::new(text("refused".to_owned()));
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            response
        }
        "/read" => {
            let read = request.into_body().collect().await;
            Response::new(text(read.map_or_else(
                |error| error.to_string(),
                |read| read.to_bytes().len().to_string(),
            )))
        }
        "/endless" => {
            let chunks = futures_util::stream::unfold(alive, |alive| async {
                let chunk = Bytes::from_static(&[b'x'; 16 * 1024]);
                Some((Ok(Frame::data(chunk)), alive))
            });
            return Ok(Response::new(StreamBody::new(chunks).boxed_unsync()));
        }
        "/hold" => {
            seen.release.notified().await;
            Response::new(text("held".to_owned()))
        }
        "/upgrade" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut upgraded = TokioIo::new(upgrade.await.unwrap());
                let mut bytes = [0; 1024];
                while let Ok(read @ 1..) = upgraded.read(&mut bytes).await {
                    upgraded.write_all(&bytes[..read]).await.unwrap();
                }
            });
            let mut response = Response::new(text(String::new()));
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("echo"));
            response
        }
        path @ ("/unknown-end" | "/trailers") => {
            let trailers = (path == "/trailers").then(|| Ok(Frame::trailers(HeaderMap::new())));
            let frames = [Ok(Frame::data(Bytes::from(source)))];
            let frames = futures_util::stream::iter(frames.into_iter().chain(trailers));
            Response::new(StreamBody::new(frames).boxed_unsync())
        }
        _ => Response::new(text(source)),
    };
    drop(alive);
    Ok(response)
}

/// Reads until the server closes, or resets, and returns what came.
pub(crate) async fn read_to_end(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut rest = Vec::new();
    // A reset after the last byte is an end, too.
    let _clean = timeout(DEADLINE, stream.read_to_end(&mut rest))
        .await
        .expect("the connection stays open");
    rest
}

/// Reads until what came ends with `end`.
pub(crate) async fn read_until(stream: &mut (impl AsyncReadExt + Unpin), end: &str) -> String {
    let mut read = Vec::new();
    let reading = async {
        while !read.ends_with(end.as_bytes()) {
            read.push(stream.read_u8().await.unwrap());
        }
    };
    let came = timeout(DEADLINE, reading).await;
    let text = String::from_utf8_lossy(&read).into_owned();
    assert!(came.is_ok(), "{end} did not come, but {text}");
    text
}

/// Waits until `is_met`.
pub(crate) async fn wait_until(what: &str, mut is_met: impl FnMut() -> bool) {
    let polling = async {
        let mut interval = tokio::time::interval(Duration::from_millis(2));
        while !is_met() {
            interval.tick().await;
        }
    };
    let met = timeout(DEADLINE, polling).await;
    assert!(met.is_ok(), "waited in vain: {what}");
}

/// One frame of HTTP/2.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_HEADERS: u8 = 4;

/// The preface and these settings, as (identifier, value).
pub(crate) fn hello(settings: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = settings
        .iter()
        .flat_map(|(name, value)| {
            [name.to_be_bytes().to_vec(), value.to_be_bytes().to_vec()].concat()
        })
        .collect();
    [PREFACE, &frame(SETTINGS, 0, 0, &payload)].concat()
}

/// The header block of `GET path`.
pub(crate) fn get(path: &str) -> Vec<u8> {
    // Indexed: GET, http. Literal without indexing: path and authority (RFC 7541, appendix A and §6.2.2).
    let mut block = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.as_bytes());
    block.extend([0x01, 9]);
    block.extend(b"localhost");
    block
}

/// Reads one frame: kind, flags, stream, payload. `None` at the end.
pub(crate) async fn read_frame(
    stream: &mut (impl AsyncReadExt + Unpin),
) -> Option<(u8, u8, u32, Vec<u8>)> {
    let reading = async {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.ok()?;
        Some((head[3], head[4], id, payload))
    };
    timeout(DEADLINE, reading)
        .await
        .expect("a frame or the end")
}

/// Reads frames until the end, and returns their kinds.
pub(crate) async fn frames_to_end(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let Some((kind, ..)) = read_frame(stream).await {
        kinds.push(kind);
    }
    kinds
}
