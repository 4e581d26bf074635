//! A client that still sends when its answer is there gets to read it.

use keyward_listen::{Config, Linger};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{DEADLINE, LONG, Running, SHORT, patient, read_to_end};

/// Several times of what all buffers between two sockets of loopback hold.
const UPLOAD: usize = 24 * 1024 * 1024;

fn head(length: usize) -> String {
    format!("POST /early HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n")
}

/// Like a client that reads nothing before it has sent everything.
#[tokio::test]
async fn the_whole_upload_can_be_sent_and_then_the_answer_read() {
    let running = Running::start(patient()).await;
    let mut stream = running.connect_and_send(head(UPLOAD).as_bytes()).await;
    let body = vec![b'x'; UPLOAD];
    let sent = tokio::time::timeout(DEADLINE, stream.write_all(&body)).await;
    sent.expect("the upload is taken").unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    read.expect("the connection is closed")
        .expect("the connection is not reset");
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.ends_with("refused"), "{answer}");
    drop(stream);
    running.stop().await;
}

#[tokio::test]
async fn it_is_listened_to_for_so_many_bytes_and_no_more() {
    let running = Running::start(Config {
        linger: Linger {
            time: LONG,
            silence: LONG,
            bytes: 1024 * 1024,
        },
        ..patient()
    })
    .await;
    let mut stream = running
        .connect_and_send(head(usize::MAX / 2).as_bytes())
        .await;
    let chunk = vec![b'x'; 64 * 1024];
    let sending = async { while stream.write_all(&chunk).await.is_ok() {} };
    let cut = tokio::time::timeout(DEADLINE, sending).await;
    assert!(cut.is_ok(), "an endless upload is taken for ever");
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_is_silent_and_stays_is_not_waited_for() {
    for linger in [
        Linger {
            time: LONG,
            silence: SHORT,
            ..Linger::default()
        },
        Linger {
            time: SHORT,
            silence: LONG,
            ..Linger::default()
        },
    ] {
        let mut config = Config {
            linger,
            ..patient()
        };
        config.drain_timeout = LONG;
        let running = Running::start(config).await;
        let mut stream = running.connect_and_send(head(1000).as_bytes()).await;
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with(b"HTTP/1.1 401"));
        // The client keeps its side open; the server ends all the same.
        running.stop().await;
        drop(stream);
    }
}
