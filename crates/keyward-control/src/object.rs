//! A JSON object as a request carries it, taken apart field by field.
//!
//! The body may hold a secret, so no message quotes it: a fault is told by its position or by the name of a
//! known field. A field that holds a secret goes straight into memory that is erased; fields that are
//! not known are skipped without being copied.

mod field;
mod list;
mod secret;

use std::{collections::BTreeMap, fmt};

use keyward_secret::SecretBytes;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Value, error::Category, value::RawValue};

use self::secret::{MOST, SecretField};
pub(crate) use self::{
    field::Field,
    list::{Several, parse_ids},
};
use crate::envelope::{FieldPath, Problem};

/// The fields that an object may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Fields whose values are kept.
    pub(crate) known: &'static [&'static str],
    /// Fields that are accepted and skipped: those that only answers carry.
    pub(crate) skipped: &'static [&'static str],
    /// Fields that hold a secret, or several in lists.
    pub(crate) secrets: &'static [&'static str],
}

/// A JSON object, its fields taken out one after the other.
pub(crate) struct Object {
    path: FieldPath,
    values: BTreeMap<&'static str, Value>,
    secrets: BTreeMap<&'static str, SecretField>,
    texts: BTreeMap<&'static str, Box<RawValue>>,
}

impl Object {
    /// Parses a request's body, whatever its content type says (wire-spec §8.3).
    pub(crate) fn parse(body: &[u8], shape: Shape) -> Result<Self, Problem> {
        Self::parse_with_texts(body, shape, &[])
    }

