//! Why a command failed, in the four lines that people read, and the exit code that scripts read.

use std::{error::Error, fmt, path::Path, process::ExitCode};

use serde_json::{Value, json};

use crate::output::remark;

/// A command failed. Never holds a secret.
#[derive(Debug)]
pub(crate) struct Failure(Box<Inner>);

#[derive(Debug)]
struct Inner {
    exit: Exit,
    what: String,
    causes: Vec<String>,
    /// Which field of what was sent the control plane refuses.
    field: Option<String>,
    place: Option<String>,
    help: Option<String>,
}

/// What a script learns from the exit code. 0 is success, and clap uses 2 as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Failed,
    Usage,
    Unreachable,
    NotAuthorised,
    Found,
    Stopped,
}

impl Exit {
    /// What to do where nothing better is known.
    const fn help(self) -> &'static str {
        match self {
            Self::Failed | Self::Found => {
                "`keyward doctor` checks this machine, `keyward status` the server"
            }
            Self::Usage => "`keyward --help` shows what may be typed",
            Self::Unreachable => "`keyward doctor` says what is wrong",
            Self::Stopped => "nothing was changed; run it again",
            Self::NotAuthorised => "`keyward status` says which token is used, and what it may do",
        }
    }
}

/// How the code is told of what a provider does not take.
const NOT_VERIFIED: &str = " [10003]";

impl Failure {
    /// It did not work: exit code 1.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self::with_exit(Exit::Failed, what)
    }

    /// The command cannot be understood: exit code 2.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::with_exit(Exit::Usage, what)
    }

    /// The vault is sealed, or the control plane cannot be reached: exit code 3.
    pub(crate) fn unreachable(what: impl Into<String>) -> Self {
        Self::with_exit(Exit::Unreachable, what)
    }

    /// The token is missing, or not for this: exit code 4.
    pub(crate) fn not_authorised(what: impl Into<String>) -> Self {
        Self::with_exit(Exit::NotAuthorised, what)
    }

    /// A check found something: exit code 5.
    pub(crate) fn found(what: impl Into<String>) -> Self {
        Self::with_exit(Exit::Found, what)
    }

    /// Ctrl-C was pressed at a question: exit code 130.
    pub(crate) fn stopped() -> Self {
        Self::with_exit(Exit::Stopped, "stopped by Ctrl-C")
    }

    /// Ctrl-C was pressed while something was watched that goes on: exit code 130.
    pub(crate) fn left(what: impl Into<String>) -> Self {
        Self::with_exit(Exit::Stopped, what)
    }

    /// What the control plane refuses, in its own words: what to do stands behind the last semicolon. `code` follows
    /// what failed.
    pub(crate) fn refused(message: &str, code: &str) -> Self {
        // What a provider does not take is what was asked to be found out.
        let exit = match code {
            NOT_VERIFIED => Exit::Found,
            _ => Exit::Failed,
        };
        match message.rsplit_once("; ") {
            Some((what, help)) => Self::with_exit(exit, format!("{what}{code}")).help(help),
            None => Self::new(format!("{message}{code}"))
                .help("`keyward status` shows what there is; docs/errors.md lists the codes"),
        }
    }

    fn with_exit(exit: Exit, what: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            exit,
            what: what.into(),
            causes: Vec::new(),
            field: None,
            place: None,
            help: None,
        }))
    }

    /// Says what failed in other words, where `words` has some.
    pub(crate) fn reword(mut self, words: impl FnOnce(&str) -> Option<String>) -> Self {
        if let Some(what) = words(&self.0.what) {
            self.0.what = what;
        }
        self
    }

    /// Says `mask` wherever it said `word`.
    pub(crate) fn replacing(mut self, word: &str, mask: &str) -> Self {
        let Inner {
            what,
            causes,
            place,
            help,
            ..
        } = &mut *self.0;
        let texts = [what].into_iter().chain(causes).chain(place).chain(help);
        for text in texts.filter(|text| text.contains(word)) {
            *text = text.replace(word, mask);
        }
        self
    }

    /// Whether the command could not be understood.
    pub(crate) fn is_usage(&self) -> bool {
        self.0.exit == Exit::Usage
    }

    /// Whether the token is missing, or not for this.
    pub(crate) fn is_not_authorised(&self) -> bool {
        self.0.exit == Exit::NotAuthorised
    }

    /// Whether the vault is sealed, or the control plane cannot be reached.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.0.exit == Exit::Unreachable
    }

    /// Adds an error and everything that caused it.
    pub(crate) fn caused_by(mut self, error: &dyn Error) -> Self {
        self.0.causes.push(error.to_string());
        self.because_of_sources(error)
    }

    /// Adds what caused an error whose own text is told already.
    pub(crate) fn because_of_sources(mut self, error: &dyn Error) -> Self {
        let mut source = error.source();
        while let Some(error) = source {
            let text = error.to_string();
            // Wrappers that only repeat what they wrap say nothing new.
            if self.0.causes.last() != Some(&text) {
                self.0.causes.push(text);
            }
            source = error.source();
        }
        self
    }

    /// Adds a cause in words.
    pub(crate) fn because(mut self, cause: impl Into<String>) -> Self {
        self.0.causes.push(cause.into());
        self
    }

    /// Says which file is at fault.
    pub(crate) fn in_file(self, path: &Path) -> Self {
        self.at(path.display().to_string())
    }

    /// Says where: a file, with line and column where they are known, or what sets the value that is at fault.
    pub(crate) fn at(mut self, place: impl Into<String>) -> Self {
        self.0.place = Some(place.into());
        self
    }

    /// Notes which field of what was sent is refused.
    pub(crate) fn in_field(mut self, field: Option<&str>) -> Self {
        self.0.field = field.map(str::to_owned);
        self
    }

    /// Says where, if it is this field that is refused: which file it was read from.
    pub(crate) fn at_field(self, field: &str, place: &str) -> Self {
        match self.0.field.as_deref() == Some(field) {
            true => self.at(place),
            false => self,
        }
    }

    /// Says what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// The code that the process ends with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    const fn code(&self) -> u8 {
        match self.0.exit {
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
            Exit::NotAuthorised => 4,
            Exit::Found => 5,
            // As shells tell of a program that Ctrl-C ended.
            Exit::Stopped => 130,
        }
    }

    /// What failed, in one line.
    pub(crate) fn what(&self) -> String {
        OneLine(&self.0.what).to_string()
    }

    /// What caused it, from the nearest cause to the last.
    pub(crate) fn causes(&self) -> Vec<String> {
        let causes = self.0.causes.iter();
        causes.map(|cause| OneLine(cause).to_string()).collect()
    }

    /// Where, if that is known.
    pub(crate) fn place(&self) -> Option<String> {
        let place = self.0.place.as_deref();
        place.map(|place| OneLine(place).to_string())
    }

    /// What to do.
    pub(crate) fn remedy(&self) -> String {
        let help = self.0.help.as_deref();
        OneLine(help.unwrap_or(self.0.exit.help())).to_string()
    }

    /// The same for programs.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "error": {
                "what": self.what(),
                "cause": self.causes(),
                "at": self.place(),
                "help": self.remedy(),
            },
            "exit_code": self.code(),
        })
    }

    /// Tells it on standard error, in words or as one line of JSON.
    pub(crate) fn tell(&self, json: bool) {
        match json {
            true => remark(self.to_json()),
            false => remark(self),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what())?;
        for cause in self.causes() {
            write!(f, "\n  cause: {cause}")?;
        }
        if let Some(place) = self.place() {
            write!(f, "\n  at: {place}")?;
        }
        write!(f, "\n  help: {}", self.remedy())
    }
}

