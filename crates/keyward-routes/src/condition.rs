//! Conditions: documents of operators over the fields of a request, compiled once.
//!
//! What each operator holds for is a table in docs/routes.md, section "Conditions". Nothing here fails while a request
//! is served: a field that is absent, or of another type than an operator's value, is a case with an answer.

mod parse;
mod pattern;
mod tell;
mod value;

use std::cmp::Ordering;

use regex::Regex;

pub(crate) use self::{
    parse::{Budget, Parser, kind, parse_field},
    tell::tell_fact,
    value::Scalar,
};
use crate::{
    facts::{Fact, Reader},
    field::Field,
};

/// What must hold of a request.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    root: Node,
    reads_body: bool,
}

#[derive(Clone, Debug)]
enum Node {
    /// All of them hold: `$and`, several fields, several operators. Of none: always.
    All(Box<[Self]>),
    /// One of them holds: `$or`.
    Any(Box<[Self]>),
    Not(Box<Self>),
    Test(Box<Field>, Test),
}

/// What an operator asks of a field.
#[derive(Clone, Debug)]
enum Test {
    Equal(Scalar),
    NotEqual(Scalar),
    /// `$gt`, `$gte`, `$lt`, `$lte`.
    Order(Order, Scalar),
    In(Box<[Scalar]>),
    NotIn(Box<[Scalar]>),
    Exists(bool),
    Matches(Regex),
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Condition {
    /// The condition that holds for every request.
    pub(crate) fn always() -> Self {
        Self {
            root: Node::All(Box::default()),
            reads_body: false,
        }
    }

    fn new(root: Node) -> Self {
        let reads_body = root.reads_body();
        Self { root, reads_body }
    }

    pub(crate) fn is_always(&self) -> bool {
        matches!(&self.root, Node::All(nodes) if nodes.is_empty())
    }

    /// Whether it holds. Reads the body where it names a field of it.
    pub(crate) fn holds(&self, reader: &mut Reader<'_>) -> bool {
        if self.reads_body {
            reader.read_body();
        }
        self.root.holds(reader)
    }
}

impl Node {
    fn reads_body(&self) -> bool {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().any(Self::reads_body),
            Self::Not(node) => node.reads_body(),
            Self::Test(field, _) => field.is_in_body(),
        }
    }

    fn holds(&self, reader: &Reader<'_>) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|node| node.holds(reader)),
            Self::Any(nodes) => nodes.iter().any(|node| node.holds(reader)),
            Self::Not(node) => !node.holds(reader),
            Self::Test(field, test) => test.holds(reader.find(field)),
        }
    }
}

impl Test {
    fn holds(&self, fact: Fact<'_>) -> bool {
        match self {
            Self::Equal(scalar) => scalar.is(fact),
            Self::NotEqual(scalar) => !scalar.is(fact),
            Self::Order(order, scalar) => scalar
                .compare(fact)
                .is_some_and(|ordering| order.allows(ordering)),
            Self::In(scalars) => scalars.iter().any(|scalar| scalar.is(fact)),
            Self::NotIn(scalars) => !scalars.iter().any(|scalar| scalar.is(fact)),
            Self::Exists(exists) => *exists != matches!(fact, Fact::Missing),
            Self::Matches(regex) => match fact {
                Fact::Text(text) | Fact::Header(text) => regex.is_match(pattern::searched(text)),
                _ => false,
            },
        }
    }
}

impl Order {
    /// Whether a field that stands so to the operator's value passes.
    const fn allows(self, ordering: Ordering) -> bool {
        match self {
            Self::Above => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
            Self::Below => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
        }
    }
}
