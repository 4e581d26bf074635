//! What was wrong with a form, to be told beside the field.

use super::marked::Marked;
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
        Self::at(field, for_people(problem.message(), field))
    }

    pub(crate) fn is_any(&self) -> bool {
        !self.text.is_empty()
    }

    /// Whether it is wrong with this field.
    pub(crate) fn is_at(&self, field: &str) -> bool {
        self.is_any() && self.field == field
    }

    pub(crate) fn told(&self) -> Marked<'_> {
        Marked(&self.text)
    }
}

/// What a route says, without what is there for programs: the field's name, which the text stands beside, and the word
/// by which clients of the reference know the refusal.
fn for_people<'a>(text: &'a str, field: &str) -> &'a str {
    let named = text.strip_prefix("[0].").unwrap_or(text);
    let rest = named
        .strip_prefix(field)
        .filter(|_| !field.is_empty())
        .and_then(|rest| rest.strip_prefix(": ").or_else(|| rest.strip_prefix(' ')));
    let text = rest.unwrap_or(text);
    match text.split_once(": ") {
        Some((word, rest)) if is_word_for_programs(word) => rest,
        _ => text,
    }
}

fn is_word_for_programs(word: &str) -> bool {
    word.contains('_')
        && word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use keyward_registry::{Refusal, SecretRefusal};

    use super::{Wrong, for_people};
    use crate::envelope::Problem;

    #[test]
    fn a_name_that_says_two_things_is_refused_beside_the_name() {
        let refusal = SecretRefusal::Ambiguous {
            index: Some(0),
            name: "default_new_default".to_owned(),
            readings: vec!["one".to_owned(), "another".to_owned()],
        };
        let wrong = Wrong::of(&Problem::from(Refusal::Secret(refusal)));
        assert!(wrong.is_at("name"));
        assert!(
            wrong
                .text
                .starts_with("the name `default_new_default` can be read as one and as another"),
            "{}",
            wrong.text
        );
    }

    #[test]
    fn what_is_for_programs_is_left_out() {
        for (text, field, expected) in [
            ("alias: is taken", "alias", "is taken"),
            ("base_url must be https", "base_url", "must be https"),
            ("[0].name: is too long", "name", "is too long"),
            (
                "name: secret_name_empty: a name is required",
                "name",
                "a name is required",
            ),
            (
                "secret_name_ambiguous: it says two things",
                "name",
                "it says two things",
            ),
            ("store_not_empty: 3 secrets", "", "3 secrets"),
            ("a name: with more", "", "a name: with more"),
            ("names differ", "name", "names differ"),
        ] {
            assert_eq!(for_people(text, field), expected);
        }
    }
}
