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
    pub(super) kind: Kind,
    /// What it is, for the schema.
    pub(super) meaning: &'static str,
}

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An IP address and a port.
    Address,
    /// A number of bytes, or a text with a unit.
    Bytes,
    Path,
    /// A whole number within these bounds.
    Number(u64, u64),
    Flag,
    /// Host names; separated by commas in a variable, as the next.
    Hosts,
    Networks,
    /// Separated by colons, as in `PATH`.
    Paths,
    /// A time: digits and a unit. In the file only, as the next two.
    Span,
    Texts,
    /// Provider keys by gateway, provider and alias.
    Keys,
    /// Dollars per million tokens.
    Dollars,
    /// A part of all: 0 to 1.
    Ratio,
    /// What models cost, a table each. In the file only.
    Prices,
    /// A program and its arguments: in the file only, because whoever sets a variable must not choose what is run.
    Command,
}

/// As TOML's integers go.
const MOST: u64 = i64::MAX as u64;
/// Counts from 1, or from 0.
const COUNT: Kind = Kind::Number(1, MOST);
const COUNT_FROM_0: Kind = Kind::Number(0, MOST);
const SECONDS: Kind = Kind::Number(1, super::Seconds::MOST);

const fn field(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    meaning: &'static str,
) -> Field {
    Field {
        section,
        name,
        kind,
        meaning,
    }
}

