//! `keyward profile …`.

use std::path::PathBuf;

use clap::Subcommand;
use keyward_registry::GatewayId;
use keyward_secret::AccountId;

use super::Confirm;
use crate::profile::Name;

#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// List the profiles; a `*` marks the one in use
    #[command(after_help = "\
Examples:
  keyward profile list
  keyward profile list --json")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a profile
    #[command(after_help = "\
Examples:
  keyward profile show
  keyward profile show work --json")]
    Show {
        /// Its name [default: the one in use]
        #[arg(value_parser = Name::parse)]
        name: Option<Name>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a profile, or change what is named of one
    #[command(after_help = "\
The profile holds the path of the token's file, never the token. The first one that is made is put to use.

Examples:
  keyward profile set work --control-url https://keys.example.com --token-file work-token
  keyward profile set work --gateway production")]
    Set(SetProfile),
    /// Use a profile where none is named
    #[command(after_help = "\
Examples:
  keyward profile use work
  keyward profile use work --json")]
    Use {
        /// Its name
        #[arg(value_parser = Name::parse)]
        name: Name,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a profile; the token's file stays
    #[command(after_help = "\
Examples:
  keyward profile remove work
  keyward profile remove work --yes")]
    Remove {
        /// Its name
        #[arg(value_parser = Name::parse)]
        name: Name,
        #[command(flatten)]
        confirm: Confirm,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetProfile {
    /// Its name: 1 to 64 of a-z, 0-9, `-` and `_`
    #[arg(value_parser = Name::parse)]
    pub(crate) name: Name,
    /// Where the control plane is; a new profile needs it
    #[arg(long, value_name = "URL")]
    pub(crate) control_url: Option<String>,
    /// The file that holds the API token
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The gateway that commands mean where none is named
    #[arg(long, value_name = "ID", value_parser = GatewayId::parse)]
    pub(crate) gateway: Option<GatewayId>,
    /// The account
    #[arg(long, value_name = "ID", value_parser = AccountId::parse)]
    pub(crate) account: Option<AccountId>,
    /// Certificate authorities to trust besides the system's, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
