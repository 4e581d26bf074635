//! The model that a path names, as with `models/gemini-2.5-pro:generateContent`.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::pattern::{Canonical, is_decidable};

/// What a path says of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever decides by a model must handle a path that can be read in two ways"
)]
pub enum PathModel<'a> {
    /// Nothing: it is named elsewhere, or there is none.
    Absent,
    /// Its name, decoded.
    Named(Cow<'a, str>),
    /// The provider may read another name than we would, or one where we see none.
    Unclear,
}

/// A pattern of paths that name a model, such as `*/models/{model}:*`.
#[derive(Debug)]
pub(crate) struct ModelPath {
    parts: Box<[Part]>,
    /// `parts` without the version, for paths that leave it out.
    unversioned: Option<usize>,
}

#[derive(Debug)]
enum Part {
    Literal(Box<str>),
    Any,
    /// Any number of further segments, none included.
    Rest,
    Model,
    /// The model up to the only `:` of the segment.
    ModelAndVerb,
}

impl ModelPath {
    /// Parses `text`: segments that are literal, `*`, a closing `**`, `{model}` or `{model}:*`. `{model}` may stand in several
    /// segments one after another, which are one name with slashes.
    pub(crate) fn parse(text: &str, insert: Option<&str>) -> Result<Self, &'static str> {
        let mut parts = Vec::new();
        for segment in text.split('/') {
            if let Some(Part::Rest) = parts.last() {
                return Err("`**` stands last");
            }
            parts.push(match segment {
                "*" => Part::Any,
                "**" => Part::Rest,
                "{model}" => Part::Model,
                "{model}:*" => Part::ModelAndVerb,
                "" => return Err("a segment is empty"),
                literal if literal.contains(['*', '{', '}', '%']) => {
                    return Err("a segment is a text, `*`, `**`, `{model}` or `{model}:*`");
                }
                literal => Part::Literal(literal.into()),
            });
        }
        let names = |part: &Part| matches!(part, Part::Model | Part::ModelAndVerb);
        if !parts.iter().any(names) {
            return Err("it has no `{model}`");
        }
        let mut behind = parts.iter().skip_while(|part| !names(part));
        if behind.by_ref().any(|part| !names(part)) && behind.any(names) {
            return Err("`{model}` stands in segments one after another");
        }
        let version = insert.map(|insert| insert.split('/'));
        let unversioned = version.and_then(|version| {
            let count = version.clone().count();
            let is_version = version.zip(&parts).all(
                |(segment, part)| matches!(part, Part::Literal(text) if text.as_ref() == segment),
            );
            (is_version && count < parts.len()).then_some(count)
        });
        Ok(Self {
            parts: parts.into(),
            unversioned,
        })
    }

    /// The span of the model in `path`, if the path is one of these.
    fn find<'a>(&self, path: Canonical<'a>) -> Option<&'a str> {
        let from = match path.inserted {
            true => self.unversioned?,
            false => 0,
        };
        let mut at = 0;
        let mut model: Option<(usize, usize)> = None;
        let mut segments = path.rest.split('/');
        for part in self.parts.get(from..)? {
            if let Part::Rest = part {
                segments.by_ref().for_each(drop);
                break;
            }
            let segment = segments.next().filter(|segment| !segment.is_empty())?;
            let named = match part {
                Part::Literal(text) if text.as_ref() == segment => None,
                Part::Any => None,
                Part::Model => Some(segment.len()),
                Part::ModelAndVerb => match segment.split_once(':')? {
                    // One reader may cut at the first, another at the last: no name at all.
                    (_, verb) if verb.contains(':') => return Some(""),
                    (model, _) => Some(model.len()),
                },
                Part::Literal(_) | Part::Rest => return None,
            };
            if let Some(length) = named {
                let begins = model.map_or(at, |(begins, _)| begins);
                model = Some((begins, at + length));
            }
            at += segment.len() + 1;
        }
        let (begins, ends) = model?;
        segments
            .next()
            .is_none()
            .then(|| path.rest.get(begins..ends))?
    }
}

