//! The configuration: a TOML file, and the environment above it. Read once, then handed down.
//!
//! Nothing here opens what the configuration names; a missing file is told by whoever needs it.

mod audit;
mod defaults;
mod effective;
mod fields;
mod findings;
mod host;
mod limits;
mod listener;
mod memory;
mod named;
mod nearest;
mod otel;
mod place;
mod prices;
mod request_log;
mod schema;
mod seal;
mod upstream;
mod variables;

use std::{
    collections::BTreeMap,
    env, fs,
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use keyward_gateway::Budget;
use keyward_providers::{Catalogue, Override};
use keyward_registry::SecretLimits;
use serde::Deserialize;

pub(crate) use self::{
    audit::AuditSection,
    effective::{Origin, effective},
    listener::Network,
    named::{KeyName, RotationSection, TableName, WebhookSection},
    schema::schema,
    seal::{Argv, SealSection},
    variables::{COMMANDS, strays, tell_strays},
};
use self::{
    host::HostName, limits::LimitsSection, memory::Bytes, otel::OtelSection, prices::PricesSection,
    request_log::RequestLogSection, upstream::UpstreamSection,
};
use crate::failure::Failure;

/// Everything that may be configured. A field that is not there has the default of whoever uses it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where everything is kept. Default `./.keyward`.
    pub(crate) data_dir: Option<PathBuf>,
    /// Lets `serve` listen without TLS beyond loopback. Whoever stands on the way reads tokens and prompts.
    pub(crate) danger_plain_http_listen: bool,
    pub(crate) gateway: GatewaySection,
    pub(crate) upstream: UpstreamSection,
    pub(crate) control: ControlSection,
    pub(crate) store: StoreSection,
    pub(crate) secrets_store: SecretsStoreSection,
    pub(crate) limits: LimitsSection,
    prices: PricesSection,
    request_log: RequestLogSection,
    pub(crate) audit: AuditSection,
    pub(crate) seal: SealSection,
    pub(crate) tls: TlsSection,
    pub(crate) otel: OtelSection,
    pub(crate) log: LogSection,
    /// Changes of built-in providers, by slug.
    pub(crate) providers: BTreeMap<String, Override>,
    /// Who is told what happens to provider keys.
    pub(crate) webhooks: BTreeMap<TableName, WebhookSection>,
    /// Provider keys that get a new value again and again.
    pub(crate) rotation: BTreeMap<TableName, RotationSection>,
    /// The file that was read, if one was.
    #[serde(skip)]
    file: Option<PathBuf>,
}

/// The data plane.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct GatewaySection {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) workers: Option<NonZeroUsize>,
    pub(crate) max_connections: Option<NonZeroUsize>,
    pub(crate) max_connections_per_address: Option<NonZeroUsize>,
    /// What the data plane may take of memory. Default: a half of what the machine or the control group has.
    pub(crate) memory_budget: Option<Bytes>,
    pub(crate) header_timeout_secs: Option<Seconds>,
    pub(crate) write_timeout_secs: Option<Seconds>,
    pub(crate) connect_timeout_secs: Option<Seconds>,
    pub(crate) response_header_timeout_secs: Option<Seconds>,
    /// How long either side may pause within a body.
    pub(crate) body_idle_timeout_secs: Option<Seconds>,
    pub(crate) drain_timeout_secs: Option<u64>,
    /// Whether streams are asked what they take where their clients do not ask. Default: they are.
    ask_for_usage: Option<bool>,
    /// The certificate and key, PEM, of a listener with TLS.
    pub(crate) tls_cert_file: Option<PathBuf>,
    pub(crate) tls_key_file: Option<PathBuf>,
    /// Certificate authorities of which a client must show a certificate.
    pub(crate) tls_client_ca_file: Option<PathBuf>,
    /// Proxies that begin a connection with a header of the PROXY protocol.
    pub(crate) proxy_protocol_from: Vec<Network>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<Network>,
}

/// The control plane.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ControlSection {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) allowed_hosts: Vec<HostName>,
    /// Whether there are pages for people. Default: there are.
    dashboard: Option<bool>,
    /// The certificate and key, PEM, of a listener with TLS.
    pub(crate) tls_cert_file: Option<PathBuf>,
    pub(crate) tls_key_file: Option<PathBuf>,
    /// Certificate authorities of which a client must show a certificate.
    pub(crate) tls_client_ca_file: Option<PathBuf>,
    /// Proxies that begin a connection with a header of the PROXY protocol.
    pub(crate) proxy_protocol_from: Vec<Network>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<Network>,
}

