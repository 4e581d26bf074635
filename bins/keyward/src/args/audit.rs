//! `keyward audit …`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use keyward_store::AuditPublicKey;

use super::Connect;

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Show the newest lines of the audit log
    #[command(after_help = "\
The API token needs the permission `Keyward Audit Log Read`; lines about the vault, and attempts that named no
account, are shown to one that has `Keyward Vault Read` as well.

Examples:
  keyward audit tail
  keyward audit tail --result denied")]
    Tail {
        /// How many lines
        #[arg(long, short = 'n', value_name = "N", default_value_t = 20,
            value_parser = clap::value_parser!(u16).range(1..=1000))]
        lines: u16,
        /// Wait for more, until it is stopped
        #[arg(long, short)]
        follow: bool,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        connect: Connect,
    },
    /// Check that nothing in the audit log was changed, left out or cut off
    #[command(after_help = "\
Without COPY, the server checks its own log and the rows that it tells of, with the keyring. With COPY, nothing but
the file is needed: a copy of the database, the database of a server that runs, or an export (jsonl). A log that was
cut off at its end, or computed anew by somebody, is found by the checkpoints alone: give --public-key and
--checkpoints. What is found is told on standard error, with exit code 5.

Examples:
  keyward audit verify
  keyward audit verify .keyward/keyward.db")]
    Verify {
        /// A copy of the database, or an export
        copy: Option<PathBuf>,
        /// The key that signs checkpoints, as `keyward audit key` prints it
        #[arg(long, value_name = "KEY", requires_all = ["checkpoints", "copy"])]
        public_key: Option<AuditPublicKey>,
        /// The file of checkpoints
        #[arg(long, value_name = "FILE", requires_all = ["public_key", "copy"])]
        checkpoints: Option<PathBuf>,
        /// A key file that opens the vault of the copy: the keyed codes are checked as well
        #[arg(long, value_name = "FILE", requires = "copy")]
        key_file: Option<PathBuf>,
        #[command(flatten)]
        connect: Connect,
    },
    /// Write the audit log to standard output, the oldest line first
    #[command(after_help = "\
A jsonl export holds the lines as they are stored, and can be checked by `keyward audit verify`, if the token may
read all of them: those of one account, or since a moment, have gaps. csv is for spreadsheets.

Examples:
  keyward audit export --format csv --action gateway.create
  keyward audit export --format jsonl --since 2027-01-01")]
    Export {
        /// What is written
        #[arg(long, value_name = "FORMAT")]
        format: Format,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        connect: Connect,
    },
    /// Print the public key of the checkpoints
    #[command(after_help = "\
Keep it where whoever can write to the database cannot change it.

Examples:
  keyward audit key
  keyward audit key --json")]
    Key {
        #[command(flatten)]
        connect: Connect,
    },
}

/// Which lines.
#[derive(Debug, clap::Args)]
pub(crate) struct Filter {
    /// Not before this moment or day, such as 2027-01-15T08:00:00Z or 2027-01-15
    #[arg(long, value_name = "MOMENT")]
    pub(crate) since: Option<String>,
    /// Before this moment, or the end of this day
    #[arg(long, value_name = "MOMENT")]
    pub(crate) before: Option<String>,
    /// By this token, or by `command NAME` or `unknown`
    #[arg(long, value_name = "ACTOR")]
    pub(crate) actor: Option<String>,
    /// Of this action, such as provider_key.rotate
    #[arg(long, value_name = "ACTION")]
    pub(crate) action: Option<String>,
    /// With this result: done, denied or unauthenticated
    #[arg(long, value_name = "RESULT")]
    pub(crate) result: Option<String>,
    /// About the record with this id
    #[arg(long, value_name = "ID")]
    pub(crate) resource: Option<String>,
}

/// What an export looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object in each line
    Jsonl,
    /// Comma-separated values with a head
    Csv,
}
