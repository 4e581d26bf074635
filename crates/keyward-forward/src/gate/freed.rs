//! Places that nothing but time frees.
//!
//! The place of a stream that was reset may stay taken for a while. When it is free again no connection is given
//! back and no stream ends: a task looks at the clock for those who wait, one per origin, and only while somebody
//! waits for such a place.

use std::sync::{Arc, MutexGuard, Weak};

use tokio::{runtime::Handle, time::Instant};

use super::{Gate, State, lock};

/// Starts the task. Behind a pointer because who ends a stream does not know that `B` may go into a task; who
/// made its connection did.
pub(super) type Watch<B> = fn(Weak<Gate<B>>, Instant);

/// Serves who waits for `gate` at `at`, and for as long as a place has yet to be free. Without a runtime it does
/// nothing; then the next request, or a sweep, does.
pub(super) fn watch<B: Send + 'static>(gate: Weak<Gate<B>>, at: Instant) {
    let mut watching = Watching(Some(gate));
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    drop(runtime.spawn(async move {
        let mut next = Some(at);
        while let Some(at) = next {
            tokio::time::sleep_until(at).await;
            next = watching.serve();
        }
    }));
}

/// The task's hold on its gate.
struct Watching<B>(Option<Weak<Gate<B>>>);

impl<B> Watching<B> {
    /// Serves who waits, and says when to come back.
    fn serve(&mut self) -> Option<Instant> {
        let gate = self.0.as_ref()?.upgrade()?;
        gate.serve(lock(&gate.state), Instant::now());
        let mut state = lock(&gate.state);
        let next = state.next_freed();
        if next.is_none() {
            // Under the lock in which it was found: who comes now starts another.
            state.is_watched = false;
            self.0 = None;
        }
        next
    }
}

impl<B> Drop for Watching<B> {
    /// The runtime ends before the task.
    fn drop(&mut self) {
        if let Some(gate) = self.0.take().and_then(|gate| gate.upgrade()) {
            lock(&gate.state).is_watched = false;
        }
    }
}

impl<B> Gate<B> {
    /// Has the clock watched if somebody waits for a place that it frees. To be called with what has changed.
    pub(super) fn watch_freed(self: &Arc<Self>, mut state: MutexGuard<'_, State<B>>) {
        let (false, Some(watch)) = (state.is_watched, state.watch) else {
            return;
        };
        let Some(at) = state.next_freed() else {
            return;
        };
        state.is_watched = true;
        drop(state);
        watch(Arc::downgrade(self), at);
    }
}

impl<B> State<B> {
    /// When time frees the next place, if somebody waits for one.
    fn next_freed(&self) -> Option<Instant> {
        if self.queue.waiting_for_streams() == 0 {
            return None;
        }
        let held = self.http2.iter().filter(|entry| !entry.conn.is_over());
        held.filter_map(|entry| entry.held.front()).min().copied()
    }
}
