//! `keyward providers …`: the account's own providers.

use std::path::PathBuf;

use clap::Subcommand;
use keyward_providers::{BaseUrl, CredentialPlacement};
use keyward_registry::CustomSlug;

use super::{Confirm, Connect, DryRun, Now};

/// A slug, with or without `custom-`.
fn slug(text: &str) -> Result<CustomSlug, String> {
    let bare = text.strip_prefix(CustomSlug::PREFIX).unwrap_or(text);
    CustomSlug::parse(bare).map_err(|error| error.to_string())
}

/// Which custom provider is meant.
#[derive(Debug, clap::Args)]
pub(crate) struct ProviderName {
    /// Its slug, with or without `custom-`
    #[arg(value_parser = slug)]
    pub(crate) slug: CustomSlug,
}

/// What people read of a provider, and where its headers come from.
#[derive(Debug, clap::Args)]
pub(crate) struct ProviderText {
    /// The name for people
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// A note for people
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// The provider's page: an http or https URL
    #[arg(long, value_name = "URL")]
    pub(crate) link: Option<String>,
    /// How it takes a key, such as `X-Api-Key` [default: `Authorization: Bearer`]
    #[arg(long, value_name = "HEADER", value_parser = CredentialPlacement::parse)]
    pub(crate) credential_header: Option<CredentialPlacement>,
    /// A file with headers for every request: a JSON object of texts; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) headers_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProvidersCommand {
    /// List the account's own providers
    #[command(after_help = "\
Examples:
  keyward providers list
  keyward providers list --search llm --json")]
    List {
        /// Only those whose name or slug holds this
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        #[command(flatten)]
        connect: Connect,
    },
    /// Add a provider, which requests reach as custom-SLUG
    #[command(after_help = "\
Requests to /v1/ACCOUNT/GATEWAY/custom-SLUG/… go below the base URL. Its key is stored by `keyward keys add`. Headers
are sealed for the base URL's origin; those that carry a key or frame a message are refused.

Examples:
  keyward providers create our-llm --base-url https://llm.example.com/v1
  keyward providers create lab --base-url https://lab.example.com --credential-header X-Api-Key")]
    Create {
        #[command(flatten)]
        provider: ProviderName,
        /// Where it is: an https URL without query
        #[arg(long, value_name = "URL", value_parser = BaseUrl::parse)]
        base_url: BaseUrl,
        /// Serve no requests yet
        #[arg(long)]
        disabled: bool,
        #[command(flatten)]
        text: ProviderText,
        #[command(flatten)]
        dry_run: DryRun,
        #[command(flatten)]
        connect: Connect,
    },
    /// Show a provider; of its headers only the names
    #[command(after_help = "\
Examples:
  keyward providers show our-llm
  keyward providers show our-llm --json")]
    Show {
        #[command(flatten)]
        provider: ProviderName,
        #[command(flatten)]
        connect: Connect,
    },
    /// Change a provider; what is not named stays
    #[command(after_help = "\
Keys and headers stay sealed for the origin that they were entered for: after the origin of the base URL has changed,
requests are refused until they are entered again.

Examples:
  keyward providers update our-llm --disable --now
  keyward providers update our-llm --base-url https://llm.example.com/v2 --name \"Our models\"")]
    Update {
        #[command(flatten)]
        provider: ProviderName,
        /// Where it is: an https URL without query
        #[arg(long, value_name = "URL", value_parser = BaseUrl::parse)]
        base_url: Option<BaseUrl>,
        /// Serve requests
        #[arg(long, conflicts_with = "disable")]
        enable: bool,
        /// Serve no requests
        #[arg(long)]
        disable: bool,
        #[command(flatten)]
        text: ProviderText,
        /// Take all headers away
        #[arg(long, conflicts_with = "headers_file")]
        no_headers: bool,
        #[command(flatten)]
        now: Now,
        #[command(flatten)]
        dry_run: DryRun,
        #[command(flatten)]
        connect: Connect,
    },
    /// Delete a provider with its keys in every gateway
    #[command(after_help = "\
Examples:
  keyward providers delete our-llm
  keyward providers delete our-llm --yes --now")]
    Delete {
        #[command(flatten)]
        provider: ProviderName,
        #[command(flatten)]
        now: Now,
        #[command(flatten)]
        confirm: Confirm,
        #[command(flatten)]
        connect: Connect,
    },
}
