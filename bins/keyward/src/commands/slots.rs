//! `keyward vault slots …`: the ways to open a vault, one by one. Each opens the database itself.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use keyward_store::Database;
use keyward_vault::{
    KeyFile, PassphraseParams, RecoveryKey, SealState, Slot, SlotChangeError, SlotKind,
    UnsealError, Unsealed, Vault, VaultStore,
};
use serde_json::{Value, json};

use crate::{
    args::{
        slots::{AddArgs, Means, OpenArgs, RemoveArgs, SlotsCommand},
        vault::Place,
    },
    commands::{doctor::stored, serve::check_key_file},
    config::Config,
    confirm::confirm,
    dry_run::{self, Plan},
    failure::Failure,
    harden::Hardening,
    logging,
    new_key::{self, NewRecoveryKey},
    open::{self, Key},
    output::Output,
    seal_command, unlock,
};

pub(crate) async fn run(command: SlotsCommand, hardening: &Hardening) -> Result<(), Failure> {
    match command {
        SlotsCommand::List { place, json } => list(&place, json).await,
        SlotsCommand::Add(args) => Box::pin(add(args, hardening)).await,
        SlotsCommand::Remove(args) => Box::pin(remove(args, hardening)).await,
        SlotsCommand::Test { place, open, json } => {
            Box::pin(test(&place, &open, json, hardening)).await
        }
    }
}

/// A vault that no server uses, still sealed.
struct Sealed {
    config: Config,
    data_dir: PathBuf,
    path: PathBuf,
    database: Database,
    state: SealState,
}

impl Sealed {
    async fn find(place: &Place, is_dry_run: bool) -> Result<Self, Failure> {
        let config = Config::load(place.config.as_deref())?;
        logging::init(&config.log, logging::QUIET)?;
        let data_dir = config.data_dir(place.data_dir.as_deref());
        let path = config.database(&data_dir);
        if is_dry_run && stored::is_older(&path) {
            return Err(
                Failure::new("a dry run would bring the database to a newer schema")
                    .at(path.display().to_string())
                    .help("make a backup, and start this version of Keyward once; or leave --dry-run out"),
            );
        }
        let database = open::existing_database(&path).await?;
        let state = open::load_seal(&database).await;
        match state.and_then(|state| state.ok_or_else(|| open::no_vault(&path))) {
            Ok(state) => Ok(Self {
                config,
                data_dir,
                path,
                database,
                state,
            }),
            Err(failure) => {
                database.close().await;
                Err(failure)
            }
        }
    }

    async fn key(&self, args: &OpenArgs) -> Result<Key, Failure> {
        unlock::for_command(args, &self.config, &self.data_dir, &self.state).await
    }

    /// Ends the work on the database. Closed and not only dropped, so that no file of its own is left beside it.
    async fn close<T>(self, result: Result<T, Failure>) -> Result<T, Failure> {
        self.database.close().await;
        result
    }

    /// Keeps the changed seal, and a line of the audit log about it, which needs the vault.
    async fn save(self, vault: Vault, changed: SealState) -> Result<(), Failure> {
        let fail =
            |error: &dyn std::error::Error| Failure::new("cannot keep the slots").caused_by(error);
        let expected = self.state.revision;
        let store = self.database.unlock(Arc::new(vault)).await;
        let store = store.map_err(|error| fail(&error))?;
        let saved = store.save_seal(changed, Some(expected)).await;
        store.close().await;
        saved.map_err(|error| fail(&error))
    }
}

async fn list(place: &Place, json: bool) -> Result<(), Failure> {
    let sealed = Sealed::find(place, false).await?;
    let rows: Vec<_> = sealed.state.slots.iter().map(row).collect();
    let values: Vec<_> = sealed.state.slots.iter().map(value).collect();
    let shown = Output::new(json).list(&["slot", "opened by", "each try costs"], &rows, &values);
    sealed.close(shown).await
}

fn row(slot: &Slot) -> Vec<String> {
    let cost = slot.params().map(|params| {
        format!(
            "{} MiB, {} passes, {} lanes",
            params.memory_kib() / 1024,
            params.iterations(),
            params.lanes()
        )
    });
    vec![
        slot.id().to_string(),
        slot.kind().as_str().to_owned(),
        cost.unwrap_or_default(),
    ]
}

fn value(slot: &Slot) -> Value {
    let (id, kind) = (slot.id(), slot.kind().as_str());
    match slot.params() {
        None => json!({ "id": id, "kind": kind }),
        Some(params) => json!({
            "id": id,
            "kind": kind,
            "memory_kib": params.memory_kib(),
            "iterations": params.iterations(),
            "lanes": params.lanes(),
        }),
    }
}

