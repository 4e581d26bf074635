//! Conditions on log entries, in the terms of the reference (wire-spec §4.2). Pure.

use std::{
    borrow::Cow,
    fmt,
    time::{Duration, SystemTime},
};

use super::{LogEntry, LogId, LogMark};

/// What of an entry a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "a store decides for each")]
#[expect(
    missing_docs,
    reason = "each is the key that `name` gives, and the entry's field"
)]
pub enum LogField {
    Id,
    CreatedAt,
    RequestContentType,
    ResponseContentType,
    RequestType,
    Success,
    Cached,
    Provider,
    Model,
    ModelType,
    Cost,
    Tokens,
    TokensIn,
    TokensOut,
    Duration,
    Feedback,
    EventId,
    MetadataKey,
    MetadataValue,
    Authentication,
    Wholesale,
    CompatibilityMode,
    DlpAction,
    UserAgent,
    PromptId,
    PromptVersionId,
    StatusCode,
    ErrorCode,
    Byok,
    ProviderKeyId,
    TokenId,
    Score,
    /// Any of id, event id, provider, model, path and user agent.
    Search,
}

/// How the values of a field are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a store decides for each")]
pub enum LogFieldKind {
    /// Texts: equal byte for byte; `contains` takes ASCII letters of either case for the same.
    Text,
    /// Numbers.
    Number,
    /// `true` or `false`.
    Flag,
    /// Moments.
    Time,
    /// The entry's id.
    Id,
}

impl LogField {
    /// Every field, with the key that names it. Behind `prompts.version_id` they are Keyward's own.
    pub const ALL: &'static [(&'static str, Self, LogFieldKind)] = &[
        ("id", Self::Id, LogFieldKind::Id),
        ("created_at", Self::CreatedAt, LogFieldKind::Time),
        (
            "request_content_type",
            Self::RequestContentType,
            LogFieldKind::Text,
        ),
        (
            "response_content_type",
            Self::ResponseContentType,
            LogFieldKind::Text,
        ),
        ("request_type", Self::RequestType, LogFieldKind::Text),
        ("success", Self::Success, LogFieldKind::Flag),
        ("cached", Self::Cached, LogFieldKind::Flag),
        ("provider", Self::Provider, LogFieldKind::Text),
        ("model", Self::Model, LogFieldKind::Text),
        ("model_type", Self::ModelType, LogFieldKind::Text),
        ("cost", Self::Cost, LogFieldKind::Number),
        ("tokens", Self::Tokens, LogFieldKind::Number),
        ("tokens_in", Self::TokensIn, LogFieldKind::Number),
        ("tokens_out", Self::TokensOut, LogFieldKind::Number),
        ("duration", Self::Duration, LogFieldKind::Number),
        ("feedback", Self::Feedback, LogFieldKind::Number),
        ("event_id", Self::EventId, LogFieldKind::Text),
        ("metadata.key", Self::MetadataKey, LogFieldKind::Text),
        ("metadata.value", Self::MetadataValue, LogFieldKind::Text),
        ("authentication", Self::Authentication, LogFieldKind::Flag),
        ("wholesale", Self::Wholesale, LogFieldKind::Flag),
        (
            "compatibilityMode",
            Self::CompatibilityMode,
            LogFieldKind::Flag,
        ),
        ("dlp_action", Self::DlpAction, LogFieldKind::Text),
        ("user_agent", Self::UserAgent, LogFieldKind::Text),
        ("prompts.prompt_id", Self::PromptId, LogFieldKind::Text),
        (
            "prompts.version_id",
            Self::PromptVersionId,
            LogFieldKind::Text,
        ),
        ("status_code", Self::StatusCode, LogFieldKind::Number),
        ("error_code", Self::ErrorCode, LogFieldKind::Number),
        ("byok", Self::Byok, LogFieldKind::Flag),
        ("provider_key_id", Self::ProviderKeyId, LogFieldKind::Text),
        ("token_id", Self::TokenId, LogFieldKind::Text),
        ("score", Self::Score, LogFieldKind::Number),
        ("search", Self::Search, LogFieldKind::Text),
    ];

    /// The field that a key names.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, ..)| *known == name);
        found.map(|(_, field, _)| *field)
    }

    fn line(self) -> (&'static str, LogFieldKind) {
        let found = Self::ALL.iter().find(|(_, field, _)| *field == self);
        found.map_or(("", LogFieldKind::Text), |(name, _, kind)| (name, *kind))
    }

    /// The key that names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.line().0
    }

    /// How its values are compared.
    #[must_use]
    pub fn kind(self) -> LogFieldKind {
        self.line().1
    }
}

