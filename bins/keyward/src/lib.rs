//! The gateway binary: arguments, configuration, signals. What they mean is decided in the libraries.
//!
//! A library only so that the configuration's parser can be fuzzed: `main.rs` calls [`main`], and this is no
//! interface. Who embeds uses the crates below.

mod args;
mod attention;
mod client;
mod clock;
mod commands;
mod completion;
mod config;
mod confirm;
mod curl;
mod dev_file;
mod dry_run;
mod failure;
mod first;
mod gateway_access;
mod harden;
mod hidden;
mod import;
mod logging;
mod new_key;
mod open;
mod output;
mod pasted;
mod private_file;
mod profile;
mod program;
mod seal_command;
mod secret_body;
mod secret_input;
mod secret_out;
mod server;
mod topics;
mod typed;
mod unlock;

use std::{ffi::OsString, path::Path, process::ExitCode};

use crate::{
    args::{Command, vault::VaultCommand},
    commands::{
        audit, completions, config as configs, dev, doctor, explain, gateways, help,
        import as imports, keys, logs, man, profile as profiles, providers, routes, run as runs,
        secrets, serve, slots, snippet, status, tokens, vault,
    },
    failure::Failure,
    typed::Typed,
};

/// Threads for what is not the data plane, which brings its own: accepting, the control plane, the store.
const THREADS: usize = 2;

/// Runs the command that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(question) = completion::Question::read(std::env::args_os()) {
        question.answer();
        return ExitCode::SUCCESS;
    }
    let json = typed::wants_json(std::env::args_os());
    match obey() {
        Ok(code) => code,
        Err(failure) => {
            let failure = match failure.is_usage() {
                true => pasted::hide(failure, std::env::args_os()),
                false => failure,
            };
            failure.tell(json);
            failure.exit_code()
        }
    }
}

fn obey() -> Result<ExitCode, Failure> {
    // Before anything repeats it: an argument that is not understood is shown.
    pasted::refuse(std::env::args_os(), Path::exists)?;
    match typed::read(std::env::args_os())? {
        Typed::Args(args) => run(args.command).map(|()| ExitCode::SUCCESS),
        Typed::Help(help) => {
            // Where standard output is closed, nobody wants it.
            let _nobody_reads = help.print();
            let code = u8::try_from(help.exit_code()).unwrap_or(2);
            Ok(ExitCode::from(code))
        }
    }
}

/// Whether `text` is a configuration that can be used. `file` says where it stands; `variables` is the
/// environment above it.
///
/// # Errors
///
/// What a person is told where it is not.
pub fn check_config(
    text: &str,
    file: &Path,
    variables: impl Fn(&str) -> Option<OsString>,
) -> Result<(), String> {
    let config = config::Config::parse(text, file, variables);
    let config = config.map_err(|failure| failure.to_string())?;
    config
        .catalogue()
        .map(drop)
        .map_err(|failure| failure.to_string())
}

fn run(command: Command) -> Result<(), Failure> {
    // Before any thread is started and anything secret is read.
    let hardening = harden::process();
    let descriptors = runs::secret_descriptors();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::new("cannot start the runtime").caused_by(&error))?;
    runtime.block_on(async {
        match command {
            Command::Dev(args) => Box::pin(dev::run(args, &hardening)).await,
            Command::Serve(args) => Box::pin(serve::run(args, &hardening)).await,
            Command::Keys(command) => Box::pin(keys::run(command)).await,
            Command::Tokens(command) => Box::pin(tokens::run(command)).await,
            Command::Gateways(command) => Box::pin(gateways::run(command)).await,
            Command::Providers(command) => Box::pin(providers::run(command)).await,
            Command::Routes(command) => Box::pin(routes::run(command)).await,
            Command::Secrets(command) => Box::pin(secrets::run(command)).await,
            Command::Logs(command) => Box::pin(logs::run(command)).await,
            Command::Audit(command) => Box::pin(audit::run(command)).await,
            Command::Vault(VaultCommand::Init(args)) => {
                Box::pin(vault::init(args, &hardening)).await
            }
            Command::Vault(VaultCommand::Slots(command)) => {
                Box::pin(slots::run(command, &hardening)).await
            }
            Command::Vault(VaultCommand::Status { place, json }) => {
                Box::pin(vault::status(place, json)).await
            }
            Command::Help(args) => help::run(&args),
            Command::Doctor(args) => Box::pin(doctor::run(*args)).await,
            Command::Status { connect } => Box::pin(status::run(&connect)).await,
            Command::Config(command) => configs::run(command),
            Command::Profile(command) => profiles::run(command),
            Command::Snippet(args) => Box::pin(snippet::run(&args)).await,
            Command::Run(args) => Box::pin(runs::run(&args, &descriptors)).await,
            Command::Explain(args) => Box::pin(explain::run(&args)).await,
            Command::Import(args) => Box::pin(imports::run(&args)).await,
            Command::Man { out } => man::run(&out),
            Command::Completions { shell } => completions::run(shell),
        }
    })
}
