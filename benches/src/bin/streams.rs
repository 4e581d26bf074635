//! Opens many exchanges at once. Prints one JSON line when they are open and holds them until it is ended, or runs them
//! to their end and prints what came of them.

use std::{
    error::Error,
    net::SocketAddr,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use keyward_benches::{
    files,
    load::Target,
    ready,
    streams::{
        Ask,
        client::{Many, read_slowly},
    },
};

/// Many exchanges at once.
#[derive(Debug, Parser)]
struct Arguments {
    /// The listener to connect to.
    #[arg(long)]
    address: SocketAddr,
    /// The path to ask for, without a query.
    #[arg(long)]
    path: String,
    /// A header line, `name: value`; repeatable.
    #[arg(long = "header")]
    headers: Vec<String>,
    /// How many exchanges.
    #[arg(long, default_value_t = 200)]
    streams: usize,
    /// What to ask for: `hold`, `events=N&gate=K` or `bytes=N`.
    #[arg(long, default_value = "hold", value_parser = |text: &str| Ask::parse(text).ok_or("not an ask"))]
    ask: Ask,
    /// How many bytes each request's body has.
    #[arg(long, default_value_t = 0, conflicts_with = "http2")]
    upload: u64,
    /// What to do with the exchanges.
    #[arg(long, value_enum, default_value_t = Until::Open)]
    until: Until,
    /// Speak HTTP/2 in clear, with many exchanges on each connection.
    #[arg(long)]
    http2: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Until {
    /// Open them, say so, and hold them.
    Open,
    /// Open them, say so, and read 1 KiB of each every second.
    Slow,
    /// Run them to their end.
    Complete,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    files::raise_limit()?;
    let target = Target::new(arguments.address, arguments.path, arguments.headers);
    let many = Many::new(target, arguments.ask, arguments.upload, arguments.streams);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(Default::default())?;
    let opened =
        || ready::announce(&serde_json::json!({ "event": "open", "streams": many.streams }));
    runtime.block_on(async {
        match arguments.until {
            Until::Open if arguments.http2 => {
                let _held = many.open_http2().await?;
                opened()?;
                std::future::pending().await
            }
            Until::Open => {
                let _held = many.open().await?;
                opened()?;
                std::future::pending().await
            }
            Until::Slow if arguments.http2 => Err("slow readers speak HTTP/1.1 only".into()),
            Until::Slow => {
                let mut held = many.open().await?;
                opened()?;
                read_slowly(&mut held, 1024, Duration::from_secs(1)).await?;
                Ok(ExitCode::SUCCESS)
            }
            Until::Complete => {
                let started = Instant::now();
                let errors = match arguments.http2 {
                    true => many.complete_http2().await?,
                    false => many.complete().await,
                };
                ready::announce(&serde_json::json!({
                    "complete": many.streams - errors.len(),
                    "failed": errors.len(),
                    "seconds": started.elapsed().as_secs_f64(),
                    "errors": errors.iter().take(5).map(ToString::to_string).collect::<Vec<_>>(),
                }))?;
                Ok(if errors.is_empty() {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::FAILURE
                })
            }
        }
    })
}
