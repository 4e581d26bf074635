//! What an HTTP/2 upstream says it did not work on is sent again; nothing else is.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::channel::Channel;
use keyward_forward::{Config, Fault, ForwardError, Kind};

use super::{
    raw::{CANCEL, DATA, REFUSED_STREAM, RawPeer, RawServer},
    trusting,
};
use crate::support::{Gateway, Whole, post, text, until};

fn to(server: &RawServer) -> Gateway<Whole> {
    Gateway::with(&server.origin, Config::default(), trusting(&server.pem))
}

/// More than is remembered.
fn long() -> &'static str {
    "x".repeat(70_000).leak()
}

async fn both(
    gateway: &Gateway<Whole>,
    body: &'static str,
) -> (Result<String, ForwardError>, Result<String, ForwardError>) {
    let one = async { Ok(text(gateway.send(post(body)).await?).await) };
    let other = async { Ok(text(gateway.send(post(body)).await?).await) };
    tokio::join!(one, other)
}

/// Warms a connection up, so that what follows finds it.
async fn serve_first(peer: &mut RawPeer) {
    let first = peer.request().await.unwrap();
    assert_eq!(first, 1);
    peer.answer(first, "first").await;
}

#[tokio::test]
async fn beyond_the_last_stream_of_a_goaway_is_sent_again_and_below_is_not_lost() {
    let server = RawServer::start(|mut peer| async move {
        if peer.number == 1 {
            serve_first(&mut peer).await;
            let (below, beyond) = (peer.request().await.unwrap(), peer.request().await.unwrap());
            assert_eq!((below, beyond), (3, 5));
            peer.go_away(below).await;
            peer.answer(below, "below").await;
        } else {
            let again = peer.request().await.unwrap();
            peer.answer(again, "again").await;
        }
        peer.closed().await;
    })
    .await;
    let gateway = to(&server);
    assert_eq!(text(gateway.send(post("x")).await.unwrap()).await, "first");
    let (below, beyond) = both(&gateway, "the body").await;
    assert_eq!(
        (below.unwrap().as_str(), beyond.unwrap().as_str()),
        ("below", "again")
    );
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn what_a_goaway_leaves_in_doubt_is_not_sent_again() {
    let server = RawServer::start(|mut peer| async move {
        serve_first(&mut peer).await;
        let doubtful = peer.request().await.unwrap();
        // It may have been worked on; then the connection ends without an answer.
        peer.go_away(doubtful).await;
    })
    .await;
    let gateway = to(&server);
    assert_eq!(text(gateway.send(post("x")).await.unwrap()).await, "first");
    let error = gateway.send(post("x")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.fault()),
        (Kind::UpstreamClosed, Fault::Upstream)
    );
    assert!(!error.is_retryable());
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_connection_that_went_away_gets_no_new_request() {
    let server = RawServer::start(|mut peer| async move {
        serve_first(&mut peer).await;
        peer.go_away(1).await;
        assert_eq!(peer.request().await, None);
    })
    .await;
    let gateway = to(&server);
    for round in 1..=5 {
        assert_eq!(text(gateway.send(post("x")).await.unwrap()).await, "first");
        assert_eq!(server.accepted(), round);
    }
}

async fn refused_times(times: usize, body: &'static str) -> (Result<String, ForwardError>, usize) {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let server = RawServer::start(move |mut peer| {
        let count = count.clone();
        async move {
            while let Some(stream) = peer.head().await {
                if count.fetch_add(1, Ordering::SeqCst) < times {
                    peer.reset(stream, REFUSED_STREAM).await;
                } else {
                    peer.answer(stream, "ok").await;
                }
            }
        }
    })
    .await;
    let gateway = to(&server);
    let outcome = match gateway.send(post(body)).await {
        Ok(answer) => Ok(text(answer).await),
        Err(error) => Err(error),
    };
    assert_eq!(server.accepted(), 1);
    (outcome, seen.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_refused_stream_is_opened_again_but_not_for_ever() {
    let (outcome, seen) = refused_times(1, "a").await;
    assert_eq!((outcome.unwrap().as_str(), seen), ("ok", 2));
    let (outcome, seen) = refused_times(2, "a").await;
    assert_eq!((outcome.unwrap().as_str(), seen), ("ok", 3));
    let (outcome, seen) = refused_times(3, "a").await;
    assert_eq!(
        (outcome.unwrap_err().kind(), seen),
        (Kind::UpstreamClosed, 3)
    );
}

#[tokio::test]
async fn a_body_that_is_no_longer_whole_is_not_sent_again() {
    let (outcome, seen) = refused_times(1, long()).await;
    assert_eq!(
        (outcome.unwrap_err().kind(), seen),
        (Kind::UpstreamClosed, 1)
    );
}

/// Sends one request to a server that does `what` with it, and gives how many it saw.
async fn seen_by<F>(
    what: impl Fn(RawPeer, u32) -> F + Send + Sync + 'static,
) -> (ForwardError, usize)
where
    F: Future<Output = RawPeer> + Send + 'static,
{
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let what = Arc::new(what);
    let server = RawServer::start(move |mut peer| {
        let (count, what) = (count.clone(), what.clone());
        async move {
            while let Some(stream) = peer.request().await {
                count.fetch_add(1, Ordering::SeqCst);
                peer = what(peer, stream).await;
            }
        }
    })
    .await;
    let error = to(&server).send(post("x")).await.unwrap_err();
    (error, seen.load(Ordering::SeqCst))
}

#[tokio::test]
async fn another_reset_is_not_taken_for_a_refusal() {
    for reason in [CANCEL, 0, 1, 2, 0xb] {
        let (error, seen) = seen_by(move |mut peer, stream| async move {
            peer.reset(stream, reason).await;
            peer
        })
        .await;
        assert_eq!((error.kind(), seen), (Kind::UpstreamClosed, 1), "{reason}");
    }
}

/// That we go away from an upstream which breaks the protocol says nothing about what it did.
#[tokio::test]
async fn our_own_goaway_is_not_taken_for_the_upstreams() {
    let (error, seen) = seen_by(|mut peer, _stream| async move {
        // Data that belongs to no stream.
        peer.write(DATA, 0, 0, b"x").await;
        peer
    })
    .await;
    assert_eq!((error.kind(), seen), (Kind::UpstreamClosed, 1));
}

/// A client that has sent nothing of its body yet loses nothing by a refusal.
#[tokio::test]
async fn a_body_that_has_not_come_yet_follows_to_the_next_stream() {
    let (say, mut refused) = tokio::sync::mpsc::unbounded_channel();
    let server = RawServer::start(move |mut peer| {
        let say = say.clone();
        async move {
            let first = peer.head().await.unwrap();
            peer.reset(first, REFUSED_STREAM).await;
            let second = peer.head().await.unwrap();
            say.send(()).unwrap();
            let mut body = Vec::new();
            loop {
                let frame = peer.next().await.unwrap();
                assert_eq!(frame.stream, second);
                body.extend(frame.payload);
                if frame.flags & 1 != 0 {
                    break;
                }
            }
            peer.answer(second, std::str::from_utf8(&body).unwrap())
                .await;
            peer.closed().await;
        }
    })
    .await;
    let gateway: Gateway<Channel<Bytes>> =
        Gateway::with(&server.origin, Config::default(), trusting(&server.pem));
    let (mut client, body) = Channel::new(1);
    let sending = gateway.send(Request::post("/").body(body).unwrap());
    let uploading = async {
        refused.recv().await.unwrap();
        client
            .send_data(Bytes::from_static(b"late "))
            .await
            .unwrap();
        client.send_data(Bytes::from_static(b"body")).await.unwrap();
        drop(client);
    };
    let (answer, ()) = tokio::join!(sending, uploading);
    assert_eq!(text(answer.unwrap()).await, "late body");
}

/// Stands for the buffer that a frame was read into.
struct Buffer {
    bytes: Vec<u8>,
    alive: Arc<AtomicUsize>,
}

impl Buffer {
    fn of(bytes: Vec<u8>, alive: &Arc<AtomicUsize>) -> Bytes {
        alive.fetch_add(1, Ordering::SeqCst);
        let alive = Arc::clone(alive);
        Bytes::from_owner(Self { bytes, alive })
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What waits to be sent again takes no more memory than its bytes, however they came.
#[tokio::test]
async fn small_frames_are_remembered_without_their_buffers() {
    const FRAMES: usize = 2_000;
    const LARGE: usize = 8 * 1024;
    let (say, mut read) = tokio::sync::mpsc::unbounded_channel();
    let refuse = Arc::new(tokio::sync::Notify::new());
    let refused = Arc::clone(&refuse);
    let server = RawServer::start(move |mut peer| {
        let (say, refused) = (say.clone(), Arc::clone(&refused));
        async move {
            let first = peer.head().await.unwrap();
            let mut seen = 0;
            while seen < FRAMES + LARGE {
                seen += peer.next().await.unwrap().payload.len();
            }
            say.send(()).unwrap();
            refused.notified().await;
            peer.reset(first, REFUSED_STREAM).await;
            peer.head().await.unwrap();
            let mut body = Vec::new();
            loop {
                let frame = peer.next().await.unwrap();
                body.extend(frame.payload);
                if frame.flags & 1 != 0 {
                    let body = String::from_utf8(body).unwrap();
                    peer.answer(frame.stream, &body).await;
                    break;
                }
            }
            peer.closed().await;
        }
    })
    .await;
    let gateway: Gateway<Channel<Bytes>> =
        Gateway::with(&server.origin, Config::default(), trusting(&server.pem));
    let alive = Arc::new(AtomicUsize::new(0));
    let (mut client, body) = Channel::new(1);
    let sending = gateway.send(Request::post("/").body(body).unwrap());
    let uploading = async {
        for at in 0..FRAMES {
            if at == FRAMES / 2 {
                let large = Buffer::of(vec![b'-'; LARGE], &alive);
                client.send_data(large).await.unwrap();
            }
            let digit = vec![b'0' + u8::try_from(at % 10).unwrap()];
            client.send_data(Buffer::of(digit, &alive)).await.unwrap();
        }
        read.recv().await.unwrap();
        // The large one is shared; the others may wait for their turn to be dropped, and do not wait for more.
        until(|| alive.load(Ordering::SeqCst) <= 1).await;
        refuse.notify_one();
        drop(client);
    };
    let (answer, ()) = tokio::join!(sending, uploading);
    let half = "0123456789".repeat(FRAMES / 20);
    let expected = [half.as_str(), &"-".repeat(LARGE), &half].concat();
    assert!(text(answer.unwrap()).await == expected);
    assert_eq!(server.accepted(), 1);
}

/// Upstreams that end every connection after some requests, as nginx does, cost no request under load.
#[tokio::test]
async fn an_upstream_that_goes_away_again_and_again_costs_no_request() {
    let server = RawServer::start(|mut peer| async move {
        let mut last = 0;
        for _ in 0..20 {
            let Some(stream) = peer.request().await else {
                return;
            };
            last = stream;
            peer.answer(stream, "ok").await;
        }
        peer.go_away(last).await;
        peer.closed().await;
    })
    .await;
    let gateway = Arc::new(to(&server));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let gateway = gateway.clone();
        clients.spawn(async move {
            for _ in 0..100 {
                let answer = gateway.send(post("a body")).await.unwrap();
                assert_eq!(text(answer).await, "ok");
            }
        });
    }
    let all = async {
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all)
        .await
        .unwrap();
    assert!(server.accepted() >= 40, "{}", server.accepted());
}
