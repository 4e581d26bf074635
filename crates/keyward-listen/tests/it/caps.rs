//! How many connections there may be, and how large a head.

use keyward_listen::Config;
use tokio::io::AsyncWriteExt;

use crate::support::{
    CONTINUATION, END_HEADERS, HEADERS, Running, frame, get, hello, patient, read_frame,
    read_to_end, read_until,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn one_address_has_no_more_connections_than_it_may() {
    let running = Running::start(Config {
        max_connections_per_address: Some(2),
        ..patient()
    })
    .await;
    let mut first = running.connect_and_send(GET).await;
    read_until(&mut first, "127.0.0.1").await;
    let mut second = running.connect_and_send(GET).await;
    read_until(&mut second, "127.0.0.1").await;
    let mut third = running.connect_and_send(GET).await;
    assert_eq!(read_to_end(&mut third).await, b"");
    drop(first);
    // The place is free once the server has seen the end.
    loop {
        let mut next = running.connect_and_send(GET).await;
        let mut byte = [0];
        if tokio::io::AsyncReadExt::read_exact(&mut next, &mut byte)
            .await
            .is_ok()
        {
            break;
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn beyond_all_that_may_be_connections_wait() {
    let running = Running::start(Config {
        max_connections: Some(1),
        ..patient()
    })
    .await;
    let mut first = running.connect_and_send(GET).await;
    read_until(&mut first, "127.0.0.1").await;
    let mut second = running.connect_and_send(GET).await;
    drop(first);
    read_until(&mut second, "127.0.0.1").await;
    running.stop().await;
}

#[tokio::test]
async fn heads_beyond_the_limits_are_431() {
    let running = Running::start(Config {
        max_head_bytes: 16 * 1024,
        max_headers: 20,
        ..patient()
    })
    .await;
    let long = format!("x: {}\r\n", "a".repeat(20_000));
    let many = "x: y\r\n".repeat(30);
    for lines in [long, many] {
        let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n");
        let mut stream = running.connect_and_send(head.as_bytes()).await;
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with(b"HTTP/1.1 431"));
    }
    // The same over HTTP/2: one long field, and many short ones.
    let field = |length: usize| {
        let mut field = vec![0, 1, b'x', 0x7f];
        let mut rest = length - 127;
        while rest >= 128 {
            field.push(u8::try_from(rest % 128).unwrap() | 0x80);
            rest /= 128;
        }
        field.push(u8::try_from(rest).unwrap());
        field.resize(field.len() + length, b'a');
        field
    };
    let long = [get("/"), field(16_000), field(16_000)].concat();
    let many = [get("/"), [0, 1, b'x', 1, b'y'].repeat(30)].concat();
    for block in [long, many] {
        let mut frames = hello(&[]);
        let (first, rest) = block.split_at(block.len().min(16_000));
        let flags = if rest.is_empty() { END_HEADERS } else { 0 };
        frames.extend(frame(HEADERS, flags | 1, 1, first));
        for (at, part) in rest.chunks(16_000).enumerate() {
            let is_last = (at + 1) * 16_000 >= rest.len();
            let flags = if is_last { END_HEADERS } else { 0 };
            frames.extend(frame(CONTINUATION, flags, 1, part));
        }
        let mut stream = running.connect().await;
        stream.write_all(&frames).await.unwrap();
        let status = loop {
            let (kind, _flags, _id, payload) = read_frame(&mut stream).await.expect("an answer");
            if kind == HEADERS {
                break payload;
            }
        };
        // `:status`, literal with the name's index; "431" in Huffman's code (RFC 7541, appendix B).
        assert!(
            status.starts_with(&[0x48, 0x83, 0x69, 0x90, 0xff]),
            "{status:x?}"
        );
        assert_eq!(
            running.seen.begun.load(std::sync::atomic::Ordering::SeqCst),
            0
        );
    }
    running.stop().await;
}