/// A text without line breaks, control characters, and what reverses or hides what stands beside it, which a server or a file
/// may have put there.
pub(crate) struct OneLine<'a>(pub(crate) &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(misleads) {
            f.write_str(part.trim_end_matches(misleads))?;
            if part.ends_with(misleads) {
                f.write_str(" ")?;
            }
        }
        Ok(())
    }
}

/// Whether a character changes how the text around it is read: by moving, reversing or hiding it.
fn misleads(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use std::{io, num::ParseIntError};

    use super::{Failure, OneLine};

    #[test]
    fn a_failure_is_told_in_four_kinds_of_lines() {
        let error: ParseIntError = "x".parse::<u8>().unwrap_err();
        let failure = Failure::new("cannot read the number")
            .caused_by(&io::Error::other(error))
            .at("file:1:2")
            .help("write a number");
        assert_eq!(
            failure.to_string(),
            "error: cannot read the number\n  cause: invalid digit found in string\n  at: file:1:2\n  help: write a number"
        );
    }

    #[test]
    fn a_failure_always_says_what_to_do() {
        for (failure, code) in [
            (Failure::new("a"), 1),
            (Failure::usage("a"), 2),
            (Failure::unreachable("a"), 3),
            (Failure::not_authorised("a"), 4),
            (Failure::found("a"), 5),
        ] {
            let told = failure.to_string();
            assert!(told.contains("\n  help: `keyward "), "{told}");
            let json = failure.because("b").to_json();
            assert_eq!(json["exit_code"], code);
            assert_eq!(json["error"]["what"], "a");
            assert_eq!(json["error"]["cause"][0], "b");
            assert!(json["error"]["at"].is_null());
            assert!(json["error"]["help"].is_string());
        }
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(OneLine("a\x1b[31m\nb\tc").to_string(), "a [31m b c");
        assert_eq!(OneLine("plain").to_string(), "plain");
    }
}
