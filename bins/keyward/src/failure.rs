//! Why a command failed, in the four lines that people read, and the exit code that scripts read.

use std::{error::Error, fmt, process::ExitCode};

/// A command failed. Never holds a secret.
#[derive(Debug)]
pub(crate) struct Failure(Box<Inner>);

#[derive(Debug)]
struct Inner {
    exit: Exit,
    what: String,
    causes: Vec<String>,
    place: Option<String>,
    help: Option<String>,
}

/// What a script learns from the exit code. 0 is success, and clap uses 2 as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Failed = 1,
    Usage = 2,
    Unreachable = 3,
    NotAuthorised = 4,
}

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

    fn with_exit(exit: Exit, what: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            exit,
            what: what.into(),
            causes: Vec::new(),
            place: None,
            help: None,
        }))
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

    /// Says where: a file, with line and column where they are known.
    pub(crate) fn at(mut self, place: impl Into<String>) -> Self {
        self.0.place = Some(place.into());
        self
    }

    /// Says what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// The code that the process ends with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.0.exit {
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
            Exit::NotAuthorised => 4,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", OneLine(&self.0.what))?;
        for cause in &self.0.causes {
            write!(f, "\n  cause: {}", OneLine(cause))?;
        }
        if let Some(place) = &self.0.place {
            write!(f, "\n  at: {}", OneLine(place))?;
        }
        if let Some(help) = &self.0.help {
            write!(f, "\n  help: {}", OneLine(help))?;
        }
        Ok(())
    }
}

/// A text without line breaks and without control characters, which a server or a file may have put there.
pub(crate) struct OneLine<'a>(pub(crate) &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(char::is_control) {
            f.write_str(part.trim_end_matches(char::is_control))?;
            if part.ends_with(char::is_control) {
                f.write_str(" ")?;
            }
        }
        Ok(())
    }
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
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(OneLine("a\x1b[31m\nb\tc").to_string(), "a [31m b c");
        assert_eq!(OneLine("plain").to_string(), "plain");
    }
}
