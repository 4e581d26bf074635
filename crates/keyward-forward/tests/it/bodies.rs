//! Streaming, back-pressure, and bodies that break off.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::Request;
use http_body::Body;
use http_body_util::{BodyExt, channel::Channel};
use keyward_forward::{Config, Fault, Forwarder, Kind, Shared, SystemDial, TlsConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{DEADLINE, Gateway, Peer, Upstream, Whole, field, post, text, until};

type Streamed = Channel<Bytes, std::io::Error>;

fn streamed(method: &str, body: Streamed) -> Request<Streamed> {
    Request::builder().method(method).body(body).unwrap()
}

/// Reads one chunk of a chunked body.
async fn read_chunk(peer: &mut Peer) -> Vec<u8> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(peer.stream.read_u8().await.unwrap());
    }
    let length = usize::from_str_radix(str::from_utf8(&line).unwrap().trim(), 16).unwrap();
    let mut chunk = vec![0; length + 2];
    peer.stream.read_exact(&mut chunk).await.unwrap();
    chunk.truncate(length);
    chunk
}

#[tokio::test]
async fn both_bodies_stream_frame_by_frame() {
    let upstream = Upstream::start(|mut peer| async move {
        let head = peer.read_head().await.unwrap();
        assert_eq!(field(&head, "transfer-encoding").unwrap(), "chunked");
        // The answer begins before the request ends, and each frame answers one.
        peer.write("HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        loop {
            let chunk = String::from_utf8(read_chunk(&mut peer).await).unwrap();
            peer.write(&format!("{:x}\r\n{chunk}\r\n", chunk.len())).await;
            if chunk.is_empty() {
                return peer.closed().await;
            }
        }
    })
    .await;
    let gateway = Gateway::<Streamed>::to(&upstream.origin);
    let (mut sender, body) = Streamed::new(1);
    let mut answer = gateway
        .send(streamed("POST", body))
        .await
        .unwrap()
        .into_body();
    for frame in ["one", "two", "three"] {
        sender.send_data(Bytes::from(frame)).await.unwrap();
        let echoed = tokio::time::timeout(DEADLINE, answer.frame())
            .await
            .unwrap();
        assert_eq!(echoed.unwrap().unwrap().into_data().unwrap(), frame);
    }
    drop(sender);
    assert!(answer.frame().await.is_none());
    until(|| gateway.forwarder.idle_connections() == 1).await;
}

#[tokio::test]
async fn a_get_of_unknown_length_keeps_its_body() {
    let upstream = Upstream::start(|mut peer| async move {
        peer.read_head().await.unwrap();
        assert_eq!(read_chunk(&mut peer).await, b"query");
        assert_eq!(read_chunk(&mut peer).await, b"");
        peer.write("HTTP/1.1 204 No Content\r\n\r\n").await;
    })
    .await;
    let gateway = Gateway::<Streamed>::to(&upstream.origin);
    let (mut sender, body) = Streamed::new(1);
    let sending = async move { sender.send_data(Bytes::from("query")).await.unwrap() };
    let (answer, ()) = tokio::join!(gateway.send(streamed("GET", body)), sending);
    assert_eq!(answer.unwrap().status(), 204);
}

