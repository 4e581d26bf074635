//! `keyward config …`.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether a configuration can be used; needs no store, no network and no rights
    #[command(after_help = "\
The variables of the environment are checked with the file. What it names is not opened.

Examples:
  keyward config check keyward.toml
  keyward config check --json")]
    Check {
        /// The configuration file [default: keyward.toml here, if there is one]
        file: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what is configured, and where each value comes from
    #[command(after_help = "\
Examples:
  keyward config show keyward.toml
  keyward config show keyward.toml --effective --json")]
    Show {
        /// The configuration file [default: keyward.toml here, if there is one]
        file: Option<PathBuf>,
        /// Show the defaults of what is not set as well
        #[arg(long)]
        effective: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of a configuration file
    #[command(after_help = "\
Editors complete and check TOML with it.

Examples:
  keyward config schema
  keyward config schema --json")]
    Schema {
        /// Print it in one line
        #[arg(long)]
        json: bool,
    },
}
