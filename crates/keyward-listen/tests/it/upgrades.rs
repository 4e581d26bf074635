//! Connections that go on as something else.

use keyward_listen::Config;
use tokio::io::AsyncWriteExt;

use crate::support::{LONG, Running, SHORT, patient, read_to_end, read_until};

const UPGRADE: &[u8] =
    b"GET /upgrade HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";

#[tokio::test]
async fn an_upgraded_connection_is_the_services_and_still_counts() {
    let running = Running::start(Config {
        max_connections_per_address: Some(1),
        ..patient()
    })
    .await;
    // The first bytes after the upgrade come along with its request.
    let mut stream = running.connect_and_send(&[UPGRADE, b"one"].concat()).await;
    let answer = read_until(&mut stream, "one").await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    stream.write_all(b"two").await.unwrap();
    read_until(&mut stream, "two").await;
    let mut second = running.connect().await;
    assert_eq!(read_to_end(&mut second).await, b"");
    drop(stream);
    running.stop().await;
}

#[tokio::test]
async fn serving_ends_when_upgraded_connections_have() {
    let mut running = Running::start(Config {
        idle_grace: SHORT,
        drain_timeout: LONG,
        ..patient()
    })
    .await;
    let mut stream = running.connect_and_send(UPGRADE).await;
    read_until(&mut stream, "\r\n\r\n").await;
    running.begin_stop();
    // It goes on beyond the grace, and is waited for.
    let mut interval = tokio::time::interval(3 * SHORT);
    interval.tick().await;
    interval.tick().await;
    stream.write_all(b"still there").await.unwrap();
    read_until(&mut stream, "still there").await;
    drop(stream);
    running.ended().await;
}