#[tokio::test]
async fn an_upstream_that_does_not_read_stops_the_client() {
    let upstream = Upstream::start(|mut peer| async move {
        peer.read_head().await.unwrap();
        // Never reads the body: kernel buffers fill, and then nothing may be taken from the client.
        std::future::pending::<()>().await;
    })
    .await;
    let gateway = Gateway::<Streamed>::to(&upstream.origin);
    let (mut sender, body) = Streamed::new(1);
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    tokio::spawn(async move {
        let frame = Bytes::from(vec![0; 64 * 1024]);
        while sender.send_data(frame.clone()).await.is_ok() {
            count.fetch_add(frame.len(), Ordering::SeqCst);
        }
    });
    let forwarding = gateway.send(streamed("POST", body));
    let stalls = async {
        // Stalled when a while passes in which nothing more is taken.
        let mut before = usize::MAX;
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            let now = sent.load(Ordering::SeqCst);
            assert!(
                now < 64 << 20,
                "{now} bytes are taken and nobody reads them"
            );
            if now == before && now > 0 {
                return;
            }
            before = now;
        }
    };
    tokio::select! {
        _ = forwarding => panic!("nothing answers"),
        () = stalls => {}
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_upstream() {
    let written = Arc::new(AtomicUsize::new(0));
    let count = written.clone();
    let upstream = Upstream::start(move |mut peer| {
        let count = count.clone();
        async move {
            peer.read_request().await.unwrap();
            peer.write("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
                .await;
            let frame = vec![b'x'; 64 * 1024];
            while peer.stream.write_all(&frame).await.is_ok() {
                count.fetch_add(frame.len(), Ordering::SeqCst);
            }
        }
    })
    .await;
    let gateway = Gateway::<Whole>::to(&upstream.origin);
    let response = gateway.send(post("x")).await.unwrap();
    assert_eq!(response.body().size_hint().exact(), Some(1_000_000_000));
    let mut before = usize::MAX;
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let now = written.load(Ordering::SeqCst);
        assert!(
            now < 64 << 20,
            "{now} bytes are taken and nobody reads them"
        );
        if now == before && now > 0 {
            break;
        }
        before = now;
    }
}

#[tokio::test]
async fn a_cut_answer_is_an_error_and_never_an_end() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
    ] {
        let upstream = Upstream::start(move |mut peer| async move {
            peer.read_request().await.unwrap();
            peer.write(answer).await;
        })
        .await;
        let gateway = Gateway::<Whole>::to(&upstream.origin);
        let body = gateway.send(post("x")).await.unwrap().into_body();
        let error = tokio::time::timeout(DEADLINE, body.collect())
            .await
            .unwrap()
            .unwrap_err();
        assert!(!error.is_timeout(), "{answer}");
        assert_eq!(gateway.forwarder.idle_connections(), 0);
    }
}

