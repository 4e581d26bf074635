//! A TCP listener that keeps every byte.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use memchr::memmem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::timeout,
};

/// Accepts TCP connections, keeps every byte received, and answers each head with the same bytes.
///
/// It ends when dropped.
#[derive(Debug)]
pub struct RawRecorder {
    addr: SocketAddr,
    received: Arc<Received>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Received {
    connections: Mutex<Vec<Vec<u8>>>,
    changed: watch::Sender<()>,
}

impl RawRecorder {
    /// Listens on a free port of 127.0.0.1. `answer` is sent for every empty line that ends a head, as the
    /// recorder sees it: it does not parse bodies.
    ///
    /// # Panics
    ///
    /// When it cannot listen.
    pub async fn start(answer: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback can be listened on");
        let addr = listener.local_addr().expect("a listener has an address");
        let received = Arc::new(Received::default());
        let accept = accept(listener, Arc::clone(&received), answer.into().into());
        let task = tokio::spawn(accept).abort_handle();
        Self {
            addr,
            received,
            task,
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What came so far, by connection in the order of their arrival.
    #[must_use]
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.received.lock().clone()
    }

    /// Waits until `is_met` says yes to what came so far.
    ///
    /// # Panics
    ///
    /// When that takes longer than `deadline`.
    pub async fn wait_until(&self, deadline: Duration, is_met: impl Fn(&[Vec<u8>]) -> bool) {
        let mut changed = self.received.changed.subscribe();
        let waiting = async {
            while !is_met(&self.received.lock()) {
                if changed.changed().await.is_err() {
                    break;
                }
            }
        };
        assert!(
            timeout(deadline, waiting).await.is_ok(),
            "the expected bytes did not come within {deadline:?}"
        );
    }
}

impl Drop for RawRecorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Received {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, received: Arc<Received>, answer: Arc<[u8]>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = {
            let mut lists = received.lock();
            lists.push(Vec::new());
            lists.len() - 1
        };
        received.changed.send_replace(());
        connections.spawn(record(
            stream,
            number,
            Arc::clone(&received),
            Arc::clone(&answer),
        ));
        while connections.try_join_next().is_some() {}
    }
}

async fn record(mut stream: TcpStream, number: usize, received: Arc<Received>, answer: Arc<[u8]>) {
    let mut heads = 0;
    let mut buffer = Vec::with_capacity(16 * 1024);
    while let Ok(1..) = stream.read_buf(&mut buffer).await {
        let ends = {
            let mut lists = received.lock();
            lists[number].append(&mut buffer);
            memmem::find_iter(&lists[number], b"\r\n\r\n").count()
        };
        received.changed.send_replace(());
        while heads < ends {
            heads += 1;
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::RawRecorder;
    use crate::client::send_raw;

    #[tokio::test]
    async fn every_byte_is_kept_and_the_answer_is_the_canned_one() {
        let recorder =
            RawRecorder::start("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
        let request = b"GET /\xff HTTP/1.1\r\nHost:a\r\nHost : b\r\n\r\n\0rest";
        let answer = send_raw(recorder.addr(), request).await.unwrap();
        assert_eq!(answer.status, 204);
        recorder
            .wait_until(Duration::from_secs(10), |all| all.concat() == request)
            .await;
        assert_eq!(recorder.received(), [request.to_vec()]);
    }
}
