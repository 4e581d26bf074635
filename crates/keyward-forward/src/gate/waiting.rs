//! A place in an origin's queue.

use tokio::sync::oneshot;

use super::Turn;

/// A place in the queue. Dropped, it is free for the next; what had come for it goes on.
pub(crate) struct Waiting<B> {
    turn: oneshot::Receiver<Turn<B>>,
}

impl<B> Waiting<B> {
    pub(super) const fn new(turn: oneshot::Receiver<Turn<B>>) -> Self {
        Self { turn }
    }

    /// Waits until the turn comes. Cancel-safe.
    pub(crate) async fn turn(&mut self) -> Option<Turn<B>> {
        (&mut self.turn).await.ok()
    }
}

impl<B> Drop for Waiting<B> {
    fn drop(&mut self) {
        self.turn.close();
        // A stream and a leave to dial give themselves back; a connection is kept by hand.
        if let Ok(Turn::Kept(conn)) = self.turn.try_recv() {
            conn.keep();
        }
    }
}
