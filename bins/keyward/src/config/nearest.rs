//! Which name somebody meant who wrote another.

/// The name among `names` that a mistyped `name` most likely meant.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = names
        .map(|known| (strsim::levenshtein(name, known), known))
        .min()?;
    let most = (name.chars().count() / 3).max(2);
    (near.0 <= most).then_some(near.1)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_keys_is_near_and_another_word_is_not() {
        let names = || ["gateway", "control", "store"].into_iter();
        assert_eq!(nearest("gatway", names()), Some("gateway"));
        assert_eq!(nearest("stroe", names()), Some("store"));
        assert_eq!(nearest("database", names()), None);
        assert_eq!(nearest("", std::iter::empty()), None);
    }
}
