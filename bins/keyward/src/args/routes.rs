//! `keyward routes …`: the dynamic routes of a gateway.

mod explain;
mod version;

use std::path::PathBuf;

use clap::Subcommand;
use keyward_routes::RouteName;

pub(crate) use self::{
    explain::{ExplainRoute, Header},
    version::VersionName,
};
use super::{Confirm, Connect, DryRun, InGateway};

/// Which route is meant.
#[derive(Debug, clap::Args)]
pub(crate) struct WhichRoute {
    /// Its name
    #[arg(value_name = "NAME", value_parser = RouteName::parse)]
    pub(crate) route: RouteName,
    #[command(flatten)]
    pub(crate) gateway: InGateway,
}

/// Which route gets or deploys a version, and what is noted with it.
#[derive(Debug, clap::Args)]
pub(crate) struct ChangeRoute {
    #[command(flatten)]
    pub(crate) which: WhichRoute,
    /// A note for people, on what is saved and on what is deployed
    #[arg(long, value_name = "TEXT")]
    pub(crate) comment: Option<String>,
    #[command(flatten)]
    pub(crate) dry_run: DryRun,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RoutesCommand {
    /// List the routes of a gateway
    #[command(after_help = "\
Examples:
  keyward routes list
  keyward routes list --gateway production --json")]
    List {
        #[command(flatten)]
        gateway: InGateway,
        #[command(flatten)]
        connect: Connect,
    },
    /// Show a route and the elements of a version
    #[command(after_help = "\
What it prints with --json is a file for --from-file of `create` and `save`.

Examples:
  keyward routes show support-bot
  keyward routes show support-bot --version newest --json")]
    Show {
        #[command(flatten)]
        which: WhichRoute,
        /// The version: `deployed`, `newest`, a number, or the beginning of its id [default: deployed]
        #[arg(long, value_name = "VERSION", value_parser = VersionName::parse)]
        version: Option<VersionName>,
        #[command(flatten)]
        connect: Connect,
    },
    /// Make a route; its first version is deployed at once
    #[command(after_help = "\
The file holds the elements of the graph, a JSON array; or an object that has them as `elements`, as
`keyward routes show --json` prints it.

Examples:
  keyward routes create support-bot --from-file graph.json
  keyward routes create support-bot --from-file graph.json --gateway production --dry-run")]
    Create {
        /// A file with the graph; `-` is standard input
        #[arg(long, value_name = "FILE")]
        from_file: PathBuf,
        #[command(flatten)]
        change: ChangeRoute,
    },
    /// Give a route another name; requests for the old one are refused from then on
    #[command(after_help = "\
Examples:
  keyward routes rename support-bot helpdesk
  keyward routes rename support-bot helpdesk --dry-run")]
    Rename {
        #[command(flatten)]
        which: WhichRoute,
        /// Its new name
        #[arg(value_name = "NEW", value_parser = RouteName::parse)]
        new: RouteName,
        #[command(flatten)]
        dry_run: DryRun,
        #[command(flatten)]
        connect: Connect,
    },
    /// Delete a route with its versions and deployments
    #[command(after_help = "\
Examples:
  keyward routes delete support-bot
  keyward routes delete support-bot --yes")]
    Delete {
        #[command(flatten)]
        which: WhichRoute,
        #[command(flatten)]
        confirm: Confirm,
        #[command(flatten)]
        connect: Connect,
    },
    /// List the versions of a route, the newest first
    #[command(after_help = "\
Examples:
  keyward routes versions support-bot
  keyward routes versions support-bot --json")]
    Versions {
        #[command(flatten)]
        which: WhichRoute,
        #[command(flatten)]
        connect: Connect,
    },
    /// Save another graph as a new version of a route
    #[command(after_help = "\
Requests go on following the deployed version, unless --deploy is there.

Examples:
  keyward routes save support-bot --from-file larger.json --comment \"larger model\"
  keyward routes save support-bot --from-file graph.json --deploy")]
    Save {
        /// A file with the graph; `-` is standard input
        #[arg(long, value_name = "FILE")]
        from_file: PathBuf,
        /// Deploy it at once
        #[arg(long)]
        deploy: bool,
        #[command(flatten)]
        change: ChangeRoute,
    },
    /// Let requests follow a version, also an older one
    #[command(after_help = "\
Requests that have begun finish as they began.

Examples:
  keyward routes deploy support-bot newest
  keyward routes deploy support-bot 1 --comment \"back to the small model\"")]
    Deploy {
        #[command(flatten)]
        change: ChangeRoute,
        /// The version: `newest`, a number, or the beginning of its id
        // Not under the heading of what stands before it.
        #[arg(value_parser = VersionName::parse, help_heading = None::<&str>)]
        version: VersionName,
    },
    /// Deploy the version that was deployed before
    #[command(after_help = "\
Done twice, it leads back to where it began.

Examples:
  keyward routes roll-back support-bot
  keyward routes roll-back support-bot --dry-run")]
    RollBack(ChangeRoute),
    /// List what was deployed of a route and when, the newest first
    #[command(after_help = "\
Examples:
  keyward routes deployments support-bot
  keyward routes deployments support-bot --json")]
    Deployments {
        #[command(flatten)]
        which: WhichRoute,
        #[command(flatten)]
        connect: Connect,
    },
    /// Show in which lines two versions of a route differ
    #[command(after_help = "\
Both are compared in one spelling, whatever the order of their properties was.

Examples:
  keyward routes diff support-bot deployed newest
  keyward routes diff support-bot 1 2 --json")]
    Diff {
        #[command(flatten)]
        which: WhichRoute,
        /// The one version: `deployed`, `newest`, a number, or the beginning of its id
        #[arg(value_parser = VersionName::parse)]
        from: VersionName,
        /// The other
        #[arg(value_parser = VersionName::parse)]
        to: VersionName,
        #[command(flatten)]
        connect: Connect,
    },
    /// Tell everything that is wrong with a graph, without a server
    #[command(after_help = "\
Whether custom providers are there and keys are stored, only the server knows: a dry run of `create` or `save` asks it.
Ends with 5 where something is wrong.

Examples:
  keyward routes check --from-file graph.json
  keyward routes check --from-file wrong.json --json")]
    Check {
        /// A file with the graph; `-` is standard input
        #[arg(long, value_name = "FILE")]
        from_file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say which way a request would go through a route, and why
    Explain(Box<ExplainRoute>),
}
