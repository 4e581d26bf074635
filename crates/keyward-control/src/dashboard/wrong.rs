//! What was wrong with a form, to be told beside the field.

use crate::envelope::Problem;

/// What was wrong with a form; nothing, where it is shown for the first time.
#[derive(Debug, Default)]
pub(crate) struct Wrong {
    field: String,
    text: String,
}

impl Wrong {
    pub(crate) fn at(field: &str, text: &str) -> Self {
        Self {
            field: field.to_owned(),
            text: text.to_owned(),
        }
    }

    pub(crate) fn of(problem: &Problem) -> Self {
        let field = problem.field().unwrap_or_default();
        let text = problem.message();
        // The route names the field; on the page it stands beside it.
        let rest = text
            .strip_prefix(field)
            .and_then(|rest| rest.strip_prefix(": "));
        Self::at(field, rest.filter(|_| !field.is_empty()).unwrap_or(text))
    }

    pub(crate) fn is_any(&self) -> bool {
        !self.text.is_empty()
    }

    /// Whether it is wrong with this field.
    pub(crate) fn is_at(&self, field: &str) -> bool {
        self.is_any() && self.field == field
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}
