//! Conditions on log entries in SQL. What they mean is said by `LogFilter::matches`; the contract suite compares both.

use keyward_registry::{LogField, LogFieldKind, LogFilter, LogId, LogOperator, LogValue};
use sqlx::{QueryBuilder, Sqlite};

use super::{Scope, names};

/// The id of an entry as people write it.
const ID_TEXT: &str = "lower(hex(substr(l.id, 1, 4)) || '-' || hex(substr(l.id, 5, 2)) || '-' || hex(substr(l.id, 7, 2)) || '-' || hex(substr(l.id, 9, 2)) || '-' || hex(substr(l.id, 11)))";

/// Which rows of `log`, which stands under the name `l`.
pub(super) struct Condition<'a> {
    pub(super) scope: Scope,
    pub(super) range: Range,
    pub(super) filters: &'a [LogFilter],
}

/// Between which ids rows lie, beside what filters say.
#[derive(Default)]
pub(super) struct Range {
    /// The first.
    pub(super) from: Option<LogId>,
    /// The one behind which they lie.
    pub(super) after: Option<LogId>,
    /// The one before which they lie.
    pub(super) before: Option<LogId>,
}

/// Where the values of a field stand.
enum Source {
    /// A column whose texts many entries share.
    Named(&'static str),
    /// SQL that gives the value; NULL where it is absent.
    Plain(String),
    /// SQL that gives the value of one of the metadata's entries.
    Metadata(&'static str),
    /// Each of several.
    Any(Vec<Self>),
    /// No entry has it.
    Absent,
}

impl Condition<'_> {
    pub(super) fn push(&self, sql: &mut QueryBuilder<Sqlite>) {
        sql.push("l.scope = ").push_bind(self.scope);
        // Of several bounds in one direction, SQLite begins or ends at the one that stands first, and reads past the others:
        // in the middle of a long log that is most of it. What narrows most stands first.
        for (operator, id) in [
            (" >= ", self.range.from),
            (" > ", self.range.after),
            (" < ", self.range.before),
        ] {
            if let Some(id) = id {
                sql.push(" AND l.id").push(operator);
                sql.push_bind(id.as_bytes().to_vec());
            }
        }
        let mut filters: Vec<_> = self.filters.iter().collect();
        filters.sort_by_key(|filter| match filter.field() {
            LogField::Id => 0,
            LogField::CreatedAt => 1,
            _ => 2,
        });
        for filter in filters {
            sql.push(" AND ");
            push_filter(sql, filter);
        }
    }
}

fn push_filter(sql: &mut QueryBuilder<Sqlite>, filter: &LogFilter) {
    let source = source(filter.field());
    let values = filter.values();
    match filter.operator() {
        LogOperator::Eq => push_equal(sql, filter.field(), &source, values),
        LogOperator::Neq => {
            // What is compared with NULL is not equal.
            sql.push("NOT coalesce(");
            push_equal(sql, filter.field(), &source, values);
            sql.push(", 0)");
        }
        LogOperator::Contains => {
            let texts = values.iter().filter_map(|value| match value {
                LogValue::Text(text) => Some(&**text),
                _ => None,
            });
            push_contains(sql, &source, &texts.collect::<Vec<_>>());
        }
        LogOperator::Lt => push_order(sql, &source, " < ", values),
        LogOperator::Gt => push_order(sql, &source, " > ", values),
    }
}

/// One of several. A single one stands as it is, so that an index may serve it.
fn push_any<T>(
    sql: &mut QueryBuilder<Sqlite>,
    values: impl IntoIterator<Item = T>,
    mut push: impl FnMut(&mut QueryBuilder<Sqlite>, T),
) {
    let mut values = values.into_iter().peekable();
    let Some(first) = values.next() else {
        sql.push("0");
        return;
    };
    let is_only = values.peek().is_none();
    sql.push(if is_only { "" } else { "(" });
    push(sql, first);
    for value in values {
        sql.push(" OR ");
        push(sql, value);
    }
    sql.push(if is_only { "" } else { ")" });
}

fn push_equal(
    sql: &mut QueryBuilder<Sqlite>,
    field: LogField,
    source: &Source,
    values: &[LogValue],
) {
    let has_null = values.contains(&LogValue::Null);
    if let (Source::Named(column), [LogValue::Text(text)]) = (source, values) {
        // As the index has it, so that what is found is in order already.
        sql.push("l.").push(column).push(" = ");
        names::push_value(sql, text);
        return;
    }
    if let (Source::Plain(plain), [LogValue::Flag(flag)]) = (source, values) {
        // As the index of what failed has it.
        sql.push(plain).push(if *flag { " = 1" } else { " = 0" });
        return;
    }
    if let Source::Any(sources) = source {
        // None of them is ever absent altogether.
        let known = values.iter().filter(|value| **value != LogValue::Null);
        let known: Vec<_> = known.cloned().collect();
        push_any(sql, sources, |sql, source| {
            push_equal(sql, field, source, &known);
        });
        return;
    }
    let known = values.iter().filter(|value| **value != LogValue::Null);
    sql.push("(");
    match source {
        Source::Absent | Source::Any(_) => {
            sql.push("0");
        }
        Source::Named(column) => {
            sql.push("l.").push(column).push(" IN (NULL");
            for value in known {
                if let LogValue::Text(text) = value {
                    sql.push(", ");
                    names::push_value(sql, text);
                }
            }
            sql.push(")");
        }
        Source::Plain(_) if field.kind() == LogFieldKind::Time => {
            push_any(sql, known, |sql, value| {
                if let LogValue::Time(time) = value {
                    let first = LogId::first_at(*time);
                    sql.push("(l.id >= ").push_bind(first.as_bytes().to_vec());
                    sql.push(" AND l.id < ")
                        .push_bind(next_millisecond(first))
                        .push(")");
                }
            });
        }
        Source::Plain(plain) => {
            sql.push(plain).push(" IN (NULL");
            for value in known {
                sql.push(", ");
                push_bind(sql, value);
            }
            sql.push(")");
        }
        Source::Metadata(of_entry) => {
            sql.push("EXISTS (SELECT 1 FROM json_each(l.metadata) AS m WHERE ");
            sql.push(of_entry).push(" IN (NULL");
            for value in known {
                sql.push(", ");
                push_bind(sql, value);
            }
            sql.push("))");
        }
    }
    if has_null {
        sql.push(" OR ");
        match source {
            Source::Absent | Source::Any(_) => sql.push("1"),
            Source::Named(column) => sql.push("l.").push(column).push(" IS NULL"),
            Source::Plain(plain) => sql.push(plain).push(" IS NULL"),
            Source::Metadata(_) => sql.push("l.metadata IS NULL"),
        };
    }
    sql.push(")");
}

fn push_contains(sql: &mut QueryBuilder<Sqlite>, source: &Source, texts: &[&str]) {
    let push_in = |sql: &mut QueryBuilder<Sqlite>, whole: &str| {
        push_any(sql, texts, |sql, text| {
            sql.push("instr(lower(").push(whole).push("), ");
            sql.push_bind(text.to_ascii_lowercase()).push(") > 0");
        });
    };
    match source {
        Source::Absent => {
            sql.push("0");
        }
        Source::Any(sources) => {
            push_any(sql, sources, |sql, source| {
                // Written out for every entry, an id costs more than all else: only where it may be found.
                let is_of_id = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
                let may_be_found = |text: &&&str| {
                    !matches!(source, Source::Plain(plain) if plain == ID_TEXT)
                        || text.bytes().all(is_of_id)
                };
                let texts: Vec<_> = texts.iter().filter(may_be_found).copied().collect();
                push_contains(sql, source, &texts);
            });
        }
        Source::Named(column) => {
            sql.push("(l.").push(column);
            sql.push(" IN (SELECT id FROM log_name WHERE ");
            push_in(sql, "text");
            sql.push(") OR (typeof(l.")
                .push(column)
                .push(") = 'blob' AND ");
            push_in(sql, &format!("CAST(l.{column} AS TEXT)"));
            sql.push("))");
        }
        Source::Plain(plain) => push_in(sql, plain),
        Source::Metadata(of_entry) => {
            sql.push("EXISTS (SELECT 1 FROM json_each(l.metadata) AS m WHERE ");
            push_in(sql, of_entry);
            sql.push(")");
        }
    }
}

fn push_order(
    sql: &mut QueryBuilder<Sqlite>,
    source: &Source,
    operator: &'static str,
    values: &[LogValue],
) {
    let Source::Plain(plain) = source else {
        sql.push("0");
        return;
    };
    let known = values.iter().filter(|value| **value != LogValue::Null);
    push_any(sql, known, |sql, value| match value {
        LogValue::Time(time) => {
            let first = LogId::first_at(*time);
            if operator == " < " {
                sql.push("l.id < ").push_bind(first.as_bytes().to_vec());
            } else {
                sql.push("l.id >= ").push_bind(next_millisecond(first));
            }
        }
        value => {
            sql.push(plain).push(operator);
            push_bind(sql, value);
        }
    });
}

fn push_bind(sql: &mut QueryBuilder<Sqlite>, value: &LogValue) {
    match value {
        LogValue::Null => sql.push("NULL"),
        LogValue::Flag(flag) => sql.push_bind(*flag),
        LogValue::Number(number) => sql.push_bind(*number),
        LogValue::Text(text) => sql.push_bind(text.to_string()),
        LogValue::Time(time) => sql.push_bind(LogId::first_at(*time).as_bytes().to_vec()),
        LogValue::Id(id) => sql.push_bind(id.as_bytes().to_vec()),
    };
}

/// The bytes behind which ids of later milliseconds lie. Beyond the last millisecond there is none.
fn next_millisecond(first: LogId) -> Vec<u8> {
    let next = first
        .made_at()
        .checked_add(std::time::Duration::from_millis(1));
    let next = next.map(LogId::first_at).filter(|next| *next > first);
    next.map_or_else(|| vec![0xff; 16], |next| next.as_bytes().to_vec())
}

fn source(field: LogField) -> Source {
    let plain = |sql: &str| Source::Plain(sql.to_owned());
    match field {
        LogField::Id | LogField::CreatedAt => plain("l.id"),
        LogField::RequestContentType => Source::Named("request_content_type"),
        LogField::ResponseContentType => Source::Named("response_content_type"),
        LogField::Provider => Source::Named("provider"),
        LogField::Model => Source::Named("model"),
        LogField::UserAgent => Source::Named("user_agent"),
        LogField::ProviderKeyId => Source::Named("provider_key"),
        LogField::TokenId => Source::Named("token"),
        LogField::Success => plain("l.success"),
        LogField::Cached => plain("l.cached"),
        LogField::Authentication => plain("l.authentication"),
        LogField::Byok => plain("l.byok"),
        LogField::CompatibilityMode => plain("l.compat"),
        LogField::Wholesale => plain("0"),
        LogField::Cost => plain("l.cost"),
        LogField::Tokens => plain("(l.input + l.output)"),
        LogField::TokensIn => plain("l.input"),
        LogField::TokensOut => plain("l.output"),
        LogField::Duration => plain("l.duration"),
        LogField::Feedback => plain("(l.feedback / 100.0)"),
        LogField::Score => plain("(l.score / 100.0)"),
        LogField::StatusCode => plain("l.status"),
        LogField::ErrorCode => plain("l.error_code"),
        LogField::EventId => Source::Plain(format!("coalesce(l.event_id, {ID_TEXT})")),
        LogField::MetadataKey => Source::Metadata("(m.value ->> 0)"),
        LogField::MetadataValue => Source::Metadata("(m.value ->> 2)"),
        LogField::Search => {
            let plain = [ID_TEXT, "l.event_id"].map(plain);
            let named = ["provider", "model", "path", "user_agent"].map(Source::Named);
            Source::Any(plain.into_iter().chain(named).collect())
        }
        LogField::RequestType
        | LogField::ModelType
        | LogField::DlpAction
        | LogField::PromptId
        | LogField::PromptVersionId => Source::Absent,
    }
}
