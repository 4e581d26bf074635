//! The command line: what may be typed. No meaning is given to it here.

pub(crate) mod audit;
pub(crate) mod config;
#[cfg(test)]
mod documented;
pub(crate) mod explain;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod logs;
pub(crate) mod pool;
pub(crate) mod profile;
pub(crate) mod providers;
pub(crate) mod routes;
pub(crate) mod run;
pub(crate) mod secrets;
pub(crate) mod slots;
pub(crate) mod tokens;
pub(crate) mod vault;

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf};

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use keyward_registry::{GatewayId, Pool, ProviderSlug};
use keyward_secret::AccountId;
use serde_json::Value;

use self::{
    audit::AuditCommand,
    config::ConfigCommand,
    explain::ExplainArgs,
    import::ImportArgs,
    keys::KeysCommand,
    logs::LogsCommand,
    profile::ProfileCommand,
    providers::ProvidersCommand,
    routes::RoutesCommand,
    run::{RunArgs, SnippetArgs},
    secrets::SecretsCommand,
    tokens::TokensCommand,
    vault::VaultCommand,
};
use crate::profile::Name;

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  failed
  2  the command was not understood
  3  the vault is sealed, or the control plane cannot be reached
  4  not authorised
  5  a check found something
  130  stopped by Ctrl-C at a question

Topics of `keyward help`: environment, exit-codes, output, security

Examples:
  keyward dev
  keyward keys add openai";

/// Keeps AI-provider keys out of applications.
#[derive(Debug, Parser)]
#[command(name = "keyward", version, after_help = AFTER_HELP, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start everything on this machine, with a first key and tokens
    Dev(DevArgs),
    /// Start the server over a vault that exists
    Serve(ServeArgs),
    /// Store, rotate and delete provider keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Make and revoke tokens
    #[command(subcommand)]
    Tokens(TokensCommand),
    /// Make and delete gateways
    #[command(subcommand)]
    Gateways(GatewaysCommand),
    /// Add, change and delete the account's own providers
    #[command(subcommand)]
    Providers(ProvidersCommand),
    /// Make, change, deploy and explain the dynamic routes of a gateway
    #[command(subcommand)]
    Routes(RoutesCommand),
    /// Store, change and delete secrets
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// Read the log of requests to a gateway
    #[command(subcommand)]
    Logs(LogsCommand),
    /// Read the audit log, and check it
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Make a vault, and see what opens it
    #[command(subcommand)]
    Vault(VaultCommand),
    /// Check and show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Keep control planes by name
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Say which server, who you are there, and what needs attention first
    #[command(after_help = "\
Ends with 3 where the server does not answer or serve, with 4 where it does not accept the token.

Examples:
  keyward status
  keyward status --profile work --json")]
    Status {
        #[command(flatten)]
        connect: Connect,
    },
    /// Check this machine, and say what mends what is wrong
    Doctor(Box<DoctorArgs>),
    /// Show the lines by which an application uses a provider through the gateway
    Snippet(SnippetArgs),
    /// Run a program whose SDKs find the gateway, and no provider key
    Run(RunArgs),
    /// Say what the gateway would do with a request, or why it would refuse it
    Explain(Box<ExplainArgs>),
    /// Store the provider keys that a file or the environment holds
    Import(ImportArgs),
    /// Write the manual pages, one for each command
    #[command(after_help = "\
Examples:
  keyward man man1
  keyward man share/man/man1")]
    Man {
        /// The directory to write them into; made where there is none
        #[arg(value_name = "DIR")]
        out: PathBuf,
    },
    /// Print what a shell needs to complete commands, options and names
    #[command(after_help = "\
Examples:
  keyward completions bash
  keyward completions fish")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Read about environment, exit-codes, output or security, or about a command
    #[command(after_help = "\
Topics: environment, exit-codes, output, security.

