//! Filters of the log in every form in which clients send them (wire-spec §4.0, §4.2, §8).
//!
//! - `filters` as one JSON array of objects, as dashboards and scripts send it;
//! - `filters.key`, `filters.operator` and `filters.value`, repeated: one filter after the other as the SDK for TypeScript
//!   sends them, or all keys, all operators and all values as the SDK for Python does;
//! - the flat parameters that came before, such as `provider` and `min_cost`.

use std::time::{Duration, SystemTime};

use keyward_registry::{LogField, LogFieldKind, LogFilter, LogOperator, LogValue};
use serde_json::Value;

use crate::{
    call::Call,
    envelope::{FieldPath, Problem},
    moment,
};

/// The most conditions of one request.
const MOST: usize = 20;
/// The longest text that is searched for, in bytes.
const LONGEST_SEARCH: usize = 256;

/// A filter as it was sent.
#[derive(Default)]
struct Sent {
    keys: Vec<String>,
    operators: Vec<String>,
    values: Vec<Value>,
}

/// Every filter of the query, also in the flat form.
pub(super) fn all(call: &Call) -> Result<Vec<LogFilter>, Problem> {
    let mut filters = listed(call)?;
    filters.extend(flat(call)?);
    if filters.len() > MOST {
        let reason = format_args!("are more than {MOST}; send fewer");
        return Err(Problem::invalid(&path(), reason));
    }
    Ok(filters)
}

/// Those of `filters`.
pub(super) fn listed(call: &Call) -> Result<Vec<LogFilter>, Problem> {
    let mut sent = Vec::new();
    for text in call.queries("filters").filter(|text| !text.is_empty()) {
        sent.extend(of_json(text)?);
    }
    sent.extend(of_names(call)?);
    if sent.len() > MOST {
        let reason = format_args!("are more than {MOST}; send fewer");
        return Err(Problem::invalid(&path(), reason));
    }
    let read = sent.into_iter().enumerate();
    read.map(|(index, sent)| build(&path().index(index), sent))
        .collect()
}

fn path() -> FieldPath {
    FieldPath::query().name("filters")
}

fn of_json(text: &str) -> Result<Vec<Sent>, Problem> {
    let refuse = || {
        let reason = r#"must be a JSON array such as [{"key":"provider","operator":"eq","value":["openai"]}]"#;
        Problem::invalid(&path(), reason)
    };
    let items = match serde_json::from_str(text) {
        Ok(Value::Array(items)) => items,
        Ok(item @ Value::Object(_)) => vec![item],
        _ => return Err(refuse()),
    };
    let sent = items.into_iter().map(|item| {
        let Value::Object(mut members) = item else {
            return Err(refuse());
        };
        let mut text = |name| match members.remove(name) {
            Some(Value::String(text)) => Ok(vec![text]),
            None => Ok(Vec::new()),
            Some(_) => Err(refuse()),
        };
        Ok(Sent {
            keys: text("key")?,
            operators: text("operator")?,
            values: match members.remove("value") {
                None => Vec::new(),
                Some(Value::Array(values)) => values,
                Some(value) => vec![value],
            },
        })
    });
    sent.collect()
}

/// Takes repeated parameters apart: a key or an operator behind a value begins the next filter.
fn of_names(call: &Call) -> Result<Vec<Sent>, Problem> {
    let mut all: Vec<Sent> = Vec::new();
    for (name, value) in call.all_queries() {
        let Some(part) = name.strip_prefix("filters.") else {
            continue;
        };
        let is_next = part != "value" && all.last().is_none_or(|last| !last.values.is_empty());
        if is_next || all.is_empty() {
            all.push(Sent::default());
        }
        let Some(last) = all.last_mut() else { continue };
        match part {
            "key" => last.keys.push(value.to_owned()),
            "operator" => last.operators.push(value.to_owned()),
            "value" => last.values.push(Value::String(value.to_owned())),
            _ => {
                let reason = "have `key`, `operator` and `value`";
                return Err(Problem::invalid(&path(), reason));
            }
        }
    }
    // All keys, all operators, all values.
    match all.as_mut_slice() {
        [only] if only.keys.len() > 1 => zip(std::mem::take(only)),
        _ => Ok(all),
    }
}