/// What the new slot is made for.
enum New {
    Key(Key),
    Recovery(NewRecoveryKey),
}

async fn add(args: AddArgs, hardening: &Hardening) -> Result<(), Failure> {
    let params = params(&args)?;
    let sealed = Sealed::find(&args.place, args.dry_run.is_wanted).await?;
    hardening.tell();
    if args.dry_run.is_wanted {
        let plan = plan_to_add(&sealed, &args, params).await;
        let told = plan.and_then(|plan| plan.tell(Output::new(args.json)));
        return sealed.close(told).await;
    }
    let (vault, state, id, new) = match prepare(&sealed, &args, params).await {
        Ok(prepared) => prepared,
        Err(failure) => return sealed.close(Err(failure)).await,
    };
    let values: Vec<_> = state.slots.iter().map(value).collect();
    let added = state.slots.iter().find(|slot| slot.id() == id);
    let kind = added.map_or("", |slot| slot.kind().as_str());
    if let Err(failure) = sealed.save(vault, state).await {
        if let New::Recovery(new) = new {
            new.discard();
        }
        return Err(failure);
    }
    let result = json!({ "id": id, "kind": kind, "slots": values });
    let place = match &new {
        New::Key(Key::File { path, .. }) => format!("{} opens it", path.display()),
        _ => format!("a {kind} opens it"),
    };
    Output::new(args.json).done(format!("added slot {id}: {place}"), &result)
}

/// As [`prepare`], but no file is made, the command of the new slot is not run, and what would be made new is forgotten
/// at once.
async fn plan_to_add(
    sealed: &Sealed,
    args: &AddArgs,
    params: PassphraseParams,
) -> Result<Plan, Failure> {
    let fail = |error: &dyn std::error::Error| {
        Failure::new("cannot try what would be made").caused_by(error)
    };
    let opened_with = sealed.key(&args.open).await?;
    let unsealed = unseal(&sealed.state, &opened_with)?;
    let generate = || RecoveryKey::generate().map_err(|error| fail(&error));
    let read = || "what was read opens no slot yet".to_owned();
    let (kind, key, fact) = match args.kind {
        Means::KeyFile => {
            let path = key_file(sealed, args)?;
            let (key, fact) = match path.exists() {
                true => (Key::read(path)?, read()),
                false => {
                    let key = KeyFile::generate().map_err(|error| fail(&error))?;
                    let fact = format!("{} would be made", path.display());
                    let path = path.to_owned();
                    (Key::File { key, path }, fact)
                }
            };
            (SlotKind::KeyFile, key, Some(fact))
        }
        Means::Passphrase => (SlotKind::Passphrase, new_passphrase()?, Some(read())),
        Means::RecoveryKey => {
            dry_run::check_new_file(args.recovery_out.as_deref(), "--recovery-out")?;
            let fact = "a recovery key would be made".to_owned();
            (SlotKind::Recovery, Key::Recovery(generate()?), Some(fact))
        }
        Means::Command => {
            seal_command::find(&sealed.config.seal)?;
            // In the place of what it would write.
            (SlotKind::Command, Key::Recovery(generate()?), None)
        }
    };
    let (_, id) = unsealed
        .with_slot(&key.unlock(), params)
        .map_err(|error| refuse("add a slot", &error))?;
    let (kind, place) = (kind.as_str(), sealed.path.display());
    let plan = Plan::new(format!("add slot {id} ({kind}) to the vault at {place}"));
    Ok(match fact {
        Some(fact) => plan.fact(fact),
        None => plan.unchecked("the command was not run"),
    })
}

/// The seal with the new slot; nothing is stored yet.
async fn prepare(
    sealed: &Sealed,
    args: &AddArgs,
    params: PassphraseParams,
) -> Result<(Vault, SealState, u32, New), Failure> {
    let key = sealed.key(&args.open).await?;
    let unsealed = unseal(&sealed.state, &key)?;
    let mut new = New::make(sealed, args).await?;
    let made = (|| {
        let changed = match &new {
            New::Key(key) => unsealed.with_slot(&key.unlock(), params),
            New::Recovery(new) => {
                unsealed.with_slot(&keyward_vault::Unlock::Recovery(&new.key), params)
            }
        };
        let changed = changed.map_err(|error| refuse("add a slot", &error))?;
        if let New::Recovery(new) = &mut new {
            new.hand_over(args.json)?;
        }
        Ok(changed)
    })();
    match made {
        Ok((state, id)) => Ok((unsealed.into_vault(), state, id, new)),
        Err(failure) => {
            if let New::Recovery(new) = new {
                new.discard();
            }
            Err(failure)
        }
    }
}

