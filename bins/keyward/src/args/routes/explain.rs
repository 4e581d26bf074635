//! `keyward routes explain`.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};
use serde_json::value::RawValue;

use super::{super::Connect, VersionName, WhichRoute};

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

/// A part of the whole, as the control plane takes it.
fn draw(text: &str) -> Result<f64, &'static str> {
    let part = text.parse().ok();
    part.filter(|part| (0.0..1.0).contains(part))
        .ok_or("a draw is a number from 0 to below 1, such as 0.05")
}

/// A request that is explained, and by which graph.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing is called and nothing is counted: at a limit and at a model both outcomes are followed, the good one first. \
Of headers no value is told. With --from-file the graph of the file is explained, as it would be in the gateway; \
nothing is saved.

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
    /// Where chance falls, from 0 to below 1; without it every output of a percentage is followed
    #[arg(long, value_name = "NUMBER", value_parser = draw)]
    pub(crate) draw: Option<f64>,
    /// The version: `deployed`, `newest`, a number, or the beginning of its id [default: deployed]
    #[arg(long, value_name = "VERSION", value_parser = VersionName::parse, conflicts_with = "from_file")]
    pub(crate) version: Option<VersionName>,
    /// A file with a graph to explain instead; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) from_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

#[cfg(test)]
mod tests {
    use super::{draw, header, metadata};

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

    #[test]
    fn a_draw_is_a_part_of_the_whole() {
        for text in ["0", "0.05", ".5"] {
            assert!(draw(text).is_ok(), "{text}");
        }
        for text in ["", "1", "-0.1", "NaN", "inf", "5%"] {
            assert!(draw(text).is_err(), "{text}");
        }
    }
}
