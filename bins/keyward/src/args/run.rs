//! `keyward run` and `keyward snippet`: using a provider through the gateway.

use std::{ffi::OsString, path::PathBuf};

use clap::ValueEnum;
use keyward_providers::Language;
use keyward_registry::ProviderSlug;

use super::{Connect, InGateway};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The lines read the gateway token from the variable KEYWARD_TOKEN; they hold none. Names of models are examples.

Examples:
  keyward snippet openai
  keyward snippet anthropic --lang python --gateway production")]
pub(crate) struct SnippetArgs {
    /// The provider
    #[arg(value_parser = ProviderSlug::parse)]
    pub(crate) provider: ProviderSlug,
    /// What to write it in
    #[arg(long, value_enum, default_value = "curl", value_name = "LANGUAGE")]
    pub(crate) lang: Lang,
    #[command(flatten)]
    pub(crate) gateway: InGateway,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Sets OPENAI_BASE_URL and OPENAI_API_KEY, and the same of the SDKs of Anthropic and Google, for the program alone, and
KEYWARD_TOKEN; takes away variables that those SDKs would prefer. The token stands in the program's environment, where
its user can see it. The exit code is the program's.

The gateway token comes from --token-file, else from the file that KEYWARD_GATEWAY_TOKEN_FILE names or the descriptor
that KEYWARD_GATEWAY_TOKEN_FD names, else from dev.json where the API token comes from there as well. Variables that
name an operator's secrets, such as KEYWARD_API_TOKEN_FILE, are taken away.

Examples:
  keyward run -- python3 app.py
  keyward run --gateway production --token-file app-token -- python3 app.py")]
pub(crate) struct RunArgs {
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
    /// A file that holds the gateway token
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) gateway: InGateway,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// [`Language`], as it is typed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lang(pub(crate) Language);

impl ValueEnum for Lang {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [Lang; 5] = [
            Lang(Language::Curl),
            Lang(Language::Python),
            Lang(Language::TypeScript),
            Lang(Language::Rust),
            Lang(Language::Env),
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(self.0.name().into())
    }
}
