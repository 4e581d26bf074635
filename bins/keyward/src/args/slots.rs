//! `keyward vault slots …`.

use std::{num::NonZeroU32, path::PathBuf};

use clap::{Subcommand, ValueEnum};

use super::{Confirm, DryRun, vault::Place};

#[derive(Debug, Subcommand)]
pub(crate) enum SlotsCommand {
    /// List what opens the vault, without opening it; the server must be stopped
    #[command(after_help = "\
Examples:
  keyward vault slots list --config keyward.toml
  keyward vault slots list --config keyward.toml --json")]
    List {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Add a way to open the vault; the server must be stopped
    #[command(after_help = "\
A new passphrase is read from the file that KEYWARD_NEW_PASSPHRASE_FILE names, the file descriptor
KEYWARD_NEW_PASSPHRASE_FD, or the terminal. A recovery key is written to the terminal or to
--recovery-out, once. `command` adds what `[seal] command` of the configuration file writes.

Examples:
  keyward vault slots add recovery-key --config keyward.toml --recovery-out recovery-key
  keyward vault slots add key-file --key-file new.key --config keyward.toml")]
    Add(AddArgs),
    /// Take away a way to open the vault; another one must open it. The server must be stopped
    #[command(after_help = "\
Whoever has an older copy of the database and what opened the slot can still open that copy.

Examples:
  keyward vault slots remove 2 --config keyward.toml
  keyward vault slots remove 2 --config keyward.toml --yes")]
    Remove(RemoveArgs),
    /// Open the vault, and say which slot opened; the server must be stopped
    #[command(after_help = "\
Examples:
  keyward vault slots test --config keyward.toml
  keyward vault slots test --config keyward.toml --open-with recovery-key")]
    Test {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
        // Last: its heading stands above what follows it.
        #[command(flatten)]
        open: OpenArgs,
    },
}

/// What opens a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Means {
    /// A key file
    KeyFile,
    /// A passphrase
    Passphrase,
    /// A recovery key
    RecoveryKey,
    /// What the command of `[seal] command` writes
    Command,
}

/// What opens the vault, so that it can be changed.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Opening the vault")]
pub(crate) struct OpenArgs {
    /// What opens it [default: `[seal] key_file` or `command`, else `key` in the data directory, else a passphrase]
    #[arg(long, value_name = "KIND", value_enum, hide_possible_values = true)]
    pub(crate) open_with: Option<Means>,
    /// The key file that opens it
    #[arg(long, value_name = "PATH")]
    pub(crate) open_key_file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AddArgs {
    /// What is to open the vault: key-file, passphrase, recovery-key or command
    #[arg(value_enum, hide_possible_values = true)]
    pub(crate) kind: Means,
    #[command(flatten)]
    pub(crate) place: Place,
    /// The key file to add; one that does not exist is made
    #[arg(
        long,
        value_name = "PATH",
        help_heading = "The new slot",
        required_if_eq("kind", "key-file")
    )]
    pub(crate) key_file: Option<PathBuf>,
    /// Write the recovery key to a new file that only its owner may read
    #[arg(long, value_name = "FILE", help_heading = "The new slot")]
    pub(crate) recovery_out: Option<PathBuf>,
    /// Memory that each try at a passphrase or a command's output costs, in MiB [default: 256]
    #[arg(long, value_name = "MIB", help_heading = "The new slot")]
    pub(crate) memory_mib: Option<NonZeroU32>,
    #[command(flatten)]
    pub(crate) dry_run: DryRun,
    /// Print JSON, without the recovery key
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) open: OpenArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RemoveArgs {
    /// Its number, as `keyward vault slots list` shows it
    pub(crate) slot: u32,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) confirm: Confirm,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) open: OpenArgs,
}
