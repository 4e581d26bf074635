//! `keyward logs …`: the requests to a gateway.

use clap::{Subcommand, ValueEnum};
use keyward_auth::TokenId;
use keyward_registry::{LogId, ProviderKeyId, ProviderSlug};

use super::{Connect, InGateway};

#[derive(Debug, Subcommand)]
pub(crate) enum LogsCommand {
    /// List requests to a gateway, the newest first
    #[command(after_help = "\
The API token needs the permission `AI Gateway Read` for the whole gateway.

Examples:
  keyward logs list
  keyward logs list --provider openai --failed --json")]
    List {
        /// How many requests
        #[arg(long, short = 'n', value_name = "N", default_value_t = 20,
            value_parser = clap::value_parser!(u16).range(1..=1000))]
        lines: u16,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        gateway: InGateway,
        #[command(flatten)]
        connect: Connect,
    },
    /// Show a request
    #[command(after_help = "\
The id is that of the answer's header `cf-aig-log-id`. Bodies are shown up to 1,024 bytes, where the gateway keeps them.

Examples:
  keyward logs show 0199c1f3-f05b-7e4a-93d0-c0d6a2f4c7e1
  keyward logs show 0199c1f3-f05b-7e4a-93d0-c0d6a2f4c7e1 --json")]
    Show {
        /// Its id
        #[arg(value_name = "ID", value_parser = LogId::parse)]
        id: LogId,
        #[command(flatten)]
        gateway: InGateway,
        #[command(flatten)]
        connect: Connect,
    },
    /// Show the newest requests to a gateway, the oldest of them first
    #[command(after_help = "\
A request is there when its answer has ended. With --follow, one whose answer took longer than those of the 50 newest
may be missed; `list` has it.

Examples:
  keyward logs tail
  keyward logs tail --failed -n 50")]
    Tail {
        /// How many requests
        #[arg(long, short = 'n', value_name = "N", default_value_t = 20,
            value_parser = clap::value_parser!(u16).range(1..=1000))]
        lines: u16,
        /// Wait for more, until it is stopped
        #[arg(long, short)]
        follow: bool,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        gateway: InGateway,
        #[command(flatten)]
        connect: Connect,
    },
    /// Write requests to standard output, the newest first
    #[command(after_help = "\
jsonl has everything that `show --json` has but for bodies; csv is for spreadsheets.

Examples:
  keyward logs export --format csv --since 2027-01-01
  keyward logs export --format jsonl --provider openai")]
    Export {
        /// What is written
        #[arg(long, value_name = "FORMAT")]
        format: Format,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        gateway: InGateway,
        #[command(flatten)]
        connect: Connect,
    },
}

/// Which requests. Conditions hold together.
#[derive(Debug, clap::Args)]
pub(crate) struct Filter {
    /// Not before this moment or day, such as 2027-01-15T08:00:00Z or 2027-01-15
    #[arg(long, value_name = "MOMENT")]
    pub(crate) since: Option<String>,
    /// Not after this moment, or the end of this day
    #[arg(long, value_name = "MOMENT")]
    pub(crate) before: Option<String>,
    /// To this provider
    #[arg(long, value_name = "PROVIDER", value_parser = ProviderSlug::parse)]
    pub(crate) provider: Option<ProviderSlug>,
    /// For this model
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Answered with this status
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(100..=999))]
    pub(crate) status: Option<u16>,
    /// Those that failed alone
    #[arg(long)]
    pub(crate) failed: bool,
    /// With the stored key of this id
    #[arg(long, value_name = "ID", value_parser = ProviderKeyId::parse)]
    pub(crate) key: Option<ProviderKeyId>,
    /// With the gateway token of this id
    #[arg(long, value_name = "ID", value_parser = TokenId::parse)]
    pub(crate) token: Option<TokenId>,
}

/// What an export looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object in each line
    Jsonl,
    /// Comma-separated values with a head
    Csv,
}
