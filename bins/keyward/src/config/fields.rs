//! Every field by name: what a key of the file may be called, and which variable sets it.

use std::{env, ffi::OsString, path::Path};

use keyward_providers::Catalogue;
use toml::{Table, Value};

use crate::failure::Failure;

/// One field of the configuration.
pub(super) struct Field {
    /// The table it stands in; empty for the top.
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    kind: Kind,
}

/// How a variable's text becomes a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Path,
    Number,
    Flag,
    /// Separated by commas.
    Texts,
    /// Separated by colons, as in `PATH`.
    Paths,
    /// A program and its arguments: in the file only, because whoever sets a variable must not choose what is run.
    Command,
}

const fn field(section: &'static str, name: &'static str, kind: Kind) -> Field {
    Field {
        section,
        name,
        kind,
    }
}

/// Every field but those of `[providers.NAME]`.
pub(super) static FIELDS: &[Field] = &[
    field("", "data_dir", Kind::Path),
    field("", "danger_plain_http_listen", Kind::Flag),
    field("gateway", "listen", Kind::Text),
    field("gateway", "workers", Kind::Number),
    field("gateway", "max_connections", Kind::Number),
    field("gateway", "max_connections_per_address", Kind::Number),
    field("gateway", "memory_budget", Kind::Text),
    field("gateway", "header_timeout_secs", Kind::Number),
    field("gateway", "write_timeout_secs", Kind::Number),
    field("gateway", "connect_timeout_secs", Kind::Number),
    field("gateway", "response_header_timeout_secs", Kind::Number),
    field("gateway", "body_idle_timeout_secs", Kind::Number),
    field("gateway", "drain_timeout_secs", Kind::Number),
    field("gateway", "tls_cert_file", Kind::Path),
    field("gateway", "tls_key_file", Kind::Path),
    field("gateway", "tls_client_ca_file", Kind::Path),
    field("gateway", "proxy_protocol_from", Kind::Texts),
    field("gateway", "trusted_proxies", Kind::Texts),
    field("upstream", "http2", Kind::Flag),
    field("upstream", "max_connections", Kind::Number),
    field("upstream", "max_waiting", Kind::Number),
    field("upstream", "queue_timeout_secs", Kind::Number),
    field("upstream", "max_connection_age_secs", Kind::Number),
    field("upstream", "idle_timeout_secs", Kind::Number),
    field("upstream", "request_min_rate", Kind::Number),
    field("upstream", "websocket_idle_timeout_secs", Kind::Number),
    field("upstream", "websocket_lifetime_secs", Kind::Number),
    field("control", "listen", Kind::Text),
    field("control", "allowed_hosts", Kind::Texts),
    field("control", "tls_cert_file", Kind::Path),
    field("control", "tls_key_file", Kind::Path),
    field("control", "tls_client_ca_file", Kind::Path),
    field("control", "proxy_protocol_from", Kind::Texts),
    field("control", "trusted_proxies", Kind::Texts),
    field("store", "path", Kind::Path),
    field("secrets_store", "max_stores", Kind::Number),
    field("secrets_store", "quota", Kind::Number),
    field("seal", "key_file", Kind::Path),
    field("seal", "danger_key_beside_data", Kind::Flag),
    field("seal", "command", Kind::Command),
    field("seal", "command_timeout_secs", Kind::Number),
    field("tls", "extra_ca_files", Kind::Paths),
    field("log", "format", Kind::Text),
    field("log", "filter", Kind::Text),
];

/// The fields of each `[providers.NAME]`.
pub(super) static PROVIDER_FIELDS: &[Field] = &[
    field("providers", "base_url", Kind::Text),
    field("providers", "account_id", Kind::Text),
    field("providers", "danger_plain_http", Kind::Flag),
];

impl Field {
    fn variable(&self) -> String {
        match self.section {
            "" => variable(&[self.name]),
            section => variable(&[section, self.name]),
        }
    }
}

fn variable(parts: &[&str]) -> String {
    let name = parts.join("_").to_ascii_uppercase().replace('-', "_");
    format!("KEYWARD_{name}")
}

