//! Every way a command fails that people meet: what it tells stands in `tests/errors`, area by area.
//!
//! Each failure is provoked twice, for people and with `--json`, and both must tell the same. It says what failed and
//! what to do; where a file, an option or a variable is at fault it says which.

mod files;
mod here;
mod there;

use std::{path::Path, process::Command};

use keyward_testing::Texts;
use serde_json::{Value, json};

use crate::support::{keyward, run_with};

/// The failures of one area.
struct Area<'a> {
    directory: &'a Path,
    /// What is different at each run, and how it is written.
    redacted: Vec<(String, &'static str)>,
    texts: Texts,
}

impl<'a> Area<'a> {
    fn new(directory: &'a Path) -> Self {
        Self {
            directory,
            redacted: vec![(directory.display().to_string(), "<dir>")],
            texts: Texts::default(),
        }
    }

    fn redact(&mut self, text: impl Into<String>, name: &'static str) {
        self.redacted.push((text.into(), name));
    }

    /// Provokes a failure by these words on the command line.
    #[track_caller]
    fn fails(&mut self, how: &str, place: &str, line: &str) {
        self.fails_as(how, place, line, "", &[]);
    }

    /// The same, with this on standard input.
    #[track_caller]
    fn fails_on(&mut self, how: &str, place: &str, line: &str, input: &str) {
        self.fails_as(how, place, line, input, &[]);
    }

    /// The same, with these variables.
    #[track_caller]
    fn fails_with(&mut self, how: &str, place: &str, line: &str, variables: &[(&str, &str)]) {
        self.fails_as(how, place, line, "", variables);
    }

    /// `how` says what is wrong, `place` what must stand behind `at:`; nothing where it is empty.
    #[track_caller]
    fn fails_as(
        &mut self,
        how: &str,
        place: &str,
        line: &str,
        input: &str,
        variables: &[(&str, &str)],
    ) {
        let words: Vec<_> = line.split(' ').collect();
        let command = |more: &[&str]| {
            // What stands behind `--` is another's.
            let end = words.iter().position(|word| *word == "--");
            let (own, others) = words.split_at(end.unwrap_or(words.len()));
            let mut command = keyward(self.directory, &[own, more, others].concat());
            command
                .env("HOME", self.directory)
                .envs(variables.iter().copied());
            command
        };
        let (code, told) = self.told(command(&[]), input);
        let told = Told::read(&told);
        assert!(!told.help.is_empty(), "{how}");
        match place {
            "" => assert_eq!(told.at, None, "{how}"),
            place => {
                let at = told.at.as_deref().unwrap_or_default();
                assert!(at.contains(place), "{how}: no `{place}` in {told:?}");
            }
        }
        let (json_code, json) = self.told(command(&["--json"]), input);
        let json: Value = serde_json::from_str(json.lines().last().unwrap_or_default()).unwrap();
        if !json["error"]["what"].to_string().contains("'--json'") {
            assert_eq!((json, json_code), (told.to_json(code), code), "{how}");
        }
        let variables: String = variables
            .iter()
            .map(|(name, value)| format!("{name}={value} "))
            .collect();
        let shown = self.redact_all(&format!("$ {variables}keyward {line}\n? {code}\n"));
        self.texts.add(how, &format!("{shown}{told}"));
    }

    /// The code, and what was told on standard error with nothing in it that differs from run to run.
    #[track_caller]
    fn told(&self, command: Command, input: &str) -> (i32, String) {
        let done = run_with(command, input);
        let code = done.code.unwrap();
        assert_ne!(code, 0, "{done:?}");
        assert!(!done.err.contains("panicked"), "{done:?}");
        (code, self.redact_all(&done.err))
    }

    fn redact_all(&self, text: &str) -> String {
        let redact = |text: String, (found, name): &(String, &str)| text.replace(found, name);
        self.redacted.iter().fold(text.to_owned(), redact)
    }
}

/// The four kinds of lines.
#[derive(Debug, Default)]
struct Told {
    what: String,
    causes: Vec<String>,
    at: Option<String>,
    help: String,
}

impl Told {
    /// Reads the last failure that stands there; remarks may stand before it.
    #[track_caller]
    fn read(err: &str) -> Self {
        let start = err.rfind("\nerror: ").map_or(0, |end| end + 1);
        assert!(err[start..].starts_with("error: "), "{err}");
        let mut told = Self::default();
        for line in err[start..].lines() {
            let (kind, text) = line.trim_start().split_once(": ").unwrap();
            let text = text.to_owned();
            match kind {
                "error" => told.what = text,
                "cause" => told.causes.push(text),
                "at" => told.at = Some(text),
                "help" => told.help = text,
                _ => panic!("{line} is of no kind: {err}"),
            }
        }
        told
    }

    fn to_json(&self, code: i32) -> Value {
        json!({
            "error": {
                "what": self.what,
                "cause": self.causes,
                "at": self.at,
                "help": self.help,
            },
            "exit_code": code,
        })
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error: {}", self.what)?;
        for cause in &self.causes {
            write!(f, "\n  cause: {cause}")?;
        }
        if let Some(at) = &self.at {
            write!(f, "\n  at: {at}")?;
        }
        write!(f, "\n  help: {}", self.help)
    }
}
