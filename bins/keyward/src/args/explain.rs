//! `keyward explain`.

use std::{net::IpAddr, path::PathBuf};

use http::Method;
use keyward_registry::{Alias, ProviderSlug};

use super::{Connect, InGateway};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads a curl line from standard input, or from a file, and says which token and stored key it would use, where it would
go, and which headers it would lose and get; or why the gateway would refuse it, and then ends with 5. Nothing is sent
to the provider. A line holds a token, so it is no argument. Of the variables in it, KEYWARD_TOKEN is the gateway token
that `keyward run` would take and KEYWARD_ACCOUNT_ID the account, where they are not set; others must be.

With --provider the request is built instead, for --gateway and with the gateway token that `keyward run` would take.

Examples:
  keyward explain --file request.sh
  keyward explain --provider echo --path chat/completions")]
pub(crate) struct ExplainArgs {
    /// A file that holds the curl line [default: standard input]
    #[arg(long, value_name = "FILE", conflicts_with = "provider")]
    pub(crate) file: Option<PathBuf>,
    /// Build a request to this provider
    #[arg(long, value_name = "SLUG", value_parser = ProviderSlug::parse)]
    pub(crate) provider: Option<ProviderSlug>,
    /// Its path at the provider
    #[arg(
        long,
        requires = "provider",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) path: String,
    /// Its method
    #[arg(long, requires = "provider", default_value = "POST")]
    pub(crate) method: Method,
    /// The alias of the stored key that it asks for
    #[arg(long, requires = "provider", value_parser = Alias::parse)]
    pub(crate) alias: Option<Alias>,
    /// A file that holds the gateway token
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) gateway: InGateway,
    /// The address that the request would come from [default: this command's]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) source: Option<IpAddr>,
    #[command(flatten)]
    pub(crate) connect: Connect,
}
