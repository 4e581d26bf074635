//! The processes of a measurement: what is measured, and the upstream behind it.

mod cores;
mod keyward;

use std::{io, net::SocketAddr, path::PathBuf, process::Command};

pub(crate) use self::{cores::Cores, keyward::start_keyward};
use crate::process::{ProcessError, Running};

/// A process of a measurement could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubjectError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("cannot prepare a directory for the run")]
    Directory(#[source] io::Error),
    #[error("`{subject}` printed an address that is none")]
    Address { subject: &'static str },
}

/// The upstream that every subject forwards to.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    key: String,
    ca_file: Option<PathBuf>,
    _process: Running,
}

impl Upstream {
    /// Starts the upstream with `command`, which names the program; over TLS with a certificate written to `ca_file`
    /// when that is given.
    pub(crate) fn start(
        mut command: Command,
        ca_file: Option<PathBuf>,
    ) -> Result<Self, SubjectError> {
        if let Some(path) = &ca_file {
            command.arg("--tls-ca-out").arg(path);
        }
        let process = Running::start(&mut command)?;
        let address = parse_address(&process.ready_text("address")?, "bench-upstream")?;
        Ok(Self {
            address,
            key: process.ready_text("key")?,
            ca_file,
            _process: process,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The provider key it demands; made for measurements, no secret.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The certificate to trust; `None` when it speaks plain HTTP.
    pub(crate) fn ca_file(&self) -> Option<&PathBuf> {
        self.ca_file.as_ref()
    }
}

/// A running proxy, and how to call it.
#[derive(Debug)]
pub(crate) struct Subject {
    name: &'static str,
    address: SocketAddr,
    path: String,
    headers: Vec<String>,
    process: Running,
}

impl Subject {
    /// Describes a running proxy. `address` is where it listens.
    pub(crate) fn new(
        name: &'static str,
        address: &str,
        path: String,
        headers: Vec<String>,
        process: Running,
    ) -> Result<Self, SubjectError> {
        Ok(Self {
            name,
            address: parse_address(address, name)?,
            path,
            headers,
            process,
        })
    }

    /// Starts the minimal proxy with `command`, which names the program.
    pub(crate) fn minimal(
        name: &'static str,
        mut command: Command,
        upstream: &Upstream,
    ) -> Result<Self, SubjectError> {
        command
            .arg("--upstream")
            .arg(upstream.address().to_string());
        if let Some(path) = upstream.ca_file() {
            command.arg("--upstream-ca").arg(path);
        }
        let process = Running::start(&mut command)?;
        let headers = process
            .ready()
            .get("headers")
            .and_then(serde_json::Value::as_array);
        let headers = headers
            .into_iter()
            .flatten()
            .filter_map(|header| header.as_str().map(str::to_owned))
            .collect();
        Self::new(
            name,
            &process.ready_text("address")?,
            process.ready_text("path")?,
            headers,
            process,
        )
    }

    /// What the tables call it.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The path to ask it for.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The header lines it wants.
    pub(crate) fn headers(&self) -> &[String] {
        &self.headers
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

fn parse_address(text: &str, subject: &'static str) -> Result<SocketAddr, SubjectError> {
    text.parse().map_err(|_| SubjectError::Address { subject })
}
