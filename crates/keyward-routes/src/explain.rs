//! Which way a request would go through a graph, and why, in words.
//!
//! Nothing is counted and nothing is called: at a rate and at a model both outcomes are followed, the good one first. No
//! header's value is told; of the body and the metadata only fields that a condition or a rate names, cut to 64 characters.

mod leads;

use std::{fmt, rc::Rc};

use serde::Serialize;

use self::leads::{Edge, Leads};
use crate::{
    condition::tell_fact,
    facts::{Facts, Reader},
    graph::{Bound, Element, Graph, Kind, Rate, Share, choose},
};

/// The elements that a request may visit, in the order in which they are tried.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    way: Vec<Visit>,
}

/// One element on the way.
#[derive(Clone, Debug, Serialize)]
pub struct Visit {
    element: String,
    #[serde(rename = "type")]
    kind: &'static str,
    /// What must have happened for the request to come here. Absent on the first choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<String>,
    /// Why it takes the outputs that it takes.
    why: String,
    outputs: Vec<Output>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
}

/// An output that the request takes, or may take.
#[derive(Clone, Debug, Serialize)]
pub struct Output {
    name: String,
    /// The element that it leads to. Absent where the route ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// What it depends on. Absent where the request takes it for certain.
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<String>,
    /// How many of all requests take it, of a percentage's output.
    #[serde(skip_serializing_if = "Option::is_none")]
    chance: Option<String>,
}

impl Graph {
    /// Explains the way of a request. Without a draw every output of a percentage is followed, with one the output that it
    /// takes. Each element is told once, at most [`MOST_ELEMENTS`](crate::MOST_ELEMENTS).
    #[must_use]
    pub fn explain(&self, facts: Facts<'_>, draw: Option<u64>) -> Explanation {
        let mut told = Telling {
            graph: self,
            reader: Reader::new(facts, self.paths()),
            draw,
        };
        let mut way: Vec<Visit> = Vec::new();
        let mut visited = Vec::new();
        let mut edges = Vec::new();
        // What is still to be told, the next one last.
        let mut open = vec![self.start()];
        while let Some(at) = open.pop() {
            if visited.contains(&at) {
                continue;
            }
            let (visit, next) = told.visit(self.element(at));
            open.extend(next.iter().rev().map(|(to, _)| *to));
            edges.extend(next.into_iter().map(|(to, condition)| Edge {
                from: at,
                to,
                condition: condition.map(Rc::from),
            }));
            visited.push(at);
            way.push(visit);
        }
        let mut leads = Leads::new(self.start(), edges);
        for (visit, at) in way.iter_mut().zip(visited) {
            visit.when = leads.when(at);
        }
        Explanation { way }
    }
}

impl Explanation {
    /// The elements in the order in which they are tried. The first is the start.
    #[must_use]
    pub fn way(&self) -> &[Visit] {
        &self.way
    }

    /// The models among them: the first choice, then what the request falls back to.
    pub fn models(&self) -> impl Iterator<Item = &Visit> {
        self.way.iter().filter(|visit| visit.model.is_some())
    }
}

impl Visit {
    /// The element's id.
    #[must_use]
    pub fn element(&self) -> &str {
        &self.element
    }

    /// Why it takes the outputs that it takes.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// What must have happened for the request to come here. `None` on the first choice.
    #[must_use]
    pub fn when(&self) -> Option<&str> {
        self.when.as_deref()
    }

    /// The outputs that the request takes, or may take.
    #[must_use]
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The provider and the model, of a model element.
    #[must_use]
    pub fn model(&self) -> Option<(&str, &str)> {
        self.provider.as_deref().zip(self.model.as_deref())
    }
}

impl Output {
    /// The output's name, such as `true` or `10%`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of the element that it leads to. `None` where the route ends.
    #[must_use]
    pub fn to(&self) -> Option<&str> {
        self.to.as_deref()
    }

    /// What it depends on. `None` where the request takes it for certain.
    #[must_use]
    pub fn when(&self) -> Option<&str> {
        self.when.as_deref()
    }
}

struct Telling<'g> {
    graph: &'g Graph,
    reader: Reader<'g>,
    draw: Option<u64>,
}

/// An element to go on at, and what it depends on; `None` for what is certain and for what is tried first.
type Next = (usize, Option<String>);