/// How a field is compared with values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a store decides for each")]
pub enum LogOperator {
    /// Equal to one of the values; nothing is equal to null but what is absent.
    Eq,
    /// Equal to none of the values.
    Neq,
    /// Holds one of the values: of texts alone.
    Contains,
    /// Less than one of the values: of numbers, moments and ids.
    Lt,
    /// More than one of the values: of numbers, moments and ids.
    Gt,
}

impl LogOperator {
    const ALL: [(&'static str, Self); 5] = [
        ("eq", Self::Eq),
        ("neq", Self::Neq),
        ("contains", Self::Contains),
        ("lt", Self::Lt),
        ("gt", Self::Gt),
    ];

    /// The operator of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, operator)| operator)
    }

    /// `eq`, `neq`, `contains`, `lt` or `gt`.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = Self::ALL
            .into_iter()
            .find(|(_, operator)| *operator == self);
        found.map_or("", |(name, _)| name)
    }
}

/// A value that a field is compared with.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a store decides for each")]
pub enum LogValue {
    /// What an absent field is.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A number: of `cost`, in billionths of a dollar.
    Number(f64),
    /// A text.
    Text(Box<str>),
    /// A moment.
    Time(SystemTime),
    /// An entry's id.
    Id(LogId),
}

/// One condition: a field, an operator, and one value or several.
#[derive(Clone, Debug, PartialEq)]
pub struct LogFilter {
    field: LogField,
    operator: LogOperator,
    values: Vec<LogValue>,
}

/// A condition is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogFilterError {
    /// It has no value.
    #[error("a filter needs at least one value")]
    NoValue,
    /// It has too many.
    #[error("a filter has at most {} values", LogFilter::MOST_VALUES)]
    TooManyValues,
    /// The field is not compared so.
    #[error("`{field}` is not compared with `{operator}`; its operators are {operators}")]
    Operator {
        /// The field's key.
        field: &'static str,
        /// The operator's name.
        operator: &'static str,
        /// Those that it has.
        operators: &'static str,
    },
    /// A value is of another kind than the field.
    #[error("`{field}` is compared with {needed}")]
    Value {
        /// The field's key.
        field: &'static str,
        /// What its values are.
        needed: &'static str,
    },
}

impl LogFilter {
    /// The most values of one condition.
    pub const MOST_VALUES: usize = 100;

