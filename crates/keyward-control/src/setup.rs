//! How the server is set up, as whoever runs it tells: the control plane reads no configuration and no file of its own.

use std::{net::SocketAddr, path::PathBuf};

use keyward_vault::SlotKind;

/// How the server is set up. Holds no secret. Told to who may read the vault's state.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "plain facts")]
pub struct Setup {
    /// What program this is beside its version, such as `linux x86_64, release`.
    pub build: String,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// The database.
    pub database: PathBuf,
    /// Where each plane listens.
    pub listeners: Vec<Listener>,
    /// Whether memory may be swapped, in words.
    pub memory: String,
    /// What opened the vault when the server started.
    pub opened_by: SlotKind,
    /// The ways to open the vault. They do not change while a server runs.
    pub slots: Vec<Slot>,
    /// What holds the server to an amount.
    pub limits: Vec<Limit>,
    /// What is less safe than it could be.
    pub warnings: Vec<Warning>,
}

/// Where a plane listens.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "plain facts")]
pub struct Listener {
    /// Which plane.
    pub plane: Plane,
    /// Where.
    pub address: SocketAddr,
    /// Whether connections are encrypted.
    pub has_tls: bool,
}

/// Which of the two planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum Plane {
    /// What applications send their requests to.
    Data,
    /// What operators use: REST and the dashboard.
    Control,
}

/// One way to open the vault.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "plain facts")]
pub struct Slot {
    /// Its number.
    pub number: u32,
    /// What opens it.
    pub kind: SlotKind,
}

/// What holds the server to an amount.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "plain facts")]
pub struct Limit {
    /// What is limited, in words.
    pub what: &'static str,
    /// To how much, in words, with its unit.
    pub value: String,
    /// The setting that says so, such as `[gateway] max_connections`.
    pub setting: &'static str,
}

/// Something that is less safe than it could be.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "plain facts")]
pub struct Warning {
    /// What, in words.
    pub what: String,
    /// The setting that mends it; none where it is no matter of the configuration.
    pub setting: Option<&'static str>,
    /// What to do, in words.
    pub help: String,
}

impl Plane {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Control => "control",
        }
    }
}
