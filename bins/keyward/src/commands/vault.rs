//! `keyward vault …`: what is done to a vault on the machine itself, without a server.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use keyward_auth::TokenRecord;
use keyward_secret::{AccountId, SecretBytes};
use keyward_vault::{RecoveryKey, SealState, Vault};
use serde_json::{Value, json};

use crate::{
    args::vault::{InitArgs, Place},
    clock,
    commands::serve::check_key_file,
    config::Config,
    failure::Failure,
    first::{self, First, GATEWAY},
    harden::Hardening,
    logging,
    new_key::{self, NewRecoveryKey},
    open::{self, Key, Opened},
    output::Output,
    private_file, seal_command,
    secret_out::{SecretOut, What},
};

const COMMAND: &str = "vault init";
const API_TOKEN: What = What {
    name: "API token",
    option: "--token-out",
};

pub(crate) async fn init(args: InitArgs, hardening: &Hardening) -> Result<(), Failure> {
    let (mut config, data_dir) = load(&args.place)?;
    logging::init(&config.log, logging::QUIET)?;
    hardening.tell();
    if args.key_file.is_some() {
        config.seal.key_file.clone_from(&args.key_file);
    }
    if args.passphrase && config.seal.key_file.is_some() {
        return Err(Failure::usage("both a passphrase and a key file are named")
            .at("`[seal] key_file` or --key-file")
            .help("`serve` would look for the key file: leave `[seal] key_file` out of the configuration, or --passphrase"));
    }
    if args.passphrase && config.seal.command.is_some() {
        return Err(Failure::usage("both a passphrase and a command are named")
            .at("`[seal] command`")
            .help("`serve` would run the command: leave `[seal] command` out of the configuration, or --passphrase"));
    }
    config.seal.check()?;
    let opens = Opens::choose(&config, args.passphrase)?;
    let database = config.database(&data_dir);
    check_key_file(&config, &data_dir)?;
    let catalogue = config.catalogue()?;
    let mut outs = Outs {
        token: SecretOut::open(API_TOKEN, args.token_out.as_deref())?,
        recovery: None,
    };
    let made = async {
        check_new(&database).await?;
        let key = opens.key(&config).await?;
        let recovery = outs.offer_recovery(&args, &key)?;
        make_directory(&data_dir)?;
        let opened_database = open::database(&database).await?;
        let (vault, state) = first::create_vault(&key, recovery)?;
        let saved = opened_database.save_seal(state, None).await;
        saved.map_err(|error| {
            Failure::new("cannot make a vault")
                .caused_by(&error)
                .help("nothing was kept; `keyward doctor` looks at the machine")
        })?;
        let opened = open::unlock(
            opened_database,
            vault,
            catalogue,
            config.secrets_store.limits(),
        )
        .await?;
        let made = first_records(&opened).await;
        opened.store.close().await;
        Ok((made?, key))
    };
    let ((account, token, text), key) = match Box::pin(made).await {
        Ok(made) => made,
        Err(failure) => {
            outs.discard();
            return Err(failure);
        }
    };
    let result = json!({
        "account_id": account.to_string(),
        "gateway_id": GATEWAY,
        "api_token_id": token.id.to_string(),
        "api_token_file": args.token_out,
        "recovery_key_file": args.recovery_out,
        "database": database,
    });
    let sentence = format!(
        "made a vault at {}\n{}\naccount {account}, gateway {GATEWAY}",
        database.display(),
        told(&key, outs.recovery.is_some())
    );
    Output::new(args.json).done(sentence, &result)?;
    outs.token.write(&text, args.json)
}

/// Where what is shown once goes.
struct Outs {
    token: SecretOut,
    recovery: Option<NewRecoveryKey>,
}

impl Outs {
    /// A recovery key, if one is wanted. It is handed over before anything is stored that opens with it.
    fn offer_recovery(
        &mut self,
        args: &InitArgs,
        key: &Key,
    ) -> Result<Option<&RecoveryKey>, Failure> {
        let is_named = args.recovery || args.recovery_out.is_some();
        let beside = format!("the {}", key.unlock().kind().as_str());
        let is_wanted = is_named || (!args.no_recovery && new_key::is_wanted(&beside)?);
        if !is_wanted {
            return Ok(None);
        }
        let new = NewRecoveryKey::make(args.recovery_out.as_deref())?;
        let new = self.recovery.insert(new);
        new.hand_over(args.json)?;
        Ok(Some(&new.key))
    }

    fn discard(self) {
        self.token.discard();
        if let Some(recovery) = self.recovery {
            recovery.discard();
        }
    }
}

/// What opens the new vault.
#[derive(Clone, Copy, Debug)]
enum Opens {
    KeyFile,
    Passphrase,
    Command,
}

impl Opens {
    fn choose(config: &Config, passphrase: bool) -> Result<Self, Failure> {
        if passphrase {
            return Ok(Self::Passphrase);
        }
        if config.seal.key_file.is_some() {
            return Ok(Self::KeyFile);
        }
        if config.seal.command.is_some() {
            return Ok(Self::Command);
        }
        Err(Failure::usage("nothing is named that shall open the vault")
            .help("name a key file with --key-file PATH or `[seal] key_file`, or a command with `[seal] command`, or add --passphrase"))
    }

