//! What a request says: its body, its headers and its metadata, as conditions and rates read them.

mod leaves;

use std::fmt;

use http::{HeaderMap, HeaderName};

pub(crate) use self::leaves::{BodyPaths, Leaf};
use crate::{
    field::{Field, Place},
    metadata::Metadata,
    number::Number,
};

/// What a request says, lent for the time of its way through a [`Graph`](crate::Graph).
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    headers: &'a HeaderMap,
    metadata: &'a Metadata,
    body: Option<&'a [u8]>,
}

impl<'a> Facts<'a> {
    /// Takes the headers as the client sent them, and its metadata. Without a body: every field of it is absent.
    #[must_use]
    pub const fn new(headers: &'a HeaderMap, metadata: &'a Metadata) -> Self {
        Self {
            headers,
            metadata,
            body: None,
        }
    }

    /// Adds the body: JSON, whole and not compressed. It is read in one pass, when the first condition asks for a field of
    /// it, and not at all by a graph that names none. Of what is no JSON every field is absent; of a repeated key the last
    /// counts.
    #[must_use]
    pub const fn with_body(mut self, body: &'a [u8]) -> Self {
        self.body = Some(body);
        self
    }
}

impl fmt::Debug for Facts<'_> {
    /// Nothing of it: headers hold credentials.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Facts").finish_non_exhaustive()
    }
}

/// What stands at a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fact<'a> {
    Missing,
    Null,
    Bool(bool),
    Number(Number),
    Text(&'a str),
    /// The value of a header: a text that is read as a number, `true` or `false` where it is compared with one.
    Header(&'a str),
    /// A header whose bytes are no text.
    Bytes,
    Array,
    Object,
}

/// Facts, with the fields of the body that a graph names once they are read.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    facts: Facts<'a>,
    paths: &'a BodyPaths,
    leaves: Option<Box<[Leaf<'a>]>>,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(facts: Facts<'a>, paths: &'a BodyPaths) -> Self {
        Self {
            facts,
            paths,
            leaves: None,
        }
    }

    /// Reads the body, unless it was.
    pub(crate) fn read_body(&mut self) {
        let read = || self.paths.read(self.facts.body.unwrap_or_default());
        self.leaves.get_or_insert_with(read);
    }

    /// What stands at a field. One of the body is absent before [`Self::read_body`].
    pub(crate) fn find(&self, field: &Field) -> Fact<'_> {
        match field.place() {
            Place::Metadata(name) => self.facts.metadata.find(name),
            Place::Header(name) => self.find_header(name),
            Place::Body(slot) => {
                let leaf = self.leaves.as_ref().and_then(|leaves| leaves.get(*slot));
                leaf.map_or(Fact::Missing, Leaf::fact)
            }
        }
    }

    fn find_header(&self, name: &HeaderName) -> Fact<'a> {
        let Some(value) = self.facts.headers.get(name) else {
            return Fact::Missing;
        };
        str::from_utf8(value.as_bytes()).map_or(Fact::Bytes, Fact::Header)
    }
}
