//! `keyward secrets …`.

use clap::Subcommand;
use keyward_registry::{SecretName, SecretScope};

use super::{Confirm, Connect, DryRun, Now, keys::ValueFrom};

/// In which store the secrets stand.
#[derive(Debug, clap::Args)]
pub(crate) struct InStore {
    /// The secrets store, by name or id [default: the only one, else default_secrets_store]
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<String>,
}

fn name(text: &str) -> Result<SecretName, String> {
    // What was typed is not repeated: it may be the value.
    SecretName::parse(text).map_err(|error| error.to_string())
}

fn scope(text: &str) -> Result<SecretScope, String> {
    text.parse::<SecretScope>()
        .map_err(|error| error.to_string())
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    /// Store a secret
    #[command(after_help = "\
The value is asked for on a terminal, else read from standard input or --from-file. A secret with the scope
ai_gateway whose name is GATEWAY_PROVIDER_ALIAS is sealed for that provider; any other goes nowhere.

Examples:
  keyward secrets create default_openai_default
  keyward secrets create backup --scope workers --from-file backup-value")]
    Create {
        /// Its name: letters, digits, `_` and `-`
        #[arg(value_parser = name)]
        name: SecretName,
        /// A service that may use it: ai_gateway, workers, dex, access, containers or websearch; may be repeated
        #[arg(long = "scope", value_name = "SCOPE", value_parser = scope, default_value = "ai_gateway")]
        scopes: Vec<SecretScope>,
        /// A note for people
        #[arg(long, value_name = "TEXT", default_value = "")]
        comment: String,
        #[command(flatten)]
        value: ValueFrom,
        #[command(flatten)]
        store: InStore,
        #[command(flatten)]
        dry_run: DryRun,
        #[command(flatten)]
        connect: Connect,
    },
    /// List secrets
    #[command(after_help = "\
Examples:
  keyward secrets list
  keyward secrets list --scope ai_gateway --search openai --json")]
    List {
        /// Only those whose name or comment holds this
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// Only those with this scope; repeated, with all of them
        #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
        scopes: Vec<SecretScope>,
        #[command(flatten)]
        store: InStore,
        #[command(flatten)]
        connect: Connect,
    },
    /// Show everything about a secret but its value
    #[command(after_help = "\
Examples:
  keyward secrets show default_openai_default
  keyward secrets show default_openai_default --json")]
    Show {
        /// Its name
        #[arg(value_parser = name)]
        name: SecretName,
        #[command(flatten)]
        store: InStore,
        #[command(flatten)]
        connect: Connect,
    },
    /// Change a secret's value, scopes or comment
    #[command(after_help = "\
A new value goes where the old one went. No request that starts after the command returned uses the old one; those
under way finish, unless --now cuts them.

Examples:
  keyward secrets update default_openai_default --new-value
  keyward secrets update default_openai_default --scope ai_gateway --comment 'team a'")]
    Update {
        /// Its name
        #[arg(value_parser = name)]
        name: SecretName,
        /// Replace the value: asked for on a terminal, else read from standard input
        #[arg(long)]
        new_value: bool,
        #[command(flatten)]
        value: ValueFrom,
        /// The services that may use it from now on; may be repeated
        #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
        scopes: Vec<SecretScope>,
        /// The note for people from now on
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
        #[command(flatten)]
        store: InStore,
        #[command(flatten)]
        now: Now,
        #[command(flatten)]
        dry_run: DryRun,
        #[command(flatten)]
        connect: Connect,
    },
    /// Delete a secret; the provider keys that use it stop at once
    #[command(after_help = "\
Revoke the value where it was issued as well: backups of the database still hold it, sealed.

Examples:
  keyward secrets delete default_openai_default
  keyward secrets delete default_openai_default --now --yes")]
    Delete {
        /// Its name
        #[arg(value_parser = name)]
        name: SecretName,
        #[command(flatten)]
        store: InStore,
        #[command(flatten)]
        now: Now,
        #[command(flatten)]
        confirm: Confirm,
        #[command(flatten)]
        connect: Connect,
    },
}
