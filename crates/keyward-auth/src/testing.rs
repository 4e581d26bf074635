//! A store in memory, and the contract suite that every token store runs (feature `testing`).

use std::{
    collections::BTreeMap,
    future::ready,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use keyward_secret::AccountId;

use crate::{BoxFuture, Change, StoreError, TokenId, TokenRecord, TokenStore};

mod contract;

pub use contract::{ACCOUNTS, run_contract};

/// Keeps tokens in memory. Its futures are ready at once.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

type State = BTreeMap<TokenId, (TokenRecord, Option<SystemTime>)>;

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenStore for MemoryStore {
    fn list_tokens(
        &self,
        account: Option<AccountId>,
    ) -> BoxFuture<'_, Result<Vec<TokenRecord>, StoreError>> {
        let state = self.state();
        let records = state
            .values()
            .map(|(record, _)| record)
            .filter(|record| account.is_none_or(|account| record.grant.account == account));
        Box::pin(ready(Ok(records.cloned().collect())))
    }

    fn find_token(
        &self,
        account: AccountId,
        id: TokenId,
    ) -> BoxFuture<'_, Result<Option<TokenRecord>, StoreError>> {
        let state = self.state();
        let found = state.get(&id).map(|(record, _)| record);
        let ours = found.filter(|record| record.grant.account == account);
        Box::pin(ready(Ok(ours.cloned())))
    }

    fn apply(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut state = self.state();
        let mut next = state.clone();
        let result = changes
            .into_iter()
            .try_for_each(|change| apply_one(&mut next, change));
        if result.is_ok() {
            *state = next;
        }
        Box::pin(ready(result))
    }

    fn list_last_used(&self) -> BoxFuture<'_, Result<Vec<(TokenId, SystemTime)>, StoreError>> {
        let state = self.state();
        let used = state
            .iter()
            .filter_map(|(id, (_, used))| Some((*id, (*used)?)));
        Box::pin(ready(Ok(used.collect())))
    }

    fn save_last_used<'a>(
        &'a self,
        used: &'a [(TokenId, SystemTime)],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut state = self.state();
        for (id, time) in used {
            if let Some((_, saved)) = state.get_mut(id) {
                *saved = (*saved).max(Some(*time));
            }
        }
        Box::pin(ready(Ok(())))
    }
}

fn apply_one(state: &mut State, change: Change) -> Result<(), StoreError> {
    match change {
        Change::PutToken(record) => {
            let same_digest = |(known, _): &(TokenRecord, _)| {
                known.id != record.id && known.shares_digest_with(&record)
            };
            if state.values().any(same_digest) {
                return Err(StoreError::conflict("another token has the digest"));
            }
            let known = state.get(&record.id);
            if known.is_some_and(|(known, _)| known.grant.account != record.grant.account) {
                return Err(StoreError::conflict("another account has the id"));
            }
            let used = known.and_then(|(_, used)| *used);
            state.insert(record.id, (record, used));
        }
        Change::DeleteToken { account, id } => {
            let known = state.get(&id);
            if known.is_some_and(|(known, _)| known.grant.account == account) {
                state.remove(&id);
            }
        }
    }
    Ok(())
}
