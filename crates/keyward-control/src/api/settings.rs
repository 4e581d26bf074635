//! How the server is set up: ours, beside the reference.

use keyward_auth::{ManagePlace, Permission};
use serde::Serialize;
use utoipa::ToSchema;

use super::audit::StateBody;
use crate::{
    Readiness,
    call::Call,
    envelope::{Problem, Reply},
    setup::{self, Setup},
};

/// How the server is set up.
#[derive(Serialize, ToSchema)]
#[schema(as = ServerSettings)]
pub(crate) struct Body {
    version: String,
    /// Why requests cannot be served; null: they can.
    not_ready: Option<String>,
    /// Always false: a server that is sealed does not answer.
    sealed: bool,
    /// The chain of the audit log; null: the token may not read the log.
    audit: Option<StateBody>,
    /// Null: whoever runs the server does not tell.
    setup: Option<SetupBody>,
}

/// What whoever runs the server tells of it.
#[derive(Serialize, ToSchema)]
#[schema(as = ServerSetup)]
struct SetupBody {
    /// What program this is beside its version.
    build: String,
    /// Where everything is kept.
    data_dir: String,
    database: String,
    listeners: Vec<ListenerBody>,
    /// Whether memory may be swapped, in words.
    memory: String,
    /// What opened the vault when the server started: as in `slots`.
    opened_by: &'static str,
    /// The ways to open the vault.
    slots: Vec<SlotBody>,
    /// What holds the server to an amount.
    limits: Vec<LimitBody>,
    /// What is less safe than it could be.
    warnings: Vec<WarningBody>,
}

/// Where a plane listens.
#[derive(Serialize, ToSchema)]
#[schema(as = ServerListener)]
struct ListenerBody {
    /// `data` or `control`.
    plane: &'static str,
    /// Such as `127.0.0.1:8787`.
    address: String,
    /// Whether connections are encrypted.
    tls: bool,
}

/// One way to open the vault.
#[derive(Serialize, ToSchema)]
#[schema(as = VaultSlot)]
struct SlotBody {
    number: u32,
    /// `key file`, `passphrase`, `recovery key` or `command`.
    opened_by: &'static str,
}

/// What holds the server to an amount.
#[derive(Serialize, ToSchema)]
#[schema(as = ServerLimit)]
struct LimitBody {
    what: &'static str,
    /// With its unit.
    value: String,
    /// Such as `[gateway] max_connections`.
    setting: &'static str,
}

/// Something that is less safe than it could be.
#[derive(Serialize, ToSchema)]
#[schema(as = ServerWarning)]
struct WarningBody {
    what: String,
    /// The setting that mends it; null: it is no matter of the configuration.
    setting: Option<&'static str>,
    /// What to do.
    help: String,
}

impl SetupBody {
    fn new(setup: &Setup) -> Self {
        let listener = |listener: &setup::Listener| ListenerBody {
            plane: listener.plane.as_str(),
            address: listener.address.to_string(),
            tls: listener.has_tls,
        };
        let slot = |slot: &setup::Slot| SlotBody {
            number: slot.number,
            opened_by: slot.kind.as_str(),
        };
        let limit = |limit: &setup::Limit| LimitBody {
            what: limit.what,
            value: limit.value.clone(),
            setting: limit.setting,
        };
        let warning = |warning: &setup::Warning| WarningBody {
            what: warning.what.clone(),
            setting: warning.setting,
            help: warning.help.clone(),
        };
        Self {
            build: setup.build.clone(),
            data_dir: setup.data_dir.display().to_string(),
            database: setup.database.display().to_string(),
            listeners: setup.listeners.iter().map(listener).collect(),
            memory: setup.memory.clone(),
            opened_by: setup.opened_by.as_str(),
            slots: setup.slots.iter().map(slot).collect(),
            limits: setup.limits.iter().map(limit).collect(),
            warnings: setup.warnings.iter().map(warning).collect(),
        }
    }
}

pub(crate) fn show(call: &Call) -> Result<Reply, Problem> {
    let config = &call.config;
    let may_read_log = call.may(Permission::AuditLogRead, ManagePlace::Account);
    Reply::new(&Body {
        version: config.version.clone(),
        not_ready: match (config.ready)() {
            Readiness::Ready => None,
            Readiness::NotReady { reason } => Some(reason),
        },
        sealed: false,
        audit: may_read_log.then(|| StateBody::of(call)),
        setup: config.setup.as_deref().map(SetupBody::new),
    })
}