impl New {
    async fn make(sealed: &Sealed, args: &AddArgs) -> Result<Self, Failure> {
        let key = match args.kind {
            Means::KeyFile => Key::read_or_create(key_file(sealed, args)?)?,
            Means::Passphrase => new_passphrase()?,
            Means::Command => seal_command::run(&sealed.config.seal)
                .await
                .map(Key::Command)?,
            Means::RecoveryKey => {
                return NewRecoveryKey::make(args.recovery_out.as_deref()).map(Self::Recovery);
            }
        };
        Ok(Self::Key(key))
    }
}

/// The key file that is named, if it may lie there.
fn key_file<'a>(sealed: &Sealed, args: &'a AddArgs) -> Result<&'a Path, Failure> {
    let path = args.key_file.as_deref().ok_or_else(|| {
        Failure::usage("no key file is named").help("name one with --key-file PATH")
    })?;
    let mut config = sealed.config.clone();
    config.seal.key_file = Some(path.to_owned());
    check_key_file(&config, &sealed.data_dir)?;
    Ok(path)
}

fn new_passphrase() -> Result<Key, Failure> {
    new_key::passphrase("KEYWARD_NEW_PASSPHRASE").map(Key::Passphrase)
}

fn params(args: &AddArgs) -> Result<PassphraseParams, Failure> {
    let default = PassphraseParams::default();
    let Some(memory) = args.memory_mib else {
        return Ok(default);
    };
    PassphraseParams::build(
        memory.get().saturating_mul(1024),
        default.iterations(),
        default.lanes(),
    )
    .map_err(|error| {
        Failure::usage("--memory-mib cannot be used")
            .caused_by(&error)
            .at("--memory-mib")
            .help("name a number of MiB from 19 to 4096, or leave it out")
    })
}

async fn remove(args: RemoveArgs, hardening: &Hardening) -> Result<(), Failure> {
    let sealed = Sealed::find(&args.place, args.confirm.dry_run.is_wanted).await?;
    hardening.tell();
    let removed = async {
        let key = sealed.key(&args.open).await?;
        let unsealed = unseal(&sealed.state, &key)?;
        let state = unsealed
            .without_slot(args.slot)
            .map_err(|error| refuse("remove the slot", &error))?;
        let slot = sealed
            .state
            .slots
            .iter()
            .find(|slot| slot.id() == args.slot);
        let kind = slot.map_or("", |slot| slot.kind().as_str());
        let name = format!("slot {}", args.slot);
        let what = format!("{name} ({kind}) of the vault at {}", sealed.path.display());
        if !confirm(&args.confirm, Output::new(args.json), &what, &name)? {
            return Ok(None);
        }
        Ok(Some((unsealed.into_vault(), state, kind)))
    };
    let (vault, state, kind) = match removed.await {
        Ok(Some(removed)) => removed,
        Ok(None) => return sealed.close(Ok(())).await,
        Err(failure) => return sealed.close(Err(failure)).await,
    };
    let left: Vec<_> = state.slots.iter().map(value).collect();
    sealed.save(vault, state).await?;
    let result = json!({ "id": args.slot, "kind": kind, "slots": left });
    Output::new(args.json).done(
        format!(
            "removed slot {} ({kind})\nwhat opened it still opens older copies of the database",
            args.slot
        ),
        &result,
    )
}

async fn test(
    place: &Place,
    open: &OpenArgs,
    json: bool,
    hardening: &Hardening,
) -> Result<(), Failure> {
    let sealed = Sealed::find(place, false).await?;
    hardening.tell();
    let tested = async {
        let key = sealed.key(open).await?;
        let slot = unseal(&sealed.state, &key)?.slot();
        let kind = key.unlock().kind().as_str();
        let result = json!({ "id": slot, "kind": kind });
        Output::new(json).done(format!("slot {slot} ({kind}) opens the vault"), &result)
    };
    let tested = tested.await;
    sealed.close(tested).await
}

fn unseal<'a>(state: &'a SealState, key: &Key) -> Result<Unsealed<'a>, Failure> {
    Unsealed::open(state, &key.unlock()).map_err(|error: UnsealError| open::sealed(&error, key))
}

fn refuse(attempted: &str, error: &SlotChangeError) -> Failure {
    let failure = Failure::new(format!("cannot {attempted}")).because_of_sources(error);
    if error.is_last() {
        failure.help("add another one first: `keyward vault slots add`")
    } else if error.is_in_use() {
        failure.help("open the vault with another one: --open-with KIND or --open-key-file PATH")
    } else if error.is_unknown() {
        failure.help("`keyward vault slots list` shows the slots there are")
    } else {
        failure.help("nothing was changed; `keyward vault slots list` shows the slots there are")
    }
}
