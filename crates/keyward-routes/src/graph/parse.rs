//! From JSON to a graph: strict, every fault told.

mod properties;

use serde_json::{Map, Value};

use super::{
    Element, Graph, GraphError, Kind, Known, LONGEST_ELEMENTS, MOST_ELEMENTS,
    edges::{self, Draft, Edge},
    fault::Faults,
    percentage::{self, Chance, Share},
    reader::{self, Entries},
    strict, warning,
};
use crate::{
    condition::{Budget, kind},
    facts::BodyPaths,
};

/// The longest id, in bytes.
const LONGEST_ID: usize = 64;
const TYPES: &str = "start, conditional, percentage, rate, model and end";

pub(super) fn parse_text(text: &str, known: &dyn Known) -> Result<Graph, GraphError> {
    let mut parser = Parser {
        known,
        faults: Faults::new(),
        paths: BodyPaths::default(),
        budget: Budget::default(),
        percentages: 0,
    };
    let graph = parser
        .read(text)
        .and_then(|value| parser.graph(text, &value));
    match graph {
        Some(mut graph) if parser.faults.is_empty() => {
            graph.warnings = warning::find(&graph, known);
            Ok(graph)
        }
        _ => Err(parser.faults.into_error()),
    }
}

/// What reading the elements of one graph shares.
struct Parser<'k> {
    known: &'k dyn Known,
    faults: Faults,
    paths: BodyPaths,
    budget: Budget,
    percentages: u64,
}