fn zip(sent: Sent) -> Result<Vec<Sent>, Problem> {
    let filters = sent.keys.len();
    if sent.operators.len() != filters || sent.values.len() != filters {
        let reason = "of several values each cannot be told apart in this form; send `filters` as one JSON array";
        return Err(Problem::invalid(&path(), reason));
    }
    let parts = sent.keys.into_iter().zip(sent.operators).zip(sent.values);
    let filters = parts.map(|((key, operator), value)| Sent {
        keys: vec![key],
        operators: vec![operator],
        values: vec![value],
    });
    Ok(filters.collect())
}

fn build(path: &FieldPath, sent: Sent) -> Result<LogFilter, Problem> {
    let one = |part: &'static str, sent: Vec<String>| {
        let [text] = <[String; 1]>::try_from(sent)
            .map_err(|_other| Problem::invalid(&path.name(part), "is required once"))?;
        Ok::<_, Problem>(text)
    };
    let key = one("key", sent.keys)?;
    let field = LogField::find(&key).ok_or_else(|| {
        let known = LogField::ALL.iter().map(|(name, ..)| *name);
        no_choice(&path.name("key"), known, &key)
    })?;
    let operator = one("operator", sent.operators)?;
    let operator = LogOperator::find(&operator).ok_or_else(|| {
        let known = ["eq", "neq", "contains", "lt", "gt"];
        no_choice(&path.name("operator"), known, &operator)
    })?;
    let values = sent.values.into_iter().enumerate().map(|(index, value)| {
        let refuse = || {
            let path = path.name("value").index(index);
            Problem::invalid(&path, "must be a text, a number, a boolean or null")
        };
        read(field, value).ok_or_else(refuse)
    });
    let values = values.collect::<Result<Vec<_>, _>>()?;
    LogFilter::build(field, operator, values).map_err(|error| Problem::invalid(path, error))
}