impl Telling<'_> {
    fn visit(&mut self, element: &Element) -> (Visit, Vec<Next>) {
        let mut visit = Visit {
            element: element.id().to_owned(),
            kind: element.type_name(),
            when: None,
            why: String::new(),
            outputs: Vec::new(),
            provider: None,
            model: None,
        };
        let next = match element.kind() {
            Kind::Start { next } => {
                "every request starts here".clone_into(&mut visit.why);
                self.certain(&mut visit, "next", *next)
            }
            Kind::Conditional {
                condition, yes, no, ..
            } => {
                let (holds, why) = condition.tell(&mut self.reader);
                visit.why = why;
                let (name, to) = if holds { ("true", yes) } else { ("false", no) };
                self.certain(&mut visit, name, *to)
            }
            Kind::Percentage { shares, ordinal } => self.percentage(&mut visit, shares, *ordinal),
            Kind::Rate {
                rate,
                success,
                fallback,
            } => {
                visit.why = self.tell_rate(rate);
                let id = element.id();
                let (outcomes, then) = match rate.bound() {
                    Bound::Requests(_) => (
                        ["while it is within the limit", "when it is over the limit"],
                        format!("when {id:?} is over its limit"),
                    ),
                    Bound::Cost(_) => (
                        [
                            "while there is room for the model that it leads to",
                            "when there is no room for that model",
                        ],
                        format!("when {id:?} has no room"),
                    ),
                };
                self.outcomes(&mut visit, (*success, *fallback), outcomes, then)
            }
            Kind::Model {
                model,
                success,
                fallback,
            } => {
                visit.provider = Some(model.provider().to_owned());
                visit.model = Some(model.model().to_owned());
                visit.why = tell_attempts(model.retries(), model.timeout());
                let outcomes = [
                    "when the model begins to answer",
                    "when every attempt fails",
                ];
                let then = format!("when {:?} fails", element.id());
                self.outcomes(&mut visit, (*success, *fallback), outcomes, then)
            }
            Kind::End => {
                "the route ends: the last answer of a model is its own".clone_into(&mut visit.why);
                Vec::new()
            }
        };
        (visit, next)
    }

    fn certain(&self, visit: &mut Visit, name: &str, to: usize) -> Vec<Next> {
        visit.outputs.push(Output {
            name: name.to_owned(),
            to: Some(self.id(to)),
            when: None,
            chance: None,
        });
        vec![(to, None)]
    }

    fn percentage(&self, visit: &mut Visit, shares: &[Share<usize>], ordinal: u64) -> Vec<Next> {
        let all: Vec<_> = shares
            .iter()
            .filter(|share| share.chance().is_any())
            .collect();
        let taken = self.draw.and_then(|draw| choose(shares, ordinal, draw));
        let chances: Vec<_> = all
            .iter()
            .map(|share| format!("{} take {:?}", share.chance(), share.name()))
            .collect();
        visit.why = match taken {
            Some(share) => format!(
                "this draw takes {:?}; of all requests {}",
                share.name(),
                chances.join(", ")
            ),
            None => format!("chance decides: of all requests {}", chances.join(", ")),
        };
        let output = |share: &Share<usize>, when: Option<String>| Output {
            name: share.name().to_owned(),
            to: Some(self.id(*share.to())),
            when,
            chance: Some(share.chance().to_string()),
        };
        if let Some(share) = taken {
            visit.outputs.push(output(share, None));
            return vec![(*share.to(), None)];
        }
        let follow = |share: &&Share<usize>| {
            let by_chance = format!("in {} of cases", share.chance());
            visit.outputs.push(output(share, Some(by_chance.clone())));
            (*share.to(), Some(by_chance))
        };
        all.iter().map(follow).collect()
    }

    fn outcomes(
        &self,
        visit: &mut Visit,
        (success, fallback): (usize, Option<usize>),
        [good, bad]: [&str; 2],
        then: String,
    ) -> Vec<Next> {
        let output = |name: &str, to: Option<usize>, when: &str| Output {
            name: name.to_owned(),
            to: to.map(|to| self.id(to)),
            when: Some(when.to_owned()),
            chance: None,
        };
        visit.outputs.push(output("success", Some(success), good));
        visit.outputs.push(output("fallback", fallback, bad));
        let fallback = fallback.map(|to| (to, Some(then)));
        [(success, None)].into_iter().chain(fallback).collect()
    }

    fn tell_rate(&mut self, rate: &Rate) -> String {
        let technique = rate.technique().name();
        let seconds = rate.window().as_secs();
        let limit = format!("{} in {seconds} s, {technique} windows", rate.bound());
        let Some(key) = rate.key() else {
            return format!("{limit}, all requests together");
        };
        if key.is_in_body() {
            self.reader.read_body();
        }
        let found = tell_fact(self.reader.find(key));
        format!("{limit}, counted by {key}, which {found}")
    }

    fn id(&self, at: usize) -> String {
        self.graph.element(at).id().to_owned()
    }
}

fn tell_attempts(retries: u32, timeout: Option<std::time::Duration>) -> String {
    let attempts = match retries {
        0 => "one attempt".to_owned(),
        retries => format!("at most {} attempts", retries + 1),
    };
    match timeout {
        None => attempts,
        Some(timeout) => format!(
            "{attempts}, each with {} ms until the answer begins",
            timeout.as_millis()
        ),
    }
}

impl fmt::Display for Explanation {
    /// One line an element.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, visit) in self.way.iter().enumerate() {
            let between = if at == 0 { "" } else { "\n" };
            write!(formatter, "{between}{} ({})", visit.element, visit.kind)?;
            if let Some((provider, model)) = visit.model() {
                write!(formatter, " {provider}/{model}")?;
            }
            if let Some(when) = &visit.when {
                write!(formatter, ", {when}")?;
            }
            write!(formatter, ": {}", visit.why)?;
            for output in &visit.outputs {
                let to = output.to.as_deref().unwrap_or("the route ends");
                write!(formatter, "; {} \u{2192} {to}", output.name)?;
            }
        }
        Ok(())
    }
}
