//! The log: lines on standard error, as text or as JSON.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt};

use crate::{
    config::{LogFormat, LogSection},
    failure::Failure,
};

/// The target of what is said once, at the start.
pub(crate) const START: &str = "keyward::start";

/// Only what somebody should act on.
pub(crate) const QUIET: &str = "warn";
/// As [`QUIET`], and a line for each thing that was started.
pub(crate) const WITH_START: &str = "warn,keyward::start=info";

/// Whether the filter is one.
pub(crate) fn check(section: &LogSection) -> Result<(), Failure> {
    section.filter.as_deref().map(parse).transpose().map(drop)
}

fn parse(directives: &str) -> Result<EnvFilter, Failure> {
    EnvFilter::try_new(directives).map_err(|error| {
        Failure::new(format!("`{directives}` is no filter for the log"))
            .caused_by(&error)
            .at("`[log] filter` or KEYWARD_LOG")
            .help("write directives such as `warn,keyward_gateway=debug`")
    })
}

/// Sends the log of this process to standard error. `default` is the filter where none is configured.
pub(crate) fn init(section: &LogSection, default: &str) -> Result<(), Failure> {
    let directives = section.filter.as_deref().unwrap_or(default);
    let filter = parse(directives)?;
    let lines = fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let installed = match section.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    installed.map_err(|error| Failure::new("cannot start the log").caused_by(&*error))
}