impl Parser<'_> {
    fn read(&mut self, text: &str) -> Option<Vec<Value>> {
        if text.len() > LONGEST_ELEMENTS {
            let bytes = text.len();
            self.faults.add(format_args!(
                "are {bytes} bytes of JSON; at most {LONGEST_ELEMENTS} are read, use a smaller graph"
            ));
            return None;
        }
        match strict::read(text) {
            Ok(Value::Array(elements)) => Some(elements),
            Ok(other) => {
                let found = kind(&other);
                self.faults.add(format_args!(
                    "is {found} where an array of elements is wanted"
                ));
                None
            }
            Err(error) => {
                self.faults
                    .add(format_args!("is no JSON as wanted: {error}; mend it there"));
                None
            }
        }
    }

    fn graph(&mut self, text: &str, elements: &[Value]) -> Option<Graph> {
        if elements.len() > MOST_ELEMENTS {
            let count = elements.len();
            self.faults.add(format_args!(
                "has {count} elements; a route has at most {MOST_ELEMENTS}, use fewer"
            ));
            return None;
        }
        let mut drafts = Vec::new();
        for (at, element) in elements.iter().enumerate() {
            let id = element.get("id").and_then(Value::as_str);
            let id = id.filter(|id| id.len() <= LONGEST_ID);
            self.faults.enter_element(at, id);
            drafts.push(self.element(element));
            self.faults.leave_element();
        }
        let (start, indices) = edges::check(&drafts, &mut self.faults)?;
        let elements: Option<Box<[_]>> = drafts
            .into_iter()
            .map(|draft| {
                let kind = draft.kind?.resolve(&|id| indices.get(id).copied())?;
                Some((draft.id?, kind))
            })
            .collect();
        let elements = elements?.into_iter();
        Some(Graph {
            text: text.into(),
            elements: elements.map(|(id, kind)| Element { id, kind }).collect(),
            start,
            paths: std::mem::take(&mut self.paths),
            warnings: Box::default(),
        })
    }

    fn element(&mut self, value: &Value) -> Draft {
        let mut draft = Draft::default();
        let Some(mut entries) = Entries::of(value, &mut self.faults) else {
            return draft;
        };
        draft.id = entries.required(&["id"], &mut self.faults, |value, faults| {
            reader::text(value, LONGEST_ID, faults).map(Into::into)
        });
        let kind = entries.required(&["type"], &mut self.faults, |value, faults| {
            let found = value.as_str();
            if found.is_none() {
                faults.add(format_args!("wants a text; there are {TYPES}"));
            }
            found
        });
        let Some(kind) = kind else { return draft };
        draft.kind = match kind {
            "start" => self.start(&mut entries, &mut draft.edges),
            "conditional" => self.conditional(&mut entries, &mut draft.edges),
            "percentage" => self.percentage(&mut entries, &mut draft.edges),
            "rate" | "rate_limit" => self.rate(&mut entries, &mut draft.edges),
            "model" => self.model(&mut entries, &mut draft.edges),
            "end" => self.end(&mut entries),
            _ => {
                self.faults
                    .add_at("type", format_args!("is unknown; there are {TYPES}"));
                return draft;
            }
        };
        draft.is_start = kind == "start";
        entries.finish(&mut self.faults);
        draft
    }

    fn start(
        &mut self,
        entries: &mut Entries<'_>,
        edges: &mut Vec<Edge>,
    ) -> Option<Kind<Box<str>>> {
        self.no_properties(entries);
        let next = self.outputs(entries, edges, |outputs, faults| {
            outputs.required(&["next"], faults, target)
        });
        Some(Kind::Start { next: next? })
    }

    fn end(&mut self, entries: &mut Entries<'_>) -> Option<Kind<Box<str>>> {
        self.no_properties(entries);
        entries.optional(&["outputs"], &mut self.faults, |value, faults| {
            Entries::of(value, faults)?.finish(faults);
            Some(())
        });
        Some(Kind::End)
    }

    fn conditional(
        &mut self,
        entries: &mut Entries<'_>,
        edges: &mut Vec<Edge>,
    ) -> Option<Kind<Box<str>>> {
        let condition = self.condition(entries);
        let outputs = self.outputs(entries, edges, |outputs, faults| {
            let yes = outputs.required(&["true"], faults, target);
            let no = outputs.required(&["false"], faults, target);
            Some((yes?, no?))
        });
        let (condition, document) = condition?;
        let (yes, no) = outputs?;
        Some(Kind::Conditional {
            condition,
            document,
            yes,
            no,
        })
    }

    fn percentage(
        &mut self,
        entries: &mut Entries<'_>,
        edges: &mut Vec<Edge>,
    ) -> Option<Kind<Box<str>>> {
        self.no_properties(entries);
        let ordinal = self.percentages;
        self.percentages += 1;
        let shares = entries.required(&["outputs"], &mut self.faults, |value, faults| {
            let Value::Object(map) = value else {
                faults.add(format_args!("is {} where an object is wanted", kind(value)));
                return None;
            };
            shares(map, edges, faults)
        })?;
        Some(Kind::Percentage { shares, ordinal })
    }

    fn rate(&mut self, entries: &mut Entries<'_>, edges: &mut Vec<Edge>) -> Option<Kind<Box<str>>> {
        let rate = self.rate_properties(entries);
        let (success, fallback) = self.outcomes(entries, edges)?;
        Some(Kind::Rate {
            rate: rate?,
            success,
            fallback,
        })
    }

    fn model(
        &mut self,
        entries: &mut Entries<'_>,
        edges: &mut Vec<Edge>,
    ) -> Option<Kind<Box<str>>> {
        let model = self.model_properties(entries);
        let (success, fallback) = self.outcomes(entries, edges)?;
        Some(Kind::Model {
            model: model?,
            success,
            fallback,
        })
    }

    fn outcomes(
        &mut self,
        entries: &mut Entries<'_>,
        edges: &mut Vec<Edge>,
    ) -> Option<(Box<str>, Option<Box<str>>)> {
        self.outputs(entries, edges, |outputs, faults| {
            let success = outputs.required(&["success"], faults, target);
            let fallback = outputs.optional(&["fallback"], faults, target);
            Some((success?, fallback))
        })
    }

    /// Reads the outputs of an element, and notes where they lead.
    fn outputs<T: Targets>(
        &mut self,
        entries: &mut Entries<'_>,
        edges: &mut Vec<Edge>,
        read: impl FnOnce(&mut Entries<'_>, &mut Faults) -> Option<T>,
    ) -> Option<T> {
        let outputs = entries.required(&["outputs"], &mut self.faults, |value, faults| {
            let mut outputs = Entries::of(value, faults)?;
            let read = read(&mut outputs, faults);
            outputs.finish(faults);
            read
        })?;
        outputs.add_to(edges);
        Some(outputs)
    }

    fn no_properties(&mut self, entries: &mut Entries<'_>) {
        entries.optional(&["properties"], &mut self.faults, |value, faults| {
            Entries::of(value, faults)?.finish(faults);
            Some(())
        });
    }
}

/// The id that an output leads to.
fn target(value: &Value, faults: &mut Faults) -> Option<Box<str>> {
    let mut entries = Entries::of(value, faults)?;
    let id = entries.required(&["elementId"], faults, |value, faults| {
        reader::text(value, LONGEST_ID, faults).map(Into::into)
    });
    entries.finish(faults);
    id
}

