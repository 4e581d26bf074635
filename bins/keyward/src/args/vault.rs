//! `keyward vault …`.

use std::path::PathBuf;

use clap::{ArgGroup, Subcommand};

use super::slots::SlotsCommand;

#[derive(Debug, Subcommand)]
pub(crate) enum VaultCommand {
    /// Make a vault with an account, the gateway `default` and one API token
    #[command(after_help = "\
The API token is written to the terminal or to --token-out, once. A key file that does not exist is made: back it up
apart from the data. A passphrase is read from the file that KEYWARD_PASSPHRASE_FILE names, the file descriptor
KEYWARD_PASSPHRASE_FD, or the terminal. With neither, the command of `[seal] command` opens the
vault. On a terminal a recovery key is offered, which opens the vault when the rest is lost.

Examples:
  keyward vault init --config keyward.toml --token-out admin-token
  keyward vault init --data-dir data --passphrase --token-out token")]
    Init(InitArgs),
    /// Add, remove and try the ways to open the vault
    #[command(subcommand)]
    Slots(SlotsCommand),
    /// Show what opens the vault, without opening it; the server must be stopped
    #[command(after_help = "\
Examples:
  keyward vault status --data-dir data
  keyward vault status --config keyward.toml --json")]
    Status {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Which vault.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("place").required(true).multiple(true).args(["config", "data_dir"]))]
pub(crate) struct Place {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The data directory
    #[arg(
        long,
        value_name = "DIR",
        env = "KEYWARD_DATA_DIR",
        hide_env_values = true
    )]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The key file that opens the vault [default: `[seal] key_file`]
    #[arg(long, value_name = "PATH")]
    pub(crate) key_file: Option<PathBuf>,
    /// Let a passphrase open the vault
    #[arg(long, conflicts_with = "key_file")]
    pub(crate) passphrase: bool,
    /// Make a recovery key, written to the terminal or to --recovery-out
    #[arg(long)]
    pub(crate) recovery: bool,
    /// Make a recovery key in a new file that only its owner may read
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery_out: Option<PathBuf>,
    /// Offer no recovery key
    #[arg(long, conflicts_with_all = ["recovery", "recovery_out"])]
    pub(crate) no_recovery: bool,
    /// Write the API token to a new file that only its owner may read
    #[arg(long, value_name = "FILE")]
    pub(crate) token_out: Option<PathBuf>,
    /// Print JSON, without the token
    #[arg(long)]
    pub(crate) json: bool,
}
