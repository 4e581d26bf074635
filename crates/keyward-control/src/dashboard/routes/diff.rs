//! What is different between two versions of a route, line by line.

use std::time::Duration;

use similar::{Algorithm, ChangeTag, TextDiff};

use super::graph::plain;

/// How long lines are compared for the smallest difference; one that is larger than it could be is told after that.
const LONGEST: Duration = Duration::from_millis(100);
/// How many lines around a difference are shown.
const AROUND: usize = 3;
/// The most lines that are shown.
const MOST: usize = 2_000;

/// The differences, with what stands around them.
#[derive(Debug)]
pub(super) struct Diff {
    pub(super) hunks: Vec<Vec<Line>>,
    pub(super) added: usize,
    pub(super) removed: usize,
    /// Whether there are more than are shown.
    pub(super) is_cut: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) change: Change,
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Added,
    Removed,
}

impl Diff {
    pub(super) fn between(old: &str, new: &str) -> Self {
        let compared = TextDiff::configure()
            .algorithm(Algorithm::Patience)
            .timeout(LONGEST)
            .diff_lines(old, new);
        let (mut hunks, mut shown) = (Vec::new(), 0);
        let (mut added, mut removed) = (0, 0);
        for group in compared.grouped_ops(AROUND) {
            let mut lines = Vec::new();
            for change in group.iter().flat_map(|op| compared.iter_changes(op)) {
                let change_of = match change.tag() {
                    ChangeTag::Equal => Change::None,
                    ChangeTag::Insert => {
                        added += 1;
                        Change::Added
                    }
                    ChangeTag::Delete => {
                        removed += 1;
                        Change::Removed
                    }
                };
                shown += 1;
                if shown <= MOST {
                    let text = plain(change.value().trim_end_matches(['\n', '\r']));
                    lines.push(Line {
                        change: change_of,
                        text,
                    });
                }
            }
            hunks.push(lines);
        }
        Self {
            hunks,
            added,
            removed,
            is_cut: shown > MOST,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.added + self.removed == 0
    }
}

impl Line {
    pub(super) fn is_added(&self) -> bool {
        self.change == Change::Added
    }

    pub(super) fn is_removed(&self) -> bool {
        self.change == Change::Removed
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{Change, Diff, Line, MOST};

    fn signs(diff: &Diff) -> String {
        let sign = |line: &Line| match line.change {
            Change::None => ' ',
            Change::Added => '+',
            Change::Removed => '-',
        };
        let hunks = diff.hunks.iter();
        let hunks = hunks.map(|hunk| hunk.iter().map(sign).collect::<String>());
        hunks.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn what_is_different_stands_with_three_lines_around() {
        let old: Vec<_> = (0..40).map(|line| line.to_string()).collect();
        let mut new = old.clone();
        new[2] = "two".to_owned();
        new.insert(30, "more".to_owned());
        let diff = Diff::between(&old.join("\n"), &new.join("\n"));
        assert_eq!(signs(&diff), "  -+   |   +   ");
        assert_eq!((diff.added, diff.removed, diff.is_cut), (2, 1, false));
        assert!(Diff::between("a\nb", "a\nb").is_empty());
        // Who approves a difference reads the characters in the order in which they are.
        let hidden = Diff::between("", "a\u{202e}b\u{200b}c");
        assert_eq!(hidden.hunks[0][0].text, "a\u{fffd}b\u{fffd}c");
        assert_eq!(signs(&Diff::between("a\r\n", "a\n")), "-+");
    }

    #[test]
    fn a_long_one_is_cut_and_counted_whole() {
        let lines = |word: &str| {
            (0..MOST)
                .map(|line| format!("{word}{line}\n"))
                .collect::<String>()
        };
        let diff = Diff::between(&lines("a"), &lines("b"));
        let shown: usize = diff.hunks.iter().map(Vec::len).sum();
        assert_eq!((shown, diff.is_cut), (MOST, true));
        assert_eq!((diff.added, diff.removed), (MOST, MOST));
    }

    proptest! {
        #[test]
        fn whatever_was_removed_or_added_is_told(old in vec("[a-c]{0,2}", 0..12), new in vec("[a-c]{0,2}", 0..12)) {
            let diff = Diff::between(&old.join("\n"), &new.join("\n"));
            prop_assert_eq!(diff.is_empty(), old.join("\n") == new.join("\n"));
            let lines = diff.hunks.iter().flatten();
            for line in lines {
                let is_known = match line.change {
                    Change::None => old.contains(&line.text) && new.contains(&line.text),
                    Change::Added => new.contains(&line.text),
                    Change::Removed => old.contains(&line.text),
                };
                prop_assert!(is_known, "{:?}", line);
            }
        }
    }
}
