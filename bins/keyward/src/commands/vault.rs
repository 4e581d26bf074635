//! `keyward vault …`: what is done to a vault on the machine itself, without a server.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use keyward_auth::TokenRecord;
use keyward_secret::{AccountId, SecretBytes};
use keyward_vault::{SealState, Vault};
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
    open::{self, Key, Opened},
    output::{Output, print, remark},
    private_file, secret_input,
};

const COMMAND: &str = "vault init";
/// Shorter passphrases are guessed. A guess itself: what is too short depends on how it was chosen.
const LEAST_PASSPHRASE: usize = 12;

/// Where the one API token goes.
enum TokenOut {
    Terminal,
    File(File, PathBuf),
}

pub(crate) async fn init(args: InitArgs, hardening: &Hardening) -> Result<(), Failure> {
    let (mut config, data_dir) = load(&args.place)?;
    logging::init(&config.log, logging::QUIET)?;
    hardening.tell();
    if args.key_file.is_some() {
        config.seal.key_file.clone_from(&args.key_file);
    }
    if !args.passphrase && config.seal.key_file.is_none() {
        return Err(Failure::usage("nothing is named that shall open the vault")
            .help("name a key file with --key-file PATH, or add --passphrase"));
    }
    if args.passphrase && config.seal.key_file.is_some() {
        return Err(Failure::usage("both a passphrase and a key file are named")
            .help("`serve` would look for the key file: leave `[seal] key_file` out of the configuration, or --passphrase"));
    }
    let database = config.database(&data_dir);
    if !args.passphrase {
        check_key_file(&config, &data_dir)?;
    }
    let catalogue = config.catalogue()?;
    let token_out = TokenOut::open(args.token_out.as_deref())?;
    let made = async {
        check_new(&database).await?;
        let key = match &config.seal.key_file {
            Some(path) if !args.passphrase => Key::read_or_create(path)?,
            _ => new_passphrase().map(Key::Passphrase)?,
        };
        make_directory(&data_dir)?;
        let opened_database = open::database(&database).await?;
        let (vault, state) = first::create_vault(&key)?;
        let saved = opened_database.save_seal(state, None).await;
        saved.map_err(|error| Failure::new("cannot make a vault").caused_by(&error))?;
        let opened = open::unlock(opened_database, vault, catalogue).await?;
        let made = first_records(&opened).await;
        opened.store.close().await;
        Ok((made?, key))
    };
    let ((account, token, text), key) = match Box::pin(made).await {
        Ok(made) => made,
        Err(failure) => {
            token_out.discard();
            return Err(failure);
        }
    };
    let result = json!({
        "account_id": account.to_string(),
        "gateway_id": GATEWAY,
        "api_token_id": token.id.to_string(),
        "api_token_file": args.token_out,
        "database": database,
    });
    let opens = match &key {
        Key::File { path, .. } => format!(
            "{} opens it: back it up, apart from the data",
            path.display()
        ),
        Key::Passphrase(_) => "the passphrase opens it: nothing else does".to_owned(),
    };
    let sentence = format!(
        "made a vault at {}\n{opens}\naccount {account}, gateway {GATEWAY}",
        database.display()
    );
    Output::new(args.json).done(sentence, &result)?;
    token_out.write(&text, args.json)
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
            .help("nothing was changed; `keyward vault status` shows what opens it"),
    )
}

fn make_directory(path: &Path) -> Result<(), Failure> {
    private_file::create_directory(path).map_err(|error| {
        Failure::new(format!("cannot make the data directory {}", path.display())).caused_by(&error)
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

/// From where the environment says, or asked for twice.
fn new_passphrase() -> Result<SecretBytes, Failure> {
    let passphrase = match secret_input::Named::find("KEYWARD_PASSPHRASE")? {
        Some(named) => named.read()?,
        None if io::stdin().is_terminal() => {
            let passphrase = secret_input::ask("New passphrase")?;
            if !secret_input::ask("The same again")?.ct_eq(&passphrase) {
                return Err(
                    Failure::new("the two passphrases differ").help("nothing was made; try again")
                );
            }
            passphrase
        }
        None => {
            return Err(Failure::usage("no passphrase is given, and nobody can be asked").help(
                "name a file that holds it in KEYWARD_PASSPHRASE_FILE, or a file descriptor in KEYWARD_PASSPHRASE_FD",
            ));
        }
    };
    if passphrase.len() < LEAST_PASSPHRASE {
        return Err(Failure::new(format!(
            "the passphrase is shorter than {LEAST_PASSPHRASE} bytes"
        ))
        .help("six random words make a good one"));
    }
    Ok(passphrase)
}

impl TokenOut {
    /// The file is made first, so that no token is lost for want of a place.
    fn open(file: Option<&Path>) -> Result<Self, Failure> {
        match file {
            Some(path) => match private_file::create_empty(path) {
                Ok(file) => Ok(Self::File(file, path.to_owned())),
                Err(error) => Err(Failure::new(format!("cannot make {}", path.display()))
                    .caused_by(&error)
                    .help("--token-out wants a file that does not exist yet")),
            },
            None if io::stdout().is_terminal() => Ok(Self::Terminal),
            None => Err(
                Failure::usage("the API token is not written to a file or pipe by itself")
                    .help("name a new file with --token-out FILE"),
            ),
        }
    }

    fn discard(self) {
        if let Self::File(_, path) = self {
            // It is ours and empty; where it cannot be removed, it does no harm.
            let _may_stay = std::fs::remove_file(path);
        }
    }

    fn write(self, text: &SecretBytes, json: bool) -> Result<(), Failure> {
        match self {
            Self::File(mut file, path) => {
                let written = file
                    .write_all(text.expose())
                    .and_then(|()| file.write_all(b"\n"))
                    .and_then(|()| file.sync_all());
                written.map_err(|error| {
                    Failure::new(format!("cannot write {}", path.display())).caused_by(&error)
                })?;
                if !json {
                    remark(format_args!("the API token is in {}", path.display()));
                }
                Ok(())
            }
            Self::Terminal => {
                let token = String::from_utf8_lossy(text.expose());
                print(format_args!("API token, shown this once: {token}"))
            }
        }
    }
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
    read()
        .map_err(|error| Failure::new(format!("cannot read {}", path.display())).caused_by(&error))
}
