//! `cargo xtask show resets`, `chunks` and `h2`: what a hostile or an ordinary HTTP client does to a running server.

use std::{
    error::Error,
    fs, io,
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use keyward_testing::{
    Canary, FakeProvider, Placement,
    client::Client,
    http2::{self, block, flag, frame, kind},
};
use tokio::runtime::Runtime;

use crate::{
    process::{self, Running},
    workspace::Workspace,
};

const RESETS: u32 = 100_000;
/// Requests of the other client before the flood.
const REQUESTS: usize = 5_000;

/// `keyward dev` in a directory of its own.
struct Dev {
    running: Running,
    addr: SocketAddr,
    /// The chat with the built-in provider.
    path: String,
    account: String,
    token: String,
    directory: tempfile::TempDir,
}

impl Dev {
    /// Builds the binary as tests do, and starts it with this configuration.
    fn start(workspace: &Workspace, config: &str) -> Result<Self, Box<dyn Error>> {
        process::run(&mut workspace.cargo(["build", "--quiet", "-p", "keyward"]))?;
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("keyward.toml");
        fs::write(&file, config)?;
        let mut command = Command::new(workspace.target().join("debug/keyward"));
        command.current_dir(directory.path()).args([
            "dev",
            "--json",
            "--config",
            "keyward.toml",
            "--listen",
            "127.0.0.1:0",
            "--control-listen",
            "127.0.0.1:0",
        ]);
        let running = Running::start(&mut command)?;
        let url = running.ready_text("gateway_url")?;
        let addr = url.trim_start_matches("http://").parse()?;
        let account = running.ready_text("account_id")?;
        Ok(Self {
            path: format!("/v1/{account}/default/echo/chat/completions"),
            token: format!("Bearer {}", running.ready_text("gateway_token")?),
            account,
            addr,
            running,
            directory,
        })
    }

    fn resident_kib(&self) -> Result<u64, Box<dyn Error>> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.running.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.ok_or("no VmRSS")?.parse()?)
    }

    /// CPU time so far, in ticks of a hundredth of a second.
    fn ticks(&self) -> Result<u64, Box<dyn Error>> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.running.pid()))?;
        let behind_name = stat.rsplit(')').next().unwrap_or_default();
        let fields = behind_name.split_whitespace().skip(11).take(2);
        let ticks: Result<Vec<u64>, _> = fields.map(str::parse).collect();
        Ok(ticks?.iter().sum())
    }

    /// A request of the other client; how long it took.
    async fn ask(&self, client: &mut Client) -> Result<Duration, Box<dyn Error>> {
        let started = Instant::now();
        let headers = [("cf-aig-authorization", self.token.as_str())];
        let answer = client
            .post(&self.path, &headers, br#"{"messages":[]}"#)
            .await?;
        if answer.status != 200 {
            return Err(format!("the other client got a {}", answer.status).into());
        }
        Ok(started.elapsed())
    }
}

/// 100,000 requests, each reset at once, while another client asks on.
pub(crate) fn resets(workspace: &Workspace) -> Result<(), Box<dyn Error>> {
    let dev = Dev::start(workspace, "")?;
    Runtime::new()?.block_on(async {
        let mut client = Client::connect(dev.addr).await?;
        let mut quiet = Vec::new();
        for _ in 0..REQUESTS {
            quiet.push(dev.ask(&mut client).await?);
        }
        let before = dev.resident_kib()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let flood = tokio::spawn(flood(dev.addr, reset_request(&dev), Arc::clone(&is_over)));
        let mut during = Vec::new();
        let mut most = before;
        while !is_over.load(Ordering::Relaxed) {
            during.push(dev.ask(&mut client).await?);
            if during.len() % 200 == 0 {
                most = most.max(dev.resident_kib()?);
            }
        }
        let (connections, took) = flood.await??;
        let mut after = Vec::new();
        for _ in 0..REQUESTS {
            after.push(dev.ask(&mut client).await?);
        }
        println!(
            "{RESETS} requests that were reset, on {connections} connections, in {:.1} s; resident {before} KiB \
             before, at most {most} KiB during, {} KiB after",
            took.as_secs_f64(),
            dev.resident_kib()?
        );
        for (when, latencies) in [("before", quiet), ("during", during), ("after", after)] {
            let count = latencies.len();
            let (median, p99) = (percentile(latencies.clone(), 50), percentile(latencies, 99));
            println!(
                "another client {when}: {count} requests, median {:.2} ms, 99th percentile {:.2} ms",
                median.as_secs_f64() * 1e3,
                p99.as_secs_f64() * 1e3
            );
        }
        Ok(())
    })
}

fn percentile(mut latencies: Vec<Duration>, percent: usize) -> Duration {
    latencies.sort_unstable();
    let at = latencies.len() * percent / 100;
    latencies
        .get(at)
        .or(latencies.last())
        .copied()
        .unwrap_or_default()
}

/// The fields of a request that gets as far as the provider.
fn reset_request(dev: &Dev) -> Vec<u8> {
    block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", &dev.path),
        ("cf-aig-authorization", &dev.token),
    ])
}

