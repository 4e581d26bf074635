//! A route's graph: elements and the edges between them, parsed and checked once, compiled into indices.
//!
//! A [`Graph`] that exists has one start, no cycle and no element that cannot be reached; every edge leads to an element.
//! So a way through it ends after at most as many steps as there are elements.

mod canonical;
mod edges;
mod fault;
mod known;
mod parse;
mod percentage;
mod rate;
mod reader;
mod strict;
mod walk;
mod warning;

use std::time::Duration;

use serde_json::Value;

pub(crate) use self::fault::Faults;
use self::known::Anything;
pub(crate) use self::percentage::{Share, choose};
pub use self::{
    fault::{Fault, GraphError, Segment},
    known::{Known, Servable},
    rate::{Bound, Partition, Rate, Technique},
    walk::{AtEnd, AtModel, AtRate, Step},
    warning::Warning,
};
use crate::{condition::Condition, facts::BodyPaths};

/// The longest text of a graph's elements, in bytes.
pub const LONGEST_ELEMENTS: usize = 64 * 1024;
/// The most elements of a graph.
pub const MOST_ELEMENTS: usize = 100;

/// A route's elements, compiled.
#[derive(Clone, Debug)]
pub struct Graph {
    text: Box<str>,
    elements: Box<[Element]>,
    start: usize,
    paths: BodyPaths,
    warnings: Box<[Warning]>,
}

/// One element of a [`Graph`], with its outputs.
#[derive(Clone, Debug)]
pub struct Element {
    id: Box<str>,
    kind: Kind<usize>,
}

/// What an element does, with edges of one kind: ids where they are read, indices where they are followed.
#[derive(Clone, Debug)]
pub(crate) enum Kind<E> {
    Start {
        next: E,
    },
    Conditional {
        condition: Condition,
        /// The condition as it was written.
        document: Value,
        yes: E,
        no: E,
    },
    Percentage {
        shares: Box<[Share<E>]>,
        /// Which percentage of the graph it is, from 0: what keeps the draws of two apart.
        ordinal: u64,
    },
    Rate {
        rate: Rate,
        success: E,
        fallback: Option<E>,
    },
    Model {
        model: Model,
        success: E,
        fallback: Option<E>,
    },
    End,
}

/// What a model element calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    provider: Box<str>,
    model: Box<str>,
    timeout: Option<Duration>,
    retries: u32,
}

impl Model {
    /// The provider's slug, such as `openai` or `custom-local`.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The model's name at the provider.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// How long one attempt may take until the answer begins. `None`: as long as any request; 1 ms to 10 min otherwise.
    #[must_use]
    pub const fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// How often a failed attempt is made again: 0 (the default) to 5.
    #[must_use]
    pub const fn retries(&self) -> u32 {
        self.retries
    }
}

impl Graph {
    /// Parses the elements of a route: a JSON array, at most [`LONGEST_ELEMENTS`] long.
    ///
    /// # Errors
    ///
    /// Every fault at once, each with its place: what is no JSON or names a key twice, an unknown type, property or
    /// output, a value of the wrong type or out of range, an id that stands twice, an edge to nowhere, a cycle, an
    /// element that cannot be reached, more than one start, percentages that do not total 100, a provider that `known`
    /// cannot serve.
    pub fn parse_text(text: &str, known: &dyn Known) -> Result<Self, GraphError> {
        parse::parse_text(text, known)
    }

    /// Parses the elements of a route from a value. Its text is then the value's own, compact.
    ///
    /// # Errors
    ///
    /// As [`Self::parse_text`].
    pub fn parse(elements: &Value, known: &dyn Known) -> Result<Self, GraphError> {
        Self::parse_text(&elements.to_string(), known)
    }

    /// Parses elements that were accepted before: whatever provider they name, it was known then. Gives no warning about
    /// providers.
    ///
    /// # Errors
    ///
    /// As [`Self::parse_text`], but for providers.
    pub fn parse_stored(text: &str) -> Result<Self, GraphError> {
        Self::parse_text(text, &Anything)
    }

    /// The elements as they were given, to the byte.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The elements in one spelling, the API's: `conditions`, `rate`, `window`, in this order of properties, with `outputs`
    /// at every element and every default written out.
    #[must_use]
    pub fn to_canonical(&self) -> Value {
        canonical::write(self)
    }

    /// What is allowed and looks odd.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The elements, in the order in which they were given: 2 to [`MOST_ELEMENTS`].
    #[must_use]
    pub fn elements(&self) -> &[Element] {
        &self.elements
    }

    /// The element with an id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Element> {
        self.elements.iter().find(|element| *element.id == *id)
    }

    /// What the model elements call, in the order in which they were given.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.elements.iter().filter_map(Element::model)
    }

    pub(crate) const fn start(&self) -> usize {
        self.start
    }

    pub(crate) const fn paths(&self) -> &BodyPaths {
        &self.paths
    }

    pub(crate) fn element(&self, at: usize) -> &Element {
        #[expect(
            clippy::indexing_slicing,
            reason = "indices are made by the parser, of elements that there are"
        )]
        &self.elements[at]
    }
}

impl Element {
    /// The element's id: 1 to 64 bytes, unique in its graph.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The element's type, in the API's spelling: `start`, `conditional`, `percentage`, `rate`, `model` or `end`.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match &self.kind {
            Kind::Start { .. } => "start",
            Kind::Conditional { .. } => "conditional",
            Kind::Percentage { .. } => "percentage",
            Kind::Rate { .. } => "rate",
            Kind::Model { .. } => "model",
            Kind::End => "end",
        }
    }

    pub(crate) const fn kind(&self) -> &Kind<usize> {
        &self.kind
    }

    /// What a model element calls.
    #[must_use]
    pub const fn model(&self) -> Option<&Model> {
        match &self.kind {
            Kind::Model { model, .. } => Some(model),
            _ => None,
        }
    }

    /// What a rate element counts.
    #[must_use]
    pub const fn rate(&self) -> Option<&Rate> {
        match &self.kind {
            Kind::Rate { rate, .. } => Some(rate),
            _ => None,
        }
    }

    /// The condition of a conditional element, as it was written.
    #[must_use]
    pub const fn condition(&self) -> Option<&Value> {
        match &self.kind {
            Kind::Conditional { document, .. } => Some(document),
            _ => None,
        }
    }

    /// The outputs that lead somewhere: each with its name and the index of the element that it leads to among
    /// [`Graph::elements`].
    #[must_use]
    pub fn outputs(&self) -> Vec<(&str, usize)> {
        match &self.kind {
            Kind::Start { next } => vec![("next", *next)],
            Kind::Conditional { yes, no, .. } => vec![("true", *yes), ("false", *no)],
            Kind::Percentage { shares, .. } => shares
                .iter()
                .map(|share| (&*share.name, share.to))
                .collect(),
            Kind::Rate {
                success, fallback, ..
            }
            | Kind::Model {
                success, fallback, ..
            } => {
                let fallback = fallback.map(|to| ("fallback", to));
                [("success", *success)]
                    .into_iter()
                    .chain(fallback)
                    .collect()
            }
            Kind::End => Vec::new(),
        }
    }
}