impl ControlSection {
    /// Whether there are pages for people.
    pub(crate) fn has_dashboard(&self) -> bool {
        self.dashboard.unwrap_or(true)
    }

    /// Host names by which it may be addressed.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let hosts = self.allowed_hosts.iter();
        hosts.map(|host| host.as_str().to_owned()).collect()
    }
}

/// The database.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StoreSection {
    /// The SQLite file. Default `keyward.db` in the data directory.
    pub(crate) path: Option<PathBuf>,
    /// How many rows of counts of requests are kept. Default 500,000.
    pub(crate) traffic_rows: Option<TrafficRows>,
}

/// How many rows of counts of requests are kept: fewer would not hold an hour of some hundred keys.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u64")]
pub(crate) struct TrafficRows(u64);

impl TrafficRows {
    const LEAST: u64 = 10_000;
    const MOST: u64 = 100_000_000;
}

impl TryFrom<u64> for TrafficRows {
    type Error = String;

    fn try_from(rows: u64) -> Result<Self, Self::Error> {
        match rows {
            Self::LEAST..=Self::MOST => Ok(Self(rows)),
            _ => Err(format!(
                "rows of counts are {} to {}",
                Self::LEAST,
                Self::MOST
            )),
        }
    }
}

/// How much of secrets an account may have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SecretsStoreSection {
    /// Secrets stores of an account. Default 1, as Cloudflare has it.
    max_stores: Option<u32>,
    /// Secrets of an account, those of provider keys among them. Default: any number.
    quota: Option<u64>,
}

impl SecretsStoreSection {
    pub(crate) fn limits(&self) -> SecretLimits {
        let default = SecretLimits::default();
        SecretLimits {
            stores: self.max_stores.unwrap_or(default.stores),
            secrets: self.quota.or(default.secrets),
        }
    }
}

/// What TLS to providers trusts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TlsSection {
    pub(crate) extra_ca_files: Vec<PathBuf>,
}

/// The log, on standard error.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogSection {
    pub(crate) format: LogFormat,
    /// Directives of `tracing`'s filter, such as `warn,keyward_gateway=debug`.
    pub(crate) filter: Option<String>,
}

/// What a line of the log looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// A time limit. Bounded, because the end of a boundless one is no point in time.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u64")]
pub(crate) struct Seconds(u64);

impl Seconds {
    /// A year.
    const MOST: u64 = 365 * 24 * 60 * 60;

    pub(crate) const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl TryFrom<u64> for Seconds {
    type Error = String;

    fn try_from(secs: u64) -> Result<Self, Self::Error> {
        match secs {
            1..=Self::MOST => Ok(Self(secs)),
            _ => Err(format!(
                "a time limit is 1 to {} seconds, a year",
                Self::MOST
            )),
        }
    }
}

impl Config {
    /// Reads the file, if one is named, and the environment above it.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, Failure> {
        let text = file.map(read_text).transpose()?;
        let variable = |name: &str| env::var_os(name);
        let text = text.as_deref().unwrap_or_default();
        let file = file.unwrap_or(Path::new(""));
        let config = Self::parse(text, file, variable)?;
        Ok(config.in_file((file != Path::new("")).then_some(file)))
    }

    /// The same, with the name of its file for messages.
    pub(crate) fn in_file(mut self, file: Option<&Path>) -> Self {
        self.file = file.map(Path::to_owned);
        self
    }

    /// Parses the text of `file`, with the environment above it.
    pub(crate) fn parse(
        text: &str,
        file: &Path,
        variable: impl Fn(&str) -> Option<std::ffi::OsString>,
    ) -> Result<Self, Failure> {
        place::check_names(text, file)?;
        // Once with the text's own spans, so that a wrong value is told with its line.
        toml::from_str::<Self>(text).map_err(|error| place::refuse(text, file, &error))?;
        let mut table: toml::Table =
            toml::from_str(text).map_err(|error| place::refuse(text, file, &error))?;
        let base = file.parent().unwrap_or(Path::new(""));
        fields::resolve_paths(&mut table, base);
        fields::add_environment(&mut table, &variable)?;
        table.try_into().map_err(|error: toml::de::Error| {
            Failure::new("cannot use the configuration")
                .because(error.message())
                .help("`keyward config show --effective` says where each value comes from")
        })
    }

