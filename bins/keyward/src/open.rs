//! Opening what is stored: the database, the vault in it, and the picture of both in memory.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use keyward_providers::Catalogue;
use keyward_registry::{Actor, Registry, RegistryStore, SecretLimits, StoreError};
use keyward_secret::SecretBytes;
use keyward_store::{Database, OpenError, SqliteStore};
use keyward_vault::{CommandOutput, KeyFile, RecoveryKey, SealState, Unlock, UnsealError, Vault};

use crate::{clock, failure::Failure, private_file, secret_input};

/// What opens a vault.
pub(crate) enum Key {
    File { key: KeyFile, path: PathBuf },
    Passphrase(SecretBytes),
    Recovery(RecoveryKey),
    Command(CommandOutput),
}

/// An unsealed vault, its store, and everything in it.
pub(crate) struct Opened {
    pub(crate) registry: Arc<Registry>,
    pub(crate) store: Arc<SqliteStore>,
}

impl Key {
    /// Reads a key file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display();
        let text = secret_input::read_file(path).map_err(|failure| {
            Failure::unreachable(format!(
                "the vault stays sealed: cannot read the key file {name}"
            ))
            .because(first_cause(&failure))
            .in_file(path)
            .help("name the right file in `[seal] key_file`, or restore it from its backup")
        })?;
        let key = KeyFile::parse(text.expose()).map_err(|error| {
            Failure::unreachable(format!("the vault stays sealed: {name} cannot be used"))
                .caused_by(&error)
                .in_file(path)
                .help("restore the key file from its backup")
        })?;
        Ok(Self::File {
            key,
            path: path.to_owned(),
        })
    }

    /// Reads the key file at `path`, or makes one (mode 0600) where there is none.
    pub(crate) fn read_or_create(path: &Path) -> Result<Self, Failure> {
        let missing =
            matches!(fs::metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound);
        if !missing {
            return Self::read(path);
        }
        let fail = |error: &dyn std::error::Error| {
            Failure::new(format!("cannot make the key file {}", path.display()))
                .caused_by(error)
                .in_file(path)
                .help("name a file in a directory that exists and may be written")
        };
        let key = KeyFile::generate().map_err(|error| fail(&error))?;
        // Whole or not at all: half a key file would keep the next start from making one.
        private_file::replace(path, key.to_text().expose()).map_err(|error| fail(&error))?;
        Ok(Self::File {
            key,
            path: path.to_owned(),
        })
    }

    /// As the vault takes it.
    pub(crate) const fn unlock(&self) -> Unlock<'_> {
        match self {
            Self::File { key, .. } => Unlock::KeyFile(key),
            Self::Passphrase(passphrase) => Unlock::Passphrase(passphrase),
            Self::Recovery(key) => Unlock::Recovery(key),
            Self::Command(output) => Unlock::Command(output),
        }
    }
}

/// The last words of a failure that becomes the cause of another.
fn first_cause(failure: &Failure) -> String {
    let told = failure.to_string();
    let cause = told.lines().find_map(|line| line.strip_prefix("  cause: "));
    cause.unwrap_or("it cannot be read").to_owned()
}

/// Opens the database, or makes it in a directory that exists.
pub(crate) async fn database(path: &Path) -> Result<Database, Failure> {
    Database::open(path).await.map_err(|error| refuse(&error))
}

/// Opens a database that is there already.
pub(crate) async fn existing_database(path: &Path) -> Result<Database, Failure> {
    if !path.exists() {
        return Err(no_vault(path));
    }
    database(path).await
}

/// There is no vault here.
pub(crate) fn no_vault(path: &Path) -> Failure {
    Failure::new(format!("there is no vault at {}", path.display())).in_file(path).help(
        "make one with `keyward vault init`, or name another with --data-dir, `data_dir` or `[store] path`",
    )
}

fn refuse(error: &OpenError) -> Failure {
    let failure = Failure::new(error.to_string())
        .because_of_sources(error)
        .in_file(error.path());
    if error.is_in_use() {
        failure.help("stop the server that uses it, or name another directory with --data-dir; whether it serves, GET /readyz on its control plane says")
    } else if error.is_missing_directory() {
        failure.help("create the directory, or name another with `data_dir`")
    } else if error.is_damaged() {
        failure.help("nothing was changed; put a backup of the file in its place")
    } else if error.is_newer() {
        failure
            .help("nothing was changed; start the version of Keyward that wrote it, or a newer one")
    } else {
        failure.help("correct the owner and the mode of the file and of its directory; `keyward doctor` looks at both")
    }
}

/// Reads the seal; `None` where no vault was made yet.
pub(crate) async fn load_seal(database: &Database) -> Result<Option<SealState>, Failure> {
    database.load_seal().await.map_err(|error| {
        Failure::new("cannot read the vault's seal")
            .caused_by(&error)
            .help("restore the database from a backup")
    })
}

/// Unseals the vault.
pub(crate) fn unseal(state: &SealState, key: &Key) -> Result<Vault, Failure> {
    Vault::unseal(state, &key.unlock()).map_err(|error| sealed(&error, key))
}

/// Why the vault stays sealed.
pub(crate) fn sealed(error: &UnsealError, key: &Key) -> Failure {
    if !error.is_wrong_unlock() {
        return Failure::new(error.to_string())
            .because_of_sources(error)
            .help("`keyward vault slots list` shows what opens the vault, `keyward doctor` whether the database is whole");
    }
    let failure = Failure::unreachable("the vault stays sealed").because_of_sources(error);
    match key {
        Key::File { path, .. } => failure.at(path.display().to_string()).help(
            "`keyward vault status` lists the slots; name the key file that belongs to this vault",
        ),
        Key::Passphrase(_) => failure.help(
            "try the passphrase again; `keyward vault slots list` shows whether there is a slot for one",
        ),
        Key::Recovery(_) => failure.help("it may be another vault's, or its slot was removed"),
        Key::Command(_) => failure.help(
            "`keyward vault slots list` shows the slots; `keyward vault slots add command` lets the command in",
        ),
    }
}

/// Opens the store with an unsealed vault, and reads everything in it.
pub(crate) async fn unlock(
    database: Database,
    vault: Vault,
    catalogue: Catalogue,
    limits: SecretLimits,
) -> Result<Opened, Failure> {
    let vault = Arc::new(vault);
    let store = database
        .unlock(Arc::clone(&vault))
        .await
        .map_err(|error| refuse(&error))?;
    let store = Arc::new(store);
    let shared = Arc::clone(&store) as Arc<dyn RegistryStore>;
    match open_registry(shared, vault, catalogue, limits).await {
        Ok(registry) => Ok(Opened {
            registry: Arc::new(registry),
            store,
        }),
        Err(error) => {
            store.close().await;
            Err(Failure::new("cannot read what is stored")
                .caused_by(&error)
                .help("restore the database from a backup"))
        }
    }
}

/// Reads everything, and makes the first secrets store of accounts that are older than stores are.
async fn open_registry(
    store: Arc<dyn RegistryStore>,
    vault: Arc<Vault>,
    catalogue: Catalogue,
    limits: SecretLimits,
) -> Result<Registry, StoreError> {
    let registry = Registry::open(store, vault, Arc::new(catalogue)).await?;
    registry
        .make_first_secrets_stores(Actor::Command("open"), clock::now())
        .await?;
    Ok(registry.with_secret_limits(limits))
}