/// Every field but those of `[providers.NAME]`.
#[rustfmt::skip]
pub(super) static FIELDS: &[Field] = &[
    field("", "data_dir", Kind::Path, "Where everything is kept"),
    field("", "danger_plain_http_listen", Kind::Flag, "Lets `serve` listen without TLS beyond loopback: tokens and prompts can be read on the way"),
    field("gateway", "listen", Kind::Address, "Where applications connect; port 0 takes a free one"),
    field("gateway", "workers", COUNT, "Threads that serve requests"),
    field("gateway", "max_connections", COUNT, "Client connections at once; further ones wait"),
    field("gateway", "max_connections_per_address", COUNT, "Client connections at once from one address; further ones are closed"),
    field("gateway", "memory_budget", Kind::Bytes, "What the data plane may take of memory at most"),
    field("gateway", "header_timeout_secs", SECONDS, "How long a client may take to send a whole head"),
    field("gateway", "write_timeout_secs", SECONDS, "How long a client may take nothing of an answer"),
    field("gateway", "connect_timeout_secs", SECONDS, "Resolving a provider's name, connecting and the TLS handshake, together"),
    field("gateway", "response_header_timeout_secs", SECONDS, "From handing over a request until the head of the provider's answer"),
    field("gateway", "body_idle_timeout_secs", SECONDS, "How long either side may pause within a body"),
    field("gateway", "drain_timeout_secs", COUNT_FROM_0, "How long a stop waits for requests in flight"),
    field("gateway", "ask_for_usage", Kind::Flag, "Whether streams are asked what they take where their clients do not ask"),
    field("gateway", "tls_cert_file", Kind::Path, "The certificate of a listener with TLS, PEM"),
    field("gateway", "tls_key_file", Kind::Path, "The private key of a listener with TLS, PEM"),
    field("gateway", "tls_client_ca_file", Kind::Path, "Certificate authorities of which a client must show a certificate, PEM"),
    field("gateway", "proxy_protocol_from", Kind::Networks, "Proxies that begin each connection with a header of the PROXY protocol, version 2"),
    field("gateway", "trusted_proxies", Kind::Networks, "Proxies whose X-Forwarded-For is believed"),
    field("upstream", "http2", Kind::Flag, "Offers HTTP/2 to providers over TLS"),
    field("upstream", "max_connections", COUNT, "Connections to one origin at once"),
    field("upstream", "max_waiting", COUNT_FROM_0, "Requests that may wait for a connection to one origin"),
    field("upstream", "queue_timeout_secs", SECONDS, "How long a request may wait for a connection"),
    field("upstream", "max_connection_age_secs", SECONDS, "How old a connection may become"),
    field("upstream", "idle_timeout_secs", SECONDS, "How long an unused connection is kept"),
    field("upstream", "request_min_rate", Kind::Number(0, u32::MAX as u64), "The least bytes per second of a request's body; 0 allows any"),
    field("upstream", "websocket_idle_timeout_secs", SECONDS, "How long neither side of a WebSocket may send anything"),
    field("upstream", "websocket_lifetime_secs", SECONDS, "How long a WebSocket may last"),
    field("control", "listen", Kind::Address, "Where the control plane listens; port 0 takes a free one"),
    field("control", "allowed_hosts", Kind::Hosts, "Host names by which it may be addressed besides loopback, with or without a port"),
    field("control", "dashboard", Kind::Flag, "Whether there are pages for people beside the REST API"),
    field("control", "tls_cert_file", Kind::Path, "The certificate of a listener with TLS, PEM"),
    field("control", "tls_key_file", Kind::Path, "The private key of a listener with TLS, PEM"),
    field("control", "tls_client_ca_file", Kind::Path, "Certificate authorities of which a client must show a certificate, PEM"),
    field("control", "proxy_protocol_from", Kind::Networks, "Proxies that begin each connection with a header of the PROXY protocol, version 2"),
    field("control", "trusted_proxies", Kind::Networks, "Proxies whose X-Forwarded-For is believed"),
    field("store", "path", Kind::Path, "The SQLite database"),
    field("store", "traffic_rows", Kind::Number(super::TrafficRows::LEAST, super::TrafficRows::MOST), "Rows of counts of requests that are kept, half of them for minutes and half for hours"),
    field("secrets_store", "max_stores", Kind::Number(0, u32::MAX as u64), "How many stores an account may have"),
    field("secrets_store", "quota", COUNT_FROM_0, "How many secrets an account may have"),
    field("limits", "store", Kind::Choice(&["memory", "redis"]), "Where rate limits are counted"),
    field("limits", "url", Kind::Text, "The Redis that counts, as redis://[USER@]HOST[:PORT][/DATABASE], or rediss:// for TLS; no password stands in it"),
    field("limits", "password_file", Kind::Path, "The file with the password of Redis"),
    field("limits", "on_loss", Kind::Choice(&["open", "closed", "share"]), "What becomes of requests while Redis does not count"),
    field("limits", "instances", COUNT, "How many instances share a limit while Redis does not count"),
    field("prices", "unknown_model", Kind::Choice(&["refuse", "allow"]), "What becomes of a request under a budget, to a model that has no price"),
    field("prices", "unknown_input", Kind::Dollars, "What budgets count for a million tokens of input, of models that have no price; together with unknown_output"),
    field("prices", "unknown_output", Kind::Dollars, "The same of output"),
    field("prices", "models", Kind::Prices, "What models cost, above what is shipped"),
    field("request_log", "retention_days", Kind::Number(1, super::request_log::Days::MOST), "For how many days the log of requests keeps an entry"),
    field("request_log", "sample_percent", Kind::Number(0, 100), "How many of a hundred requests that succeed the log of requests keeps"),
    field("request_log", "max_body", Kind::Bytes, "How long a body may be that the log of requests keeps; 0 keeps none"),
    field("audit", "checkpoint_file", Kind::Path, "The file that signed checkpoints of the audit log are appended to"),
    field("audit", "checkpoint_interval_secs", SECONDS, "How often a checkpoint is written, where there is something new"),
    field("audit", "checkpoint_lines", COUNT, "After how many lines a checkpoint is written without waiting"),
    field("seal", "key_file", Kind::Path, "The key file that opens the vault"),
    field("seal", "danger_key_beside_data", Kind::Flag, "Lets the key file lie in the data directory: one copy of it takes both"),
    field("seal", "command", Kind::Command, "A program by its absolute path, and its arguments, whose output opens the vault"),
    field("seal", "command_timeout_secs", Kind::Number(1, 60), "How long the command may take"),
    field("tls", "extra_ca_files", Kind::Paths, "PEM files with certificate authorities that are trusted for providers"),
    field("otel", "endpoint", Kind::Text, "Where an OpenTelemetry collector takes OTLP over HTTP, such as http://127.0.0.1:4318; in builds with the feature `otel`"),
    field("otel", "service_name", Kind::Text, "What it is told that sends data, `service.name`"),
    field("otel", "resource_attributes", Kind::Text, "What else it is told of who sends data, as name=value,name=value"),
    field("otel", "headers_file", Kind::Path, "The file with header fields for it, in lines `name: value`"),
    field("otel", "sampling_ratio", Kind::Ratio, "The part of all traces that is sent"),
    field("otel", "interval_secs", SECONDS, "How often data is sent"),
    field("log", "format", Kind::Choice(&["text", "json"]), "The form of a line of the log"),
    field("log", "filter", Kind::Text, "What is logged, such as `warn,keyward_gateway=debug`"),
];

