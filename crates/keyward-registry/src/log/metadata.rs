//! What a client said of its request, as the log keeps it.

use std::fmt;

use keyward_routes::{Metadata, MetadataValue};
use serde_json::Value as Json;

use super::text::tame;

/// The entries of `cf-aig-metadata`: at most five. Names have at most 128 bytes and texts 1,024; both are without control
/// characters and without what looks like a key or a token.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LogMetadata(Box<[(Box<str>, LogMetadataValue)]>);

/// The value of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "metadata knows no other")]
pub enum LogMetadataValue {
    /// A text.
    Text(Box<str>),
    /// A number, as JSON writes it.
    Number(Box<str>),
    /// `true` or `false`.
    Bool(bool),
}

const MOST: usize = 5;
const LONGEST_NAME: usize = 128;
const LONGEST_TEXT: usize = 1_024;

impl LogMetadataValue {
    /// The value as filters compare it: a number as JSON writes it, `true`, `false`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "t",
            Self::Number(_) => "n",
            Self::Bool(_) => "b",
        }
    }

    fn parse(kind: &str, text: &str) -> Option<Self> {
        match (kind, text) {
            ("t", text) => Some(Self::Text(text.into())),
            ("n", text) => {
                let number = serde_json::from_str::<serde_json::Number>(text);
                number.ok().map(|_number| Self::Number(text.into()))
            }
            ("b", "true") => Some(Self::Bool(true)),
            ("b", "false") => Some(Self::Bool(false)),
            _ => None,
        }
    }

    /// The value in JSON.
    fn to_json(&self) -> Json {
        match self {
            Self::Text(text) => Json::String(text.to_string()),
            Self::Number(text) => serde_json::from_str(text).unwrap_or(Json::Null),
            Self::Bool(value) => Json::Bool(*value),
        }
    }
}

impl From<&Metadata> for LogMetadata {
    fn from(metadata: &Metadata) -> Self {
        let entries = metadata.entries().map(|(name, value)| {
            let value = match value {
                MetadataValue::Text(text) => {
                    LogMetadataValue::Text(tame(text, LONGEST_TEXT).into())
                }
                MetadataValue::Number(text) => LogMetadataValue::Number(text.into()),
                MetadataValue::Bool(value) => LogMetadataValue::Bool(value),
            };
            (tame(name, LONGEST_NAME).into(), value)
        });
        Self(entries.collect())
    }
}

impl LogMetadata {
    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every entry, in the order in which they were sent.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &LogMetadataValue)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// The entries as a JSON object, as they were sent.
    #[must_use]
    pub fn to_json(&self) -> String {
        let entries = self
            .entries()
            .map(|(name, value)| (name.to_owned(), value.to_json()));
        Json::Object(entries.collect()).to_string()
    }

    /// The form that stores keep: each entry's name, kind and text, so that a database compares what
    /// [`LogMetadataValue::as_str`] says.
    #[must_use]
    pub fn to_stored(&self) -> String {
        let entries = self
            .entries()
            .map(|(name, value)| Json::from(vec![name, value.kind(), value.as_str()]));
        Json::Array(entries.collect()).to_string()
    }

    /// Reads [`to_stored`](Self::to_stored) back; none where it is anything else.
    #[must_use]
    pub fn parse_stored(text: &str) -> Option<Self> {
        let entries: Vec<[String; 3]> = serde_json::from_str(text).ok()?;
        if entries.len() > MOST {
            return None;
        }
        let entries = entries.into_iter().map(|[name, kind, text]| {
            let value = LogMetadataValue::parse(&kind, &text)?;
            Some((name.into(), value))
        });
        entries.collect::<Option<_>>().map(Self)
    }
}

impl fmt::Debug for LogMetadata {
    /// Names alone: values are what a client said of its users.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.entries().map(|(name, _)| name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use keyward_routes::Metadata;

    use super::LogMetadata;

    #[test]
    fn entries_are_kept_as_they_were_sent_and_without_keys() {
        let sent =
            br#"{"team":"a b","seats":3,"share":0.5,"trial":true,"key":"sk-proj-0123456789ab"}"#;
        let metadata = LogMetadata::from(&Metadata::parse(sent));
        let stored = metadata.to_stored();
        assert_eq!(
            stored,
            r#"[["team","t","a b"],["seats","n","3"],["share","n","0.5"],["trial","b","true"],["key","t","********************"]]"#
        );
        assert_eq!(LogMetadata::parse_stored(&stored), Some(metadata.clone()));
        let json: serde_json::Value = serde_json::from_str(&metadata.to_json()).unwrap();
        assert_eq!(json["seats"], 3);
        assert_eq!(json["share"], 0.5);
        assert_eq!(json["trial"], true);
        assert!(!format!("{metadata:?}").contains("a b"));
    }

    #[test]
    fn what_no_entries_are_is_none() {
        for text in [
            "",
            "{}",
            r#"[["a","x","1"]]"#,
            r#"[["a","n","x"]]"#,
            r#"[["a","b","1"]]"#,
            r#"[["a","t"]]"#,
        ] {
            assert_eq!(LogMetadata::parse_stored(text), None, "{text}");
        }
    }
}
