//! `keyward routes …`: the dynamic routes of a gateway.

use std::path::PathBuf;

use clap::Subcommand;
use http::{HeaderName, HeaderValue};
use keyward_routes::RouteName;
use serde_json::value::RawValue;

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

/// Which version of a route is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VersionName {
    /// The one that requests follow.
    Deployed,
    /// The one that was saved last.
    Newest,
    /// By its number.
    Number(u32),
    /// By its id, or the beginning of it.
    Id(String),
}

impl VersionName {
    /// The digits of an id.
    const LONGEST: usize = 32;
    /// Shorter ones are numbers.
    const SHORTEST: usize = 6;

    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str =
            "a version is `deployed`, `newest`, a number such as 2, or 6 or more digits of its id";
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        match text {
            "deployed" => Ok(Self::Deployed),
            "newest" => Ok(Self::Newest),
            text if text.len() < Self::SHORTEST => {
                let number = text.parse().ok().filter(|number| *number > 0);
                number.map(Self::Number).ok_or(WRONG)
            }
            text if text.len() <= Self::LONGEST && text.bytes().all(is_hex) => {
                Ok(Self::Id(text.to_owned()))
            }
            _ => Err(WRONG),
        }
    }
}

/// A header of a request that is explained. What it may not be is told without its value, and so not here.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) name: HeaderName,
    pub(crate) value: String,
}

fn header(text: &str) -> Result<Header, &'static str> {
    const WRONG: &str = "a header looks like 'x-team: red'";
    let (name, value) = text.split_once(':').ok_or(WRONG)?;
    let name = HeaderName::try_from(name.trim()).map_err(|_unfit| WRONG)?;
    let value = value.trim();
    HeaderValue::try_from(value).map_err(|_unfit| "a header's value is one line")?;
    let value = value.to_owned();
    Ok(Header { name, value })
}

/// JSON as it was typed: of metadata the order counts.
fn metadata(text: &str) -> Result<Box<RawValue>, String> {
    let read: Result<Box<RawValue>, _> = serde_json::from_str(text);
    let read = read.map_err(|error| format!("this is no JSON, {error}"))?;
    match read.get().starts_with('{') {
        true => Ok(read),
        false => Err("metadata is a JSON object such as {\"plan\": \"free\"}".to_owned()),
    }
}

/// A request that is explained, and by which graph.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing is called and nothing is counted: at a limit and at a model both outcomes are followed, the good one first. Of
headers no value is told. With --from-file the graph of the file is explained, as it would be in the gateway; nothing is
saved.

Examples:
  keyward routes explain support-bot --metadata '{\"plan\": \"free\"}'
  keyward routes explain support-bot --body request.json --header 'x-team: red' --json")]
pub(crate) struct ExplainRoute {
    #[command(flatten)]
    pub(crate) which: WhichRoute,
    /// A file with the body of the request, JSON; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) body: Option<PathBuf>,
    /// A header of the request, such as 'x-team: red'; may be repeated
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) header: Vec<Header>,
    /// The metadata of the request, as in `cf-aig-metadata`
    #[arg(long, value_name = "JSON", value_parser = metadata)]
    pub(crate) metadata: Option<Box<RawValue>>,
    /// The version: `deployed`, `newest`, a number, or the beginning of its id [default: deployed]
    #[arg(long, value_name = "VERSION", value_parser = VersionName::parse, conflicts_with = "from_file")]
    pub(crate) version: Option<VersionName>,
    /// A file with a graph to explain instead; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) from_file: Option<PathBuf>,
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
        #[command(flatten)]
        which: WhichRoute,
        /// A file with the graph; `-` is standard input
        #[arg(long, value_name = "FILE")]
        from_file: PathBuf,
        /// A note for people, on its first version
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
        #[command(flatten)]
        dry_run: DryRun,
        #[command(flatten)]
        connect: Connect,
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
        #[command(flatten)]
        which: WhichRoute,
        /// A file with the graph; `-` is standard input
        #[arg(long, value_name = "FILE")]
        from_file: PathBuf,
        /// A note for people
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
        /// Deploy it at once
        #[arg(long)]
        deploy: bool,
        #[command(flatten)]
        dry_run: DryRun,
        #[command(flatten)]
        connect: Connect,
    },
    /// Let requests follow a version, also an older one
    #[command(after_help = "\
Requests that have begun finish as they began.

Examples:
  keyward routes deploy support-bot newest
  keyward routes deploy support-bot 1 --comment \"back to the small model\"")]
    Deploy {
        #[command(flatten)]
        which: WhichRoute,
        /// The version: `newest`, a number, or the beginning of its id
        #[arg(value_parser = VersionName::parse)]
        version: VersionName,
        /// A note for people
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
        #[command(flatten)]
        dry_run: DryRun,
        #[command(flatten)]
        connect: Connect,
    },
    /// Deploy the version that was deployed before
    #[command(after_help = "\
Done twice, it leads back to where it began.

Examples:
  keyward routes roll-back support-bot
  keyward routes roll-back support-bot --dry-run")]
    RollBack {
        #[command(flatten)]
        which: WhichRoute,
        /// A note for people
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
        #[command(flatten)]
        dry_run: DryRun,
        #[command(flatten)]
        connect: Connect,
    },
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

#[cfg(test)]
mod tests {
    use super::{VersionName, header, metadata};

    #[test]
    fn a_version_is_named_in_four_ways() {
        for (text, expected) in [
            ("deployed", VersionName::Deployed),
            ("newest", VersionName::Newest),
            ("1", VersionName::Number(1)),
            ("99999", VersionName::Number(99_999)),
            ("123456", VersionName::Id("123456".to_owned())),
            ("0a1b2c", VersionName::Id("0a1b2c".to_owned())),
        ] {
            assert_eq!(VersionName::parse(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "-1", "latest", "a1", "0A1B2C", &"a".repeat(33)] {
            assert!(VersionName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_header_is_a_name_and_one_line() {
        let read = header("X-Team:  red ").unwrap();
        assert_eq!((read.name.as_str(), read.value.as_str()), ("x-team", "red"));
        for text in ["x-team", ": red", "x team: red", "x-team: a\nb"] {
            assert!(header(text).is_err(), "{text}");
        }
    }

    #[test]
    fn metadata_keeps_its_order() {
        let read = metadata(r#"{"b": 1, "a": 2}"#).unwrap();
        assert_eq!(read.get(), r#"{"b": 1, "a": 2}"#);
        for text in ["", "[]", "plan=free", "{"] {
            assert!(metadata(text).is_err(), "{text}");
        }
    }
}