Examples:
  keyward help environment
  keyward help keys add")]
    Help(HelpArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Makes 12 checks: configuration, folders, clock, roots, certificates, store, seal, ports, disk, limits, token, providers.
It changes nothing, and connects to providers with --online only. Ends with 5 where a check failed.

Examples:
  keyward doctor
  keyward doctor --config keyward.toml --json")]
pub(crate) struct DoctorArgs {
    /// The configuration file of the server
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Ask the resolver for providers and connect to them
    #[arg(long)]
    pub(crate) online: bool,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HelpArgs {
    /// A topic, or the words of a command
    #[arg(value_name = "TOPIC")]
    pub(crate) of: Vec<String>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The first run makes an account, the gateway `default`, a gateway token, an API token and a key for the
provider `echo`; later runs use them again. Tokens and addresses are kept in dev.json in the data directory.

Examples:
  keyward dev
  keyward dev --data-dir try --listen 127.0.0.1:0 --control-listen 127.0.0.1:0 --json")]
pub(crate) struct DevArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where everything is kept [default: ./.keyward]
    #[arg(
        long,
        value_name = "DIR",
        env = "KEYWARD_DATA_DIR",
        hide_env_values = true
    )]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where applications connect: a loopback address [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where the control plane listens: a loopback address [default: 127.0.0.1:8788]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) control_listen: Option<SocketAddr>,
    /// Threads that serve requests [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<NonZeroUsize>,
    /// Print one line of JSON when ready, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The vault is opened by `[seal] key_file` or by what `[seal] command` writes, else by a passphrase:
KEYWARD_PASSPHRASE_FILE names a file that holds it, KEYWARD_PASSPHRASE_FD a file descriptor, and on
a terminal it is asked for. A recovery key does not start a server: it lets another slot be added.

Examples:
  keyward serve --config keyward.toml
  KEYWARD_PASSPHRASE_FILE=passphrase keyward serve --config keyward.toml --workers 4")]
pub(crate) struct ServeArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Threads that serve requests [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<NonZeroUsize>,
}

/// How a command finds the control plane, and shows what it says.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Control plane")]
pub(crate) struct Connect {
    /// The profile that says where the control plane is [default: the one that `keyward profile use` named]
    #[arg(
        long,
        value_name = "NAME",
        env = "KEYWARD_PROFILE",
        hide_env_values = true,
        value_parser = Name::parse
    )]
    pub(crate) profile: Option<Name>,
    /// Where the control plane is [default: what the profile or dev.json says, else http://127.0.0.1:8788]
    #[arg(
        long,
        value_name = "URL",
        env = "KEYWARD_CONTROL_URL",
        hide_env_values = true
    )]
    pub(crate) control_url: Option<String>,
    /// Certificate authorities to trust for an https URL, PEM, besides the system's
    #[arg(
        long,
        value_name = "FILE",
        env = "KEYWARD_CONTROL_CA_FILE",
        hide_env_values = true
    )]
    pub(crate) ca_file: Option<PathBuf>,
    /// The account [default: that of the token]
    #[arg(
        long,
        value_name = "ID",
        env = "KEYWARD_ACCOUNT_ID",
        hide_env_values = true,
        value_parser = AccountId::parse
    )]
    pub(crate) account: Option<AccountId>,
    /// The data directory of `keyward dev`, whose dev.json has the token unless KEYWARD_API_TOKEN_FILE names a
    /// file that holds one [default: ./.keyward]
    #[arg(
        long,
        value_name = "DIR",
        env = "KEYWARD_DATA_DIR",
        hide_env_values = true
    )]
    pub(crate) data_dir: Option<PathBuf>,
    /// Send the token and keys without TLS beyond this machine
    #[arg(long)]
    pub(crate) danger_plain_http: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which gateway is meant.
#[derive(Debug, clap::Args)]
pub(crate) struct InGateway {
    /// The gateway [default: the profile's, else default]
    #[arg(
        id = "gateway",
        long = "gateway",
        value_name = "ID",
        env = "KEYWARD_GATEWAY_ID",
        hide_env_values = true,
        value_parser = GatewayId::parse
    )]
    pub(crate) named: Option<GatewayId>,
}

