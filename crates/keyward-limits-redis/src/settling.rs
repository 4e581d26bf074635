//! What waits to be settled, and how Redis gets it: in order, each exactly once.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::aio::MultiplexedConnection;
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use crate::{
    line::Kept,
    spending::{self, Word},
    trouble::Trouble,
};

/// How many words go to Redis at once at most: a script of that many takes a few milliseconds.
const BATCH: usize = 128;
/// How long a batch may take. Nobody waits for it.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);
/// How long it takes until a batch that failed is tried again.
const TRIED_EVERY: Duration = Duration::from_millis(50);

/// Words that Redis does not have yet.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<VecDeque<Word>>,
    most: usize,
    wake: Notify,
    /// How many wait, the batch under way among them.
    left: watch::Sender<usize>,
}

impl Queue {
    /// With room for `most` words.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            most,
            wake: Notify::new(),
            left: watch::Sender::new(0),
        }
    }

    /// Adds words. What finds no room is lost, and counted.
    pub(crate) fn push(&self, words: impl Iterator<Item = Word>) {
        let (mut pushed, mut lost) = (0, 0);
        {
            let mut waiting = self.lock();
            for word in words {
                if waiting.len() < self.most {
                    waiting.push_back(word);
                    pushed += 1;
                } else {
                    lost += 1;
                }
            }
            // Under the lock, so that nobody takes what is not counted.
            if pushed > 0 {
                self.left.send_modify(|left| *left += pushed);
            }
        }
        if pushed > 0 {
            self.wake.notify_one();
        }
        if lost > 0 {
            metrics::counter!("keyward_budgets_lost_total").increment(lost);
        }
    }

    /// Waits until Redis has all of it, but not longer than this. Whether it has.
    pub(crate) async fn is_empty_within(&self, longest: Duration) -> bool {
        let mut left = self.left.subscribe();
        let is_empty = left.wait_for(|left| *left == 0);
        matches!(timeout(longest, is_empty).await, Ok(Ok(_)))
    }

    /// Hands words to Redis, for ever.
    pub(crate) async fn run(self: Arc<Self>, kept: Arc<Kept>, instance: u64) {
        let mut number = 0;
        loop {
            let batch = self.take();
            if batch.is_empty() {
                self.wake.notified().await;
                continue;
            }
            number += 1;
            // The same batch under the same number until there is an answer: it may have been carried out.
            while !send(&kept, instance, number, &batch).await {
                sleep(TRIED_EVERY).await;
            }
            self.left.send_modify(|left| *left -= batch.len());
        }
    }

    fn take(&self) -> Vec<Word> {
        let mut waiting = self.lock();
        let count = waiting.len().min(BATCH);
        waiting.drain(..count).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Word>> {
        // What waits is whole whenever the lock is given up.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether Redis has a batch.
async fn send(kept: &Kept, instance: u64, number: u64, batch: &[Word]) -> bool {
    let Some(link) = kept.line.link.load_full() else {
        return false;
    };
    let settle = spending::settle(MultiplexedConnection::clone(&link), instance, number, batch);
    match timeout(ANSWERS_WITHIN, settle).await {
        Ok(Ok(())) => return true,
        Ok(Err(trouble)) => kept.line.fail(&link, trouble),
        Err(_late) => kept.line.fail(&link, Trouble::Silent),
    }
    false
}