/// Sends the requests, on a new connection whenever the server has ended the last; how many it took, and how long.
///
/// A PING behind every ten makes sure that the server has got to them: what waits in the kernel costs it nothing.
async fn flood(
    addr: SocketAddr,
    request: Vec<u8>,
    is_over: Arc<AtomicBool>,
) -> io::Result<(u32, Duration)> {
    const PING: &[u8; 8] = b"flooding";
    let started = Instant::now();
    let (mut sent, mut connections) = (0, 0);
    while sent < RESETS {
        let mut connection = http2::Connection::open(addr).await?;
        connections += 1;
        let mut number = 0;
        let mut is_open = true;
        while is_open && sent < RESETS {
            let mut bytes = Vec::new();
            for _ in 0..10 {
                let stream = 2 * number + 1;
                bytes.extend(frame(kind::HEADERS, flag::END_HEADERS, stream, &request));
                bytes.extend(frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
                number += 1;
            }
            bytes.extend(frame(kind::PING, 0, 0, PING));
            sent += 10;
            is_open = connection.send(&bytes).await.is_ok()
                && !connection.watch(0, PING, false).await.outcome.is_closed;
        }
    }
    is_over.store(true, Ordering::Relaxed);
    Ok((connections, started.elapsed()))
}

/// 10 MiB in chunks of one byte and in chunks of 16 KiB: CPU time of the server.
pub(crate) fn chunks(workspace: &Workspace) -> Result<(), Box<dyn Error>> {
    const LENGTH: usize = 10 << 20;
    let runtime = Runtime::new()?;
    let own = Canary::new("tiny chunks");
    let provider = runtime.block_on(FakeProvider::start(Placement::bearer(), [own.text()]));
    let config = format!("[providers.openai]\nbase_url = \"{}\"\n", provider.origin());
    let dev = Dev::start(workspace, &config)?;
    runtime.block_on(async {
        let mut used = Vec::new();
        for size in [16 * 1024, 16 * 1024, 1] {
            let mut body = Vec::new();
            let data = vec![b' '; size];
            for _ in 0..LENGTH / size {
                body.extend(format!("{size:x}\r\n").bytes());
                body.extend_from_slice(&data);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\n");
            let head = format!(
                "POST /v1/{}/default/openai/chat/completions HTTP/1.1\r\nHost: a\r\ncf-aig-authorization: {}\r\n\
                 Authorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\r\n",
                dev.account,
                dev.token,
                own.text()
            );
            let bytes = [head.as_bytes(), &body].concat();
            let client = Client::connect(dev.addr).await?;
            let mut client = client.with_deadline(Duration::from_secs(600));
            let (before, started) = (dev.ticks()?, Instant::now());
            let answer = client.exchange(&bytes).await?;
            let arrived: usize = provider.take_recorded().iter().map(|request| request.body.len()).sum();
            let ticks = dev.ticks()? - before;
            println!(
                "10 MiB in chunks of {size} bytes, {} bytes on the wire: {} in {:.1} s, {} bytes arrived, {:.2} s of CPU",
                bytes.len(),
                answer.status,
                started.elapsed().as_secs_f64(),
                arrived,
                hundredths(ticks)
            );
            used.push(ticks.max(1));
        }
        if let [_warming, large, tiny] = used[..] {
            println!("CPU of one-byte chunks to that of 16 KiB: {:.1}", hundredths(tiny) / hundredths(large));
        }
        Ok(())
    })
}

fn hundredths(ticks: u64) -> f64 {
    f64::from(u32::try_from(ticks).unwrap_or(u32::MAX)) / 100.0
}

/// nghttp2's own client and load generator against a running server.
pub(crate) fn h2(workspace: &Workspace) -> Result<(), Box<dyn Error>> {
    if process::output(Command::new("nghttp").arg("--version")).is_err() {
        if !rustix::process::getuid().is_root() {
            return Err("nghttp is not installed (`apt-get install nghttp2-client`)".into());
        }
        process::run(Command::new("apt-get").args([
            "install",
            "--yes",
            "--quiet",
            "nghttp2-client",
        ]))?;
    }
    let dev = Dev::start(workspace, "")?;
    let url = format!("http://{}{}", dev.addr, dev.path);
    let body = write_body(dev.directory.path())?;
    let header = format!("cf-aig-authorization: {}", dev.token);
    let shown = process::output(
        Command::new("nghttp").args(["--no-dep", "-v", "-H", &header, "-d", &body, &url]),
    )?;
    for line in shown.lines().filter(|line| {
        line.contains(":status") || line.contains("GOAWAY") || line.contains("SETTINGS")
    }) {
        println!("{}", line.trim());
    }
    for (clients, streams) in [("1", "1"), ("10", "10"), ("4", "100")] {
        let arguments = [
            "-n", "5000", "-c", clients, "-m", streams, "-H", &header, "-d", &body, &url,
        ];
        let report = process::output(Command::new("h2load").args(arguments))?;
        println!("h2load, {clients} connections, {streams} streams each:");
        for line in report.lines().filter(|line| {
            ["finished", "requests:", "status codes:"]
                .iter()
                .any(|start| line.starts_with(start))
        }) {
            println!("  {line}");
        }
    }
    Ok(())
}

fn write_body(directory: &Path) -> io::Result<String> {
    let file = directory.join("body.json");
    fs::write(&file, r#"{"messages":[]}"#)?;
    Ok(file.to_string_lossy().into_owned())
}
