//! Runs the minimal proxy as a process of its own. Prints where it listens and how to call it as one JSON line.

use std::{error::Error, net::SocketAddr, path::PathBuf};

use clap::Parser;
use keyward_benches::{files, job, minimal_proxy, ready, tls};
use tokio::net::TcpListener;

/// The least a proxy has to do, to compare with.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where to forward.
    #[arg(long)]
    upstream: SocketAddr,
    /// Speak TLS to the upstream and trust the certificates in this PEM file.
    #[arg(long)]
    upstream_ca: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    files::raise_limit()?;
    let tls = arguments
        .upstream_ca
        .as_deref()
        .map(tls::client)
        .transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build_local(Default::default())?;
    runtime.block_on(async {
        let listener = TcpListener::bind(arguments.listen).await?;
        ready::announce(&serde_json::json!({
            "event": "ready",
            "address": listener.local_addr()?.to_string(),
            "path": job::CLIENT_PATH,
            "headers": [format!("cf-aig-authorization: {}", job::GATEWAY_TOKEN)],
        }))?;
        Ok(minimal_proxy::serve(listener, arguments.upstream, tls).await?)
    })
}
