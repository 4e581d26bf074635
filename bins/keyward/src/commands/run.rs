//! `keyward run`: a program whose SDKs find the gateway.

use std::{
    collections::BTreeSet,
    env,
    ffi::OsStr,
    fs,
    os::{
        fd::RawFd,
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    process::Command,
};

use keyward_providers::{Catalogue, TOKEN_VARIABLE, VariableValue, rival_variables, variables};

use crate::{args::run::RunArgs, client::Client, config, failure::Failure, gateway_access};

/// Standard input, output and error are the program's own.
const LAST_STANDARD: RawFd = 2;

/// The open descriptors that variables name as holding secrets. To be asked for before this process has opened any
/// of its own, whose numbers they could be.
pub(crate) fn secret_descriptors() -> BTreeSet<RawFd> {
    let variables = config::COMMANDS.iter();
    let named =
        variables.filter(|variable| variable.leads_to_secret && variable.name.ends_with("_FD"));
    let numbers = named.filter_map(|variable| env::var(variable.name).ok()?.parse().ok());
    let is_open = |number: &RawFd| fs::symlink_metadata(format!("/dev/fd/{number}")).is_ok();
    numbers
        .filter(|number| *number > LAST_STANDARD)
        .filter(is_open)
        .collect()
}

/// `descriptors` are those of [`secret_descriptors`]: the program gets none of them.
pub(crate) async fn run(args: &RunArgs, descriptors: &BTreeSet<RawFd>) -> Result<(), Failure> {
    let [program, rest @ ..] = args.command.as_slice() else {
        return Err(Failure::usage("no program is named")
            .help("write it behind `--`: `keyward run -- python app.py`"));
    };
    let client = Client::connect(&args.connect).await?;
    let token = gateway_access::token(args.token_file.as_deref(), client.identity())?;
    let gateway = client.gateway(args.gateway.named.as_ref())?;
    let base = gateway_access::base_url(&client, &gateway).await?;
    let catalogue = Catalogue::built_in()
        .map_err(|error| Failure::new("cannot read the catalogue").caused_by(&error))?;
    let token = OsStr::from_bytes(token.expose());
    let mut command = Command::new(program);
    command.args(rest).env(TOKEN_VARIABLE, token);
    // The program uses the gateway; what the operator uses is no concern of its.
    for variable in config::COMMANDS {
        if variable.leads_to_secret {
            command.env_remove(variable.name);
        }
    }
    for provider in catalogue.iter() {
        let url = format!("{base}/{}", provider.slug());
        for variable in variables(provider, &url).into_iter().flatten() {
            match variable.value {
                VariableValue::Url(url) => command.env(variable.name, url),
                VariableValue::Token => command.env(variable.name, token),
            };
        }
        for rival in rival_variables(provider) {
            command.env_remove(rival);
        }
    }
    for descriptor in descriptors {
        // One that is closed already is as it should be.
        let _may_be_closed = nix::unistd::close(*descriptor);
    }
    // In the place of this process: signals, the terminal and the exit code are the program's own.
    let error = command.exec();
    Err(
        Failure::new(format!("cannot run {}", program.to_string_lossy()))
            .caused_by(&error)
            .help("what stands behind `--` is the program and its arguments"),
    )
}
