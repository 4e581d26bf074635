//! What tokens need of a store.

use std::time::SystemTime;

use keyward_auth::{BoxFuture, StoreError, TokenId, TokenRecord, TokenStore};
use keyward_registry::Change;
use keyward_secret::AccountId;

use super::{SqliteStore, by_id, tokens};
use crate::failure::Failure;

impl TokenStore for SqliteStore {
    fn list_tokens(
        &self,
        account: Option<AccountId>,
    ) -> BoxFuture<'_, Result<Vec<TokenRecord>, StoreError>> {
        Box::pin(async move {
            let list = async {
                let mut transaction = self.read().await?;
                tokens::list_of(&mut transaction, self.authenticator(), account).await
            };
            list.await.map_err(Failure::token)
        })
    }

    fn find_token(
        &self,
        account: AccountId,
        id: TokenId,
    ) -> BoxFuture<'_, Result<Option<TokenRecord>, StoreError>> {
        Box::pin(async move {
            let find = async {
                let mut transaction = self.read().await?;
                by_id::find::<TokenRecord>(&mut transaction, self.authenticator(), account, &id)
                    .await
            };
            find.await.map_err(Failure::token)
        })
    }

    fn apply(&self, changes: Vec<keyward_auth::Change>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let changes = changes.into_iter().map(Change::Token).collect();
            self.apply_plain(changes, "tokens", "token.change")
                .await
                .map_err(Failure::token)
        })
    }

    fn list_last_used(&self) -> BoxFuture<'_, Result<Vec<(TokenId, SystemTime)>, StoreError>> {
        Box::pin(async move {
            let list = async {
                let mut transaction = self.read().await?;
                by_id::list_used::<TokenRecord>(&mut transaction, self.authenticator()).await
            };
            let listed = list.await.map_err(Failure::token)?;
            let used = listed
                .into_iter()
                .flatten()
                .filter_map(|(token, used)| Some((token.id, used?)));
            Ok(used.collect())
        })
    }

    fn save_last_used<'a>(
        &'a self,
        used: &'a [(TokenId, SystemTime)],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.keep_last_used(&[], used).await.map_err(Failure::token) })
    }
}
