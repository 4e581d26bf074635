//! Where in a file something is wrong, and what was probably meant.

use std::{net::SocketAddr, path::Path};

use keyward_providers::Catalogue;
use toml::de::{DeTable, DeValue, Error};

use super::{
    fields::{FIELDS, NAMED, PROVIDER_FIELDS},
    nearest::nearest,
};
use crate::failure::Failure;

/// What the parser refuses, with its place.
pub(super) fn refuse(text: &str, file: &Path, error: &Error) -> Failure {
    let message = in_words(error.message().trim_end()).replace('\n', ", ");
    let help = what_instead(&message);
    let failure = what(file).because(message);
    let failure = match error.span() {
        Some(span) => failure.at(place(text, file, span.start)),
        None => failure.at(file.display().to_string()),
    };
    failure.help(help.unwrap_or("`keyward config schema` says what each field takes"))
}

/// What the parser says, with numbers for people where it names types.
pub(super) fn in_words(message: &str) -> String {
    let message = ["usize", "u64", "u32"]
        .iter()
        .fold(message.to_owned(), |message, name| {
            message
                .replace(&format!("a nonzero {name}"), "a whole number from 1 up")
                .replace(&format!("expected {name}"), "expected a whole number")
        });
    message.replace("integer `", "`")
}

/// What to write instead of what is wrong, where the parser's words do not say so.
fn what_instead(message: &str) -> Option<&'static str> {
    let no_address = "".parse::<SocketAddr>().err()?;
    (message == no_address.to_string())
        .then_some("write an IP address and a port, such as 127.0.0.1:8787, not a host name")
}

/// Checks that every key is known.
pub(super) fn check_names(text: &str, file: &Path) -> Result<(), Failure> {
    let table = DeTable::parse(text).map_err(|error| refuse(text, file, &error))?;
    let check = Check { text, file };
    for (key, value) in table.get_ref() {
        let name = key.get_ref().as_ref();
        let at = key.span().start;
        check.known(name, at, "", top_names())?;
        let DeValue::Table(section) = value.get_ref() else {
            continue;
        };
        for (key, value) in section {
            let inner = key.get_ref().as_ref();
            let at = key.span().start;
            if let Some(named) = NAMED.iter().find(|named| named.section == name) {
                let DeValue::Table(table) = value.get_ref() else {
                    continue;
                };
                for key in table.keys() {
                    let names = named.fields.iter().map(|field| field.name);
                    let section = format!("{name}.{inner}");
                    check.known(key.get_ref(), key.span().start, &section, names)?;
                }
                continue;
            }
            if name != "providers" {
                check.known(inner, at, name, names_of(name))?;
                continue;
            }
            check.provider(inner, at)?;
            if let DeValue::Table(provider) = value.get_ref() {
                for key in provider.keys() {
                    let names = PROVIDER_FIELDS.iter().map(|field| field.name);
                    let section = format!("providers.{inner}");
                    check.known(key.get_ref(), key.span().start, &section, names)?;
                }
            }
        }
    }
    Ok(())
}

struct Check<'a> {
    text: &'a str,
    file: &'a Path,
}

impl Check<'_> {
    fn known<'n>(
        &self,
        name: &str,
        at: usize,
        section: &str,
        names: impl Iterator<Item = &'n str> + Clone,
    ) -> Result<(), Failure> {
        if names.clone().any(|known| known == name) {
            return Ok(());
        }
        let inside = match section {
            "" => String::new(),
            section => format!(" in `[{section}]`"),
        };
        let cause = format!("`{name}`{inside} is not a known key");
        Err(self.unknown(cause, at, nearest(name, names.clone()), names))
    }

    /// By slug or by one of its other names.
    fn provider(&self, name: &str, at: usize) -> Result<(), Failure> {
        let Ok(catalogue) = Catalogue::built_in() else {
            return Ok(());
        };
        if catalogue.find(name).is_some() {
            return Ok(());
        }
        let names: Vec<_> = catalogue.iter().map(|provider| provider.slug()).collect();
        let names = names.iter().copied();
        let near = nearest(name, names.clone());
        Err(self.unknown(format!("there is no provider `{name}`"), at, near, names))
    }

    fn unknown<'n>(
        &self,
        cause: String,
        at: usize,
        near: Option<&str>,
        names: impl Iterator<Item = &'n str>,
    ) -> Failure {
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are {}", names.collect::<Vec<_>>().join(", ")),
        };
        what(self.file)
            .because(cause)
            .at(place(self.text, self.file, at))
            .help(help)
    }
}

fn what(file: &Path) -> Failure {
    Failure::new(format!(
        "cannot use the configuration file {}",
        file.display()
    ))
}

fn top_names() -> impl Iterator<Item = &'static str> + Clone {
    let sections = FIELDS.iter().map(|field| match field.section {
        "" => field.name,
        section => section,
    });
    // A section stands there once for each of its fields.
    let mut last = "";
    let once = sections.filter(move |name| std::mem::replace(&mut last, name) != *name);
    once.chain(["providers"])
        .chain(NAMED.iter().map(|named| named.section))
}

fn names_of(section: &str) -> impl Iterator<Item = &'static str> + Clone + use<'_> {
    FIELDS
        .iter()
        .filter(move |field| field.section == section)
        .map(|field| field.name)
}

/// File, line and column, both from 1.
fn place(text: &str, file: &Path, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    format!("{}:{line}:{column}", file.display())
}