    /// Checks a condition, and reads its values as the field has them: texts of queries, too, where they spell out a number,
    /// `true` or `false`, or an id. Amounts of `cost` are in dollars. A moment must be a [`LogValue::Time`] already, or the
    /// number of milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// When there are no values or too many, and when the operator or a value does not suit the field.
    pub fn build(
        field: LogField,
        operator: LogOperator,
        values: Vec<LogValue>,
    ) -> Result<Self, LogFilterError> {
        if values.is_empty() {
            return Err(LogFilterError::NoValue);
        }
        if values.len() > Self::MOST_VALUES {
            return Err(LogFilterError::TooManyValues);
        }
        let (suits, operators) = match (field.kind(), operator) {
            (_, LogOperator::Eq | LogOperator::Neq) => (true, ""),
            (LogFieldKind::Text, operator) => (
                operator == LogOperator::Contains,
                "`eq`, `neq` and `contains`",
            ),
            (LogFieldKind::Flag, _) => (false, "`eq` and `neq`"),
            (LogFieldKind::Number | LogFieldKind::Time | LogFieldKind::Id, operator) => (
                operator != LogOperator::Contains,
                "`eq`, `neq`, `lt` and `gt`",
            ),
        };
        if !suits {
            let (field, operator) = (field.name(), operator.name());
            return Err(LogFilterError::Operator {
                field,
                operator,
                operators,
            });
        }
        let values = values.into_iter().map(|value| read(field, value));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            field,
            operator,
            values,
        })
    }

    /// The condition that a field of whole numbers (`cost`, `duration`, tokens) is not below `least`; `cost` in dollars.
    ///
    /// # Errors
    ///
    /// When the field is of another kind.
    pub fn at_least(field: LogField, least: f64) -> Result<Self, LogFilterError> {
        let mut filter = Self::build(field, LogOperator::Gt, vec![LogValue::Number(least)])?;
        filter.shift(|number| number.ceil() - 0.5);
        Ok(filter)
    }

    /// The condition that such a field is not above `most`.
    ///
    /// # Errors
    ///
    /// When the field is of another kind.
    pub fn at_most(field: LogField, most: f64) -> Result<Self, LogFilterError> {
        let mut filter = Self::build(field, LogOperator::Lt, vec![LogValue::Number(most)])?;
        filter.shift(|number| number.floor() + 0.5);
        Ok(filter)
    }

    /// Whole numbers lie on either side of what lies between two of them.
    fn shift(&mut self, shift: impl Fn(f64) -> f64) {
        for value in &mut self.values {
            if let LogValue::Number(number) = value {
                *number = shift(*number);
            }
        }
    }

    /// What it is about.
    #[must_use]
    pub const fn field(&self) -> LogField {
        self.field
    }

    /// How it is compared.
    #[must_use]
    pub const fn operator(&self) -> LogOperator {
        self.operator
    }

    /// The values: of the field's kind, or null. Amounts of `cost` are in billionths of a dollar.
    #[must_use]
    pub fn values(&self) -> &[LogValue] {
        &self.values
    }

    /// Whether an entry meets the condition. Of metadata, any of its entries does; so does any text of a search.
    #[must_use]
    pub fn matches(&self, entry: &LogEntry) -> bool {
        let data = data_of(entry, self.field);
        match self.operator {
            LogOperator::Eq => self.equals_any(&data),
            LogOperator::Neq => !self.equals_any(&data),
            LogOperator::Contains => self.any(&data, |datum, value| match (datum, value) {
                (Datum::Text(text), LogValue::Text(part)) => {
                    let lower = text.to_ascii_lowercase();
                    lower.contains(&part.to_ascii_lowercase())
                }
                _ => false,
            }),
            LogOperator::Lt => self.any(&data, |datum, value| datum.is_below(value)),
            LogOperator::Gt => self.any(&data, |datum, value| datum.is_above(value)),
        }
    }

    fn equals_any(&self, data: &[Datum<'_>]) -> bool {
        let has_null = || self.values.contains(&LogValue::Null);
        (data.is_empty() && has_null()) || self.any(data, |datum, value| datum.equals(value))
    }

    fn any(&self, data: &[Datum<'_>], holds: impl Fn(&Datum<'_>, &LogValue) -> bool) -> bool {
        data.iter()
            .any(|datum| self.values.iter().any(|value| holds(datum, value)))
    }
}

fn read(field: LogField, value: LogValue) -> Result<LogValue, LogFilterError> {
    if value == LogValue::Null {
        return Ok(value);
    }
    let (read, needed) = match field.kind() {
        LogFieldKind::Text => (as_text(value), "texts"),
        LogFieldKind::Number => (as_number(field, value), "numbers"),
        LogFieldKind::Flag => (as_flag(&value), "`true` and `false`"),
        LogFieldKind::Time => (as_time(value), "moments such as 2027-01-15T08:00:00Z"),
        LogFieldKind::Id => (as_id(&value), "ids of log entries"),
    };
    read.ok_or(LogFilterError::Value {
        field: field.name(),
        needed,
    })
}

fn as_text(value: LogValue) -> Option<LogValue> {
    match value {
        LogValue::Text(_) => Some(value),
        LogValue::Number(number) => Some(LogValue::Text(number.to_string().into())),
        LogValue::Flag(flag) => Some(LogValue::Text(flag.to_string().into())),
        LogValue::Null | LogValue::Time(_) | LogValue::Id(_) => None,
    }
}

fn as_number(field: LogField, value: LogValue) -> Option<LogValue> {
    let number = match value {
        LogValue::Number(number) => Some(number),
        LogValue::Text(text) => text.parse().ok(),
        LogValue::Flag(_) | LogValue::Null | LogValue::Time(_) | LogValue::Id(_) => None,
    };
    let number = number.filter(|number: &f64| number.is_finite())?;
    Some(LogValue::Number(match field {
        LogField::Cost => (number * 1e9).round(),
        _ => number,
    }))
}

