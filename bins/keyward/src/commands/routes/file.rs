//! Files with graphs and bodies. What is in them goes on to the byte: what JSON says twice is for the control plane to
//! refuse.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::failure::Failure;

/// The longest file that is read, in bytes: more than any graph, and than most bodies.
const LONGEST: u64 = 8 * 1024 * 1024;

/// A file with the elements of a graph.
#[derive(Debug)]
pub(super) struct GraphFile {
    name: String,
    text: String,
}

impl GraphFile {
    /// Reads it; `-` is standard input.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let (name, text) = read(path)?;
        // An object has the elements in it, beside what else the control plane shows of a route. One that has none goes on as
        // it is: it is refused as a graph that is no array.
        #[derive(Deserialize)]
        struct Route {
            elements: Box<RawValue>,
        }
        let text = match serde_json::from_str(&text) {
            // An array of one reads as a route too.
            Ok(Route { elements }) if text.trim_start().starts_with('{') => {
                elements.get().to_owned()
            }
            _ => text,
        };
        Ok(Self { name, text })
    }

    /// What it is called where something is wrong with it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The elements as they were written, whatever they are.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The elements, if they are JSON at all.
    pub(super) fn elements(&self) -> Result<&RawValue, Failure> {
        json(&self.name, &self.text)
    }
}

/// Reads a file with JSON; `-` is standard input.
pub(in crate::commands) fn read_json(path: &Path) -> Result<Box<RawValue>, Failure> {
    let (name, text) = read(path)?;
    json(&name, &text).map(ToOwned::to_owned)
}

fn json<'a>(name: &str, text: &'a str) -> Result<&'a RawValue, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::new(format!("{name} is no JSON"))
            .caused_by(&error)
            .at(name)
            .help("correct it there; JSON has no comments and no trailing commas")
    })
}

/// The file's name, and its text.
fn read(path: &Path) -> Result<(String, String), Failure> {
    let name = match path == Path::new("-") {
        true => "standard input".to_owned(),
        false => path.display().to_string(),
    };
    let fail = |error: &io::Error| {
        Failure::new(format!("cannot read {name}"))
            .caused_by(error)
            .at(&name)
            .help("name a file with JSON in UTF-8 that exists and may be read")
    };
    let mut text = String::new();
    let read = match path == Path::new("-") {
        true => io::stdin()
            .lock()
            .take(LONGEST + 1)
            .read_to_string(&mut text),
        false => File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text)),
    };
    match read {
        Err(error) => Err(fail(&error)),
        Ok(length) if length as u64 > LONGEST => Err(Failure::new(format!(
            "{name} is longer than {LONGEST} bytes"
        ))
        .at(&name)
        .help("name a shorter file")),
        Ok(_) => Ok((name, text)),
    }
}

/// A body with these fields, and with `elements` as they were written.
pub(super) fn body<'a>(
    fields: impl IntoIterator<Item = (&'a str, Value)>,
    elements: &RawValue,
) -> Bytes {
    let fields = fields.into_iter();
    let fields = fields.map(|(name, value)| (name, value.to_string()));
    object(fields.chain([("elements", elements.get().to_owned())]))
}

/// An object whose values are JSON already.
pub(super) fn object<'a>(fields: impl IntoIterator<Item = (&'a str, String)>) -> Bytes {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| format!("{}:{value}", Value::from(name)))
        .collect();
    Bytes::from(format!("{{{}}}", fields.join(",")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;
    use tempfile::TempDir;

    use super::{GraphFile, body};

    fn read(text: &str) -> String {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("graph.json");
        fs::write(&path, text).unwrap();
        GraphFile::read(&path).unwrap().text().to_owned()
    }

    #[test]
    fn elements_go_on_as_they_were_written() {
        let twice = r#"[{"id": "a", "id": "b"}]"#;
        assert_eq!(read(twice), twice);
        let object = format!(r#" {{"name": "x", "elements": {twice}, "data": "y"}}"#);
        assert_eq!(read(&object), twice);
        let elements = serde_json::from_str(twice).unwrap();
        let sent = body([("name", json!("a\"b"))], elements);
        assert_eq!(
            sent,
            r#"{"name":"a\"b","elements":[{"id": "a", "id": "b"}]}"#
        );
    }

    #[test]
    fn an_object_without_elements_or_with_two_goes_on_as_it_is() {
        for text in ["[[]]", "{}", "{", r#"{"elements": [], "elements": []}"#] {
            assert_eq!(read(text), text);
        }
    }
}
