//! A request's way through a graph: what is to be done at each stop, and where the outcome leads.

use super::{Bound, Element, Graph, Kind, Model, Partition, Rate, percentage};
use crate::{
    Budget, Limit,
    facts::{Facts, Reader},
};

/// Where a request's way stops: something must be done before it goes on, or it has ended.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "who follows a way must handle each stop"
)]
pub enum Step<'a> {
    /// A limit of requests decides. Limits of cost are passed, and decide [at a model](AtModel::budgets).
    Rate(AtRate<'a>),
    /// A model is called.
    Model(AtModel<'a>),
    /// The way has ended: the last answer that a model gave is the route's, or there is none.
    End(AtEnd<'a>),
}

/// A stop at a rate element. Going on takes it: there is one outcome.
#[derive(Debug)]
#[must_use = "the way goes on by `within` or `over`"]
pub struct AtRate<'a> {
    stop: Stop<'a, Rate>,
    limit: Limit,
}

/// A stop at a model element. Going on takes it: there is one outcome.
#[derive(Debug)]
#[must_use = "the way goes on by `succeeded`, `failed` or `over`"]
pub struct AtModel<'a>(Stop<'a, Model>);

/// The end of a way.
#[derive(Debug)]
pub struct AtEnd<'a> {
    element: &'a Element,
}

#[derive(Debug)]
struct Stop<'a, T> {
    walk: Walk<'a>,
    element: &'a Element,
    what: &'a T,
    success: usize,
    fallback: Option<usize>,
}

#[derive(Debug)]
struct Walk<'a> {
    graph: &'a Graph,
    reader: Reader<'a>,
    draw: u64,
    /// The limits of cost that the way has passed, in its order.
    passed: Vec<usize>,
    /// Those that had no room. Each is left by its fallback from then on, so that a way ends soon, however often it turns
    /// back.
    over: Vec<usize>,
}

impl Graph {
    /// Begins a request's way, and follows it to its first stop. `draw` is the chance of this request, evenly spread over
    /// all values: the same draw takes the same way.
    ///
    /// Allocates nothing, but for the fields of the body where the graph names some, and for limits of cost.
    #[must_use]
    pub fn begin<'a>(&'a self, facts: Facts<'a>, draw: u64) -> Step<'a> {
        let walk = Walk {
            graph: self,
            reader: Reader::new(facts, &self.paths),
            draw,
            passed: Vec::new(),
            over: Vec::new(),
        };
        walk.follow(self.start)
    }
}

impl<'a> Walk<'a> {
    /// Goes on at an element, to the next stop. Ends, as the graph has no cycle.
    fn follow(mut self, mut at: usize) -> Step<'a> {
        loop {
            let element = self.graph.element(at);
            at = match &element.kind {
                Kind::Start { next } => *next,
                Kind::Conditional {
                    condition, yes, no, ..
                } => match condition.holds(&mut self.reader) {
                    true => *yes,
                    false => *no,
                },
                Kind::Percentage { shares, ordinal } => {
                    match percentage::choose(shares, *ordinal, self.draw) {
                        Some(share) => share.to,
                        None => return Step::End(AtEnd { element }),
                    }
                }
                Kind::Rate {
                    rate,
                    success,
                    fallback,
                } => match rate.bound() {
                    Bound::Requests(limit) => {
                        self.read_for(rate);
                        let stop = self.stop(element, rate, *success, *fallback);
                        return Step::Rate(AtRate { stop, limit });
                    }
                    Bound::Cost(_) if !self.over.contains(&at) => {
                        self.read_for(rate);
                        self.passed.push(at);
                        *success
                    }
                    Bound::Cost(_) => match fallback {
                        Some(to) => *to,
                        None => return Step::End(AtEnd { element }),
                    },
                },
                Kind::Model {
                    model,
                    success,
                    fallback,
                } => return Step::Model(AtModel(self.stop(element, model, *success, *fallback))),
                Kind::End => return Step::End(AtEnd { element }),
            };
        }
    }

    /// Reads the body where a limit counts by a field of it.
    fn read_for(&mut self, rate: &Rate) {
        if rate.key().is_some_and(crate::field::Field::is_in_body) {
            self.reader.read_body();
        }
    }

    const fn stop<T>(
        self,
        element: &'a Element,
        what: &'a T,
        success: usize,
        fallback: Option<usize>,
    ) -> Stop<'a, T> {
        Stop {
            walk: self,
            element,
            what,
            success,
            fallback,
        }
    }
}

