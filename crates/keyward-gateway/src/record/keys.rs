//! How many stored keys there are in each status, for the metrics.

use std::time::SystemTime;

use keyward_registry::{KeyStatus, ProviderKeyRecord};

use crate::Gateway;

/// Every status that is told, in no order. An operator's word counts first.
const STATUSES: [&str; 4] = ["active", "expired", "invalid", "disabled"];

impl Gateway {
    /// Counts every stored key. Takes as long as there are keys.
    pub(super) fn show_keys(&self, now: SystemTime) {
        let snapshot = self.registry().snapshot();
        let mut counts = [0_u32; STATUSES.len()];
        for key in snapshot
            .accounts()
            .flat_map(|account| account.provider_keys())
        {
            let status = status(&key.record, now);
            let place = STATUSES.iter().position(|other| *other == status);
            if let Some(count) = place.and_then(|place| counts.get_mut(place)) {
                *count = count.saturating_add(1);
            }
        }
        for (status, count) in STATUSES.into_iter().zip(counts) {
            metrics::gauge!("keyward_provider_keys", "status" => status).set(count);
        }
    }
}

fn status(key: &ProviderKeyRecord, now: SystemTime) -> &'static str {
    if key.disabled_at.is_some() {
        "disabled"
    } else if key.status == KeyStatus::Active && key.is_stopped_by_date(now) {
        KeyStatus::Expired.as_str()
    } else {
        key.status.as_str()
    }
}
