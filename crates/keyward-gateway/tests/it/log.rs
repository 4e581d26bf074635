//! What the log holds of a running gateway, and its settings changed.

use std::{sync::Arc, time::Duration};

use keyward_registry::{
    ChangeError, GatewayId, GatewaySettings, LogDirection, LogEntry, LogPlace, LogScan,
};
use tokio_util::sync::CancellationToken;

use crate::support::{ACCOUNT, ACTOR, Running, now};

const DEADLINE: Duration = Duration::from_secs(20);

impl Running {
    /// Changes the gateway's settings.
    pub(crate) async fn set(&self, change: impl Fn(&mut GatewaySettings) + Sync) {
        let decide = |settings: &GatewaySettings| {
            let mut settings = settings.clone();
            change(&mut settings);
            Ok::<_, ChangeError>(settings)
        };
        let registry = &self.registry;
        let edited = registry.update_gateway(ACCOUNT, "prod", decide, ACTOR, now());
        edited.await.unwrap();
    }

    /// What the log holds, in the order of requests.
    pub(crate) async fn log(&self) -> Vec<LogEntry> {
        let scan = LogScan {
            place: LogPlace {
                account: ACCOUNT,
                gateway: GatewayId::parse("prod").unwrap(),
            },
            filters: Vec::new(),
            direction: LogDirection::Rising,
            after: None,
            most: 1_000,
        };
        self.registry.store().scan_logs(scan).await.unwrap()
    }

    /// The same once the recorder ran, from its beginning to its end.
    pub(crate) async fn recorded_log(&self) -> Vec<LogEntry> {
        let stop = CancellationToken::new();
        stop.cancel();
        Arc::clone(&self.gateway).record(stop).await;
        self.log().await
    }

    /// The log once it holds so many entries, where the recorder [runs](Self::keep): by then, what they cost is settled.
    pub(crate) async fn log_of(&self, count: usize) -> Vec<LogEntry> {
        let full = async {
            loop {
                let entries = self.log().await;
                if entries.len() >= count {
                    return entries;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, full).await.unwrap()
    }
}
