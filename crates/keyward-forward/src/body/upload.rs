//! Whether a connection's request is still being sent, told from the answer's side to the body's.
//!
//! An upstream may answer before it has read the whole body. When the answer is over, what is left of the body is
//! of no use to anyone, and the connection of none to another request.

use std::{
    sync::atomic::{AtomicU8, Ordering},
    task::Context,
};

use futures_util::task::AtomicWaker;

const NONE: u8 = 0;
const RUNS: u8 = 1;
const ANSWERED: u8 = 2;

/// One connection's upload. One at a time: HTTP/1.1 sends one request after the other.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    state: AtomicU8,
    body: AtomicWaker,
}

impl Upload {
    pub(crate) fn begin(&self) {
        self.state.store(RUNS, Ordering::Release);
    }

    /// The body is sent, or given up.
    pub(crate) fn end(&self) {
        self.state.store(NONE, Ordering::Release);
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.state.load(Ordering::Acquire) == RUNS
    }

    /// The answer is over: stops a body that is still on its way. Whether there was one.
    pub(crate) fn answered(&self) -> bool {
        let runs = self
            .state
            .compare_exchange(RUNS, ANSWERED, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if runs {
            self.body.wake();
        }
        runs
    }

    /// Whether the body is to stop; if not, wakes it when it is.
    pub(crate) fn poll_answered(&self, cx: &mut Context<'_>) -> bool {
        self.body.register(cx.waker());
        self.state.load(Ordering::Acquire) == ANSWERED
    }
}