impl<'a, T> Stop<'a, T> {
    fn succeed(self) -> Step<'a> {
        self.walk.follow(self.success)
    }

    fn fall_back(self) -> Step<'a> {
        let Self { walk, element, .. } = self;
        match self.fallback {
            Some(to) => walk.follow(to),
            None => Step::End(AtEnd { element }),
        }
    }
}

impl<'a> AtRate<'a> {
    /// The element's id.
    #[must_use]
    pub fn element(&self) -> &'a str {
        &self.stop.element.id
    }

    /// The limit.
    #[must_use]
    pub const fn limit(&self) -> Limit {
        self.limit
    }

    /// With which other requests this one is counted.
    #[must_use]
    pub fn partition(&self) -> Partition<'_> {
        self.stop.what.partition(&self.stop.walk.reader)
    }

    /// Goes on with a request that is within the limit.
    #[must_use]
    pub fn within(self) -> Step<'a> {
        self.stop.succeed()
    }

    /// Goes on with a request that is over the limit. Without a fallback the way ends here.
    #[must_use]
    pub fn over(self) -> Step<'a> {
        self.stop.fall_back()
    }
}

impl<'a> AtModel<'a> {
    /// The element's id.
    #[must_use]
    pub fn element(&self) -> &'a str {
        &self.0.element.id
    }

    /// What is called.
    #[must_use]
    pub const fn model(&self) -> &'a Model {
        self.0.what
    }

    /// The limits of cost that the way has passed: the id of each element, its budget, and with which other requests this
    /// one is counted in it. The model is to be asked only where each has room.
    pub fn budgets(&self) -> impl Iterator<Item = (&'a str, Budget, Partition<'_>)> {
        let walk = &self.0.walk;
        walk.passed.iter().filter_map(|at| {
            let element = walk.graph.element(*at);
            let rate = element.rate()?;
            match rate.bound() {
                Bound::Cost(budget) => Some((&*element.id, budget, rate.partition(&walk.reader))),
                Bound::Requests(_) => None,
            }
        })
    }

    /// Goes on from the fallback of a limit of cost that has no room for the model: of the one with this id among
    /// [`budgets`](Self::budgets), else as [`failed`](Self::failed) does. Without a fallback the way ends there.
    #[must_use]
    pub fn over(mut self, element: &str) -> Step<'a> {
        let walk = &mut self.0.walk;
        let graph = walk.graph;
        let is_it = |at: &usize| *graph.element(*at).id == *element;
        let place = walk.passed.iter().position(is_it);
        // What was passed behind it was passed on a way that the request does not go.
        let at = place.and_then(|place| walk.passed.drain(place..).next());
        match at {
            Some(at) => {
                walk.over.push(at);
                self.0.walk.follow(at)
            }
            None => self.0.fall_back(),
        }
    }

    /// Goes on after the model began to answer.
    #[must_use]
    pub fn succeeded(self) -> Step<'a> {
        self.0.succeed()
    }

    /// Goes on after every attempt failed. Without a fallback the way ends here.
    #[must_use]
    pub fn failed(self) -> Step<'a> {
        self.0.fall_back()
    }
}

impl<'a> AtEnd<'a> {
    /// The id of the element at which the way ended: an end, or a rate or model without a fallback.
    #[must_use]
    pub fn element(&self) -> &'a str {
        &self.element.id
    }

    /// Whether the way ended at an end element, and not for want of a fallback.
    #[must_use]
    pub const fn is_end_element(&self) -> bool {
        matches!(self.element.kind, Kind::End)
    }
}
