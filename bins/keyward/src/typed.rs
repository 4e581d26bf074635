//! The command line as it was typed: read, or refused in the words that every other error has.

use std::{
    error::Error,
    ffi::{OsStr, OsString},
};

use clap::{
    CommandFactory, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{args::Args, failure::Failure};

/// What the command line says.
pub(crate) enum Typed {
    /// A command.
    Args(Box<Args>),
    /// Help or the version was asked for.
    Help(clap::Error),
}

/// Reads the command line.
pub(crate) fn read(line: impl IntoIterator<Item = OsString>) -> Result<Typed, Failure> {
    let line: Vec<_> = line.into_iter().collect();
    match Args::try_parse_from(&line) {
        Ok(args) => Ok(Typed::Args(Box::new(args))),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Ok(Typed::Help(error)),
            _ => Err(refuse(&error, &command_of(&line))),
        },
    }
}

/// Whether errors are wanted as JSON. Looked for before the line is understood, because that may be what fails.
pub(crate) fn wants_json(line: impl IntoIterator<Item = OsString>) -> bool {
    let mut own = line.into_iter().take_while(|word| word != OsStr::new("--"));
    own.any(|word| word == OsStr::new("--json"))
}

/// clap's error in our four lines: its first paragraph is what, its tips and the usage are what to do.
fn refuse(error: &clap::Error, command: &str) -> Failure {
    let rendered = error.render().to_string();
    let (told, rest) = rendered.split_once("\n\n").unwrap_or((&rendered, ""));
    let told = told.trim().trim_start_matches("error: ");
    let told = one_line(told);
    // What a parser of ours says of a value is why, not what.
    let why = error
        .source()
        .filter(|_| error.kind() == ErrorKind::ValueValidation);
    let failure = match why.map(|why| one_line(&why.to_string())) {
        Some(why) => match secretive(error) {
            Some(option) => Failure::usage(format!("invalid value for '{option}'")),
            None => Failure::usage(told.strip_suffix(&format!(": {why}")).unwrap_or(&told)),
        }
        .because(why),
        None => Failure::usage(told),
    };
    let tip = rest
        .lines()
        .find_map(|line| line.trim().strip_prefix("tip: "));
    let help = format!("`{command} --help` shows what may be typed");
    failure.help(match tip {
        Some(tip) => format!("{tip}; {help}"),
        None => help,
    })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The option at fault, where its value may hold a secret: it is not repeated.
fn secretive(error: &clap::Error) -> Option<&str> {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let name = option.split(' ').next().unwrap_or_default();
    ["--header", "--metadata"].contains(&name).then_some(option)
}

/// The words of a line that name a command, as far as there is one.
fn command_of(line: &[OsString]) -> String {
    let mut name = String::from("keyward");
    let root = Args::command();
    let mut command = &root;
    for word in line.iter().skip(1).map_while(|word| word.to_str()) {
        match command.find_subcommand(word) {
            Some(found) => command = found,
            None => break,
        }
        name.push(' ');
        name.push_str(word);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::{Typed, read, wants_json};

    fn words(line: &str) -> Vec<std::ffi::OsString> {
        line.split(' ').map(Into::into).collect()
    }

    #[track_caller]
    fn check(line: &str, expected: &str) {
        match read(words(line)) {
            Err(failure) => assert_eq!(failure.to_string(), expected),
            Ok(_) => panic!("{line} is understood"),
        }
    }

    #[test]
    fn what_is_not_understood_is_told_in_the_common_words() {
        check(
            "keyward keys list --jsn",
            "error: unexpected argument '--jsn' found\n  help: a similar argument exists: '--json'; `keyward keys list --help` shows what may be typed",
        );
        check(
            "keyward tokens create",
            "error: the following required arguments were not provided: <NAME>\n  help: `keyward tokens create --help` shows what may be typed",
        );
        check(
            "keyward kys list",
            "error: unrecognized subcommand 'kys'\n  help: a similar subcommand exists: 'keys'; `keyward --help` shows what may be typed",
        );
        check(
            "keyward gateways create UPPER",
            "error: invalid value 'UPPER' for '<ID>'\n  cause: a gateway id is 1 to 64 of `a-z`, `0-9` and `-`, and does not begin with `-`\n  help: `keyward gateways create --help` shows what may be typed",
        );
    }

    #[test]
    fn what_may_hold_a_secret_is_not_repeated() {
        check(
            "keyward routes explain bot --header authorization=Bearer-4711",
            "error: invalid value for '--header <NAME: VALUE>'\n  cause: a header looks like 'x-team: red'\n  help: `keyward routes explain --help` shows what may be typed",
        );
    }

    #[test]
    fn help_is_no_error() {
        for line in [
            "keyward --help",
            "keyward keys",
            "keyward --version",
            "keyward",
        ] {
            assert!(matches!(read(words(line)), Ok(Typed::Help(_))), "{line}");
        }
    }

    #[test]
    fn json_behind_the_end_of_options_is_anothers() {
        assert!(wants_json(words("keyward keys list --json")));
        assert!(!wants_json(words("keyward run -- program --json")));
    }
}
