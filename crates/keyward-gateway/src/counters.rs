//! Counts of one worker. Nobody else writes them, so that no cache line is fought over.

use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;

/// Classes of status that are counted apart: 1xx to 5xx, and everything else.
const CLASSES: usize = 6;

/// One worker's counts of answers, by provider and class of status.
#[derive(Debug)]
pub(crate) struct Counters {
    answers: Box<[[AtomicU64; CLASSES]]>,
    writers: Writers,
}

/// Which threads count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writers {
    /// One: a worker with a thread of its own.
    One,
    /// Any: a service on a runtime with several.
    Many,
}

/// The names of the classes, in the order in which they are counted.
pub(crate) const CLASS_NAMES: [&str; CLASSES] = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"];

/// What the metrics call the class of a status.
pub(crate) fn class_name(status: u16) -> &'static str {
    CLASS_NAMES.get(class(status)).copied().unwrap_or("other")
}

fn class(status: u16) -> usize {
    usize::from(status / 100).saturating_sub(1).min(CLASSES - 1)
}

impl Counters {
    /// Counters for this many providers, all zero.
    pub(crate) fn new(providers: usize, writers: Writers) -> Self {
        let answers = (0..providers).map(|_index| Default::default()).collect();
        Self { answers, writers }
    }

    /// Notes an answer that a provider gave.
    pub(crate) fn answered(&self, provider: usize, status: StatusCode) {
        let class = class(status.as_u16());
        if let Some(count) = self.answers.get(provider).and_then(|row| row.get(class)) {
            match self.writers {
                // A load and a store do, without a locked instruction.
                Writers::One => count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed),
                Writers::Many => {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Every count, by provider.
    pub(crate) fn read(&self) -> impl Iterator<Item = [u64; CLASSES]> + '_ {
        self.answers
            .iter()
            .map(|row| row.each_ref().map(|count| count.load(Ordering::Relaxed)))
    }
}
