//! What TAB completes: the answers to `keyward complete`, which the scripts of `keyward completions` call.
//!
//! One candidate a line, and what it is behind a tab (zsh: a colon); `:files` where the shell is to complete names of
//! files. Whatever is wrong, nothing is asked, nothing is told, and there are no candidates: it happens while somebody
//! types.

mod candidate;
mod kind;
mod line;
mod typed;
mod values;

use std::{ffi::OsString, io::Write, time::Duration};

use clap::CommandFactory;
use clap_complete::engine;

use self::{candidate::Candidate, kind::Kind, typed::Typed};
use crate::{args::Args, harden};

/// How long the control plane may take in all. With the start of the process it stays below a second.
const DEADLINE: Duration = Duration::from_millis(800);
/// The word behind `keyward`. No command of its own: what clap does not read it cannot refuse aloud.
const WORD: &str = "complete";

/// Whose script asks, and so how it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shell {
    Bash,
    Fish,
    Powershell,
    Zsh,
}

/// A line that is being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    shell: Shell,
    /// The words up to the cursor; the last one is completed, and may be empty.
    words: Vec<OsString>,
    /// How much of the last word the shell keeps, in bytes: bash takes what follows a `=` for a word of its own.
    kept: usize,
}

impl Question {
    /// Reads `keyward complete bash BREAKS LINE` or `keyward complete SHELL INDEX WORD…`.
    pub(crate) fn read(args: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut args = args.into_iter().skip(1);
        if args.next()?.to_str()? != WORD {
            return None;
        }
        let shell = match args.next()?.to_str()? {
            "bash" => Shell::Bash,
            "fish" => Shell::Fish,
            "powershell" => Shell::Powershell,
            "zsh" => Shell::Zsh,
            _ => return None,
        };
        let at = args.next()?.into_string().ok()?;
        if shell == Shell::Bash {
            let words = line::split(&args.next()?.to_string_lossy());
            let last = words.last().map_or("", String::as_str);
            let is_break = |c: char| matches!(c, '=' | ':') && at.contains(c);
            let kept = last.rfind(is_break).map_or(0, |at| at + 1);
            let words = words.into_iter().map(OsString::from).collect();
            return Some(Self { shell, words, kept });
        }
        let at: usize = at.parse().ok()?;
        let mut words: Vec<_> = args.take(at.checked_add(1)?).collect();
        // Some shells leave out an empty word.
        if words.len() == at {
            words.push(OsString::new());
        }
        (words.len() == at + 1).then_some(Self {
            shell,
            words,
            kept: 0,
        })
    }

    /// Writes the candidates to standard output.
    pub(crate) fn answer(&self) {
        // Before a token is read. What could not be had is told by the commands.
        let _untold = harden::process();
        let lines = self.lines();
        // Who does not read does not complete.
        let _nobody_reads = std::io::stdout().write_all(lines.as_bytes());
    }

    fn lines(&self) -> String {
        let candidates = self.candidates().unwrap_or_default();
        let lines = candidates
            .iter()
            .filter_map(|one| one.line(self.shell, self.kept));
        lines.collect()
    }

    fn candidates(&self) -> Option<Vec<Candidate>> {
        let (last, before) = self.words.split_last()?;
        let last = last.to_str()?;
        let mut command = kind::marked(Args::command());
        let at = self.words.len() - 1;
        let found = engine::complete(&mut command, self.words.clone(), at, None).ok()?;
        let mut found: Vec<_> = found.iter().filter_map(Candidate::read).collect();
        // Options are many: where a name is wanted they are shown once a `-` is typed.
        let is_option = |one: &Candidate| one.text.starts_with('-');
        match last.starts_with('-') {
            // What begins so is no name.
            true => found.retain(is_option),
            false if found.iter().all(is_option) => {}
            false => found.retain(|one| !is_option(one)),
        }
        let mut candidates = Vec::new();
        let mut typed = None;
        for one in found {
            match Kind::marked_by(&one.text) {
                None => candidates.push(one),
                Some((prefix, Kind::Files)) => candidates.push(Candidate::files(prefix)),
                Some((prefix, kind)) => {
                    let typed = typed.get_or_insert_with(|| Typed::read(before));
                    let begun = last.strip_prefix(prefix).unwrap_or_default();
                    let values = candidate::matching(values::of(kind, typed), begun, self.shell);
                    candidates.extend(values.into_iter().map(|value| value.behind(prefix)));
                }
            }
        }
        Some(candidates)
    }
}

