//! The part of a form in which elements are edited: their text, what is wrong with it beside each element, and its picture.

use keyward_registry::Refusal;
use keyward_routes::{Fault, Segment};
use serde_json::{Map, Value, json};

use super::{
    drawing::{Drawing, Marks},
    graph::{Element, Sketch},
};
use crate::dashboard::{marked::Marked, visit::Visit, wrong::Wrong};

/// The form's field, and the body's.
pub(super) const FIELD: &str = "elements";

/// What was typed, and what is known of it.
pub(super) struct Editor {
    /// As it was typed.
    pub(super) text: String,
    pub(super) comment: String,
    /// What is wrong with no element that is listed.
    pub(super) faults: Vec<Told>,
    pub(super) rows: Vec<Row>,
    /// None: it cannot be read as a list of elements.
    pub(super) drawing: Option<Drawing>,
}

/// One thing that is wrong.
pub(super) struct Told {
    pub(super) place: String,
    message: String,
}

impl Told {
    pub(super) fn message(&self) -> Marked<'_> {
        Marked(&self.message)
    }
}

/// An element in words.
pub(super) struct Row {
    pub(super) element: Element,
    pub(super) faults: Vec<Told>,
}

impl Editor {
    /// Of elements that are shown to be changed.
    pub(super) fn stored(name: &str, text: String) -> Self {
        Self::new(name, text, String::new(), &[])
    }

    /// Of what was typed and is not acceptable.
    pub(super) fn refused(visit: &Visit, name: &str) -> Self {
        let text = typed(visit);
        let registry = &visit.shared().surroundings.registry;
        let parsed = registry.parse_route(visit.account_id(), visit.parameter("gateway"), &text);
        let comment = comment(visit);
        match parsed.as_ref().map_err(|error| error.refusal()) {
            Err(Refusal::RouteElements(error)) => Self::new(name, text, comment, error.faults()),
            _ => Self::new(name, text, comment, &[]),
        }
    }

    fn new(name: &str, text: String, comment: String, faults: &[Fault]) -> Self {
        let sketch = Sketch::read(&text);
        let marks = Marks {
            wrong: faults.iter().filter_map(element_of).collect(),
            ..Marks::default()
        };
        let drawing = sketch
            .as_ref()
            .map(|sketch| Drawing::new(name, sketch, &marks));
        let mut rows = rows(sketch);
        let mut apart = Vec::new();
        for fault in faults {
            let told = Told {
                place: fault.place(),
                message: fault.message().to_owned(),
            };
            let row = element_of(fault).and_then(|at| rows.get_mut(at));
            row.map_or(&mut apart, |row| &mut row.faults).push(told);
        }
        Self {
            text,
            comment,
            faults: apart,
            rows,
            drawing,
        }
    }

    /// How many things are wrong.
    pub(super) fn count(&self) -> usize {
        self.faults.len() + self.rows.iter().map(|row| row.faults.len()).sum::<usize>()
    }

    /// What the page says of a refusal: faults stand beside their elements, not in one line.
    pub(super) fn told(&self, wrong: Wrong) -> Wrong {
        let is_elsewhere = wrong.is_at("name") || wrong.is_at("comment");
        match self.count() {
            0 => wrong,
            _ if is_elsewhere => wrong,
            1 => Wrong::at(
                FIELD,
                "One thing is wrong with the elements: it stands beside them.",
            ),
            count => Wrong::at(
                FIELD,
                &format!(
                    "{count} things are wrong with the elements: each stands beside its element."
                ),
            ),
        }
    }
}

/// The elements in words, as far as they can be read.
pub(super) fn rows(sketch: Option<Sketch>) -> Vec<Row> {
    let elements = sketch.into_iter().flat_map(|sketch| sketch.elements);
    elements
        .map(|element| Row {
            element,
            faults: Vec::new(),
        })
        .collect()
}

/// The elements as they were typed. As a browser sends them, lines end in two characters.
pub(super) fn typed(visit: &Visit) -> String {
    visit.form.text(FIELD).replace("\r\n", "\n")
}

pub(super) fn comment(visit: &Visit) -> String {
    visit.form.text("comment").to_owned()
}

/// The comment as a body has it: a field where there is one.
pub(super) fn noted(visit: &Visit) -> Map<String, Value> {
    let comment = Some(comment(visit)).filter(|comment| !comment.is_empty());
    let field = comment.map(|comment| ("comment".to_owned(), json!(comment)));
    field.into_iter().collect()
}

/// Which element a fault is in.
fn element_of(fault: &Fault) -> Option<usize> {
    match fault.path() {
        [_, Segment::Item(at), ..] => Some(*at),
        _ => None,
    }
}
