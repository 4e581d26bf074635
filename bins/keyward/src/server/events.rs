//! What the configuration says of events: who is told, and which keys are rotated by themselves.

use std::{collections::BTreeMap, sync::Arc};

use keyward_forward::{Dial, SystemDial, TlsConfig, dial::Guard};
use keyward_gateway::{
    Gateway,
    webhooks::{Receiver, WebhookSecret, Webhooks},
};
use keyward_registry::{Registry, RegistryStore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{rotation::Schedule, telemetry::Telemetry};
use crate::{
    config::{Config, RotationSection, TableName, WebhookSection},
    failure::Failure,
    private_file, secret_input,
};

/// Who is told of events and of requests, and what is rotated by itself.
pub(crate) struct Events {
    pub(super) webhooks: Arc<Webhooks>,
    pub(super) telemetry: Telemetry,
    rotation: BTreeMap<TableName, RotationSection>,
}

/// What runs for them.
pub(super) struct Running {
    stop_telling: CancellationToken,
    stop_schedule: CancellationToken,
    webhooks: JoinHandle<()>,
    telemetry: Option<JoinHandle<()>>,
    schedule: Option<JoinHandle<()>>,
}

impl Events {
    /// Reads the secrets of webhooks and of the collector: before anything is opened, so that one that is not there stops the start.
    pub(crate) fn read(config: &Config) -> Result<Self, Failure> {
        config.check_rotation()?;
        config.check_webhooks()?;
        let receivers = config
            .webhooks
            .iter()
            .map(|(name, section)| receiver(name, section))
            .collect::<Result<Vec<_>, _>>()?;
        let dial = dial(config)?;
        let webhooks = Webhooks::new(&dial, receivers);
        let webhooks = webhooks.map_err(|error| Failure::new(error.to_string()))?;
        Ok(Self {
            webhooks: Arc::new(webhooks),
            telemetry: Telemetry::read(config)?,
            rotation: config.rotation.clone(),
        })
    }

    pub(super) fn start(
        &self,
        registry: &Arc<Registry>,
        store: Arc<dyn RegistryStore>,
        gateway: &Arc<Gateway>,
    ) -> Running {
        let (stop_telling, stop_schedule) = (CancellationToken::new(), CancellationToken::new());
        let webhooks = Arc::clone(&self.webhooks).run(stop_telling.clone());
        Running {
            webhooks: tokio::spawn(webhooks),
            telemetry: self.telemetry.start(&stop_telling),
            schedule: Schedule::start(
                &self.rotation,
                registry,
                store,
                gateway,
                stop_schedule.clone(),
            ),
            stop_telling,
            stop_schedule,
        }
    }
}

impl Running {
    /// Begins no rotation from here on; returns when none is being begun.
    pub(super) async fn stop_schedule(&mut self) {
        self.stop_schedule.cancel();
        if let Some(schedule) = self.schedule.take() {
            super::join(schedule, "scheduled rotation").await;
        }
    }

    /// Tells nobody from here on; returns when what is being sent has had its time.
    pub(super) async fn stop_telling(self) {
        self.stop_telling.cancel();
        super::join(self.webhooks, "webhooks").await;
        if let Some(telemetry) = self.telemetry {
            super::join(telemetry, "telemetry").await;
        }
    }
}

/// Only the origins that webhooks name may have addresses that are not public.
fn dial(config: &Config) -> Result<Arc<dyn Dial>, Failure> {
    let tls = TlsConfig {
        extra_ca_pem: config.extra_authorities()?,
    };
    let dial = SystemDial::build(tls).map_err(|error| {
        Failure::new(error.to_string())
            .because_of_sources(&error)
            .help("`[tls] extra_ca_files` names PEM files with certificates")
    })?;
    let named = config.webhooks.values();
    let named = named.map(|section| section.url.0.origin().clone());
    Ok(Arc::new(dial.with_guard(Guard::new().allow(named))))
}

fn receiver(name: &TableName, section: &WebhookSection) -> Result<Receiver, Failure> {
    let path = &section.secret_file;
    let refuse = |failure: Failure| {
        failure.in_file(path).help(format!(
            "`[webhooks.{name}] secret_file` names a file with one line: `whsec_` and what `openssl rand -base64 32` writes"
        ))
    };
    let text = secret_input::read_file(path).map_err(refuse)?;
    if private_file::is_open_to_others(path) {
        tracing::warn!(
            webhook = name.as_str(),
            secret_file = %path.display(),
            "others may read the secret of a webhook; `chmod 600` shuts them out"
        );
    }
    let secret = std::str::from_utf8(text.expose().trim_ascii()).unwrap_or_default();
    let secret = WebhookSecret::parse(secret).map_err(|error| {
        refuse(Failure::new(format!("cannot use the secret of webhook {name}")).caused_by(&error))
    })?;
    let receiver = Receiver::new(name.to_string(), section.url.0.clone(), secret);
    let filtered = receiver.with_events(&section.events);
    filtered.map_err(|error| events_refused(name, &error))
}

fn events_refused(name: &TableName, error: &dyn std::error::Error) -> Failure {
    Failure::new("cannot use the filter of a webhook")
        .caused_by(error)
        .at(format!("`[webhooks.{name}] events`"))
        .help("leave it out for every event; docs/webhooks.md lists them")
}

impl Config {
    /// What of `[webhooks]` cannot be meant. Opens nothing.
    pub(crate) fn check_webhooks(&self) -> Result<(), Failure> {
        for (name, section) in &self.webhooks {
            Receiver::check_events(&section.events)
                .map_err(|error| events_refused(name, &error))?;
        }
        Ok(())
    }
}
