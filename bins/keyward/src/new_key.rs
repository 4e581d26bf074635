//! What a new slot is made for: a passphrase that somebody chooses, or a recovery key.

use std::{
    io::{self, IsTerminal},
    path::Path,
};

use keyward_secret::SecretBytes;
use keyward_vault::RecoveryKey;

use crate::{
    confirm,
    failure::Failure,
    output::remark,
    secret_input,
    secret_out::{SecretOut, What},
};

/// Shorter passphrases are guessed. A guess itself: what is too short depends on how it was chosen.
const LEAST_PASSPHRASE: usize = 12;
const RECOVERY_KEY: What = What {
    name: "recovery key",
    option: "--recovery-out",
};
/// How often the end of a recovery key is asked for.
const TRIES: usize = 3;

/// From where the variables `{variable}_FILE` and `{variable}_FD` say, or asked for twice.
pub(crate) fn passphrase(variable: &str) -> Result<SecretBytes, Failure> {
    let named = secret_input::Named::find(variable)?;
    let passphrase = match &named {
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
            return Err(Failure::usage("no passphrase is given, and nobody can be asked").help(format!(
                "name a file that holds it in {variable}_FILE, or a file descriptor in {variable}_FD",
            )));
        }
    };
    if passphrase.len() < LEAST_PASSPHRASE {
        let failure = Failure::new(format!(
            "the passphrase is shorter than {LEAST_PASSPHRASE} bytes"
        ))
        .help("six random words make a good one");
        return Err(match named {
            Some(named) => failure.at(named.to_string()),
            None => failure,
        });
    }
    Ok(passphrase)
}

/// A recovery key that is being handed over. Nothing opens with it until the slot is stored.
pub(crate) struct NewRecoveryKey {
    pub(crate) key: RecoveryKey,
    out: SecretOut,
}

impl NewRecoveryKey {
    /// Makes one, and the place it goes to.
    pub(crate) fn make(file: Option<&Path>) -> Result<Self, Failure> {
        let out = SecretOut::open(RECOVERY_KEY, file)?;
        if out.is_terminal() && !can_ask() {
            return Err(Failure::usage(
                "nobody can be asked whether the recovery key was written down",
            )
            .help("name a new file with --recovery-out FILE"));
        }
        match RecoveryKey::generate() {
            Ok(key) => Ok(Self { key, out }),
            Err(error) => {
                out.discard();
                Err(Failure::new("cannot make a recovery key")
                    .caused_by(&error)
                    .help("nothing was changed; try again"))
            }
        }
    }

    /// Hands it over: before its slot is stored, so that no slot is left for a key that nobody has.
    pub(crate) fn hand_over(&mut self, is_quiet: bool) -> Result<(), Failure> {
        let text = self.key.to_text();
        self.out.write(&text, is_quiet)?;
        if self.out.is_terminal() {
            let (_, end) = text.expose().split_at(text.len().saturating_sub(4));
            return has_written_down(end);
        }
        Ok(())
    }

    /// Leaves nothing behind: the slot was not stored.
    pub(crate) fn discard(self) {
        self.out.discard();
    }
}

/// Whether somebody wants a recovery key, who can be asked.
pub(crate) fn is_wanted(beside: &str) -> Result<bool, Failure> {
    if !(can_ask() && io::stdout().is_terminal()) {
        return Ok(false);
    }
    remark(format_args!(
        "A recovery key opens the vault where {beside} is lost. It is shown once, to be written down."
    ));
    let typed = confirm::ask_line("Make one? [y/N] ")?;
    Ok(matches!(
        typed.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn has_written_down(end: &[u8]) -> Result<(), Failure> {
    remark("Write it down now, and keep it apart from this machine.");
    for _ in 0..TRIES {
        let typed = confirm::ask_line("Its last four characters: ")?;
        if typed.trim().as_bytes().eq_ignore_ascii_case(end) {
            return Ok(());
        }
        remark("That is not how it ends.");
    }
    Err(Failure::new("the recovery key was not taken down").help("nothing was changed; try again"))
}
