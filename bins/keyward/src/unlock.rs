//! Which of the ways that are configured, named or typed shall open the vault.

use std::{
    io::{self, IsTerminal},
    path::Path,
};

use keyward_vault::{RecoveryKey, SealState, SlotKind};

use crate::{
    args::slots::{Means, OpenArgs},
    commands::dev::KEY_FILE,
    config::Config,
    failure::Failure,
    open::Key,
    seal_command, secret_input,
};

/// What `serve` opens the vault with: the configured key file or command, else a passphrase. Never a recovery
/// key: that one is for a person who is there.
pub(crate) async fn for_server(config: &Config, state: &SealState) -> Result<Key, Failure> {
    if let Some(path) = &config.seal.key_file {
        return Key::read(path);
    }
    if config.seal.command.is_some() {
        return seal_command::run(&config.seal).await.map(Key::Command);
    }
    passphrase(state)
}

/// What a command opens the vault with: what its arguments name, else as [`for_server`], else the key file of
/// `dev`.
pub(crate) async fn for_command(
    args: &OpenArgs,
    config: &Config,
    data_dir: &Path,
    state: &SealState,
) -> Result<Key, Failure> {
    let key_file = || {
        let named = args
            .open_key_file
            .as_ref()
            .or(config.seal.key_file.as_ref());
        named.cloned().unwrap_or_else(|| data_dir.join(KEY_FILE))
    };
    match args.open_with {
        Some(Means::KeyFile) => Key::read(&key_file()),
        Some(Means::Command) => seal_command::run(&config.seal).await.map(Key::Command),
        Some(Means::Passphrase) => passphrase(state),
        Some(Means::RecoveryKey) => recovery_key(),
        None if args.open_key_file.is_some() => Key::read(&key_file()),
        None => {
            config.seal.check()?;
            let is_of_dev = config.seal.command.is_none() && key_file().exists();
            if is_of_dev {
                return Key::read(&key_file());
            }
            for_server(config, state).await
        }
    }
}

fn passphrase(state: &SealState) -> Result<Key, Failure> {
    if let Some(named) = secret_input::Named::find("KEYWARD_PASSPHRASE")? {
        return named.read().map(Key::Passphrase);
    }
    let mut kinds = state.slots.iter().map(keyward_vault::Slot::kind);
    let has_passphrase = kinds.any(|kind| kind == SlotKind::Passphrase);
    if has_passphrase && io::stdin().is_terminal() {
        return secret_input::ask("Passphrase of the vault").map(Key::Passphrase);
    }
    Err(Failure::unreachable("the vault stays sealed")
        .because("nothing that opens it is named")
        .help(if has_passphrase {
            "name a file with the passphrase in KEYWARD_PASSPHRASE_FILE, or a file descriptor in KEYWARD_PASSPHRASE_FD; or the key file in `[seal] key_file`, or the command in `[seal] command`"
        } else {
            "name the key file in `[seal] key_file`, or the command in `[seal] command`"
        }))
}

fn recovery_key() -> Result<Key, Failure> {
    let named = secret_input::Named::find("KEYWARD_RECOVERY_KEY")?;
    let text = match &named {
        Some(named) => named.read()?,
        None if io::stdin().is_terminal() => secret_input::ask("Recovery key")?,
        None => {
            return Err(Failure::unreachable("the vault stays sealed")
                .because("no recovery key is given, and nobody can be asked")
                .help("name a file that holds it in KEYWARD_RECOVERY_KEY_FILE, or a file descriptor in KEYWARD_RECOVERY_KEY_FD"));
        }
    };
    RecoveryKey::parse(text.expose())
        .map(Key::Recovery)
        .map_err(|error| {
            let failure = Failure::unreachable("the vault stays sealed")
                .caused_by(&error)
                .help("compare it with what was written down, group by group");
            match &named {
                Some(named) => failure.at(named.to_string()),
                None => failure,
            }
        })
}
