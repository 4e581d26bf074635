//! Sends the job's requests without pause and prints what came of it as one JSON line.

use std::{error::Error, net::SocketAddr, process::ExitCode};

use clap::{Parser, ValueEnum};
use keyward_benches::{
    job::Answer,
    load::{self, Target},
    ready,
};

/// A closed loop of kept-alive connections.
#[derive(Debug, Parser)]
struct Arguments {
    /// The listener to connect to.
    #[arg(long)]
    address: SocketAddr,
    /// The path to ask for.
    #[arg(long)]
    path: String,
    /// A header line, `name: value`; repeatable.
    #[arg(long = "header")]
    headers: Vec<String>,
    /// How many connections.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// How many requests, over all connections.
    #[arg(long, default_value_t = 20_000)]
    requests: u64,
    /// Which answer to ask for.
    #[arg(long, value_enum, default_value_t = Kind::Json)]
    answer: Kind,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Json,
    Events,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    let answer = match arguments.answer {
        Kind::Json => Answer::Json,
        Kind::Events => Answer::Events,
    };
    let target = Target::new(arguments.address, arguments.path, arguments.headers);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build_local(Default::default())?;
    let outcome = runtime.block_on(load::run(
        &target,
        answer,
        arguments.connections,
        arguments.requests,
    ))?;
    let seconds = outcome.elapsed.as_secs_f64();
    ready::announce(&serde_json::json!({
        "succeeded": outcome.succeeded,
        "failed": arguments.requests - outcome.succeeded,
        "seconds": seconds,
        "errors": outcome.errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }))?;
    Ok(if outcome.errors.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