/// What `path` says, by `patterns`.
pub(crate) fn model_of<'a>(patterns: &[ModelPath], path: Canonical<'a>) -> PathModel<'a> {
    if patterns.is_empty() {
        return PathModel::Absent;
    }
    // Before the patterns: `%6Dodels/…` is of none of them. What passes holds no escape of a separator or of an escape.
    if !is_decidable(path.rest) {
        return PathModel::Unclear;
    }
    let mut models = patterns.iter().filter_map(|pattern| pattern.find(path));
    let Some(encoded) = models.next() else {
        return PathModel::Absent;
    };
    match percent_decode_str(encoded).decode_utf8() {
        Ok(model) if model.is_empty() || model.contains(char::is_control) => PathModel::Unclear,
        Ok(model) => PathModel::Named(model),
        Err(_) => PathModel::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::{ModelPath, PathModel, model_of};
    use crate::pattern::Canonical;

    fn of(pattern: &str, insert: Option<&str>, rest: &str, inserted: bool) -> Option<String> {
        let pattern = ModelPath::parse(pattern, insert).unwrap();
        match model_of(&[pattern], Canonical { rest, inserted }) {
            PathModel::Absent => None,
            PathModel::Named(model) => Some(model.into_owned()),
            PathModel::Unclear => Some("unclear".to_owned()),
        }
    }

    #[track_caller]
    fn check(pattern: &str, rest: &str, expected: Option<&str>) {
        assert_eq!(
            of(pattern, None, rest, false).as_deref(),
            expected,
            "{rest}"
        );
    }

    #[test]
    fn a_model_is_found_in_its_segment() {
        let gemini = "*/models/{model}:*";
        check(
            gemini,
            "v1beta/models/gemini-2.5-pro:generateContent",
            Some("gemini-2.5-pro"),
        );
        check(gemini, "v1/models/gemini%20x:a", Some("gemini x"));
        check(gemini, "v1beta/models/gemini-2.5-pro", None);
        check(gemini, "v1beta/models", None);
        check(gemini, "v1beta/openai/chat/completions", None);
        check(
            "run/{model}/{model}/{model}",
            "run/@cf/meta/llama",
            Some("@cf/meta/llama"),
        );
        check(
            "{model}/{model}/**",
            "fal-ai/flux/dev/x",
            Some("fal-ai/flux"),
        );
        check("{model}/{model}/**", "fal-ai/flux", Some("fal-ai/flux"));
    }

    #[test]
    fn a_path_that_may_be_read_in_two_ways_says_so() {
        let gemini = "*/models/{model}:*";
        for rest in [
            "v1beta/%6Dodels/x:generateContent",
            "v1beta/models/a%2Fb:generateContent",
            "v1beta/models/a%252Db:generateContent",
            "v1beta/models/a%3Ab:generateContent",
            "v1beta//models/x:generateContent",
            "v1beta/models/x;y:generateContent",
            "v1beta/models/:generateContent",
            "v1beta/models/x:y:generateContent",
            "v1beta/models/x%FF:generateContent",
        ] {
            check(gemini, rest, Some("unclear"));
        }
    }

    #[test]
    fn a_version_may_be_left_out_where_one_is_inserted() {
        let pattern = "v1/models/{model}/{model}/predictions";
        let of = |rest, inserted| of(pattern, Some("v1"), rest, inserted);
        assert_eq!(
            of("v1/models/a/b/predictions", false).as_deref(),
            Some("a/b")
        );
        assert_eq!(of("models/a/b/predictions", true).as_deref(), Some("a/b"));
        assert_eq!(of("models/a/b/predictions", false), None);
    }

    #[test]
    fn a_pattern_that_names_no_model_or_no_one_place_of_it_is_refused() {
        for text in [
            "",
            "v1/models",
            "v1//{model}",
            "v1/{model}x",
            "v1/*x/{model}",
            "**/{model}",
            "{model}/**/x",
            "{model}/x/{model}",
            "{model}/*/{model}:*",
        ] {
            assert!(ModelPath::parse(text, None).is_err(), "{text}");
        }
    }
}