#[tokio::test]
async fn a_client_that_breaks_off_is_blamed_and_the_upstream_sees_no_whole_body() {
    let whole = Arc::new(AtomicBool::new(false));
    let seen = whole.clone();
    let upstream = Upstream::start(move |mut peer| {
        let seen = seen.clone();
        async move {
            peer.read_head().await.unwrap();
            let mut body = Vec::new();
            let _reset_counts_too = peer.stream.read_to_end(&mut body).await;
            seen.store(body.ends_with(b"0\r\n\r\n"), Ordering::SeqCst);
        }
    })
    .await;
    let gateway = Gateway::<Streamed>::to(&upstream.origin);
    let (mut sender, body) = Streamed::new(1);
    let breaking = async move {
        sender.send_data(Bytes::from("half")).await.unwrap();
        sender.abort(std::io::Error::other("gone"));
    };
    let (answer, ()) = tokio::join!(gateway.send(streamed("POST", body)), breaking);
    let error = answer.unwrap_err();
    assert_eq!(
        (error.kind(), error.fault()),
        (Kind::RequestBody, Fault::Client)
    );
    assert!(!whole.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_body_in_tiny_pieces_without_end_is_refused() {
    let upstream = Upstream::start(|mut peer| async move {
        peer.read_head().await.unwrap();
        let mut body = Vec::new();
        let _reset_counts_too = peer.stream.read_to_end(&mut body).await;
    })
    .await;
    let gateway = Gateway::<Streamed>::to(&upstream.origin);
    let (mut sender, body) = Streamed::new(64);
    let sending = async move {
        let mut sent = 0_u32;
        while sender.send_data(Bytes::from_static(b"x")).await.is_ok() {
            sent += 1;
        }
        sent
    };
    let (answer, sent) = tokio::join!(gateway.send(streamed("POST", body)), sending);
    let error = answer.unwrap_err();
    assert_eq!(
        (error.kind(), error.fault()),
        (Kind::RequestBodyTooFine, Fault::Client)
    );
    assert!((16_384..17_000).contains(&sent), "{sent}");
}

#[tokio::test]
async fn an_answer_that_is_dropped_closes_its_connection() {
    let closed = Arc::new(AtomicBool::new(false));
    let seen = closed.clone();
    let upstream = Upstream::start(move |mut peer| {
        let seen = seen.clone();
        async move {
            peer.read_request().await.unwrap();
            peer.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
                .await;
            peer.closed().await;
            seen.store(true, Ordering::SeqCst);
        }
    })
    .await;
    let gateway = Gateway::<Whole>::to(&upstream.origin);
    let mut response = gateway.send(post("x")).await.unwrap();
    response.body_mut().frame().await.unwrap().unwrap();
    drop(response);
    until(|| closed.load(Ordering::SeqCst)).await;
    assert_eq!(gateway.forwarder.idle_connections(), 0);
}

#[tokio::test]
async fn an_early_answer_passes_while_the_client_still_sends() {
    let upstream = Upstream::start(|mut peer| async move {
        peer.read_head().await.unwrap();
        peer.write("HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig")
            .await;
        peer.closed().await;
    })
    .await;
    let gateway = Gateway::<Streamed>::to(&upstream.origin);
    let (_sender, body) = Streamed::new(1);
    let response = gateway.send(streamed("POST", body)).await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(text(response).await, "big");
}

#[tokio::test]
async fn trailers_of_answers_pass_and_of_requests_do_not() {
    let upstream = Upstream::start(|mut peer| async move {
        let head = peer.read_head().await.unwrap();
        assert_eq!(field(&head, "trailer"), None);
        assert_eq!(read_chunk(&mut peer).await, b"x");
        assert_eq!(read_chunk(&mut peer).await, b"");
        peer.write(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
             2\r\nsk\r\n0\r\nx-sum: 1\r\nset-cookie: a\r\n\r\n",
        )
        .await;
        peer.closed().await;
    })
    .await;
    let gateway = Gateway::<Streamed>::to(&upstream.origin);
    let (mut sender, body) = Streamed::new(4);
    let mut request = streamed("POST", body);
    request
        .headers_mut()
        .insert("trailer", "x-evil".parse().unwrap());
    sender.send_data(Bytes::from("x")).await.unwrap();
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-evil", "1".parse().unwrap());
    sender.send_trailers(trailers).await.unwrap();
    drop(sender);
    let response = gateway.send(request).await.unwrap();
    let collected = response.into_body().collect().await.unwrap();
    let trailers = collected.trailers().unwrap();
    assert_eq!(
        (trailers.len(), trailers["x-sum"].as_bytes()),
        (1, &b"1"[..])
    );
    // What the scrubber held came before them.
    assert_eq!(collected.to_bytes(), "sk");
    assert_eq!(gateway.forwarder.idle_connections(), 1);
}

/// Fills a socket that nobody reads, and gives what became of it when the upload was cut.
async fn upload_to_one_who_does_not_read(reads_answer: bool) {
    let (say, mut closed) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Upstream::start(move |mut peer| {
        let say = say.clone();
        async move {
            peer.read_head().await.unwrap();
            peer.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no")
                .await;
            if reads_answer {
                peer.write("k").await;
            }
            // Reads nothing, and keeps the socket.
            say.send(peer).unwrap();
        }
    })
    .await;
    let shared = Shared::new(&Config::default());
    let mut gateway = Gateway::<Streamed>::to(&upstream.origin);
    let dial = Arc::new(SystemDial::build(TlsConfig::default()).unwrap());
    gateway.forwarder = Forwarder::sharing(dial, Config::default(), shared.clone());
    let (mut sender, body) = Streamed::new(1);
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let sending = tokio::spawn(async move {
        let piece = Bytes::from_static(&[b'x'; 64 * 1024]);
        while sender.send_data(piece.clone()).await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let answer = gateway.send(streamed("POST", body)).await.unwrap();
    let _peer = closed.recv().await.unwrap();
    // The socket is full when nothing has been taken for a while.
    let mut last = 0;
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        match sent.load(Ordering::SeqCst) {
            now if now == last && now > 0 => break,
            now => last = now,
        }
    }
    if reads_answer {
        assert_eq!(text(answer).await, "ok");
    } else {
        drop(answer);
    }
    tokio::time::timeout(DEADLINE, sending)
        .await
        .unwrap()
        .unwrap();
    until(|| shared.load().connections == 0).await;
}

#[tokio::test]
async fn an_upload_into_a_full_socket_ends_with_the_answer() {
    upload_to_one_who_does_not_read(true).await;
}

#[tokio::test]
async fn an_upload_into_a_full_socket_ends_when_the_answer_is_dropped() {
    upload_to_one_who_does_not_read(false).await;
}
