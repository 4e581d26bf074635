//! A body that is a list: of objects that may hold a secret each, or of ids.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;

use super::{Field, Object, Read, Reader, Shape, malformed};
use crate::envelope::{FieldPath, Problem};

/// The objects of a body, and whether they came as a list: then they are answered as one.
#[derive(Default)]
pub(crate) struct Several {
    pub(crate) objects: Vec<Object>,
    pub(crate) is_list: bool,
}

/// Whether what stands in a body first is a list.
fn is_list(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'[')
}

pub(super) fn parse(body: &[u8], shape: Shape, most: usize) -> Result<Several, Problem> {
    if !is_list(body) {
        return Ok(Several {
            objects: vec![Object::parse(body, shape)?],
            is_list: false,
        });
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = ListReader { shape, most }.deserialize(&mut json);
    let read = read.and_then(|read| json.end().map(|()| read));
    let read =
        read.map_err(|error| malformed(&error, "the body must be a list of JSON objects"))?;
    if read.len() > most {
        let reason = format!("the body must have at most {most} items");
        return Err(Problem::invalid_body(reason));
    }
    let objects = read.into_iter().enumerate();
    let objects =
        objects.map(|(index, read)| read.check(FieldPath::body().index(index), shape, &[]));
    Ok(Several {
        objects: objects.collect::<Result<_, _>>()?,
        is_list: true,
    })
}

/// Reads a list of ids, each a text or an object with the member `id`. One at least.
pub(crate) fn parse_ids(body: &[u8], most: usize) -> Result<Vec<Field>, Problem> {
    if body.trim_ascii().is_empty() {
        return Err(Problem::invalid_body(
            "a list of ids is required as the body",
        ));
    }
    let expected = "the body must be a list of ids, each a text or an object with `id`";
    let value: Value = serde_json::from_slice(body).map_err(|error| malformed(&error, expected))?;
    let Value::Array(items) = value else {
        return Err(Problem::invalid_body(expected));
    };
    if items.is_empty() || items.len() > most {
        let reason = format!("the body must have 1 to {most} ids");
        return Err(Problem::invalid_body(reason));
    }
    let id = |(index, item): (usize, Value)| {
        let path = FieldPath::body().index(index);
        match &item {
            Value::Object(_) => {
                let mut object = Object::nested(Field::new(path, item), &["id"])?;
                object.require("id")
            }
            _ => Ok(Field::new(path, item)),
        }
    };
    items.into_iter().enumerate().map(id).collect()
}

/// Reads a list of objects of a shape. Behind one more than there may be, the rest is skipped.
struct ListReader {
    shape: Shape,
    most: usize,
}

impl<'de> DeserializeSeed<'de> for ListReader {
    type Value = Vec<Read>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Read>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ListReader {
    type Value = Vec<Read>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<Read>, A::Error> {
        let mut read = Vec::new();
        while read.len() <= self.most {
            match items.next_element_seed(Reader {
                shape: self.shape,
                texts: &[],
            })? {
                Some(item) => read.push(item),
                None => return Ok(read),
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(read)
    }
}
