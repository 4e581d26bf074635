//! Headers as people write them, of a custom provider and of a request: a line each, `Name: value`.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};

use crate::{dashboard::form::Form, envelope::Problem, erased::Buffer};

/// The form's field.
pub(crate) const FIELD: &str = "headers";

/// What was typed for the headers.
pub(crate) enum Headers {
    /// What is stored, as it is masked.
    AsStored,
    None,
    /// A JSON object, which may hold secrets.
    Object(Buffer),
}

/// A line that is no header, counted from 1.
pub(crate) struct NoHeader(usize);

impl fmt::Display for NoHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(line) = self;
        write!(f, "line {line} is no header: write `Name: value`")
    }
}

/// Names and masks of a JSON object, in its order.
pub(super) fn masked(object: &str) -> Vec<(String, String)> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, String)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of texts")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    let mut reader = serde_json::Deserializer::from_str(object);
    reader.deserialize_map(Members).unwrap_or_default()
}

/// The lines of the field where nothing is typed yet.
pub(super) fn lines(masked: &[(String, String)]) -> String {
    let lines = masked.iter().map(|(name, mask)| format!("{name}: {mask}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Reads the field. `stored` is what it held when it was shown.
pub(crate) fn read(form: &Form, stored: &str) -> Result<Result<Headers, NoHeader>, Problem> {
    let text = form.secret_text(FIELD);
    if text.is_empty() {
        return Ok(Ok(Headers::None));
    }
    if text.lines().map(str::trim).eq(stored.lines()) {
        return Ok(Ok(Headers::AsStored));
    }
    // With room for every byte as an escape, nothing grows.
    let mut object = Buffer::with_capacity(6 * text.len() + 64);
    object.extend(b"{");
    let mut is_first = true;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            return Ok(Err(NoHeader(index + 1)));
        };
        if !is_first {
            object.extend(b",");
        }
        is_first = false;
        let write = |text: &str, object: &mut Buffer| {
            serde_json::to_writer(object, text)
                .map_err(|error| Problem::internal("write a request", &error))
        };
        write(name.trim(), &mut object)?;
        object.extend(b":");
        write(value.trim(), &mut object)?;
    }
    object.extend(b"}");
    Ok(Ok(Headers::Object(object)))
}

#[cfg(test)]
mod tests {
    use super::{Headers, lines, masked, read};
    use crate::dashboard::form::Form;

    fn object(typed: &str) -> Result<String, String> {
        let stored = lines(&masked(r#"{"x-org":"••••1234","x-b":"••••"}"#));
        assert_eq!(stored, "x-org: ••••1234\nx-b: ••••");
        let typed =
            percent_encoding::utf8_percent_encode(typed, percent_encoding::NON_ALPHANUMERIC);
        let form = Form::parse(format!("headers={typed}").as_bytes()).unwrap();
        match read(&form, &stored).unwrap() {
            Ok(Headers::AsStored) => Ok("as stored".to_owned()),
            Ok(Headers::None) => Ok("none".to_owned()),
            Ok(Headers::Object(text)) => Ok(String::from_utf8(text.as_slice().to_vec()).unwrap()),
            Err(line) => Err(line.to_string()),
        }
    }

    #[test]
    fn lines_are_an_object() {
        for (typed, expected) in [
            ("", "none"),
            (" \r\n", "none"),
            ("x-org: ••••1234\r\nx-b: ••••\r\n", "as stored"),
            ("x-org: ••••1234", r#"{"x-org":"••••1234"}"#),
            ("A: b:c \r\n\r\nD:\"e\"", r#"{"A":"b:c","D":"\"e\""}"#),
        ] {
            assert_eq!(object(typed).unwrap(), expected);
        }
        assert!(object("A: b\n\nsecret").unwrap_err().contains("line 3"));
    }
}
