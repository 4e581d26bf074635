//! The task that sends one body over HTTP/2, so that it can be ended from the answer's side.
//!
//! hyper asks a body for more only once there is room for what it gave last, and tells nobody which of its tasks
//! sends which body. An upstream that answers early and makes no more room would leave a task that waits for
//! ever, and a stream that is open for as long. Only the end of the task ends both.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hyper::rt::Executor;
use tokio::task::AbortHandle;

/// One body on its way.
#[derive(Debug, Default)]
pub(crate) struct Sending(Mutex<Stage>);

#[derive(Debug, Default)]
enum Stage {
    /// No task of its own sends it, and perhaps none will.
    #[default]
    Waiting,
    RunsIn(AbortHandle),
    Stopped,
    /// hyper has let go of the body.
    Over,
}

/// Runs the tasks of one connection.
///
/// hyper asks a body for its first frame in the connection's own task, and then, if it is not sent at once,
/// starts a task for the rest of it: the next that is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks(Arc<Mutex<Option<Arc<Sending>>>>);

impl Sending {
    /// Ends the task that sends the body, now or as soon as there is one. Whether the body was still on its way.
    pub(crate) fn stop(&self) -> bool {
        let mut stage = lock(&self.0);
        if let Stage::Over = *stage {
            return false;
        }
        let stopped = std::mem::replace(&mut *stage, Stage::Stopped);
        drop(stage);
        if let Stage::RunsIn(task) = stopped {
            task.abort();
        }
        true
    }

    /// hyper has let go of the body.
    pub(super) fn end(&self) {
        *lock(&self.0) = Stage::Over;
    }

    fn runs_in(&self, task: AbortHandle) {
        let mut stage = lock(&self.0);
        match *stage {
            Stage::Waiting => *stage = Stage::RunsIn(task),
            Stage::Stopped => task.abort(),
            Stage::RunsIn(_) | Stage::Over => {}
        }
    }
}

impl Tasks {
    /// Notes that the next task that is started sends this body, if the body is not sent before.
    pub(super) fn next_sends(&self, sending: &Arc<Sending>) {
        *lock(&self.0) = Some(Arc::clone(sending));
    }
}

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        let sending = lock(&self.0).take();
        let task = tokio::spawn(task);
        if let Some(sending) = sending {
            sending.runs_in(task.abort_handle());
        }
    }
}

/// Nothing panics while a lock is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