fn as_flag(value: &LogValue) -> Option<LogValue> {
    let flag = match value {
        LogValue::Flag(flag) => Some(*flag),
        LogValue::Text(text) => match &**text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        LogValue::Number(number) if *number == 0.0 => Some(false),
        LogValue::Number(number) if (*number - 1.0).abs() < f64::EPSILON => Some(true),
        LogValue::Number(_) | LogValue::Null | LogValue::Time(_) | LogValue::Id(_) => None,
    };
    flag.map(LogValue::Flag)
}

fn as_time(value: LogValue) -> Option<LogValue> {
    match value {
        LogValue::Time(_) => Some(value),
        LogValue::Number(millis) => {
            let since = Duration::try_from_secs_f64(millis / 1e3).ok()?;
            SystemTime::UNIX_EPOCH
                .checked_add(since)
                .map(LogValue::Time)
        }
        LogValue::Text(_) | LogValue::Flag(_) | LogValue::Null | LogValue::Id(_) => None,
    }
}

fn as_id(value: &LogValue) -> Option<LogValue> {
    match value {
        LogValue::Id(id) => Some(LogValue::Id(*id)),
        LogValue::Text(text) => LogId::parse(text).ok().map(LogValue::Id),
        LogValue::Number(_) | LogValue::Flag(_) | LogValue::Null | LogValue::Time(_) => None,
    }
}

/// What an entry has in a field.
enum Datum<'a> {
    Text(Cow<'a, str>),
    Number(f64),
    Flag(bool),
    Time(u64),
    Id(LogId),
}

impl Datum<'_> {
    fn equals(&self, value: &LogValue) -> bool {
        match (self, value) {
            (Self::Text(own), LogValue::Text(other)) => **own == **other,
            (Self::Flag(own), LogValue::Flag(other)) => own == other,
            _ => !self.is_below(value) && !self.is_above(value) && self.is_ordered(value),
        }
    }

    fn is_ordered(&self, value: &LogValue) -> bool {
        matches!(
            (self, value),
            (Self::Number(_), LogValue::Number(_))
                | (Self::Time(_), LogValue::Time(_))
                | (Self::Id(_), LogValue::Id(_))
        )
    }

    fn is_below(&self, value: &LogValue) -> bool {
        match (self, value) {
            (Self::Number(own), LogValue::Number(other)) => own < other,
            (Self::Time(own), LogValue::Time(other)) => *own < LogId::first_at(*other).millis(),
            (Self::Id(own), LogValue::Id(other)) => own < other,
            _ => false,
        }
    }

    fn is_above(&self, value: &LogValue) -> bool {
        match (self, value) {
            (Self::Number(own), LogValue::Number(other)) => own > other,
            (Self::Time(own), LogValue::Time(other)) => *own > LogId::first_at(*other).millis(),
            (Self::Id(own), LogValue::Id(other)) => own > other,
            _ => false,
        }
    }
}