/// Paths in a file are relative to the file.
pub(super) fn resolve_paths(table: &mut Table, base: &Path) {
    for field in FIELDS {
        let place = match field.section {
            "" => table.get_mut(field.name),
            section => table
                .get_mut(section)
                .and_then(|section| section.get_mut(field.name)),
        };
        match place {
            Some(Value::String(path)) if field.kind == Kind::Path => *path = join(base, path),
            Some(Value::Array(paths)) if field.kind == Kind::Paths => {
                for path in paths {
                    if let Value::String(path) = path {
                        *path = join(base, path);
                    }
                }
            }
            _ => {}
        }
    }
}

fn join(base: &Path, path: &str) -> String {
    // What was read from a text and joined to a path that is one stays a text.
    base.join(path).to_string_lossy().into_owned()
}

/// Puts what the environment says above what the file says.
pub(super) fn add_environment(
    table: &mut Table,
    variables: &impl Fn(&str) -> Option<OsString>,
) -> Result<(), Failure> {
    for field in FIELDS {
        let path: &[&str] = match field.section {
            "" => &[],
            section => &[section],
        };
        add(table, path, field, &field.variable(), variables)?;
    }
    let short = field("log", "filter", Kind::Text);
    add(table, &["log"], &short, "KEYWARD_LOG", variables)?;
    let Ok(catalogue) = Catalogue::built_in() else {
        return Ok(());
    };
    for provider in catalogue.iter() {
        for field in PROVIDER_FIELDS {
            let name = variable(&["providers", provider.slug(), field.name]);
            let path = ["providers", provider.slug()];
            add(table, &path, field, &name, variables)?;
        }
    }
    Ok(())
}

fn add(
    table: &mut Table,
    path: &[&str],
    field: &Field,
    name: &str,
    variables: &impl Fn(&str) -> Option<OsString>,
) -> Result<(), Failure> {
    let Some(text) = variables(name).filter(|text| !text.is_empty()) else {
        return Ok(());
    };
    let refuse =
        |reason: &str| Failure::new(format!("cannot use the variable {name}")).because(reason);
    let text = text
        .into_string()
        .map_err(|_bytes| refuse("it is not UTF-8"))?;
    let value = field.kind.read(&text).map_err(refuse)?;
    let mut single = Table::new();
    insert(&mut single, path, field.name, value.clone());
    // Alone, so that what is wrong can be nothing but this variable.
    if let Err(error) = single.try_into::<super::Config>() {
        return Err(refuse(error.message()));
    }
    insert(table, path, field.name, value);
    Ok(())
}

fn insert(table: &mut Table, path: &[&str], name: &str, value: Value) {
    match path.split_first() {
        None => drop(table.insert(name.to_owned(), value)),
        Some((first, rest)) => {
            let section = table
                .entry((*first).to_owned())
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(section) = section {
                insert(section, rest, name, value);
            }
        }
    }
}

impl Kind {
    fn read(self, text: &str) -> Result<Value, &'static str> {
        Ok(match self {
            Self::Text | Self::Path => Value::String(text.to_owned()),
            Self::Number => {
                Value::Integer(text.parse().map_err(|_error| "it is not a whole number")?)
            }
            Self::Flag => match text {
                "true" | "1" => Value::Boolean(true),
                "false" | "0" => Value::Boolean(false),
                _ => return Err("it is neither `true` nor `false`"),
            },
            Self::Texts => text
                .split(',')
                .map(|item| Value::String(item.trim().to_owned()))
                .collect::<Vec<_>>()
                .into(),
            Self::Paths => env::split_paths(text)
                .map(|path| Value::String(path.to_string_lossy().into_owned()))
                .collect::<Vec<_>>()
                .into(),
            Self::Command => return Err("a command is named in the configuration file only"),
        })
    }
}

#[cfg(test)]
pub(super) fn sample(field: &Field) -> Value {
    match (field.kind, field.name) {
        (Kind::Text, "listen") => "127.0.0.1:0".into(),
        (Kind::Text, "format") => "json".into(),
        (Kind::Text, "memory_budget") => "64 MiB".into(),
        (Kind::Texts, "proxy_protocol_from" | "trusted_proxies") => vec!["10.0.0.0/8"].into(),
        (Kind::Text | Kind::Path, _) => "x".into(),
        (Kind::Number, _) => 1.into(),
        (Kind::Flag, _) => true.into(),
        (Kind::Command, _) => vec!["/x"].into(),
        (Kind::Texts | Kind::Paths, _) => vec!["x"].into(),
    }
}
