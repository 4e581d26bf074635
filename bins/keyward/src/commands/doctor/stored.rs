//! Checks of what is stored: the database and its level, and what opens the vault.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use keyward_store::Database;
use keyward_vault::{SealState, SlotKind, Vault};

use super::Outcome;
use crate::{
    config::Config,
    failure::Failure,
    open::{self, Key},
    seal_command,
    secret_input::Named,
};

/// The database is one of ours, whole at its beginning, and of a level that this version knows. Read from the file's
/// header, which is of use also while a server has it open.
pub(super) fn store(database: &Path) -> Outcome {
    let header = match read_header(database) {
        Ok(header) => header,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Outcome::Failed(open::no_vault(database));
        }
        Err(error) => {
            return Outcome::Failed(
                Failure::new("the database cannot be read")
                    .caused_by(&error)
                    .at(database.display().to_string())
                    .help("run as the user that it belongs to; a file that is cut short is put back from a backup"),
            );
        }
    };
    judge_header(&header, Database::newest_schema())
        .map_err(|failure| failure.at(database.display().to_string()))
        .into()
}

/// The header of a SQLite file (sqlite.org/fileformat2.html, "The Database Header").
const HEADER: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";

fn read_header(path: &Path) -> io::Result<[u8; HEADER]> {
    let mut header = [0; HEADER];
    File::open(path)?.read_exact(&mut header)?;
    Ok(header)
}

/// The schema of a database of Keyward's; `None` of anything else.
fn schema(header: &[u8; HEADER]) -> Option<i64> {
    let number = |at: usize| {
        let bytes = header
            .get(at..at + 4)
            .and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_be_bytes)
    };
    // `KWRD`, the application's id.
    let is_ours = header.starts_with(MAGIC) && number(68) == u32::from_be_bytes(*b"KWRD");
    Some(i64::from(number(60))).filter(|schema| is_ours && *schema > 0)
}

/// Whether to open the database would bring its schema up to date.
pub(in crate::commands) fn is_older(database: &Path) -> bool {
    let header = read_header(database).ok();
    let schema = header.and_then(|header| schema(&header));
    schema.is_some_and(|schema| schema < Database::newest_schema())
}

fn judge_header(header: &[u8; HEADER], newest: i64) -> Result<String, Failure> {
    match schema(header) {
        None => Err(
            Failure::new("the database is damaged, or no database of Keyward's")
                .help("put a backup of the file in its place"),
        ),
        Some(schema) if schema > newest => Err(Failure::new(format!(
            "the database has schema {schema}, and this version knows {newest} at most"
        ))
        .help("start the version of Keyward that wrote it, or a newer one")),
        Some(schema) if schema < newest => Ok(format!(
            "schema {schema}; the next start brings it to {newest}: make a backup first"
        )),
        Some(schema) => Ok(format!("schema {schema}, the newest")),
    }
}

/// What is configured to open the vault does open it. Asks nobody.
pub(super) async fn seal(config: &Config, data_dir: &Path, database: &Path) -> Outcome {
    if let Err(failure) = config.seal.check() {
        return Outcome::Failed(failure);
    }
    if is_older(database) {
        return Outcome::Skipped("to look into the database would change its schema".to_owned());
    }
    let opened = match Database::open(database).await {
        Ok(opened) => opened,
        Err(error) if error.is_in_use() => {
            return Outcome::Skipped("a server has the vault open".to_owned());
        }
        Err(error) => {
            return Outcome::Failed(
                Failure::new("the database cannot be opened")
                    .caused_by(&error)
                    .at(database.display().to_string())
                    .help("put a backup of the file in its place"),
            );
        }
    };
    let state = open::load_seal(&opened).await;
    opened.close().await;
    match state {
        Ok(Some(state)) => opens(config, data_dir, &state).await,
        Ok(None) => Outcome::Failed(open::no_vault(database)),
        Err(failure) => Outcome::Failed(failure),
    }
}

async fn opens(config: &Config, data_dir: &Path, state: &SealState) -> Outcome {
    let slots: Vec<_> = state
        .slots
        .iter()
        .map(|slot| slot.kind().as_str())
        .collect();
    let slots = slots.join(", ");
    let beside = data_dir.join(crate::commands::dev::KEY_FILE);
    let key_file = config
        .seal
        .key_file
        .clone()
        .or_else(|| beside.exists().then_some(beside));
    let key = match (&key_file, &config.seal.command) {
        (Some(path), None) => Key::read(path),
        (_, Some(_)) => seal_command::run(&config.seal).await.map(Key::Command),
        (None, None) => match Named::find("KEYWARD_PASSPHRASE") {
            Ok(Some(named)) => named.read().map(Key::Passphrase),
            Ok(None)
                if state
                    .slots
                    .iter()
                    .any(|slot| slot.kind() == SlotKind::Passphrase) =>
            {
                return Outcome::Skipped(format!(
                    "a passphrase opens it, and none is named in KEYWARD_PASSPHRASE_FILE (slots: {slots})"
                ));
            }
            Ok(None) => {
                return Outcome::Failed(
                    Failure::unreachable("nothing is named that opens the vault")
                        .because(format!("its slots: {slots}"))
                        .help("name the key file in `[seal] key_file`, or the command in `[seal] command`"),
                );
            }
            Err(failure) => Err(failure),
        },
    };
    let key = match key {
        Ok(key) => key,
        Err(failure) => return Outcome::Failed(failure),
    };
    match Vault::unseal(state, &key.unlock()) {
        Ok(_) => Outcome::Passed(format!(
            "the {} opens it (slots: {slots})",
            key.unlock().kind().as_str()
        )),
        Err(error) => Outcome::Failed(open::sealed(&error, &key)),
    }
}

#[cfg(test)]
mod tests {
    use super::{HEADER, MAGIC, judge_header};

    fn header(schema: u32) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..16].copy_from_slice(MAGIC);
        header[60..64].copy_from_slice(&schema.to_be_bytes());
        header[68..72].copy_from_slice(b"KWRD");
        header
    }

    #[test]
    fn the_level_of_a_database_is_read_from_its_header() {
        assert!(judge_header(&header(2), 2).unwrap().contains("the newest"));
        assert!(
            judge_header(&header(1), 2)
                .unwrap()
                .contains("brings it to 2")
        );
        let newer = judge_header(&header(3), 2).unwrap_err().to_string();
        assert!(
            newer.contains("schema 3") && newer.contains("knows 2"),
            "{newer}"
        );
        let mut other = header(1);
        other[68] = b'x';
        assert!(judge_header(&other, 2).is_err());
        assert!(judge_header(&[0; HEADER], 2).is_err());
    }
}
