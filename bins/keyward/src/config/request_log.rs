//! `[request_log]`: what is kept of requests.

use std::time::Duration;

use keyward_registry::LogBody;
use serde::Deserialize;

use super::memory::Bytes;

/// The log of requests.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RequestLogSection {
    /// For how long an entry is kept. Default 30 days.
    retention_days: Option<Days>,
    /// How many of a hundred requests that succeed are kept. Default 100.
    sample_percent: Option<Percent>,
    /// How long a body may be that is kept. Default 0: none is.
    max_body: Option<BodyLength>,
}

/// As long as the log takes a body at all.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Bytes")]
struct BodyLength(usize);

impl TryFrom<Bytes> for BodyLength {
    type Error = String;

    fn try_from(Bytes(bytes): Bytes) -> Result<Self, Self::Error> {
        match usize::try_from(bytes) {
            Ok(bytes) if bytes <= LogBody::MOST => Ok(Self(bytes)),
            _ => Err(format!("a body is kept up to {} bytes", LogBody::MOST)),
        }
    }
}

/// Ten years at most: an end that is no point in time is none.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u64")]
pub(super) struct Days(u64);

impl Days {
    pub(super) const MOST: u64 = 3_650;
}

impl TryFrom<u64> for Days {
    type Error = String;

    fn try_from(days: u64) -> Result<Self, Self::Error> {
        match days {
            1..=Self::MOST => Ok(Self(days)),
            _ => Err(format!("entries are kept for 1 to {} days", Self::MOST)),
        }
    }
}

/// A part of a hundred.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u64")]
pub(super) struct Percent(u8);

impl TryFrom<u64> for Percent {
    type Error = String;

    fn try_from(percent: u64) -> Result<Self, Self::Error> {
        match u8::try_from(percent) {
            Ok(percent @ 0..=100) => Ok(Self(percent)),
            _ => Err("a share is 0 to 100 percent".to_owned()),
        }
    }
}

impl RequestLogSection {
    pub(super) fn apply(&self, config: &mut keyward_gateway::Config) {
        if let Some(Days(days)) = self.retention_days {
            config.log_retention = Duration::from_hours(24 * days);
        }
        if let Some(Percent(percent)) = self.sample_percent {
            config.log_sample_percent = percent;
        }
        if let Some(BodyLength(bytes)) = self.max_body {
            config.log_body_bytes = bytes;
        }
    }
}