fn read(field: LogField, value: Value) -> Option<LogValue> {
    match value {
        Value::Null => Some(LogValue::Null),
        Value::Bool(flag) => Some(LogValue::Flag(flag)),
        Value::Number(number) => number.as_f64().map(LogValue::Number),
        Value::String(text) if field.kind() == LogFieldKind::Time => {
            Some(moment::parse(&text).map_or(LogValue::Text(text.into()), LogValue::Time))
        }
        Value::String(text) => Some(LogValue::Text(text.into())),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// As the reference words it.
fn no_choice<'a>(
    path: &FieldPath,
    known: impl IntoIterator<Item = &'a str>,
    received: &str,
) -> Problem {
    let known: Vec<_> = known.into_iter().map(|name| format!("'{name}'")).collect();
    let reason = format!(
        "Invalid enum value. Expected {}, received '{}'",
        known.join(" | "),
        Problem::shown(received)
    );
    Problem::invalid(path, reason)
}

/// The flat parameters, which hold together.
fn flat(call: &Call) -> Result<Vec<LogFilter>, Problem> {
    let mut filters = Vec::new();
    for (name, field) in [
        ("provider", LogField::Provider),
        ("model", LogField::Model),
        ("model_type", LogField::ModelType),
        ("request_content_type", LogField::RequestContentType),
        ("response_content_type", LogField::ResponseContentType),
        ("success", LogField::Success),
        ("cached", LogField::Cached),
    ] {
        if let Some(text) = call.query(name) {
            let value = vec![LogValue::Text(text.into())];
            let filter = LogFilter::build(field, LogOperator::Eq, value);
            filters.push(filter.map_err(|_kind| refuse(name, "must be `true` or `false`"))?);
        }
    }
    for (least, most, field) in [
        ("min_cost", "max_cost", LogField::Cost),
        ("min_duration", "max_duration", LogField::Duration),
        ("min_tokens_in", "max_tokens_in", LogField::TokensIn),
        ("min_tokens_out", "max_tokens_out", LogField::TokensOut),
        ("min_total_tokens", "max_total_tokens", LogField::Tokens),
    ] {
        if let Some(number) = number(call, least)? {
            let filter = LogFilter::at_least(field, number);
            filters.push(filter.map_err(|_kind| refuse(least, "must be a number"))?);
        }
        if let Some(number) = number(call, most)? {
            let filter = LogFilter::at_most(field, number);
            filters.push(filter.map_err(|_kind| refuse(most, "must be a number"))?);
        }
    }
    filters.extend(since(call)?);
    filters.extend(until(call)?);
    filters.extend(feedback(call)?);
    filters.extend(search(call)?);
    Ok(filters)
}

fn refuse(name: &'static str, reason: &str) -> Problem {
    Problem::invalid(&FieldPath::query().name(name), reason)
}

fn number(call: &Call, name: &'static str) -> Result<Option<f64>, Problem> {
    let Some(text) = call.query(name) else {
        return Ok(None);
    };
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number
        .map(Some)
        .ok_or_else(|| refuse(name, "must be a number"))
}

/// Not before `start_date`.
fn since(call: &Call) -> Result<Option<LogFilter>, Problem> {
    let Some(start) = date(call, "start_date")? else {
        return Ok(None);
    };
    let before = start.checked_sub(Duration::from_millis(1)).unwrap_or(start);
    compare(
        "start_date",
        LogField::CreatedAt,
        LogOperator::Gt,
        LogValue::Time(before),
    )
}

/// Not after `end_date`.
fn until(call: &Call) -> Result<Option<LogFilter>, Problem> {
    let Some(end) = date(call, "end_date")? else {
        return Ok(None);
    };
    let behind = end.checked_add(Duration::from_millis(1)).unwrap_or(end);
    compare(
        "end_date",
        LogField::CreatedAt,
        LogOperator::Lt,
        LogValue::Time(behind),
    )
}

pub(super) fn date(call: &Call, name: &'static str) -> Result<Option<SystemTime>, Problem> {
    let Some(text) = call.query(name) else {
        return Ok(None);
    };
    let read = moment::parse(text);
    read.map(Some)
        .ok_or_else(|| refuse(name, "must be a moment such as 2027-01-15T08:00:00Z"))
}

/// 1: liked; 0: not.
fn feedback(call: &Call) -> Result<Option<LogFilter>, Problem> {
    let operator = match call.query("feedback") {
        None => return Ok(None),
        Some("1") => (LogOperator::Gt, 0.0),
        Some("0") => (LogOperator::Lt, 0.01),
        Some(_) => return Err(refuse("feedback", "must be 0 or 1")),
    };
    let (operator, number) = operator;
    compare(
        "feedback",
        LogField::Feedback,
        operator,
        LogValue::Number(number),
    )
}

/// A text that stands anywhere.
fn search(call: &Call) -> Result<Option<LogFilter>, Problem> {
    let Some(text) = call.query("search").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if text.len() > LONGEST_SEARCH {
        return Err(refuse("search", "must have at most 256 bytes"));
    }
    compare(
        "search",
        LogField::Search,
        LogOperator::Contains,
        LogValue::Text(text.into()),
    )
}

fn compare(
    name: &'static str,
    field: LogField,
    operator: LogOperator,
    value: LogValue,
) -> Result<Option<LogFilter>, Problem> {
    let filter = LogFilter::build(field, operator, vec![value]);
    filter
        .map(Some)
        .map_err(|error| Problem::invalid(&FieldPath::query().name(name), error))
}
