//! A limit for writes that wait.
//!
//! hyper has a time limit for what a client sends, and none for what it takes: somebody who sends requests and
//! reads no answer would hold the connection, and whatever stands behind it, for as long as he likes.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// Writes fail when the other side has taken nothing for as long as the limit.
#[derive(Debug)]
pub(crate) struct Stall {
    limit: Duration,
    /// Made when a write waits for the first time; most connections need none.
    timer: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl Stall {
    pub(crate) const fn new(limit: Duration) -> Self {
        Self {
            limit,
            timer: None,
            is_waiting: false,
        }
    }

    /// What a write came to; an error if writes have been waiting for too long.
    pub(crate) fn limited<T>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.is_waiting = false;
            return outcome;
        }
        let limit = self.limit;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if !self.is_waiting {
            self.is_waiting = true;
            timer.as_mut().reset(Instant::now() + limit);
        }
        timer
            .as_mut()
            .poll(context)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}
