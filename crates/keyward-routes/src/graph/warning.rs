//! What a graph may have and probably should not.

use std::fmt;

use super::{Graph, Kind, Known};

/// Something of a graph that is allowed and looks odd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    element: Box<str>,
    text: String,
}

impl Warning {
    /// The id of the element that looks odd.
    #[must_use]
    pub fn element(&self) -> &str {
        &self.element
    }

    /// What looks odd, and what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "element {:?}: {}", self.element, self.text)
    }
}

/// What looks odd in a graph.
pub(super) fn find(graph: &Graph, known: &dyn Known) -> Box<[Warning]> {
    let mut warnings = Vec::new();
    for element in &graph.elements {
        let warn = |text: String| Warning {
            element: element.id.clone(),
            text,
        };
        match &element.kind {
            Kind::Conditional { condition, .. } if condition.is_always() => warnings.push(warn(
                "has no condition, so that every request takes `true`; write one in `properties.conditions`".into(),
            )),
            Kind::Percentage { shares, .. } => {
                let never = shares.iter().filter(|share| share.parts == 0);
                warnings.extend(never.map(|share| {
                    warn(format!("no request takes `{}`: the others total 100%; leave it out", share.name))
                }));
            }
            Kind::Model { model, success, .. } => {
                let provider = model.provider();
                if !known.has_key(provider) {
                    warnings.push(warn(format!("no key of {provider} is stored in this gateway, so that the model fails; store one")));
                }
                if !matches!(graph.element(*success).kind, Kind::End) {
                    warnings.push(warn("`success` leads on, so that the answer waits for another element; lead it to an end".into()));
                }
            }
            Kind::Start { .. } if graph.models().next().is_none() => warnings.push(warn(
                "the route has no model, so that it answers nothing; add one".into(),
            )),
            _ => {}
        }
    }
    warnings.into()
}
