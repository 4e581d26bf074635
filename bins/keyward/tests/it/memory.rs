//! What the process takes of memory while clients read nothing, and a budget that is too small.

use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use keyward_testing::Canary;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::Runtime,
};

use crate::support::{DEV, Dev, Server, keyward, run_with, send, until};

const READERS: u8 = 30;
const BUDGET_MIB: usize = 144;
/// More than the sockets on the way hold, for each reader.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;
const PIECE: &[u8] = &[b'.'; 64 * 1024];

/// Answers each request with a large body; what was written of all is counted.
async fn provide(listener: TcpListener, written: Arc<AtomicUsize>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let written = Arc::clone(&written);
        tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await?);
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {ANSWER_BYTES}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            for _ in 0..ANSWER_BYTES / PIECE.len() {
                stream.write_all(PIECE).await?;
                written.fetch_add(PIECE.len(), Ordering::SeqCst);
            }
            Ok::<(), std::io::Error>(())
        });
    }
}

/// A client with an address of its own that reads the beginning of its answer.
async fn begin(address: SocketAddr, number: u8, request: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(SocketAddr::from(([127, 0, 1, number], 0)))
        .unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    stream
}

/// The most that the process has had in memory, in KiB.
fn peak(id: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kib.parse().unwrap()
}

fn configured(directory: &TempDir, base_url: &str, gateway: &str) -> Server {
    let text = format!("[gateway]\n{gateway}\n[providers.openai]\nbase_url = \"{base_url}\"\n");
    fs::write(directory.path().join("keyward.toml"), text).unwrap();
    let mut command = keyward(directory.path(), DEV);
    command.args(["--json", "--config", "keyward.toml"]);
    Server::spawn(command, directory.path().join("log"))
}

#[test]
fn clients_that_read_nothing_do_not_take_more_than_the_budget() {
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let written = Arc::new(AtomicUsize::new(0));
    runtime.spawn(provide(listener, Arc::clone(&written)));
    let directory = TempDir::new().unwrap();
    let budget = format!("memory_budget = \"{BUDGET_MIB} MiB\"\nmax_connections = {READERS}");
    let server = configured(&directory, &base_url, &budget);
    let dev = Dev::of(server, directory);
    let key = Canary::new("slow readers");
    dev.run_with(&["keys", "add", "openai"], key.text()).ok();

    let address = dev.text("gateway_url").trim_start_matches("http://");
    let request = format!(
        "GET /v1/{}/default/openai/files/1/content HTTP/1.1\r\nhost: {address}\r\ncf-aig-authorization: Bearer {}\r\n\r\n",
        dev.text("account_id"),
        dev.text("gateway_token"),
    );
    let address = address.parse().unwrap();
    let readers: Vec<TcpStream> = runtime.block_on(async {
        let mut readers = Vec::new();
        for number in 1..=READERS {
            readers.push(begin(address, number, &request).await);
        }
        readers
    });
    // Everything on the way is full when nothing more is written for a while.
    let mut before = 0;
    until("the provider can write no more", || {
        thread::park_timeout(Duration::from_millis(500));
        let now = written.load(Ordering::SeqCst);
        now == std::mem::replace(&mut before, now)
    });
    assert!(before < usize::from(READERS) * ANSWER_BYTES);
    let peak = peak(dev.server.id());
    assert!(peak < BUDGET_MIB * 1024, "{peak} KiB");
    // As the metrics have it, each takes its place, and gives it back.
    let url = format!("{}/metrics", dev.text("control_url"));
    let shows = |line: &str| send("GET", &url, &[], "").body.contains(line);
    until("the requests are counted", || {
        shows(&format!("keyward_requests_in_flight {READERS}\n"))
    });
    drop(readers);
    until("the places come back", || {
        shows("keyward_requests_in_flight 0\n") && shows("keyward_memory_reserved_bytes 0\n")
    });
    drop(dev.stop());
}

#[test]
fn a_budget_too_small_for_what_is_configured_stops_the_start() {
    let directory = TempDir::new().unwrap();
    let text = "[gateway]\nmemory_budget = \"256 MiB\"\nmax_connections = 5000\n";
    fs::write(directory.path().join("keyward.toml"), text).unwrap();
    let mut command = keyward(directory.path(), DEV);
    command.args(["--config", "keyward.toml"]);
    run_with(command, "").failed(
        1,
        &[
            "a memory budget of 256 MiB is too small: 5000 connections",
            "at: `[gateway] memory_budget`",
            "help: raise it, or lower `max_connections`",
        ],
    );
}