    /// The data directory. `argument` comes from the command line.
    pub(crate) fn data_dir(&self, argument: Option<&Path>) -> PathBuf {
        let configured = argument.or(self.data_dir.as_deref());
        configured.unwrap_or(Path::new(DEFAULT_DATA_DIR)).to_owned()
    }

    /// The database file.
    pub(crate) fn database(&self, data_dir: &Path) -> PathBuf {
        match &self.store.path {
            Some(path) => path.clone(),
            None => data_dir.join(DATABASE),
        }
    }

    /// The providers with the operator's changes.
    pub(crate) fn catalogue(&self) -> Result<Catalogue, Failure> {
        Catalogue::with_overrides(&self.providers).map_err(|error| {
            let failure = Failure::new(error.to_string())
                .because_of_sources(&error)
                .help(
                    "correct the provider's fields; `keyward config schema` says what each takes",
                );
            match &self.file {
                Some(file) => failure.at(format!(
                    "{}: [providers.{}]",
                    file.display(),
                    error.provider()
                )),
                None => failure,
            }
        })
    }

    /// Limits of the data plane. `workers` comes from the command line.
    pub(crate) fn gateway(&self, workers: Option<NonZeroUsize>) -> keyward_gateway::Config {
        let section = &self.gateway;
        let mut config = keyward_gateway::Config::default();
        let set = |place: &mut Duration, secs: Option<Seconds>| {
            if let Some(secs) = secs {
                *place = Duration::from_secs(secs.0);
            }
        };
        let listen = &mut config.listen;
        set(&mut listen.header_timeout, section.header_timeout_secs);
        set(&mut listen.write_timeout, section.write_timeout_secs);
        if let Some(secs) = section.drain_timeout_secs {
            listen.drain_timeout = Duration::from_secs(secs.min(Seconds::MOST));
        }
        listen.max_connections = section.max_connections.map(NonZeroUsize::get);
        listen.max_connections_per_address =
            section.max_connections_per_address.map(NonZeroUsize::get);
        let forward = &mut config.forward;
        set(&mut forward.connect_timeout, section.connect_timeout_secs);
        set(
            &mut forward.response_header_timeout,
            section.response_header_timeout_secs,
        );
        set(
            &mut forward.request_idle_timeout,
            section.body_idle_timeout_secs,
        );
        set(
            &mut forward.response_idle_timeout,
            section.body_idle_timeout_secs,
        );
        self.upstream.apply(forward);
        config.memory_budget = section
            .memory_budget
            .map(|bytes| bytes.0)
            .or_else(memory::half_of_what_there_is)
            .map(Budget::from_bytes);
        if let Some(rows) = self.store.traffic_rows {
            config.traffic_rows = rows.0;
        }
        self.request_log.apply(&mut config);
        if let Some(asks) = section.ask_for_usage {
            config.asks_for_usage = asks;
        }
        if let Some(workers) = workers.or(section.workers) {
            config.workers = workers;
        }
        config
    }

    /// The texts of the extra certificate authorities. One that cannot be read stops the start.
    pub(crate) fn extra_authorities(&self) -> Result<Vec<Vec<u8>>, Failure> {
        let read = |path: &PathBuf| {
            fs::read(path).map_err(|error| {
                Failure::new(format!("cannot read {}", path.display()))
                    .caused_by(&error)
                    .in_file(path)
                    .help("`[tls] extra_ca_files` names it; correct the path, or leave it out")
            })
        };
        self.tls.extra_ca_files.iter().map(read).collect()
    }
}

/// The data directory where none is named.
pub(crate) const DEFAULT_DATA_DIR: &str = "./.keyward";
/// The database in a data directory.
const DATABASE: &str = "keyward.db";

/// The text of a configuration file.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        Failure::new(format!(
            "cannot read the configuration file {}",
            path.display()
        ))
        .caused_by(&error)
        .in_file(path)
        .help("name a file that exists and may be read with --config")
    })
}

#[cfg(test)]
mod tests;
