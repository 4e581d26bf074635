//! Making and revoking tokens.

use std::time::SystemTime;

use keyward_auth::{Grant, Kind, NewToken, TokenId, TokenRecord, may_create};
use keyward_secret::{AccountId, SecretBytes};

use crate::{Actor, Change, ChangeError, Refusal, Registry, Subject};

/// What is needed to make a token.
#[derive(Clone, Debug)]
pub struct NewTokenRequest {
    /// A name for people.
    pub name: String,
    /// Whether it is for applications or for operators.
    pub kind: Kind,
    /// What it may do.
    pub grant: Grant,
}

/// A token that was just made.
#[expect(
    missing_debug_implementations,
    reason = "the token's text has no printable form"
)]
pub struct TokenMinted {
    /// Its record.
    pub record: TokenRecord,
    /// Its text: shown once, kept nowhere.
    pub text: SecretBytes,
}

impl Registry {
    /// Makes a token. `creator` is what the caller itself may do; `None` for a command on the machine.
    ///
    /// # Errors
    ///
    /// [`Refusal::StrongerThanCaller`], or the store's failure.
    pub async fn create_token(
        &self,
        new: NewTokenRequest,
        creator: Option<&Grant>,
        actor: Actor,
        now: SystemTime,
    ) -> Result<TokenMinted, ChangeError> {
        if let Some(creator) = creator {
            may_create(creator, &new.grant, now)
                .map_err(|reason| Refusal::StrongerThanCaller(reason.to_string()))?;
        }
        let _turn = self.turn().await?;
        let minted = NewToken::generate(new.kind).map_err(ChangeError::failed)?;
        let record = TokenRecord {
            id: minted.id,
            kind: new.kind,
            digest: minted.digest,
            name: new.name,
            grant: new.grant,
            issued_at: now,
            modified_at: now,
        };
        let subject = Subject::Token(record.grant.account, record.id);
        let changes = vec![Change::Token(keyward_auth::Change::PutToken(
            record.clone(),
        ))];
        self.commit(changes, actor, "token.create", subject, now)
            .await?;
        Ok(TokenMinted {
            record,
            text: minted.text,
        })
    }

    /// Revokes a token. None that starts after the call returned is accepted.
    ///
    /// # Errors
    ///
    /// [`Refusal::TokenNotFound`], or the store's failure.
    pub async fn delete_token(
        &self,
        account: AccountId,
        id: &TokenId,
        actor: Actor,
        now: SystemTime,
    ) -> Result<TokenRecord, ChangeError> {
        let _turn = self.turn().await?;
        let snapshot = self.snapshot();
        let entry = snapshot
            .tokens()
            .find_by_id(*id)
            .filter(|entry| entry.record.grant.account == account)
            .ok_or_else(|| Refusal::TokenNotFound(id.to_string()))?;
        let record = entry.record.clone();
        let changes = vec![Change::Token(keyward_auth::Change::DeleteToken {
            account,
            id: record.id,
        })];
        let subject = Subject::Token(account, record.id);
        self.commit(changes, actor, "token.delete", subject, now)
            .await?;
        Ok(record)
    }
}
