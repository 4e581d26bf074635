//! An upstream that a test plays by hand, byte for byte.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const DEADLINE: Duration = Duration::from_secs(20);
/// Nothing moves for so long: the other side does not want more.
const STANDSTILL: Duration = Duration::from_millis(400);

/// Listens on loopback, without TLS.
pub(crate) struct Upstream {
    listener: TcpListener,
}

/// One connection of the gateway.
pub(crate) struct Link {
    stream: TcpStream,
    /// What came and was not looked at.
    came: Vec<u8>,
}

impl Upstream {
    pub(crate) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    pub(crate) async fn accept(&self) -> Link {
        let accepted = timeout(DEADLINE, self.listener.accept()).await;
        let (stream, _) = accepted.expect("a connection in time").unwrap();
        stream.set_nodelay(true).unwrap();
        let came = Vec::new();
        Link { stream, came }
    }
}

impl Link {
    /// The next bytes up to and with `end`.
    pub(crate) async fn read_to(&mut self, end: &str) -> String {
        loop {
            let found = self
                .came
                .windows(end.len())
                .position(|bytes| bytes == end.as_bytes());
            if let Some(at) = found {
                let taken = self.came.drain(..at + end.len()).collect();
                return String::from_utf8(taken).unwrap();
            }
            let more = timeout(DEADLINE, self.stream.read_buf(&mut self.came)).await;
            let count = more
                .unwrap_or_else(|_late| panic!("no {end:?} in time"))
                .unwrap();
            assert!(count > 0, "the connection ended before {end:?}");
        }
    }

    /// The head of the next request.
    pub(crate) async fn head(&mut self) -> String {
        self.read_to("\r\n\r\n").await
    }

    pub(crate) async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Writes to a side that may be gone; whether it took it.
    pub(crate) async fn try_write(&mut self, text: &str) -> bool {
        let writing = timeout(DEADLINE, self.stream.write_all(text.as_bytes()));
        matches!(writing.await, Ok(Ok(())))
    }

    /// Writes `x` until `most` are written or nobody takes more; how many were taken.
    pub(crate) async fn write_until_standstill(&mut self, most: usize) -> usize {
        write_until_standstill(&mut self.stream, most).await
    }

    /// Reads `length` bytes and counts them only.
    pub(crate) async fn read_exactly(&mut self, length: usize) {
        let mut left = length - self.came.len();
        self.came.clear();
        let mut block = vec![0; 256 * 1024];
        while left > 0 {
            let most = block.len().min(left);
            let read = timeout(DEADLINE, self.stream.read(&mut block[..most])).await;
            let count = read.expect("bytes in time").unwrap();
            assert!(count > 0, "the connection ended early");
            left -= count;
        }
    }

    /// Ends the connection, in order or by a reset.
    pub(crate) async fn end(mut self, resets: bool) {
        if resets {
            self.stream.set_zero_linger().unwrap();
        } else {
            self.stream.shutdown().await.unwrap();
            self.rest().await;
        }
    }

    /// Waits until the gateway ends the connection, and returns what it sent before.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let ended = timeout(DEADLINE, async {
            while let Ok(1..) = self.stream.read_buf(&mut self.came).await {}
        });
        ended.await.expect("the gateway ends the connection");
        std::mem::take(&mut self.came)
    }
}

/// Writes to `stream` until `most` bytes are written or nobody takes more; how many were taken.
pub(crate) async fn write_until_standstill(stream: &mut TcpStream, most: usize) -> usize {
    let block = vec![b'x'; 256 * 1024];
    let mut written = 0;
    while written < most {
        let piece = &block[..block.len().min(most - written)];
        match timeout(STANDSTILL, stream.write(piece)).await {
            Ok(count) => written += count.unwrap(),
            Err(_standstill) => break,
        }
    }
    written
}
