//! `keyward import`.

use std::path::PathBuf;

use super::{Connect, InGateway};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A key is recognised by the name of its variable and by how it begins; where the two disagree it is left alone. What
stands before or behind the usual name becomes the alias: OPENAI_API_KEY_STAGING is the key `staging` of openai.
Without --apply nothing is stored. Nothing is ever deleted from the file: the lines to delete are told.

Examples:
  keyward import .env
  keyward import --litellm config.yaml --apply")]
pub(crate) struct ImportArgs {
    /// A `.env` file
    #[arg(value_name = "FILE", required_unless_present_any = ["litellm", "env"])]
    pub(crate) file: Option<PathBuf>,
    /// A configuration file of LiteLLM's proxy
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "env"])]
    pub(crate) litellm: Option<PathBuf>,
    /// The environment of this command
    #[arg(long, conflicts_with = "file")]
    pub(crate) env: bool,
    /// Store what was found
    #[arg(long)]
    pub(crate) apply: bool,
    #[command(flatten)]
    pub(crate) gateway: InGateway,
    #[command(flatten)]
    pub(crate) connect: Connect,
}