/// The fields of each `[providers.NAME]`.
#[rustfmt::skip]
pub(super) static PROVIDER_FIELDS: &[Field] = &[
    field("providers", "base_url", Kind::Text, "Takes the place of the provider's origins and base path"),
    field("providers", "account_id", Kind::Text, "The account at the provider, where its URLs name one"),
    field("providers", "danger_plain_http", Kind::Flag, "Allows a `base_url` of plain http beyond loopback: the provider key can be read on the way"),
    field("providers", "relay", Kind::Flag, "What stands at `base_url` passes everything on to the provider itself: its answers count as the provider's own"),
];

/// Tables that the operator names: what they are, their fields, and which of these must be there. In the file only.
pub(super) struct Named {
    pub(super) section: &'static str,
    pub(super) meaning: &'static str,
    pub(super) fields: &'static [Field],
    pub(super) required: &'static [&'static str],
}

#[rustfmt::skip]
pub(super) static NAMED: &[Named] = &[
    Named {
        section: "webhooks",
        meaning: "Who is told what happens to provider keys, by any name",
        required: &["url", "secret_file"],
        fields: &[
            field("webhooks", "url", Kind::Text, "Where events are sent: https, or http to this machine. Allows the address it names"),
            field("webhooks", "secret_file", Kind::Path, "The file with what signs them, `whsec_…`"),
            field("webhooks", "events", Kind::Texts, "Which events, by name or by a beginning with `.*`"),
        ],
    },
    Named {
        section: "rotation",
        meaning: "Provider keys that get a new value again and again, by any name",
        required: &["command", "keys", "every"],
        fields: &[
            field("rotation", "command", Kind::Command, "A program by its absolute path, and its arguments, whose output is the new value"),
            field("rotation", "command_timeout_secs", Kind::Number(1, 600), "How long the command may take"),
            field("rotation", "keys", Kind::Keys, "The keys, each of which gets a value of its own"),
            field("rotation", "every", Kind::Span, "How long a value is used, such as `30d`"),
            field("rotation", "overlap", Kind::Span, "How long the old value is kept beside the new one"),
            field("rotation", "verify", Kind::Flag, "Whether the provider is asked about a new value before it is used"),
        ],
    },
];

impl Field {
    /// The variable that sets it; of a field of `[providers.NAME]`, see [`provider_variable`].
    pub(super) fn variable(&self) -> String {
        match self.section {
            "" => variable(&[self.name]),
            section => variable(&[section, self.name]),
        }
    }

    /// The variable that is in force, of those that set it.
    pub(super) fn variable_in_force(
        &self,
        variables: &impl Fn(&str) -> Option<OsString>,
    ) -> Option<String> {
        let is_set = |name: &String| variables(name).is_some_and(|text| !text.is_empty());
        let short = (self.section == "log" && self.name == "filter").then(|| FILTER.to_owned());
        short.into_iter().chain([self.variable()]).find(is_set)
    }
}

/// The variable of a field of `[providers.NAME]`.
pub(super) fn provider_variable(slug: &str, field: &Field) -> String {
    variable(&["providers", slug, field.name])
}

/// Every variable that stands for a field.
pub(super) fn variables() -> impl Iterator<Item = String> {
    let catalogue = Catalogue::built_in().ok();
    let slugs = catalogue.iter().flat_map(Catalogue::iter);
    let of_providers: Vec<_> = slugs
        .flat_map(|provider| {
            let fields = PROVIDER_FIELDS.iter();
            fields.map(|field| provider_variable(provider.slug(), field))
        })
        .collect();
    let own = FIELDS
        .iter()
        .filter(|field| !matches!(field.kind, Kind::Command | Kind::Prices))
        .map(Field::variable);
    own.chain([FILTER.to_owned()]).chain(of_providers)
}

