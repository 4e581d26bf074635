//! What stands in the body of an answer: its texts, numbers and truth values by where they stand.
//!
//! The body may be anything: cut off, of another media type, hostile. What was read before a fault is kept, and
//! [`Facts::is_whole`] tells that there was none.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How much of a body is looked at, in bytes: error answers are short, and what decides stands in front.
pub(crate) const MOST_BYTES: usize = 8 * 1024;

/// The values of a JSON body by path: `error.code`, `error.details[].reason`. An array around the whole body does
/// not count, because Google answers so at times.
pub(crate) struct Facts<'a> {
    fields: Vec<(String, Cow<'a, str>)>,
    whole: bool,
}

impl<'a> Facts<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Self {
        let head = body.get(..MOST_BYTES).unwrap_or(body);
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let mut fields = Vec::new();
        let mut json = serde_json::Deserializer::from_slice(head);
        let walk = Walk {
            path: &mut String::new(),
            fields: &mut fields,
        };
        let read = walk.deserialize(&mut json).and_then(|()| json.end());
        Self {
            fields,
            whole: read.is_ok() && body.len() <= MOST_BYTES,
        }
    }

    /// Whether the body is JSON to its end, with no name twice in one object.
    pub(crate) const fn is_whole(&self) -> bool {
        self.whole
    }

    /// The values at a path: one, unless an array lies on the way.
    pub(crate) fn at(&self, path: &str) -> impl Iterator<Item = &str> {
        self.fields
            .iter()
            .filter(move |(at, _)| at == path)
            .map(|(_, value)| value.as_ref())
    }
}

struct Walk<'w, 'a> {
    path: &'w mut String,
    fields: &'w mut Vec<(String, Cow<'a, str>)>,
}

impl<'a> Walk<'_, 'a> {
    fn keep(self, value: Cow<'a, str>) {
        self.fields.push((self.path.clone(), value));
    }

    /// The same, one step further down.
    fn below(&mut self) -> Walk<'_, 'a> {
        Walk {
            path: self.path,
            fields: self.fields,
        }
    }
}

impl<'a> DeserializeSeed<'a> for Walk<'_, 'a> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'a>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Walk<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.keep(Cow::Borrowed(if value { "true" } else { "false" }));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.keep(Cow::Owned(value.to_string()));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.keep(Cow::Owned(value.to_string()));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.keep(Cow::Owned(value.to_string()));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.keep(Cow::Owned(value.to_owned()));
        Ok(())
    }

    fn visit_borrowed_str<E>(self, value: &'a str) -> Result<(), E> {
        self.keep(Cow::Borrowed(value));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut items: A) -> Result<(), A::Error> {
        let length = self.path.len();
        if length > 0 {
            self.path.push_str("[]");
        }
        while items.next_element_seed(self.below())?.is_some() {}
        self.path.truncate(length);
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut entries: A) -> Result<(), A::Error> {
        let length = self.path.len();
        let mut seen: Vec<String> = Vec::new();
        while let Some(name) = entries.next_key::<String>()? {
            // Which of two would count is every reader's own choice: such a body says nothing certain.
            if seen.contains(&name) {
                return Err(A::Error::custom("a name stands twice in an object"));
            }
            if name.contains(['.', '[']) {
                // It would read as a path of several steps.
                entries.next_value::<IgnoredAny>()?;
            } else {
                if length > 0 {
                    self.path.push('.');
                }
                self.path.push_str(&name);
                entries.next_value_seed(self.below())?;
                self.path.truncate(length);
            }
            seen.push(name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Facts, MOST_BYTES};

    #[track_caller]
    fn check(body: &str, path: &str, expected: &[&str], whole: bool) {
        let facts = Facts::read(body.as_bytes());
        assert_eq!(facts.at(path).collect::<Vec<_>>(), expected, "{body}");
        assert_eq!(facts.is_whole(), whole, "{body}");
    }

    #[test]
    fn values_are_found_by_their_path() {
        let body =
            r#"{"error":{"code":401,"details":[{"reason":"A"},{"reason":"B"}],"x":null,"y":true}}"#;
        check(body, "error.code", &["401"], true);
        check(body, "error.details[].reason", &["A", "B"], true);
        check(body, "error.x", &[], true);
        check(body, "error.y", &["true"], true);
        check(&format!("[{body}]"), "error.code", &["401"], true);
        check(&format!("\u{feff}{body}"), "error.code", &["401"], true);
        check(r#""a text""#, "", &["a text"], true);
    }

    #[test]
    fn what_stands_before_a_fault_is_kept_and_is_not_whole() {
        check(r#"{"code":"a","message":"b"#, "code", &["a"], false);
        check(r#"{"code":"a"} trailing"#, "code", &["a"], false);
        check(r#"{"code":"a","code":"b"}"#, "code", &["a"], false);
        check("<html>", "code", &[], false);
        check("", "code", &[], false);
        check(&"[".repeat(5000), "code", &[], false);
        let long = format!(r#"{{"code":"a","message":"{}"}}"#, "b".repeat(MOST_BYTES));
        check(&long, "code", &["a"], false);
        let spaces = format!(r#"{{"code":"a"}}{}"#, " ".repeat(MOST_BYTES));
        check(&spaces, "code", &["a"], false);
    }

    #[test]
    fn a_name_that_reads_as_a_path_is_none() {
        check(r#"{"error.code":"a"}"#, "error.code", &[], true);
    }
}
