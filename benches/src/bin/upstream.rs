//! Runs the fast upstream as a process of its own. Prints its address and the key it wants as one JSON line.

use std::{error::Error, net::SocketAddr, path::PathBuf};

use clap::Parser;
use keyward_benches::{files, job, ready, streams, tls, upstream};
use tokio::net::TcpListener;

/// A provider that answers at once.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Speak TLS with a certificate made for this run, and write it to this PEM file.
    #[arg(long)]
    tls_ca_out: Option<PathBuf>,
    /// Answer what the query asks for, as the measurements of many streams want it.
    #[arg(long)]
    streams: bool,
    /// Speak HTTP/2 with who offers it by ALPN.
    #[arg(long, requires_all = ["streams", "tls_ca_out"])]
    http2: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    files::raise_limit()?;
    let tls = match &arguments.tls_ca_out {
        None => None,
        Some(path) => {
            let protocols: &[&[u8]] = if arguments.http2 { &[b"h2"] } else { &[] };
            let (config, pem) = tls::server(protocols)?;
            std::fs::write(path, pem)?;
            Some(config)
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build_local(Default::default())?;
    runtime.block_on(async {
        let listener = TcpListener::bind(arguments.listen).await?;
        ready::announce(&serde_json::json!({
            "event": "ready",
            "address": listener.local_addr()?.to_string(),
            "key": job::PROVIDER_KEY,
        }))?;
        if arguments.streams {
            return Ok(streams::upstream::serve(listener, tls).await?);
        }
        Ok(upstream::serve(listener, tls).await?)
    })
}
