//! The endpoint classes of one origin: patterns, the most telling first.

use std::collections::BTreeMap;

use http::Method;

use crate::{
    Class,
    pattern::{Canonical, Pattern, is_decidable},
};

/// What stands behind one origin, by class.
#[derive(Debug)]
pub(crate) struct Classes(Box<[(Pattern, Class)]>);

impl Classes {
    /// Of an origin nothing is known of: every endpoint is [`Class::Other`].
    pub(crate) fn none() -> Self {
        Self(Box::default())
    }

    /// Reads the lists of patterns by class name.
    ///
    /// # Errors
    ///
    /// The name or pattern at fault, and what is wrong with it.
    pub(crate) fn build(
        lists: &BTreeMap<String, Vec<String>>,
        insert: Option<&str>,
    ) -> Result<Self, (String, String)> {
        let mut seen = BTreeMap::new();
        let mut patterns = Vec::new();
        for (name, texts) in lists {
            let class = Class::parse(name).map_err(|error| (name.clone(), error.to_string()))?;
            for text in texts {
                let refuse = |reason: &str| (format!("{name}: {text}"), reason.to_owned());
                if seen.insert(text, class).is_some() {
                    return Err(refuse("the pattern stands twice"));
                }
                patterns.push((Pattern::parse(text, insert).map_err(refuse)?, class));
            }
        }
        patterns.sort_by_cached_key(|(pattern, _)| pattern.rank());
        Ok(Self(patterns.into()))
    }

    /// The class of a request. Allocates nothing; linear in the number of patterns.
    pub(crate) fn find(&self, method: &Method, path: Canonical<'_>) -> Class {
        if !is_decidable(path.rest) {
            return Class::Other;
        }
        let method = effective(method);
        let hit = self
            .0
            .iter()
            .find(|(pattern, _)| pattern.matches(method, path));
        hit.map_or(Class::Other, |(_, class)| *class)
    }
}

/// A HEAD runs what a GET would run (RFC 9110 §9.3.2).
pub(crate) fn effective(method: &Method) -> &Method {
    if *method == Method::HEAD {
        &Method::GET
    } else {
        method
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use http::Method;

    use super::Classes;
    use crate::{Class, pattern::Canonical};

    fn build(lists: &[(&str, &[&str])]) -> Result<Classes, (String, String)> {
        let lists: BTreeMap<_, _> = lists
            .iter()
            .map(|(name, texts)| {
                let texts = texts.iter().map(|text| (*text).to_owned()).collect();
                ((*name).to_owned(), texts)
            })
            .collect();
        Classes::build(&lists, None)
    }

    #[test]
    fn the_pattern_that_says_more_wins() {
        let classes = build(&[
            ("account", &["* a/**", "POST a/*/keys"]),
            ("files", &["* a/files/**"]),
            ("inference", &["POST a/*", "POST a/*/**"]),
            ("models", &["POST a/*:list"]),
        ])
        .unwrap();
        let find = |method, rest| {
            classes.find(
                &method,
                Canonical {
                    rest,
                    inserted: false,
                },
            )
        };
        assert_eq!(find(Method::POST, "a/files"), Class::Files);
        assert_eq!(find(Method::POST, "a/x"), Class::Inference);
        assert_eq!(find(Method::POST, "a/x:list"), Class::Models);
        assert_eq!(find(Method::POST, "a/x/y"), Class::Inference);
        assert_eq!(find(Method::POST, "a/x/keys"), Class::Account);
        assert_eq!(find(Method::GET, "a/x"), Class::Account);
        assert_eq!(find(Method::HEAD, "a/x"), Class::Account);
        assert_eq!(find(Method::POST, "b"), Class::Other);
        assert_eq!(find(Method::POST, "a/%66iles"), Class::Other);
    }

    #[test]
    fn a_pattern_in_two_classes_is_refused() {
        assert!(build(&[("files", &["GET a"]), ("models", &["GET a"])]).is_err());
        assert!(build(&[("file", &["GET a"])]).is_err());
        assert!(build(&[("files", &["GET"])]).is_err());
    }
}