    /// The same of a body in which the fields `texts` are kept as they are written, to the byte: whoever reads them is
    /// strict about what a parsed value does not tell any more, such as a key that stands twice.
    pub(crate) fn parse_with_texts(
        body: &[u8],
        shape: Shape,
        texts: &'static [&'static str],
    ) -> Result<Self, Problem> {
        if body.trim_ascii().is_empty() {
            return Err(Problem::invalid_body(
                "a JSON object is required as the body",
            ));
        }
        let mut json = serde_json::Deserializer::from_slice(body);
        let reader = Reader { shape, texts };
        let read = reader.deserialize(&mut json).and_then(|read| {
            json.end()?;
            Ok(read)
        });
        read.map_err(|error| malformed(&error, "the body must be a JSON object"))?
            .check(FieldPath::body(), shape, texts)
    }

    /// Parses a body that is a list of objects, or one object by itself. At most `most` of them.
    pub(crate) fn parse_several(
        body: &[u8],
        shape: Shape,
        most: usize,
    ) -> Result<Several, Problem> {
        list::parse(body, shape, most)
    }

    /// Takes an object inside a body apart.
    pub(crate) fn nested(field: Field, known: &'static [&'static str]) -> Result<Self, Problem> {
        let (path, value) = field.into_parts();
        let Value::Object(members) = value else {
            return Err(Problem::invalid(&path, "must be an object"));
        };
        let mut read = Read::default();
        for (name, value) in members {
            match known.iter().find(|known| **known == name) {
                Some(known) => drop(read.values.insert(known, value)),
                None => read.note_unknown(&name),
            }
        }
        let shape = Shape {
            known,
            skipped: &[],
            secrets: &[],
        };
        read.check(path, shape, &[])
    }

    /// The field's place, to say what is wrong with it.
    pub(crate) fn path(&self, name: &'static str) -> FieldPath {
        self.path.name(name)
    }

    /// The field, where it is there and not null.
    pub(crate) fn find(&mut self, name: &'static str) -> Option<Field> {
        self.find_nullable(name).flatten()
    }

    /// The field; `Some(None)` where it is there and null.
    pub(crate) fn find_nullable(&mut self, name: &'static str) -> Option<Option<Field>> {
        let value = self.values.remove(name)?;
        Some((!value.is_null()).then(|| Field::new(self.path.name(name), value)))
    }

    /// The field, which must be there and not null.
    pub(crate) fn require(&mut self, name: &'static str) -> Result<Field, Problem> {
        self.find(name)
            .ok_or_else(|| Problem::invalid(&self.path(name), "is required"))
    }

    /// The field, which must be there and may be null.
    pub(crate) fn require_nullable(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Field>, Problem> {
        let field = self.find_nullable(name);
        field.ok_or_else(|| Problem::invalid(&self.path(name), "is required; it may be null"))
    }

    /// The JSON text of a field that is kept as it is written, where it is there and not null.
    pub(crate) fn find_text(&mut self, name: &'static str) -> Option<String> {
        let text = String::from(Box::<str>::from(self.texts.remove(name)?));
        (text != "null").then_some(text)
    }

    /// The same of a field that must be there and not null.
    pub(crate) fn require_text(&mut self, name: &'static str) -> Result<String, Problem> {
        self.find_text(name)
            .ok_or_else(|| Problem::invalid(&self.path(name), "is required"))
    }

    /// The secret, where it is there and not null.
    pub(crate) fn find_secret(
        &mut self,
        name: &'static str,
    ) -> Result<Option<SecretBytes>, Problem> {
        match self.secrets.remove(name) {
            None | Some(SecretField::Null) => Ok(None),
            Some(SecretField::Text(secret)) => Ok(Some(secret)),
            Some(SecretField::List(_) | SecretField::Members(_) | SecretField::Other) => {
                Err(Problem::invalid(&self.path(name), "must be a text"))
            }
        }
    }

    /// The secret; `Some(None)` where it is there and null.
    pub(crate) fn find_nullable_secret(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Option<SecretBytes>>, Problem> {
        let is_there = self.secrets.contains_key(name);
        let secret = self.find_secret(name)?;
        Ok(is_there.then_some(secret))
    }

    /// The secret, which must be there.
    pub(crate) fn require_secret(&mut self, name: &'static str) -> Result<SecretBytes, Problem> {
        self.find_secret(name)?
            .ok_or_else(|| Problem::invalid(&self.path(name), "is required"))
    }

    /// A list of pairs of texts, at most [`MOST`]; none where it is not there or null.
    pub(crate) fn secret_pairs(
        &mut self,
        name: &'static str,
    ) -> Result<Vec<[SecretBytes; 2]>, Problem> {
        let path = self.path(name);
        let items = match self.secrets.remove(name) {
            None | Some(SecretField::Null) => return Ok(Vec::new()),
            Some(SecretField::List(items)) => items,
            Some(SecretField::Text(_) | SecretField::Members(_) | SecretField::Other) => {
                return Err(Problem::invalid(&path, "must be a list"));
            }
        };
        if items.len() > MOST {
            let reason = format_args!("must have at most {MOST} items");
            return Err(Problem::invalid(&path, reason));
        }
        let pair = |(index, item): (usize, SecretField)| {
            item.into_pair()
                .ok_or_else(|| Problem::invalid(&path.index(index), "must be a list of two texts"))
        };
        items.into_iter().enumerate().map(pair).collect()
    }
}

impl Object {
    /// The members of an object of texts, at most [`MOST`]; none where it is not there or null.
    pub(crate) fn secret_members(
        &mut self,
        name: &'static str,
    ) -> Result<Vec<(String, SecretBytes)>, Problem> {
        let path = self.path(name);
        let members = match self.secrets.remove(name) {
            None | Some(SecretField::Null) => return Ok(Vec::new()),
            Some(SecretField::Members(members)) => members,
            Some(SecretField::Text(_) | SecretField::List(_) | SecretField::Other) => {
                return Err(Problem::invalid(&path, "must be an object"));
            }
        };
        if members.len() > MOST {
            let reason = format_args!("must have at most {MOST} members");
            return Err(Problem::invalid(&path, reason));
        }
        let text = |(name, value): (String, SecretField)| match value {
            SecretField::Text(text) => Ok((name, text)),
            // A name is not told: a token may stand in its place.
            _ => Err(Problem::invalid(&path, "must have texts as values")),
        };
        members.into_iter().map(text).collect()
    }
}

/// What is wrong with a body as a whole. The library's own text may quote it.
fn malformed(error: &serde_json::Error, expected: &'static str) -> Problem {
    match error.classify() {
        Category::Data => Problem::invalid_body(expected),
        Category::Io | Category::Syntax | Category::Eof => Problem::invalid_body(format!(
            "invalid_json_body: the body is not valid JSON: line {}, column {}",
            error.line(),
            error.column()
        )),
    }
}

/// An object as it was read, before faults are told.
#[derive(Default)]
struct Read {
    values: BTreeMap<&'static str, Value>,
    secrets: BTreeMap<&'static str, SecretField>,
    texts: BTreeMap<&'static str, Box<RawValue>>,
    unknown: Option<Unknown>,
    twice: Option<&'static str>,
}

/// A field that is not known. Its name is kept only where it cannot be anything but a name.
enum Unknown {
    Named(String),
    Unnamed,
}

impl Read {
    fn note_unknown(&mut self, name: &str) {
        let is_plain =
            name.len() <= 32 && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_'));
        self.unknown = Some(if is_plain {
            Unknown::Named(name.to_owned())
        } else {
            Unknown::Unnamed
        });
    }

    fn check(
        self,
        path: FieldPath,
        shape: Shape,
        texts: &[&'static str],
    ) -> Result<Object, Problem> {
        if let Some(name) = self.twice {
            return Err(Problem::invalid(&path.name(name), "is given twice"));
        }
        match self.unknown {
            Some(Unknown::Named(name)) => {
                Err(Problem::invalid(&path.name(name), "is not a known field"))
            }
            Some(Unknown::Unnamed) => {
                let mut known: Vec<_> = shape
                    .known
                    .iter()
                    .chain(shape.secrets)
                    .chain(texts)
                    .copied()
                    .collect();
                known.sort_unstable();
                let known = known.join(", ");
                Err(Problem::invalid(
                    &path,
                    format!("there is a field that is not known; known are {known}"),
                ))
            }
            None => Ok(Object {
                path,
                values: self.values,
                secrets: self.secrets,
                texts: self.texts,
            }),
        }
    }
}

/// Reads an object of a shape.
struct Reader {
    shape: Shape,
    texts: &'static [&'static str],
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Read;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
        let mut read = Read::default();
        while let Some(name) = map.next_key::<String>()? {
            if let Some(secret) = self.shape.secrets.iter().find(|secret| **secret == name) {
                if read.secrets.insert(secret, map.next_value()?).is_some() {
                    read.twice = Some(secret);
                }
            } else if let Some(known) = self.shape.known.iter().find(|known| **known == name) {
                if read.values.insert(known, map.next_value()?).is_some() {
                    read.twice = Some(known);
                }
            } else if let Some(text) = self.texts.iter().find(|text| **text == name) {
                if read.texts.insert(text, map.next_value()?).is_some() {
                    read.twice = Some(text);
                }
            } else {
                let _skipped: IgnoredAny = map.next_value()?;
                if !self.shape.skipped.contains(&name.as_str()) {
                    read.note_unknown(&name);
                }
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
