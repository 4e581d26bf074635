//! Whose turn it is to search the log or to sum it up.

use std::sync::Arc;

use sqlx::{Sqlite, Transaction};
use tokio::time::timeout;

use super::SqliteStore;
use crate::{connect::TURN, failure::Failure};

impl SqliteStore {
    /// Does `work`, which may read a long log from end to end, when nobody else does such. SQLite reads on where nobody waits
    /// for its answer any more, and so the turn lasts as long as the reading: dropping the call ends neither.
    pub(in crate::sqlite) async fn in_turn<T, F>(
        &self,
        work: impl FnOnce(Transaction<'static, Sqlite>) -> F,
    ) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let turn = timeout(TURN, Arc::clone(&self.searching).lock_owned());
        let turn = turn.await.map_err(|_elapsed| {
            Failure::unavailable("others search the log or have it summed up; ask again")
        })?;
        let work = work(self.read().await?);
        let done = tokio::spawn(async move {
            let done = work.await;
            drop(turn);
            done
        });
        done.await.map_err(Failure::unavailable)?
    }
}