/// What is absent has no data; metadata may have several.
fn data_of<'a>(entry: &'a LogEntry, field: LogField) -> Vec<Datum<'a>> {
    let text = |text: Option<&'a str>| text.map(|text| Datum::Text(Cow::Borrowed(text)));
    let shown = |shown: Option<String>| shown.map(|text| Datum::Text(Cow::Owned(text)));
    let number = |number: Option<u64>| number.map(|number| Datum::Number(real(number)));
    let mark = |mark: Option<LogMark>| mark.map(|mark| Datum::Number(mark.number()));
    let flag = |flag: bool| Some(Datum::Flag(flag));
    let datum = match field {
        LogField::Id => Some(Datum::Id(entry.id)),
        LogField::CreatedAt => Some(Datum::Time(entry.id.millis())),
        LogField::RequestContentType => text(entry.request_content_type.as_deref()),
        LogField::ResponseContentType => text(entry.response_content_type.as_deref()),
        LogField::Success => flag(entry.success),
        LogField::Cached => flag(entry.cached),
        LogField::Provider => text(Some(entry.provider.as_str())),
        LogField::Model => text(entry.model.as_deref()),
        LogField::Cost => number(entry.cost.map(keyward_routes::Money::nanos)),
        LogField::Tokens => number(entry.usage.total()),
        LogField::TokensIn => number(entry.usage.input),
        LogField::TokensOut => number(entry.usage.output),
        LogField::Duration => number(Some(super::store::millis(entry.duration))),
        LogField::Feedback => mark(entry.feedback),
        LogField::Score => mark(entry.score),
        LogField::EventId => match &entry.event_id {
            Some(own) => text(Some(own)),
            None => shown(Some(entry.id.to_string())),
        },
        LogField::MetadataKey => {
            let names = entry.metadata.entries().map(|(name, _)| name);
            return names.map(|name| Datum::Text(name.into())).collect();
        }
        LogField::MetadataValue => {
            let values = entry.metadata.entries().map(|(_, value)| value.as_str());
            return values.map(|value| Datum::Text(value.into())).collect();
        }
        LogField::Authentication => flag(entry.authentication),
        LogField::Wholesale => flag(false),
        LogField::CompatibilityMode => flag(entry.compat),
        LogField::Byok => flag(entry.byok),
        LogField::UserAgent => text(entry.user_agent.as_deref()),
        LogField::StatusCode => number(entry.status.map(u64::from)),
        LogField::ErrorCode => number(entry.error_code.map(u64::from)),
        LogField::ProviderKeyId => shown(entry.provider_key.map(|id| id.to_string())),
        LogField::TokenId => shown(entry.token.map(|id| id.to_string())),
        LogField::Search => {
            let always = [entry.provider.as_str(), &entry.path].into_iter();
            let named = [&entry.event_id, &entry.model, &entry.user_agent];
            let named = named.into_iter().flatten().map(|text| &**text);
            let data = always.chain(named).map(|text| Datum::Text(text.into()));
            return data.chain(shown(Some(entry.id.to_string()))).collect();
        }
        // Keyward has none of these.
        LogField::RequestType
        | LogField::ModelType
        | LogField::DlpAction
        | LogField::PromptId
        | LogField::PromptVersionId => None,
    };
    datum.into_iter().collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "as a database compares whole numbers with others; counts and amounts are far below 2^53"
)]
const fn real(number: u64) -> f64 {
    number as f64
}

impl fmt::Display for LogField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::{LogField, LogFilter, LogFilterError, LogOperator, LogValue};

    fn build(
        field: LogField,
        operator: LogOperator,
        value: LogValue,
    ) -> Result<LogFilter, LogFilterError> {
        LogFilter::build(field, operator, vec![value])
    }

    #[test]
    fn values_are_read_as_the_field_has_them() {
        let text = |text: &str| LogValue::Text(text.into());
        for (field, value, read) in [
            (LogField::Cost, text("0.1"), LogValue::Number(1e8)),
            (LogField::Cost, LogValue::Number(0.1), LogValue::Number(1e8)),
            (LogField::TokensIn, text("12"), LogValue::Number(12.0)),
            (LogField::Success, text("true"), LogValue::Flag(true)),
            (
                LogField::Success,
                LogValue::Number(0.0),
                LogValue::Flag(false),
            ),
            (LogField::MetadataValue, LogValue::Number(3.0), text("3")),
            (LogField::MetadataValue, LogValue::Flag(true), text("true")),
            (LogField::Model, LogValue::Null, LogValue::Null),
        ] {
            let filter = build(field, LogOperator::Eq, value).unwrap();
            assert_eq!(filter.values(), [read], "{field}");
        }
    }

    #[test]
    fn every_field_is_found_by_its_key() {
        for (name, field, kind) in LogField::ALL {
            assert_eq!(LogField::find(name), Some(*field));
            assert_eq!((field.name(), field.kind()), (*name, *kind));
        }
        assert_eq!(LogField::find("Provider"), None);
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        keyward_testing::assert_texts!("LogFilterError", LogFilterError {
            LogFilterError::NoValue =>
                LogFilter::build(LogField::Model, LogOperator::Eq, Vec::new()).unwrap_err(),
            LogFilterError::TooManyValues =>
                LogFilter::build(LogField::Model, LogOperator::Eq, vec![LogValue::Null; 101]).unwrap_err(),
            LogFilterError::Operator { .. } =>
                build(LogField::Model, LogOperator::Lt, LogValue::Null).unwrap_err(),
            LogFilterError::Value { .. } =>
                build(LogField::Cost, LogOperator::Eq, LogValue::Flag(true)).unwrap_err(),
        }, |error| keyward_testing::told(&error));
    }
}