    async fn key(self, config: &Config) -> Result<Key, Failure> {
        match (self, &config.seal.key_file) {
            (Self::KeyFile, Some(path)) => Key::read_or_create(path),
            (Self::Command, _) => seal_command::run(&config.seal).await.map(Key::Command),
            _ => new_key::passphrase("KEYWARD_PASSPHRASE").map(Key::Passphrase),
        }
    }
}

/// What opens the vault, in words.
fn told(key: &Key, has_recovery: bool) -> String {
    let opens = match key {
        Key::File { path, .. } => {
            format!(
                "{} opens it: back it up, apart from the data",
                path.display()
            )
        }
        Key::Passphrase(_) => "the passphrase opens it".to_owned(),
        Key::Command(_) => "what the command writes opens it".to_owned(),
        Key::Recovery(_) => "the recovery key opens it".to_owned(),
    };
    match (key, has_recovery) {
        (_, true) => format!("{opens}\nthe recovery key opens it as well"),
        (Key::File { .. }, false) => opens,
        (_, false) => format!("{opens}: nothing else does"),
    }
}

/// Whether no vault is there yet. Looks into a database that exists, and makes none.
async fn check_new(path: &Path) -> Result<(), Failure> {
    if !path.exists() {
        return Ok(());
    }
    let database = open::database(path).await?;
    let state = open::load_seal(&database).await;
    database.close().await;
    if state?.is_none() {
        return Ok(());
    }
    Err(
        Failure::new(format!("there is a vault at {} already", path.display()))
            .in_file(path)
            .help("nothing was changed; `keyward vault status` shows what opens it"),
    )
}

fn make_directory(path: &Path) -> Result<(), Failure> {
    private_file::create_directory(path).map_err(|error| {
        Failure::new(format!("cannot make the data directory {}", path.display()))
            .caused_by(&error)
            .in_file(path)
            .help("name a place that may be written with --data-dir or `data_dir`")
    })
}

async fn first_records(opened: &Opened) -> Result<(AccountId, TokenRecord, SecretBytes), Failure> {
    let first = First {
        registry: &opened.registry,
        command: COMMAND,
        now: clock::now(),
    };
    let account = first.account(None).await?;
    first.gateway(account).await?;
    let token = first.api_token(account).await?;
    Ok((account, token.record, token.text))
}

fn load(place: &Place) -> Result<(Config, PathBuf), Failure> {
    let config = Config::load(place.config.as_deref())?;
    let data_dir = config.data_dir(place.data_dir.as_deref());
    Ok((config, data_dir))
}

pub(crate) async fn status(place: Place, json: bool) -> Result<(), Failure> {
    let (config, data_dir) = load(&place)?;
    let path = config.database(&data_dir);
    let database = open::existing_database(&path).await?;
    let state = open::load_seal(&database).await;
    database.close().await;
    let state = state?.ok_or_else(|| open::no_vault(&path))?;
    let opens = opens_by_key_file(&config, &data_dir, &state);
    let schema = schema(&path)?;
    let slots: Vec<Value> = state
        .slots
        .iter()
        .map(|slot| json!({ "id": slot.id(), "kind": slot.kind().as_str() }))
        .collect();
    let told: Vec<_> = state
        .slots
        .iter()
        .map(|slot| format!("{} {}", slot.id(), slot.kind().as_str()))
        .collect();
    let result = json!({
        "vault_id": state.vault.to_string(),
        "database": path,
        "schema": schema,
        "sealed": true,
        "slots": slots,
        "key_file_opens": opens,
    });
    let fields = [
        ("vault", state.vault.to_string()),
        ("database", path.display().to_string()),
        ("schema", schema.to_string()),
        ("state", "sealed: no server runs".to_owned()),
        ("slots", told.join(", ")),
        (
            "key file",
            match opens {
                Some(true) => "opens it",
                Some(false) => "does not open it",
                None => "none found",
            }
            .to_owned(),
        ),
    ];
    Output::new(json).fields(&fields, &result)
}

/// Whether the key file that is configured, or lies where `dev` puts it, opens the vault.
fn opens_by_key_file(config: &Config, data_dir: &Path, state: &SealState) -> Option<bool> {
    let path = config.seal.key_file.clone();
    let path = path.unwrap_or_else(|| data_dir.join(super::dev::KEY_FILE));
    if !path.exists() {
        return None;
    }
    let opens = |key: Key| Vault::unseal(state, &key.unlock()).is_ok();
    Some(Key::read(&path).is_ok_and(opens))
}

/// The version of the schema, from the file's header: the field that the application may use
/// (sqlite.org/fileformat2.html, "user version number", offset 60).
fn schema(path: &Path) -> Result<u32, Failure> {
    let read = || -> io::Result<u32> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(60))?;
        let mut bytes = [0; 4];
        file.read_exact(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    };
    read().map_err(|error| {
        Failure::new(format!("cannot read {}", path.display()))
            .caused_by(&error)
            .in_file(path)
            .help("run as the user that it belongs to")
    })
}
