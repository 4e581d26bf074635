//! Which name somebody meant who wrote another.

/// The name among `names` that a mistyped `name` most likely meant.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.map(|known| (distance(name, known), known)).min()?;
    let most = (name.chars().count() / 3).max(2);
    (near.0 <= most).then_some(near.1)
}

/// How many letters must be added, removed or changed to make `b` of `a` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (index, letter) in a.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (above, other) in row.iter_mut().skip(1).zip(b.chars()) {
            let changed = diagonal + usize::from(letter != other);
            diagonal = *above;
            left = changed.min(left + 1).min(*above + 1);
            *above = left;
        }
    }
    row.last().copied().unwrap_or_default()
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
