//! The log of requests as a file: read piece by piece while it is sent, so that it may be as long as it is.

use std::{io, time::SystemTime};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::stream::try_unfold;
use http::{
    HeaderValue,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE},
};
use serde_json::{Value, value::RawValue};

use super::filter::Filter;
use crate::{
    control::read_clock,
    csv::{LOG_COLUMNS, log_line},
    dashboard::{
        gateways::find,
        visit::{Answer, To, Visit},
    },
    envelope::Problem,
    moment,
};

/// How many entries are read at once, the most that there may be.
const PIECE: usize = 1_000;

/// What an export looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Comma-separated values with a head.
    Csv,
    /// One array, an entry in each line.
    Json,
}

impl Format {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json => "application/json",
        }
    }
}

/// How far an export is.
struct Export {
    visit: Visit,
    gateway: String,
    filter: Filter,
    format: Format,
    at: At,
}

enum At {
    /// What was read first, so that what is wrong is told before anything is sent.
    Start(Answer<Vec<Box<RawValue>>>),
    /// Behind the entry with this id.
    Behind(String),
    End,
}

pub(crate) async fn send(visit: Visit, format: Format) -> Result<Response, Problem> {
    let gateway = find(&visit).await?.id;
    let filter = Filter::of(&visit);
    let first = read(&visit, &gateway, &filter, "").await?;
    let name = file_name(&gateway, format, visit.now);
    let export = Export {
        visit,
        gateway,
        filter,
        format,
        at: At::Start(first),
    };
    let pieces = try_unfold(export, async |export| {
        // The connection is cut: nobody takes a part for all.
        export.next().await.map_err(|problem| {
            tracing::warn!(
                status = problem.status().as_u16(),
                "an export of the log was broken off"
            );
            io::Error::other("the log could not be read on")
        })
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.kind()));
    let disposition = HeaderValue::try_from(format!(r#"attachment; filename="{name}""#));
    let disposition = disposition.map_err(|error| Problem::internal("name a file", &error))?;
    headers.insert(CONTENT_DISPOSITION, disposition);
    Ok(response)
}

impl Export {
    /// The next piece, and what is left.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Problem> {
        let (is_first, answer) = match self.at {
            At::End => return Ok(None),
            At::Start(answer) => (true, answer),
            At::Behind(last) => {
                // It may take long, and nothing starts for a token that was revoked meanwhile.
                let snapshot = self.visit.shared.surroundings.registry.snapshot();
                self.visit.now = read_clock();
                let caller = self.visit.caller.clone();
                self.visit.caller = caller.renewed(&snapshot, self.visit.now)?;
                let answer = read(&self.visit, &self.gateway, &self.filter, &last).await?;
                (false, answer)
            }
        };
        let cursor = answer.result_info.cursor;
        let piece = self
            .format
            .piece(&answer.result, is_first, cursor.is_none())?;
        self.at = cursor.map_or(At::End, At::Behind);
        Ok(Some((piece.into(), self)))
    }
}

async fn read(
    visit: &Visit,
    gateway: &str,
    filter: &Filter,
    last: &str,
) -> Result<Answer<Vec<Box<RawValue>>>, Problem> {
    let to = To::new("log_scan")
        .at("gateway", gateway)
        .with_number("limit", PIECE)
        .with("cursor", last);
    filter.read(visit, to).await
}

impl Format {
    fn piece(
        self,
        entries: &[Box<RawValue>],
        is_first: bool,
        is_last: bool,
    ) -> Result<String, Problem> {
        let mut text = String::with_capacity(entries.len() * 512);
        match self {
            Self::Csv => {
                if is_first {
                    text.push_str(&LOG_COLUMNS.join(","));
                    text.push_str("\r\n");
                }
                for entry in entries {
                    let entry: Value = serde_json::from_str(entry.get())
                        .map_err(|error| Problem::internal("read an entry", &error))?;
                    text.push_str(&log_line(&entry));
                    text.push_str("\r\n");
                }
            }
            Self::Json => {
                let mut before = if is_first { "[\n" } else { ",\n" };
                for entry in entries {
                    text.push_str(before);
                    text.push_str(entry.get());
                    before = ",\n";
                }
                match (is_last, is_first && entries.is_empty()) {
                    (true, true) => text.push_str("[]\n"),
                    (true, false) => text.push_str("\n]\n"),
                    (false, _) => {}
                }
            }
        }
        Ok(text)
    }
}

/// Such as `keyward-default-log-20270115T080000Z.csv`.
fn file_name(gateway: &str, format: Format, now: SystemTime) -> String {
    let is_safe = |letter: &char| letter.is_ascii_alphanumeric() || "-_.".contains(*letter);
    let gateway: String = gateway.chars().filter(is_safe).collect();
    let time = moment::format(now).unwrap_or_default();
    let time: String = time.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("keyward-{gateway}-log-{time}.{}", format.suffix())
}
