//! The fields of a body that a graph names, read in one pass: the rest of the body is skipped and never built.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Fact;
use crate::number::Number;

/// Paths into a body, each with the place of its value among the leaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct BodyPaths {
    root: Node,
    count: usize,
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// The place of what stands here, where a path ends here.
    leaf: Option<usize>,
    children: Vec<Child>,
}

#[derive(Clone, Debug)]
struct Child {
    key: Box<str>,
    /// The key as the index of an item.
    index: Option<usize>,
    node: Node,
}

/// What stands at the end of a path.
#[derive(Clone, Debug, Default)]
pub(crate) enum Leaf<'a> {
    #[default]
    Missing,
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    Array,
    Object,
}

impl Leaf<'_> {
    pub(super) fn fact(&self) -> Fact<'_> {
        match self {
            Self::Missing => Fact::Missing,
            Self::Null => Fact::Null,
            Self::Bool(value) => Fact::Bool(*value),
            Self::Number(number) => Fact::Number(*number),
            Self::Text(text) => Fact::Text(text),
            Self::Array => Fact::Array,
            Self::Object => Fact::Object,
        }
    }
}

impl BodyPaths {
    /// The place of a path among the leaves: an old one where the path is known.
    pub(crate) fn intern<'p>(&mut self, segments: impl Iterator<Item = &'p str>) -> usize {
        let mut node = &mut self.root;
        for key in segments {
            let at = node.children.iter().position(|child| *child.key == *key);
            let at = at.unwrap_or_else(|| {
                // `01` is a key and no index: one item has one spelling.
                let index = key
                    .parse()
                    .ok()
                    .filter(|index: &usize| index.to_string() == key);
                node.children.push(Child {
                    key: key.into(),
                    index,
                    node: Node::default(),
                });
                node.children.len() - 1
            });
            #[expect(clippy::indexing_slicing, reason = "found or pushed above")]
            let child = &mut node.children[at];
            node = &mut child.node;
        }
        let count = &mut self.count;
        *node.leaf.get_or_insert_with(|| {
            *count += 1;
            *count - 1
        })
    }

    /// How many paths there are.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// Reads a body. What is no JSON has no field.
    pub(super) fn read<'a>(&self, body: &'a [u8]) -> Box<[Leaf<'a>]> {
        let mut leaves = vec![Leaf::Missing; self.count];
        let mut json = serde_json::Deserializer::from_slice(body);
        let visit = Visit {
            node: &self.root,
            leaves: &mut leaves,
        };
        let read = visit.deserialize(&mut json).and_then(|()| json.end());
        if read.is_err() {
            leaves.fill(Leaf::Missing);
        }
        leaves.into()
    }
}

/// Reads one value of the body into the leaves at and below a node.
struct Visit<'n, 'l, 'a> {
    node: &'n Node,
    leaves: &'l mut [Leaf<'a>],
}

impl<'a> Visit<'_, '_, 'a> {
    fn set(self, leaf: Leaf<'a>) {
        if let Some(own) = self.node.leaf.and_then(|at| self.leaves.get_mut(at)) {
            *own = leaf;
        }
    }
}

/// Forgets what stood at and below a node: a repeated key replaces the whole of what was read before.
fn clear(node: &Node, leaves: &mut [Leaf<'_>]) {
    if let Some(own) = node.leaf.and_then(|at| leaves.get_mut(at)) {
        *own = Leaf::Missing;
    }
    for child in &node.children {
        clear(&child.node, leaves);
    }
}

impl<'de> DeserializeSeed<'de> for Visit<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Visit<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.set(Leaf::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.set(Leaf::Bool(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.set(Leaf::Number(Number::Whole(value.into())));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.set(Leaf::Number(Number::Whole(value.into())));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.set(Leaf::Number(Number::Real(value)));
        Ok(())
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<(), E> {
        self.set(Leaf::Text(Cow::Borrowed(value)));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        // A text that is not asked for is not copied.
        if self.node.leaf.is_some() {
            self.set(Leaf::Text(Cow::Owned(value.to_owned())));
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { node, leaves } = self;
        for at in 0.. {
            let child = node.children.iter().find(|child| child.index == Some(at));
            let next = match child {
                Some(Child { node, .. }) => items.next_element_seed(Visit {
                    node,
                    leaves: &mut *leaves,
                })?,
                None => items.next_element::<IgnoredAny>()?.map(|_| ()),
            };
            if next.is_none() {
                break;
            }
        }
        Self { node, leaves }.set(Leaf::Array);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self { node, leaves } = self;
        while let Some(child) = entries.next_key_seed(Key(node))? {
            match child {
                Some(node) => {
                    clear(node, leaves);
                    entries.next_value_seed(Visit {
                        node,
                        leaves: &mut *leaves,
                    })?;
                }
                None => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Self { node, leaves }.set(Leaf::Object);
        Ok(())
    }
}

/// Finds the node below a key, without keeping the key.
struct Key<'n>(&'n Node);

impl<'n, 'de> DeserializeSeed<'de> for Key<'n> {
    type Value = Option<&'n Node>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'n> Visitor<'_> for Key<'n> {
    type Value = Option<&'n Node>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        let child = self.0.children.iter().find(|child| *child.key == *key);
        Ok(child.map(|child| &child.node))
    }
}