fn shares(
    map: &Map<String, Value>,
    edges: &mut Vec<Edge>,
    faults: &mut Faults,
) -> Option<Box<[Share<Box<str>>]>> {
    let named = map.keys().filter(|key| *key != percentage::ELSE).count();
    if named > percentage::MOST {
        faults.add(format_args!(
            "has {named} percentages; there are at most {}, and `else`",
            percentage::MOST
        ));
        return None;
    }
    let mut list = Vec::new();
    for (name, value) in map {
        faults.enter(name);
        let parts = match name.as_str() {
            percentage::ELSE => Some(0),
            _ => percentage::parse(name),
        };
        if parts.is_none() {
            faults.add("is no percentage; write more than 0% and at most 100% with up to four decimals, such as `12.5%`, or `else`");
        }
        let to = target(value, faults);
        faults.leave();
        list.push(parts.zip(to).map(|(parts, to)| Share {
            name: name.as_str().into(),
            parts,
            to,
        }));
    }
    let mut shares: Vec<_> = list.into_iter().collect::<Option<_>>()?;
    // A draw takes the same share whatever order the outputs are written in; `else` takes the last part.
    shares.sort_by(|one, other| {
        let key = |share: &Share<Box<str>>| (&*share.name == percentage::ELSE, share.parts);
        key(one).cmp(&key(other)).then(one.name.cmp(&other.name))
    });
    total(&mut shares, faults)?;
    edges.extend(shares.iter().map(|share| Edge::new(&share.name, &share.to)));
    Some(shares.into())
}

/// Gives `else` what the others leave, and checks that all are the whole.
fn total(shares: &mut [Share<Box<str>>], faults: &mut Faults) -> Option<()> {
    let total: u32 = shares.iter().map(|share| share.parts).sum();
    let said = Chance(total);
    let left = percentage::WHOLE.checked_sub(total);
    let other = shares
        .last_mut()
        .filter(|share| &*share.name == percentage::ELSE);
    match (left, other) {
        (Some(left), Some(other)) => other.parts = left,
        (Some(0), None) => {}
        (Some(_), None) => {
            faults.add(format_args!(
                "total {said}; let them total 100%, or add `else`, which takes the rest"
            ));
            return None;
        }
        (None, _) => {
            faults.add(format_args!("total {said}; let them total 100%"));
            return None;
        }
    }
    Some(())
}

/// Ids that the outputs of an element lead to, with the outputs' names.
trait Targets {
    fn add_to(&self, edges: &mut Vec<Edge>);
}

/// `next` of a start.
impl Targets for Box<str> {
    fn add_to(&self, edges: &mut Vec<Edge>) {
        edges.push(Edge::new("next", self));
    }
}

/// `true` and `false` of a conditional.
impl Targets for (Box<str>, Box<str>) {
    fn add_to(&self, edges: &mut Vec<Edge>) {
        edges.extend([Edge::new("true", &self.0), Edge::new("false", &self.1)]);
    }
}

/// `success` and `fallback`.
impl Targets for (Box<str>, Option<Box<str>>) {
    fn add_to(&self, edges: &mut Vec<Edge>) {
        edges.push(Edge::new("success", &self.0));
        edges.extend(self.1.iter().map(|to| Edge::new("fallback", to)));
    }
}

impl Kind<Box<str>> {
    /// The same with an index for each id. `None` where an id is of no element.
    fn resolve(self, find: &dyn Fn(&str) -> Option<usize>) -> Option<Kind<usize>> {
        let optional = |to: Option<Box<str>>| match to {
            None => Some(None),
            Some(to) => find(&to).map(Some),
        };
        Some(match self {
            Self::Start { next } => Kind::Start { next: find(&next)? },
            Self::Conditional {
                condition,
                document,
                yes,
                no,
            } => Kind::Conditional {
                condition,
                document,
                yes: find(&yes)?,
                no: find(&no)?,
            },
            Self::Percentage { shares, ordinal } => {
                let shares = shares.into_iter().map(|share| {
                    Some(Share {
                        name: share.name,
                        parts: share.parts,
                        to: find(&share.to)?,
                    })
                });
                Kind::Percentage {
                    shares: shares.collect::<Option<_>>()?,
                    ordinal,
                }
            }
            Self::Rate {
                rate,
                success,
                fallback,
            } => Kind::Rate {
                rate,
                success: find(&success)?,
                fallback: optional(fallback)?,
            },
            Self::Model {
                model,
                success,
                fallback,
            } => Kind::Model {
                model,
                success: find(&success)?,
                fallback: optional(fallback)?,
            },
            Self::End => Kind::End,
        })
    }
}