/// The short name of `[log] filter`'s variable.
const FILTER: &str = "KEYWARD_LOG";

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
    for named in NAMED {
        let tables = table.get_mut(named.section).and_then(Value::as_table_mut);
        for (_, table) in tables.into_iter().flatten() {
            for field in named.fields {
                if let Some(Value::String(path)) = table.get_mut(field.name)
                    && field.kind == Kind::Path
                {
                    *path = join(base, path);
                }
            }
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
    let short = field("log", "filter", Kind::Text, "");
    add(table, &["log"], &short, FILTER, variables)?;
    let Ok(catalogue) = Catalogue::built_in() else {
        return Ok(());
    };
    for provider in catalogue.iter() {
        for field in PROVIDER_FIELDS {
            let name = provider_variable(provider.slug(), field);
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
    let refuse = |reason: &str| {
        Failure::new(format!("cannot use the variable {name}"))
            .because(reason)
            .at(name)
            .help("correct it, or unset it; `keyward config schema` says what the field takes")
    };
    let text = text
        .into_string()
        .map_err(|_bytes| refuse("it is not UTF-8"))?;
    let value = field.kind.read(&text).map_err(refuse)?;
    let mut single = Table::new();
    insert(&mut single, path, field.name, value.clone());
    // Alone, so that what is wrong can be nothing but this variable.
    if let Err(error) = single.try_into::<super::Config>() {
        return Err(refuse(&super::place::in_words(error.message())));
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
            Self::Text | Self::Choice(_) | Self::Address | Self::Bytes | Self::Path => {
                Value::String(text.to_owned())
            }
            Self::Number(..) => {
                Value::Integer(text.parse().map_err(|_error| "it is not a whole number")?)
            }
            Self::Dollars | Self::Ratio => {
                Value::Float(text.parse().map_err(|_error| "it is not a number")?)
            }
            Self::Flag => match text {
                "true" | "1" => Value::Boolean(true),
                "false" | "0" => Value::Boolean(false),
                _ => return Err("it is neither `true` nor `false`"),
            },
            Self::Hosts | Self::Networks => text
                .split(',')
                .map(|item| Value::String(item.trim().to_owned()))
                .collect::<Vec<_>>()
                .into(),
            Self::Paths => env::split_paths(text)
                .map(|path| Value::String(path.to_string_lossy().into_owned()))
                .collect::<Vec<_>>()
                .into(),
            Self::Command | Self::Span | Self::Texts | Self::Keys | Self::Prices => {
                return Err("this is named in the configuration file only");
            }
        })
    }
}

#[cfg(test)]
pub(super) fn sample(field: &Field) -> Value {
    match field.kind {
        Kind::Address => "127.0.0.1:0".into(),
        Kind::Choice(words) => words[0].into(),
        Kind::Bytes => "64 KiB".into(),
        Kind::Networks => vec!["10.0.0.0/8"].into(),
        Kind::Hosts => vec!["keys.example.com"].into(),
        Kind::Text if field.section == "limits" => "redis://127.0.0.1:6379".into(),
        Kind::Text if field.name == "url" => "https://hooks.example.com/keyward".into(),
        Kind::Text | Kind::Path => "x".into(),
        Kind::Number(least, _) => i64::try_from(least.max(1)).unwrap().into(),
        Kind::Flag => true.into(),
        Kind::Command => vec!["/x"].into(),
        Kind::Paths => vec!["x"].into(),
        Kind::Span => "30d".into(),
        Kind::Texts => vec!["provider_key.*"].into(),
        Kind::Dollars => 2.5.into(),
        Kind::Ratio => 0.5.into(),
        Kind::Prices => {
            let mut model = Table::new();
            model.insert("provider".to_owned(), "openai".into());
            model.insert("names".to_owned(), vec!["gpt-5*"].into());
            model.insert("input".to_owned(), 1.25.into());
            vec![model].into()
        }
        Kind::Keys => {
            let mut key = Table::new();
            key.insert("gateway".to_owned(), "production".into());
            key.insert("provider".to_owned(), "openai".into());
            vec![key].into()
        }
    }
}