#[cfg(test)]
mod tests {
    use super::Question;

    fn read(words: &[&str]) -> Option<Question> {
        let words = ["keyward"].iter().chain(words);
        Question::read(words.map(Into::into))
    }

    /// What stands before the tab of each answer.
    fn lines(words: &[&str]) -> Vec<String> {
        let lines = read(words).unwrap().lines();
        let values = lines.lines().map(|line| line.split('\t').next().unwrap());
        values.map(str::to_owned).collect()
    }

    #[track_caller]
    fn check(line: &[&str], expected: &[&str]) {
        let at = (line.len() - 1).to_string();
        assert_eq!(
            lines(&[&["complete", "fish", &at], line].concat()),
            expected,
            "{line:?}"
        );
    }

    #[test]
    fn what_is_known_without_a_server_is_completed() {
        check(&["keyward", "gate"], &["gateways"]);
        check(
            &["keyward", "vault", "slots", ""],
            &["list", "add", "remove", "test"],
        );
        check(
            &["keyward", "keys", "add", "open"],
            &["openai", "openrouter"],
        );
        check(
            &["keyward", "keys", "add", "openai", "--fr"],
            &["--from-file"],
        );
        check(
            &["keyward", "keys", "add", "openai", "--from-file", ""],
            &[":files"],
        );
        check(&["keyward", "keys", "add", "--from-file=x"], &[":files"]);
        check(&["keyward", "import", ""], &[":files"]);
        check(&["keyward", "run", "--", "py"], &[":files"]);
        check(&["keyward", "help", "exi"], &["exit-codes"]);
        check(&["keyward", "help", "vault", "slots", "re"], &["remove"]);
        check(
            &["keyward", "tokens", "create", "x", "--class", "inf"],
            &["inference"],
        );
        check(
            &["keyward", "audit", "export", "--format", ""],
            &["jsonl", "csv"],
        );
        check(
            &["keyward", "snippet", "openai", "--lang=py"],
            &["--lang=python"],
        );
    }

    #[test]
    fn names_that_are_new_are_not_completed() {
        for line in [
            ["keyward", "gateways", "create", "x"],
            ["keyward", "secrets", "create", "x"],
            ["keyward", "providers", "create", "x"],
            ["keyward", "routes", "create", "x"],
            ["keyward", "profile", "set", "x"],
            ["keyward", "nonsense", "at", "all"],
        ] {
            check(&line, &[]);
        }
    }

    #[test]
    fn bash_replaces_what_follows_a_break() {
        let ask = |breaks, line| lines(&["complete", "bash", breaks, line]);
        assert_eq!(ask(" =:", "keyward snippet openai --lang=py"), ["python"]);
        assert_eq!(
            ask(" ", "keyward snippet openai --lang=py"),
            ["--lang=python"]
        );
        assert_eq!(
            ask(" =:", "keyward snippet openai --lang "),
            ["curl", "python", "ts", "rust", "env"]
        );
        assert_eq!(
            ask(" =:", "keyward snippet 'openai' --lang \"p"),
            ["python"]
        );
        assert_eq!(ask(" =:", "keyward import --litellm=co"), [":files"]);
    }

    #[test]
    fn what_is_no_question_is_left_to_the_command_line() {
        for words in [
            &["keys", "list"][..],
            &["complete"],
            &["complete", "bash"],
            &["complete", "tcsh", "1", "keyward"],
            &["complete", "zsh", "x", "keyward"],
            &["complete", "zsh", "3", "keyward"],
            &["complete", "zsh", "18446744073709551615", "keyward"],
        ] {
            assert_eq!(read(words), None, "{words:?}");
        }
    }
}
