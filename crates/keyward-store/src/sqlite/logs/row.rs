//! A row of `log` as an entry.

use std::time::Duration;

use keyward_providers::Usage;
use keyward_registry::{LogEntry, LogId, LogMark, LogMetadata, LogPlace, LogText};
use keyward_routes::Money;
use sqlx::{QueryBuilder, Sqlite};

use super::names::text_of;
use crate::column::Columns;

/// Columns whose texts many entries share.
const NAMED: [&str; 8] = [
    "provider",
    "model",
    "path",
    "request_content_type",
    "response_content_type",
    "provider_key",
    "token",
    "user_agent",
];

/// Everything of an entry, from `log` under the name `l`.
pub(super) fn select() -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new(
        "SELECT l.id, l.event_id, l.status, l.success, l.cached, l.duration, l.step, l.input, l.cache_read,
             l.cache_write, l.cache_write_hour, l.output, l.reasoning, l.cost, l.custom_cost, l.metadata,
             l.authentication, l.byok, l.compat, l.error_code, l.request_bytes, l.response_bytes,
             l.feedback, l.score",
    );
    for column in NAMED {
        sql.push(", ")
            .push(text_of(column))
            .push(" AS ")
            .push(column);
    }
    sql.push(" FROM log AS l");
    sql
}

pub(super) fn parse(columns: Columns<'_>, place: &LogPlace) -> Option<LogEntry> {
    let id: Vec<u8> = columns.get("id")?;
    let text = |name| -> Option<Option<LogText>> {
        let text: Option<&str> = columns.get(name)?;
        Some(text.map(LogText::new))
    };
    // The outer `None`: unreadable. The inner: NULL.
    let number = |name| -> Option<Option<u64>> {
        match columns.get::<Option<i64>>(name)? {
            None => Some(None),
            Some(number) => u64::try_from(number).ok().map(Some),
        }
    };
    let mark = |name| -> Option<Option<LogMark>> {
        match columns.get::<Option<i64>>(name)? {
            None => Some(None),
            Some(mark) => LogMark::from_hundredths(i16::try_from(mark).ok()?).map(Some),
        }
    };
    let mut usage = Usage::UNKNOWN;
    usage.input = number("input")?;
    usage.cache_read = number("cache_read")?;
    usage.cache_write = number("cache_write")?;
    usage.cache_write_hour = number("cache_write_hour")?;
    usage.output = number("output")?;
    usage.reasoning = number("reasoning")?;
    Some(LogEntry {
        id: LogId::from_bytes(id.try_into().ok()?)?,
        account: place.account,
        gateway: place.gateway.clone(),
        event_id: text("event_id")?,
        provider: columns.parse("provider")?,
        model: text("model")?,
        path: text("path")??,
        request_content_type: text("request_content_type")?,
        response_content_type: text("response_content_type")?,
        status: narrow(number("status")?)?,
        success: columns.flag("success")?,
        cached: columns.flag("cached")?,
        duration: Duration::from_millis(number("duration")??),
        step: narrow(number("step")?)?,
        usage,
        cost: number("cost")?.map(Money::from_nanos),
        custom_cost: columns.flag("custom_cost")?,
        metadata: match columns.get::<Option<&str>>("metadata")? {
            None => LogMetadata::default(),
            Some(stored) => LogMetadata::parse_stored(stored)?,
        },
        provider_key: optional(columns.get::<Option<&str>>("provider_key")?)?,
        token: optional(columns.get::<Option<&str>>("token")?)?,
        user_agent: text("user_agent")?,
        authentication: columns.flag("authentication")?,
        byok: columns.flag("byok")?,
        compat: columns.flag("compat")?,
        error_code: narrow(number("error_code")?)?,
        request_bytes: number("request_bytes")??,
        response_bytes: number("response_bytes")??,
        feedback: mark("feedback")?,
        score: mark("score")?,
    })
}

fn narrow<T: TryFrom<u64>>(number: Option<u64>) -> Option<Option<T>> {
    match number {
        None => Some(None),
        Some(number) => T::try_from(number).ok().map(Some),
    }
}

fn optional<T: std::str::FromStr>(text: Option<&str>) -> Option<Option<T>> {
    match text {
        None => Some(None),
        Some(text) => text.parse().ok().map(Some),
    }
}
