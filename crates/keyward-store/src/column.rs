//! The forms in which values stand in columns.

use std::{
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use keyward_routes::SpendLimits;
use serde_json::Value;
use sqlx::{Decode, Row, Sqlite, Type, sqlite::SqliteRow};

use crate::failure::Failure;

/// A row's columns by name. What is missing, of another type or does not parse is `None`.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'r>(pub(crate) &'r SqliteRow);

impl<'r> Columns<'r> {
    pub(crate) fn get<T: Decode<'r, Sqlite> + Type<Sqlite>>(self, name: &str) -> Option<T> {
        self.0.try_get(name).ok()
    }

    pub(crate) fn text(self, name: &str) -> Option<String> {
        self.get(name)
    }

    pub(crate) fn parse<T: FromStr>(self, name: &str) -> Option<T> {
        self.get::<&str>(name)?.parse().ok()
    }

    pub(crate) fn flag(self, name: &str) -> Option<bool> {
        match self.get::<i64>(name)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(crate) fn time(self, name: &str) -> Option<SystemTime> {
        time(self.get(name)?)
    }

    pub(crate) fn optional_time(self, name: &str) -> Option<Option<SystemTime>> {
        match self.get::<Option<i64>>(name)? {
            None => Some(None),
            Some(millis) => time(millis).map(Some),
        }
    }

    pub(crate) fn list(self, name: &str) -> Option<Vec<String>> {
        serde_json::from_str(self.get(name)?).ok()
    }

    /// The outer `None`: unreadable. The inner: NULL.
    pub(crate) fn optional_list(self, name: &str) -> Option<Option<Vec<String>>> {
        match self.get::<Option<&str>>(name)? {
            None => Some(None),
            Some(text) => serde_json::from_str(text).ok().map(Some),
        }
    }

    /// The outer `None`: unreadable. The inner: NULL.
    pub(crate) fn spend_limits(self) -> Option<Option<SpendLimits>> {
        match self.get::<Option<&str>>("spend_limits")? {
            None => Some(None),
            Some(text) => serde_json::from_str(text).ok().map(Some),
        }
    }
}

/// Whole milliseconds since 1970; what lies before is 1970, as in the authentication codes.
pub(crate) fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn optional_millis(time: Option<SystemTime>) -> Option<i64> {
    time.map(millis)
}

pub(crate) fn time(millis: i64) -> Option<SystemTime> {
    let since = Duration::from_millis(u64::try_from(millis).ok()?);
    UNIX_EPOCH.checked_add(since)
}

/// As [`Columns::spend_limits`] reads them.
pub(crate) fn spend_limits(limits: Option<&SpendLimits>) -> Result<Option<String>, Failure> {
    let text = limits.map(serde_json::to_string).transpose();
    text.map_err(Failure::damaged)
}

/// A JSON array of texts.
pub(crate) fn list<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> String {
    let texts = texts.into_iter().map(|text| Value::String(text.into()));
    Value::Array(texts.collect()).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{list, millis, time};

    #[test]
    fn times_are_kept_to_the_millisecond() {
        let moment = UNIX_EPOCH + Duration::from_micros(1_800_000_000_123_456);
        let kept = UNIX_EPOCH + Duration::from_millis(1_800_000_000_123);
        assert_eq!(time(millis(moment)), Some(kept));
        assert_eq!(millis(UNIX_EPOCH - Duration::from_secs(1)), 0);
        assert_eq!(time(-1), None);
    }

    #[test]
    fn lists_are_json() {
        assert_eq!(list(["a\"b", "ä"]), r#"["a\"b","ä"]"#);
    }
}
