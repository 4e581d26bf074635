//! Keeps the connection: makes it, looks after it, and makes it again.

use std::{
    num::NonZeroU8,
    sync::Arc,
    time::{Duration, Instant},
};

use keyward_routes::{Attempts, Backoff};
use redis::aio::MultiplexedConnection;
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval_at, sleep, timeout},
};

use crate::{
    door::{Door, Opened},
    line::{Line, MOST_IN_FLIGHT},
    script, spending,
    trouble::Trouble,
};

/// How long it may take to connect and to log in.
const CONNECTS_WITHIN: Duration = Duration::from_secs(2);
/// How long a probe may take. Longer than a decision: an answer that is late is no reason to connect anew.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);
/// How often a connection is probed, so that one that broke while nothing was asked is noticed.
const PROBED_EVERY: Duration = Duration::from_secs(1);
/// The waits between attempts to connect: at first 50 ms, then twice the one before, each up to a quarter longer, so that
/// instances that lost Redis together do not come back together.
const AGAIN: Attempts = Attempts {
    most: NonZeroU8::MAX,
    delay: Duration::from_millis(50),
    backoff: Backoff::Exponential,
};
/// From which attempt on they grow no more: 1.6 s, with its quarter 2 s.
const LAST_GROWN: u8 = 6;
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Keeper {
    door: Door,
    line: Arc<Line>,
    heard: mpsc::Receiver<Trouble>,
    tell: watch::Sender<bool>,
    /// As which budgets are probed, and how often they were.
    prober: u64,
    probes: u64,
    /// What was told last; none at first.
    told: Option<Result<(), Trouble>>,
}

impl Keeper {
    pub(crate) fn new(
        door: Door,
        line: Arc<Line>,
        heard: mpsc::Receiver<Trouble>,
        tell: watch::Sender<bool>,
    ) -> Self {
        Self {
            door,
            line,
            heard,
            tell,
            prober: spending::random_instance(),
            probes: 0,
            told: None,
        }
    }

    pub(crate) async fn run(mut self) {
        let mut made = 0;
        loop {
            let trouble = match self.open().await {
                Ok(opened) => {
                    let since = Instant::now();
                    let trouble = self.keep(opened).await;
                    // After one that held, the first wait is short again; not after one that breaks each time.
                    if since.elapsed() >= LONGEST_WAIT {
                        made = 0;
                    }
                    trouble
                }
                Err(trouble) => trouble,
            };
            self.line.link.store(None);
            self.say(Err(trouble));
            made = LAST_GROWN.min(made + 1);
            let draw = getrandom::u64().unwrap_or_default();
            sleep(AGAIN.wait(made, None, draw).unwrap_or(LONGEST_WAIT)).await;
        }
    }

    /// A connection on which Redis decided once.
    async fn open(&mut self) -> Result<Opened, Trouble> {
        let open = timeout(CONNECTS_WITHIN, self.door.open(MOST_IN_FLIGHT));
        let opened = open.await.map_err(|_late| Trouble::Silent)??;
        let probe = timeout(ANSWERS_WITHIN, self.probe(&opened.connection));
        probe.await.map_err(|_late| Trouble::Silent)??;
        // Once more, now that the script is there: as fast as decisions must be.
        let deadline = self.line.deadline().min(ANSWERS_WITHIN);
        let probe = timeout(deadline, self.probe(&opened.connection));
        probe.await.map_err(|_late| Trouble::Silent)??;
        Ok(opened)
    }

    /// Asks what would keep Redis from deciding.
    async fn probe(&mut self, connection: &MultiplexedConnection) -> Result<(), Trouble> {
        script::probe(connection.clone()).await?;
        if self.line.has_budgets() {
            self.probes += 1;
            spending::probe(connection.clone(), self.prober, self.probes).await?;
        }
        Ok(())
    }

    /// Has decisions go this way until there is trouble.
    async fn keep(&mut self, opened: Opened) -> Trouble {
        let Opened {
            connection,
            mut driver,
        } = opened;
        let mut probes = interval_at(tokio::time::Instant::now() + PROBED_EVERY, PROBED_EVERY);
        probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let deadline = self.line.deadline().min(ANSWERS_WITHIN);
        loop {
            if self.line.link.load().is_none() {
                self.line.link.store(Some(Arc::new(connection.clone())));
            }
            self.say(Ok(()));
            // Who answers too late for decisions is not up, though it answers.
            let mut patience = ANSWERS_WITHIN;
            tokio::select! {
                // However it ended, it ended.
                _ = &mut driver => return Trouble::Unreachable,
                _ = probes.tick() => {}
                // It may be of a connection before: then the probe says so.
                trouble = self.heard.recv() => match trouble {
                    // The sender is in `line`, so there is always one.
                    None => return Trouble::Unreachable,
                    Some(trouble) => {
                        patience = deadline;
                        tracing::debug!(%trouble, "Redis did not decide");
                    }
                },
            }
            match timeout(patience, self.probe(&connection)).await {
                Ok(Ok(())) => {}
                Ok(Err(trouble)) => return trouble,
                Err(_late) => return Trouble::Silent,
            }
        }
    }

    /// Says whether Redis decides, once for each change.
    fn say(&mut self, state: Result<(), Trouble>) {
        // Each time, for whoever began to record meanwhile.
        metrics::gauge!("keyward_limits_store_up").set(if state.is_ok() { 1.0 } else { 0.0 });
        if self.told == Some(state) {
            return;
        }
        let (was_up, was_lost) = (self.told == Some(Ok(())), matches!(self.told, Some(Err(_))));
        self.told = Some(state);
        let redis = self.door.url();
        match state {
            // As loud as the loss was: who was woken by that waits for this.
            Ok(()) if was_lost => {
                tracing::warn!(%redis, "Redis counts again what rate limits limit");
            }
            Ok(()) => {
                tracing::info!(%redis, "Redis counts what rate limits limit");
            }
            Err(trouble) => {
                let on_loss = self.line.on_loss().name();
                tracing::warn!(%redis, %trouble, was_up, on_loss, "Redis does not count what rate limits limit");
            }
        }
        self.tell.send_replace(state.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{AGAIN, LAST_GROWN, LONGEST_WAIT};

    #[test]
    fn waits_double_and_are_up_to_a_quarter_longer() {
        let waits = |draw| -> Vec<_> {
            let waits = (1..=LAST_GROWN).map(|made| AGAIN.wait(made, None, draw).unwrap());
            waits.collect()
        };
        let shortest = [50, 100, 200, 400, 800, 1600].map(Duration::from_millis);
        assert_eq!(waits(0), shortest);
        assert_eq!(waits(256), shortest.map(|wait| wait * 5 / 4));
        assert_eq!(waits(256).last(), Some(&LONGEST_WAIT));
    }
}
