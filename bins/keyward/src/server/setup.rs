//! How a server is set up, for the page that shows it: gathered once, at the start, from what was read anyway.

use std::path::{Path, PathBuf};

use keyward_control::setup::{Limit, Listener, Plane, Setup, Slot, Warning};
use keyward_vault::{SealState, SlotKind};

use super::{Listeners, Server};
use crate::{
    commands::doctor::machine::own_places,
    config::{self, Config},
    harden::Hardening,
    private_file, server,
};

/// What a start has read.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) config: &'a Config,
    pub(crate) data_dir: &'a Path,
    pub(crate) hardening: &'a Hardening,
    pub(crate) opened_by: SlotKind,
    pub(crate) seal: &'a SealState,
    /// Whether the key lies in the data directory because `dev` puts it there.
    pub(crate) is_dev: bool,
}

pub(super) fn gather(ground: &Ground<'_>, server: &Server) -> Setup {
    let slot = |slot: &keyward_vault::Slot| Slot {
        number: slot.id(),
        kind: slot.kind(),
    };
    let listeners = listeners(&server.listeners);
    Setup {
        build: build(),
        data_dir: absolute(ground.data_dir),
        database: absolute(&ground.config.database(ground.data_dir)),
        memory: ground.hardening.memory(),
        opened_by: ground.opened_by,
        slots: ground.seal.slots.iter().map(slot).collect(),
        limits: limits(ground, server),
        warnings: warnings(ground, &listeners),
        listeners: listeners.into(),
    }
}

fn build() -> String {
    let kind = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    format!(
        "{} {}, {kind}",
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_empty| path.to_owned())
}

fn listeners(listeners: &Listeners) -> [Listener; 2] {
    let one = |plane, bound: &super::Bound| Listener {
        plane,
        address: bound.address,
        has_tls: bound.has_tls,
    };
    [
        one(Plane::Data, &listeners.gateway),
        one(Plane::Control, &listeners.control),
    ]
}

fn limits(ground: &Ground<'_>, server: &Server) -> Vec<Limit> {
    let limit = |what, value: String, setting| Limit {
        what,
        value,
        setting,
    };
    let mut limits = Vec::new();
    match server.caps() {
        Some(caps) => limits.extend([
            limit(
                "Memory of the data plane",
                caps.budget.to_string(),
                "[gateway] memory_budget",
            ),
            limit(
                "… of it for keys and tokens",
                caps.stored.to_string(),
                "[gateway] memory_budget",
            ),
            limit(
                "Client connections at once",
                caps.connections.to_string(),
                "[gateway] max_connections",
            ),
            limit(
                "Requests forwarded at once",
                caps.requests.to_string(),
                "[gateway] memory_budget",
            ),
        ]),
        None => limits.push(limit(
            "Memory of the data plane",
            "no limit".to_owned(),
            "[gateway] memory_budget",
        )),
    }
    let secrets = ground.config.secrets_store.limits();
    limits.push(limit(
        "Secrets stores of an account",
        secrets.stores.to_string(),
        "[secrets_store] max_stores",
    ));
    let quota = secrets.secrets.map(|most| most.to_string());
    limits.push(limit(
        "Secrets of an account",
        quota.unwrap_or_else(|| "any number".to_owned()),
        "[secrets_store] quota",
    ));
    limits
}

/// What `serve` says at its start, and what `doctor` finds in the directory.
fn warnings(ground: &Ground<'_>, listeners: &[Listener]) -> Vec<Warning> {
    let config = ground.config;
    let mut found: Vec<_> = listeners.iter().filter_map(exposed).collect();
    let mut warn = |what: String, setting: Option<&'static str>, help: String| {
        found.push(Warning {
            what,
            setting,
            help,
        });
    };
    if ground.is_dev {
        warn(
            "the key that opens the vault lies beside the data, and tokens stand in clear in dev.json".to_owned(),
            Some("[seal] key_file"),
            "`keyward dev` is for trying things out; `keyward vault init` and `keyward serve` keep the key elsewhere".to_owned(),
        );
    }
    if config.seal.danger_key_beside_data {
        warn(
            "the key file may lie beside the data: one copy of the directory takes both".to_owned(),
            Some("[seal] danger_key_beside_data"),
            "move the key file elsewhere, correct `key_file`, and take this setting away"
                .to_owned(),
        );
    }
    let database = config.database(ground.data_dir);
    let places = own_places(config, ground.data_dir, &database);
    for (path, help) in private_file::open_ones(&places) {
        warn(
            format!("others may read or change {}", path.display()),
            None,
            help,
        );
    }
    let tls_keys = [
        (&config.gateway.tls_key_file, "[gateway] tls_key_file"),
        (&config.control.tls_key_file, "[control] tls_key_file"),
    ];
    for (path, setting) in tls_keys {
        for (path, help) in private_file::open_ones(path.as_slice()) {
            warn(
                format!("others may read {}", path.display()),
                Some(setting),
                help,
            );
        }
    }
    for fault in ground.hardening.faults() {
        warn(
            fault,
            None,
            "run it where the system allows this".to_owned(),
        );
    }
    for stray in config::strays(std::env::vars_os().map(|(name, _)| name)) {
        let (what, help) = stray.told();
        warn(what, None, help);
    }
    found
}

/// Whoever stands on the way to a listener could read what is sent.
fn exposed(listener: &Listener) -> Option<Warning> {
    if listener.has_tls || listener.address.ip().to_canonical().is_loopback() {
        return None;
    }
    let (plane, setting) = match listener.plane {
        Plane::Data => (server::Plane::Data, "[gateway] tls_cert_file"),
        Plane::Control => (server::Plane::Control, "[control] tls_cert_file"),
    };
    Some(Warning {
        what: format!(
            "the {plane} listens without TLS where others can reach it, on {}",
            listener.address
        ),
        setting: Some(setting),
        help: "name a certificate there and its key in `tls_key_file`, or listen on loopback; `danger_plain_http_listen` allows it".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use keyward_control::setup::{Listener, Plane};

    use super::exposed;

    #[track_caller]
    fn check(address: &str, has_tls: bool, expected: Option<&str>) {
        let listener = Listener {
            plane: Plane::Control,
            address: address.parse().unwrap(),
            has_tls,
        };
        let found = exposed(&listener);
        assert_eq!(
            found.and_then(|warning| warning.setting),
            expected,
            "{address}"
        );
    }

    #[test]
    fn a_listener_in_clear_that_others_reach_is_warned_of() {
        let setting = Some("[control] tls_cert_file");
        check("0.0.0.0:8788", false, setting);
        check("[::]:8788", false, setting);
        check("192.0.2.1:8788", false, setting);
        check("192.0.2.1:8788", true, None);
        check("127.0.0.1:8788", false, None);
        check("[::ffff:127.0.0.1]:8788", false, None);
    }
}
