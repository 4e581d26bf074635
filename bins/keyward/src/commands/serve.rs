//! `keyward serve`: the server for good, over a vault that exists.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::{
    args::ServeArgs,
    config::{self, Config},
    failure::Failure,
    harden::Hardening,
    logging::{self, START},
    open::{self, Key},
    private_file,
    server::{self, Events, Ground, Limits, Listeners, Plane, Server},
    unlock,
};

pub(crate) async fn run(args: ServeArgs, hardening: &Hardening) -> Result<(), Failure> {
    let config = Config::load(Some(&args.config))?;
    logging::init(&config.log, logging::WITH_START)?;
    hardening.tell();
    config::tell_strays();
    let data_dir = config.data_dir(None);
    let database = config.database(&data_dir);
    config.seal.check()?;
    check_key_file(&config, &data_dir)?;
    let mut limits = Limits::read(&config, args.workers)?;
    limits.count(&config).await?;
    let checkpoints = config.audit.checkpoints()?;
    let events = Events::read(&config)?;
    let gateway = address(&config, Plane::Data, &limits)?;
    let control = address(&config, Plane::Control, &limits)?;
    let catalogue = config.catalogue()?;
    let dial = server::dial(&config, &catalogue)?;
    server::raise_file_limit();
    let listeners = Listeners::bind(gateway, control, &limits).await?;

    let opened_database = open::existing_database(&database).await?;
    let unsealed = async {
        let state = open::load_seal(&opened_database).await?;
        let state = state.ok_or_else(|| open::no_vault(&database))?;
        let key = unlock::for_server(&config, &state).await?;
        let vault = open::unseal(&state, &key)?;
        Ok((key, vault, state))
    };
    let (key, vault, seal) = match unsealed.await {
        Ok(unsealed) => unsealed,
        Err(failure) => {
            // Closed and not only dropped, so that no file of its own is left beside it.
            opened_database.close().await;
            return Err(failure);
        }
    };
    let opened = open::unlock(
        opened_database,
        vault,
        catalogue,
        config.secrets_store.limits(),
    )
    .await?;

    let urls = (listeners.gateway_url(), listeners.control_url());
    let hosts = config.control.hosts();
    let server = match Server::build(listeners, opened, dial, limits, hosts, events) {
        Ok(server) => server.with_checkpoints(checkpoints).with_setup(&Ground {
            config: &config,
            data_dir: &data_dir,
            hardening,
            opened_by: key.unlock().kind(),
            seal: &seal,
            is_dev: false,
        }),
        Err((failure, opened)) => {
            opened.store.close().await;
            return Err(failure);
        }
    };
    let caps = server.caps();
    Box::pin(server.run(|_links| {
        say_what_runs(&config, &database, &urls, &key, caps.as_ref());
        Ok(())
    }))
    .await
}

/// Where a plane listens; said where it is unsafe and allowed.
fn address(config: &Config, plane: Plane, limits: &Limits) -> Result<SocketAddr, Failure> {
    let has_tls = limits.has_tls(plane);
    let address = config.address(plane, has_tls)?;
    if !has_tls && !address.ip().to_canonical().is_loopback() {
        tracing::warn!(
            %address,
            "the {plane} listens without TLS where others can reach it; `danger_plain_http_listen = true` allows it"
        );
    }
    Ok(address)
}

/// Whoever copies the data directory must not get the key to it along.
pub(crate) fn check_key_file(config: &Config, data_dir: &Path) -> Result<(), Failure> {
    let Some(key_file) = &config.seal.key_file else {
        return Ok(());
    };
    if config.seal.danger_key_beside_data {
        tracing::warn!(
            key_file = %key_file.display(),
            "the key file may lie beside the data; `[seal] danger_key_beside_data = true` allows it"
        );
        return Ok(());
    }
    let database = config.database(data_dir);
    let directories = [Some(data_dir), database.parent()];
    // Where a file is, and not by which name it is reached, decides.
    let place = real(key_file);
    let is_inside = |directory: &Path| place.starts_with(real(directory));
    if directories.into_iter().flatten().any(is_inside) {
        return Err(Failure::new(format!(
            "the key file {} lies in the data directory",
            key_file.display()
        ))
        .because("one copy or backup of the directory would take both the data and the key to it")
        .in_file(key_file)
        .help("move it elsewhere and correct `[seal] key_file`, or set `danger_key_beside_data = true`"));
    }
    if private_file::is_open_to_others(key_file) {
        tracing::warn!(
            key_file = %key_file.display(),
            "others may read the key file; `chmod 600` shuts them out"
        );
    }
    Ok(())
}

/// The path without links, also of what does not exist yet.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_empty| path.to_owned());
    let found = path.ancestors().find_map(|ancestor| {
        let rest = path.strip_prefix(ancestor).ok()?;
        Some(ancestor.canonicalize().ok()?.join(rest))
    });
    found.unwrap_or(path)
}

/// One line for each thing that runs; then silence.
fn say_what_runs(
    config: &Config,
    database: &Path,
    urls: &(String, String),
    key: &Key,
    caps: Option<&keyward_gateway::Limits>,
) {
    let roots = match config.tls.extra_ca_files.len() {
        0 => "the system's".to_owned(),
        count => format!("the system's and {count} configured"),
    };
    let seal = match key {
        Key::File { .. } => "opened by key file",
        Key::Passphrase(_) => "opened by passphrase",
        Key::Recovery(_) => "opened by recovery key",
        Key::Command(_) => "opened by command",
    };
    tracing::info!(target: START, url = urls.0, "data plane");
    tracing::info!(target: START, url = urls.1, "control plane");
    tracing::info!(target: START, path = %database.display(), "store");
    match caps {
        Some(caps) => tracing::info!(
            target: START,
            budget = %caps.budget,
            keys_and_tokens = %caps.stored,
            connections = caps.connections,
            requests = caps.requests,
            "memory"
        ),
        None => tracing::info!(target: START, budget = "none", "memory"),
    }
    tracing::info!(target: START, how = seal, "seal");
    tracing::info!(target: START, trusted = roots, "roots");
}
