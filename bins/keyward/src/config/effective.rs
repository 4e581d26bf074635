//! What is in force, field by field, and where each value comes from.

use std::{ffi::OsString, fmt, path::Path};

use toml::{Table, Value, de::DeTable};

use super::{
    Config, defaults,
    fields::{self, FIELDS, Field, Kind, NAMED, PROVIDER_FIELDS},
    place,
};
use crate::failure::Failure;

/// One field with what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effective {
    /// Such as `gateway.listen`.
    pub(crate) name: String,
    /// As TOML, with what may be secret masked; or in words, where the default is no single value.
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    /// File and line.
    File(String),
    /// The name of a variable.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(place) => f.write_str(place),
            Self::Environment(name) => write!(f, "env {name}"),
        }
    }
}

/// Every field that is set, or that has a default, in the order of the table.
pub(crate) fn effective(
    text: &str,
    file: &Path,
    variables: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<Effective>, Failure> {
    // Whatever is wrong is told as everywhere else.
    Config::parse(text, file, &variables)?;
    let mut table: Table =
        toml::from_str(text).map_err(|error| place::refuse(text, file, &error))?;
    fields::resolve_paths(&mut table, file.parent().unwrap_or(Path::new("")));
    fields::add_environment(&mut table, &variables)?;
    let lines = Lines::of(text, file)?;
    let mut all = Vec::new();
    for field in FIELDS {
        let path: Vec<_> = [field.section, field.name]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        let variable = field.variable_in_force(&variables);
        all.extend(one(&table, field, &path, variable, &lines));
    }
    let providers = table.get("providers").and_then(Value::as_table);
    for slug in providers.into_iter().flat_map(Table::keys) {
        for field in PROVIDER_FIELDS {
            let name = fields::provider_variable(slug, field);
            let variable = variables(&name)
                .is_some_and(|text| !text.is_empty())
                .then_some(name);
            let path = ["providers", slug, field.name];
            all.extend(
                one(&table, field, &path, variable, &lines)
                    .filter(|one| one.origin != Origin::Default),
            );
        }
    }
    for named in NAMED {
        let tables = table.get(named.section).and_then(Value::as_table);
        for name in tables.into_iter().flat_map(Table::keys) {
            for field in named.fields {
                let path = [named.section, name, field.name];
                all.extend(one(&table, field, &path, None, &lines));
            }
        }
    }
    Ok(all)
}

fn one(
    table: &Table,
    field: &Field,
    path: &[&str],
    variable: Option<String>,
    lines: &Lines<'_>,
) -> Option<Effective> {
    let name = path.join(".");
    let Some(value) = find(table, path) else {
        let value = match (defaults::of(field), defaults::here(field)) {
            (Some(default), Some(here)) => format!("{default}: {here}"),
            (Some(default), None) => default,
            (None, _) => "not set".to_owned(),
        };
        return Some(Effective {
            name,
            value,
            origin: Origin::Default,
        });
    };
    let origin = match variable {
        Some(variable) => Origin::Environment(variable),
        None => Origin::File(lines.find(path)?),
    };
    Some(Effective {
        name,
        value: masked(field, value),
        origin,
    })
}

fn find<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let value = table.get(*first)?;
    match rest {
        [] => Some(value),
        rest => find(value.as_table()?, rest),
    }
}

/// Arguments of a command may be what only its user should know.
fn masked(field: &Field, value: &Value) -> String {
    match (field.kind, value) {
        (Kind::Command, Value::Array(words)) => {
            let hidden = |(at, word): (usize, &Value)| match at {
                0 => word.clone(),
                _ => Value::String("••••".to_owned()),
            };
            Value::Array(words.iter().enumerate().map(hidden).collect()).to_string()
        }
        _ => value.to_string(),
    }
}

/// Where the keys of a file stand.
struct Lines<'a> {
    text: &'a str,
    file: &'a Path,
    table: DeTable<'a>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str, file: &'a Path) -> Result<Self, Failure> {
        let table = DeTable::parse(text).map_err(|error| place::refuse(text, file, &error))?;
        Ok(Self {
            text,
            file,
            table: table.into_inner(),
        })
    }

    fn find(&self, path: &[&str]) -> Option<String> {
        let mut table = &self.table;
        let mut at = None;
        for part in path {
            let (key, value) = table
                .iter()
                .find(|(key, _)| key.get_ref().as_ref() == *part)?;
            at = Some(key.span().start);
            match value.get_ref().as_table() {
                Some(inner) => table = inner,
                None => break,
            }
        }
        let before = self.text.get(..at?)?;
        let line = before.matches('\n').count() + 1;
        Some(format!("{}:{line}", self.file.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, path::Path};

    use super::{Origin, effective};

    #[test]
    fn every_value_is_told_with_its_origin() {
        let text = "data_dir = \"d\"\n\n[gateway]\nworkers = 2\nlisten = \"127.0.0.1:1\"\n[seal]\ncommand = [\"/bin/x\", \"--token\", \"hush\"]\n[providers.openai]\nbase_url = \"https://a.example\"\n";
        let variables = |name: &str| {
            let text = match name {
                "KEYWARD_GATEWAY_LISTEN" => "127.0.0.1:2",
                "KEYWARD_LOG" => "debug",
                "KEYWARD_PROVIDERS_GROQ_BASE_URL" => "https://b.example",
                _ => return None,
            };
            Some(OsString::from(text))
        };
        let all = effective(text, Path::new("etc/k.toml"), variables).unwrap();
        let check = |name: &str, value: &str, origin: &str| {
            let found = all.iter().find(|one| one.name == name);
            let found = found.unwrap_or_else(|| panic!("no {name}"));
            assert_eq!(
                (found.value.as_str(), found.origin.to_string().as_str()),
                (value, origin)
            );
        };
        check("data_dir", "\"etc/d\"", "etc/k.toml:1");
        check("gateway.workers", "2", "etc/k.toml:4");
        check(
            "gateway.listen",
            "\"127.0.0.1:2\"",
            "env KEYWARD_GATEWAY_LISTEN",
        );
        check("log.filter", "\"debug\"", "env KEYWARD_LOG");
        check("control.listen", "\"127.0.0.1:8788\"", "default");
        check("gateway.tls_cert_file", "not set", "default");
        check(
            "providers.openai.base_url",
            "\"https://a.example\"",
            "etc/k.toml:9",
        );
        check(
            "providers.groq.base_url",
            "\"https://b.example\"",
            "env KEYWARD_PROVIDERS_GROQ_BASE_URL",
        );
        check(
            "seal.command",
            "[\"/bin/x\", \"••••\", \"••••\"]",
            "etc/k.toml:7",
        );
        assert!(!all.iter().any(|one| one.value.contains("hush")));
        assert!(
            !all.iter()
                .any(|one| one.origin == Origin::Default && one.name.starts_with("providers"))
        );
    }
}
