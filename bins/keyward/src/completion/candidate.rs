//! One thing that a word may become, and how it is written for a shell.

use clap_complete::CompletionCandidate;

use super::{Shell, kind::Kind};
use crate::failure::OneLine;

/// Longer descriptions push the values from the screen.
const LONGEST_ABOUT: usize = 100;

/// What a word may become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) text: String,
    /// What it is, for people; empty where that is plain.
    pub(super) about: String,
}

impl Candidate {
    pub(super) fn new(text: impl Into<String>, about: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            about: about.into(),
        }
    }

    /// What clap found.
    pub(super) fn read(found: &CompletionCandidate) -> Option<Self> {
        let about = found.get_help().map(ToString::to_string);
        let text = found.get_value().to_str()?;
        Some(Self::new(text, about.unwrap_or_default()))
    }

    /// The word to the shell that it is to complete names of files.
    pub(super) fn files(prefix: &str) -> Self {
        Self::new(format!("{prefix}{}", Kind::Files.marker()), "")
    }

    pub(super) fn behind(mut self, prefix: &str) -> Self {
        self.text.insert_str(0, prefix);
        self
    }

    /// The line that says it, without the first `kept` bytes.
    pub(super) fn line(&self, shell: Shell, kept: usize) -> Option<String> {
        // The prefix of a file is the shell's affair.
        let text = match Kind::marked_by(&self.text) {
            Some((prefix, _)) => self.text.strip_prefix(prefix)?,
            None => self.text.get(kept..)?,
        };
        let about: String = OneLine(self.about.lines().next().unwrap_or_default())
            .to_string()
            .chars()
            .filter(|c| *c != '\\')
            .take(LONGEST_ABOUT)
            .collect();
        Some(match shell {
            _ if about.is_empty() => format!("{text}\n"),
            Shell::Bash => format!("{text}\n"),
            Shell::Zsh => format!("{text}:{about}\n"),
            Shell::Fish | Shell::Powershell => format!("{text}\t{about}\n"),
        })
    }
}

/// Those that begin so. Where none does and the shell replaces what was typed, those whose description begins so:
/// a token is found by its name.
pub(super) fn matching(all: Vec<Candidate>, begun: &str, shell: Shell) -> Vec<Candidate> {
    let fit: Vec<_> = all.into_iter().filter(|one| is_plain(&one.text)).collect();
    let replaces = matches!(shell, Shell::Bash | Shell::Powershell);
    let by_text = fit.iter().any(|one| one.text.starts_with(begun));
    fit.into_iter()
        .filter(|one| match by_text || !replaces {
            true => one.text.starts_with(begun),
            false => one.about.starts_with(begun),
        })
        .collect()
}

/// Whether every shell takes it for one plain word. What is not is left out rather than quoted: the four shells quote
/// in four ways, and what they insert is run when the line is.
fn is_plain(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::{Candidate, Shell, matching};

    fn found(texts: &[&str], begun: &str, shell: Shell) -> Vec<String> {
        let all = texts
            .iter()
            .map(|text| Candidate::new(*text, format!("name-of-{text}")));
        let fit = matching(all.collect(), begun, shell);
        fit.into_iter().map(|one| one.text).collect()
    }

    #[test]
    fn what_a_shell_could_run_is_left_out() {
        let wrong = [
            "$(touch x)",
            "`x`",
            "a b",
            "a;b",
            "a'b",
            "a\"b",
            "a\nb",
            "a\u{1b}b",
            "*",
            "~",
            "-x",
            "a:b",
            "a=b",
            "",
            "é",
            "a\\b",
            "a|b",
            "a&b",
            "!a",
            "{a,b}",
            "#a",
            "<a",
            ">a",
            "(a",
            "%a",
        ];
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Powershell] {
            assert_eq!(found(&wrong, "", shell), Vec::<String>::new());
            assert_eq!(
                found(&["team-a", "A_1.b/c"], "", shell),
                ["team-a", "A_1.b/c"]
            );
        }
    }

    #[test]
    fn a_name_stands_for_its_value_where_the_shell_replaces_the_word() {
        assert_eq!(found(&["x1", "x2"], "x", Shell::Bash), ["x1", "x2"]);
        assert_eq!(found(&["x1", "x2"], "name-of-x2", Shell::Bash), ["x2"]);
        assert_eq!(
            found(&["x1", "x2"], "name-of-x2", Shell::Zsh),
            Vec::<String>::new()
        );
    }

    #[test]
    fn descriptions_stay_on_their_line() {
        let one = Candidate::new("id", "a\tb\u{1b}[31m\\c\nd");
        assert_eq!(one.line(Shell::Fish, 0).unwrap(), "id\ta b [31mc\n");
        assert_eq!(one.line(Shell::Zsh, 0).unwrap(), "id:a b [31mc\n");
        assert_eq!(one.line(Shell::Bash, 0).unwrap(), "id\n");
    }
}
