//! The way to Redis that decisions take, while there is one.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::spawn,
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{OnLoss, Settings, SettingsError, door::Door, keeper::Keeper, trouble::Trouble};

/// How many decisions Redis is asked for at once at most. One more waits for its turn.
pub(crate) const MOST_IN_FLIGHT: usize = 1024;

/// What decisions and the keeper of the connection share.
#[derive(Debug)]
pub(crate) struct Line {
    /// The connection that decides; none while Redis does not.
    pub(crate) link: ArcSwapOption<MultiplexedConnection>,
    /// Wakes the keeper. What finds no room is one more word of the same.
    words: mpsc::Sender<Trouble>,
    in_flight: Semaphore,
    on_loss: OnLoss,
    deadline: Duration,
    has_budgets: AtomicBool,
}

/// A line that is kept for as long as this is.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) line: Arc<Line>,
    _keeper: AbortOnDropHandle<()>,
    is_up: watch::Receiver<bool>,
}

impl Kept {
    /// Begins to connect, in the background.
    pub(crate) fn start(settings: Settings) -> Result<Self, SettingsError> {
        let (on_loss, deadline) = (settings.on_loss, settings.deadline);
        let door = Door::build(settings)?;
        let (words, heard) = mpsc::channel(1);
        let line = Arc::new(Line {
            link: ArcSwapOption::empty(),
            words,
            in_flight: Semaphore::new(MOST_IN_FLIGHT),
            on_loss,
            deadline,
            has_budgets: AtomicBool::new(false),
        });
        let (tell, is_up) = watch::channel(false);
        let keeper = Keeper::new(door, Arc::clone(&line), heard, tell);
        Ok(Self {
            line,
            _keeper: AbortOnDropHandle::new(spawn(keeper.run())),
            is_up,
        })
    }

    /// Whether Redis decides now.
    pub(crate) fn is_up(&self) -> bool {
        *self.is_up.borrow()
    }

    /// Whether Redis decides, from now on each time that changes.
    pub(crate) fn ups(&self) -> watch::Receiver<bool> {
        self.is_up.clone()
    }
}

impl Line {
    /// Asks Redis, within the deadline. None where that was not had.
    pub(crate) async fn ask<T, F>(&self, ask: impl FnOnce(MultiplexedConnection) -> F) -> Option<T>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let link = self.link.load_full()?;
        let until = Instant::now() + self.deadline;
        let (_place, waited) = match self.in_flight.try_acquire() {
            Ok(place) => (place, false),
            // Waited for, half of the time: many at once are no fault of Redis, and no reason to let one through or to
            // refuse it.
            Err(_full) => match timeout(self.deadline / 2, self.in_flight.acquire()).await {
                Ok(Ok(place)) => (place, true),
                _ => return None,
            },
        };
        let left = until.saturating_duration_since(Instant::now());
        match timeout(left, ask(MultiplexedConnection::clone(&link))).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(trouble)) => self.fail(&link, trouble),
            // It had less time than Redis may take.
            Err(_late) if waited => {}
            Err(_late) => self.fail(&link, Trouble::Silent),
        }
        None
    }

    /// No decision goes this way before the keeper looked at it.
    pub(crate) fn fail(&self, link: &Arc<MultiplexedConnection>, trouble: Trouble) {
        self.link.compare_and_swap(link, None);
        // Where there is no room, another decision said so before.
        let _full = self.words.try_send(trouble);
    }

    /// How long a decision waits at most.
    pub(crate) const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// What becomes of requests meanwhile.
    pub(crate) const fn on_loss(&self) -> OnLoss {
        self.on_loss
    }

    /// Has the keeper see that Redis counts budgets too.
    pub(crate) fn count_budgets(&self) {
        self.has_budgets.store(true, Ordering::Relaxed);
    }

    /// Whether Redis is to count budgets too.
    pub(crate) fn has_budgets(&self) -> bool {
        self.has_budgets.load(Ordering::Relaxed)
    }
}