/// What becomes of requests under way that use what is revoked.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Now {
    /// Cut the requests that use it and are under way, streams and WebSockets too
    #[arg(long)]
    pub(crate) now: bool,
}

/// Whether somebody is asked before something is deleted.
#[derive(Debug, clap::Args)]
pub(crate) struct Confirm {
    /// Do it without asking
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) dry_run: DryRun,
}

/// Whether what a command would do is told instead of done.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct DryRun {
    /// Check it, say what it would do, and change nothing
    #[arg(id = "dry_run", long = "dry-run")]
    pub(crate) is_wanted: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GatewaysCommand {
    /// Make a gateway
    #[command(after_help = "\
Examples:
  keyward gateways create production
  keyward gateways create public --no-authentication")]
    Create {
        /// Its name: 1 to 64 of a-z, 0-9 and `-`
        #[arg(value_parser = GatewayId::parse)]
        id: GatewayId,
        /// Let requests without a gateway token through, with their own provider key only
        #[arg(long)]
        no_authentication: bool,
        #[command(flatten)]
        dry_run: DryRun,
        #[command(flatten)]
        connect: Connect,
    },
    /// List the gateways
    #[command(after_help = "\
Examples:
  keyward gateways list
  keyward gateways list --json")]
    List {
        #[command(flatten)]
        connect: Connect,
    },
    /// Show a gateway and its settings
    #[command(after_help = "\
Examples:
  keyward gateways show production
  keyward gateways show production --json")]
    Show {
        /// Its name
        #[arg(value_parser = GatewayId::parse)]
        id: GatewayId,
        #[command(flatten)]
        connect: Connect,
    },
    /// Change settings of a gateway; the others stay
    #[command(after_help = "\
The names are those of the REST API, as `keyward gateways show` lists them. To weaken what protects a gateway
(authentication, stored_keys_only, byok_only, store_id) the API token needs Secrets Store Write too.

A pool lists keys of one provider that stand in for each other, by alias: 2 to 16, with a weight from 1 to 1000 or
none, which is 1. By weight, a conversation keeps its key while that is healthy; `openai:ordered=…` takes the first
healthy one.

Spend limits are an object of rules, which a file holds: docs/budgets.md.

Examples:
  keyward gateways update production --set cache_ttl=300 --set log_management=null
  keyward gateways update production --pool openai=team-a:3,team-b")]
    Update {
        /// Its name
        #[arg(value_parser = GatewayId::parse)]
        id: GatewayId,
        /// A setting and its value: JSON, or a text; may be repeated
        #[arg(long, value_name = "NAME=VALUE", value_parser = setting, required_unless_present_any = ["pool", "no_pool", "spend_limits_file"])]
        set: Vec<(String, Value)>,
        /// The pool of a provider: its keys by alias, with their weights; may be repeated
        #[arg(long, value_name = "PROVIDER[:STRATEGY]=ALIAS[:WEIGHT],…", value_parser = pool::parse)]
        pool: Vec<Pool>,
        /// No pool for a provider any more; its keys stay; may be repeated
        #[arg(long, value_name = "PROVIDER", value_parser = ProviderSlug::parse)]
        no_pool: Vec<ProviderSlug>,
        /// A file with the spend limits, JSON; `-` is standard input
        #[arg(long, value_name = "FILE")]
        spend_limits_file: Option<PathBuf>,
        #[command(flatten)]
        dry_run: DryRun,
        #[command(flatten)]
        connect: Connect,
    },
    /// Delete a gateway with its provider keys
    #[command(after_help = "\
Examples:
  keyward gateways delete staging
  keyward gateways delete staging --yes")]
    Delete {
        /// Its name
        #[arg(value_parser = GatewayId::parse)]
        id: GatewayId,
        #[command(flatten)]
        confirm: Confirm,
        #[command(flatten)]
        connect: Connect,
    },
}

/// `NAME=VALUE`; what is no JSON is a text.
fn setting(text: &str) -> Result<(String, Value), &'static str> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or("a setting looks like cache_ttl=300")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_no_json| Value::from(value));
    Ok((name.to_owned(), value))
}
