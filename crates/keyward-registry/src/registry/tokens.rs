//! Making, changing, rolling and revoking tokens.

use std::time::{Duration, SystemTime};

use keyward_auth::{Grant, Kind, NewToken, Retiring, TokenId, TokenRecord, may_create};
use keyward_routes::SpendLimits;
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
    /// How much may be spent with it. For gateway tokens alone.
    pub spend_limits: Option<SpendLimits>,
}

/// What a token becomes: all of it is replaced, but the text.
#[derive(Clone, Debug)]
pub struct TokenUpdate {
    /// A name for people.
    pub name: String,
    /// What it may do. The account stays; whether it is switched off, the next field says.
    pub grant: Grant,
    /// How much may be spent with it. For gateway tokens alone. The outer `None`: as it is; the inner: no limits.
    pub spend_limits: Option<Option<SpendLimits>>,
    /// Whether it is switched off; `None`: as it is.
    pub disabled: Option<bool>,
}

/// A token that was just made, or rolled.
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

/// How long the old text of a rolled token may stay good: a day.
pub const MAX_OVERLAP: Duration = Duration::from_secs(86_400);

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
        check_within(creator, &new.grant, now)?;
        let _turn = self.turn().await?;
        let minted = NewToken::generate(new.kind).map_err(ChangeError::failed)?;
        let record = TokenRecord {
            id: minted.id,
            kind: new.kind,
            digest: minted.digest,
            retiring: None,
            name: new.name,
            grant: new.grant,
            spend_limits: written(new.spend_limits.as_ref())?,
            issued_at: now,
            modified_at: now,
        };
        let record = self.put_token(record, actor, "token.create", now).await?;
        Ok(TokenMinted {
            record,
            text: minted.text,
        })
    }

    /// Replaces what a token is for. `caller` is what the caller itself may do; `None` for a command on the
    /// machine. Neither what the token was nor what it is to be may reach further. Takes effect before the
    /// call returns.
    ///
    /// # Errors
    ///
    /// [`Refusal::TokenNotFound`], [`Refusal::TokenKind`] where the permissions are those of the other plane,
    /// [`Refusal::StrongerThanCaller`], or the store's failure.
    pub async fn update_token(
        &self,
        account: AccountId,
        id: &TokenId,
        update: TokenUpdate,
        caller: Option<&Grant>,
        actor: Actor,
        now: SystemTime,
    ) -> Result<TokenRecord, ChangeError> {
        let _turn = self.turn().await?;
        let mut record = self.stored_token(account, id)?;
        check_within(caller, &record.grant, now)?;
        check_within(caller, &update.grant, now)?;
        if Kind::of(&update.grant.permissions) != Some(record.kind) {
            return Err(Refusal::TokenKind(record.kind.as_str()).into());
        }
        record.name = update.name;
        record.grant = Grant {
            account,
            disabled: update.disabled.unwrap_or(record.grant.disabled),
            ..update.grant
        };
        if let Some(limits) = update.spend_limits {
            record.spend_limits = written(limits.as_ref())?;
        }
        record.modified_at = now;
        self.put_token(record, actor, "token.update", now).await
    }

    /// Gives a token a new text. The old one is good for `overlap` more, at most [`MAX_OVERLAP`]; one that
    /// was replaced before is good no more. Id, name and grant stay. `caller` as in
    /// [`update_token`](Self::update_token). Takes effect before the call returns.
    ///
    /// # Errors
    ///
    /// [`Refusal::TokenNotFound`], [`Refusal::StrongerThanCaller`], or the store's failure.
    pub async fn roll_token(
        &self,
        account: AccountId,
        id: &TokenId,
        overlap: Duration,
        caller: Option<&Grant>,
        actor: Actor,
        now: SystemTime,
    ) -> Result<TokenMinted, ChangeError> {
        let _turn = self.turn().await?;
        let mut record = self.stored_token(account, id)?;
        check_within(caller, &record.grant, now)?;
        let rolled = NewToken::roll(record.kind, record.id).map_err(ChangeError::failed)?;
        let until = now.checked_add(overlap.min(MAX_OVERLAP)).unwrap_or(now);
        record.retiring = (until > now).then_some(Retiring {
            digest: record.digest,
            until,
        });
        record.digest = rolled.digest;
        record.modified_at = now;
        let record = self.put_token(record, actor, "token.roll", now).await?;
        Ok(TokenMinted {
            record,
            text: rolled.text,
        })
    }

    async fn put_token(
        &self,
        record: TokenRecord,
        actor: Actor,
        action: &'static str,
        now: SystemTime,
    ) -> Result<TokenRecord, ChangeError> {
        let subject = Subject::Token(record.grant.account, record.id);
        let change = keyward_auth::Change::PutToken(record.clone());
        let changes = vec![Change::Token(change)];
        self.commit(changes, actor, action, subject, now).await?;
        Ok(record)
    }

    fn stored_token(&self, account: AccountId, id: &TokenId) -> Result<TokenRecord, ChangeError> {
        let snapshot = self.snapshot();
        let found = snapshot
            .tokens()
            .find_by_id(*id)
            .filter(|entry| entry.record.grant.account == account);
        let found = found.map(|entry| entry.record.clone());
        Ok(found.ok_or_else(|| Refusal::TokenNotFound(id.to_string()))?)
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
        let record = self.stored_token(account, id)?;
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

/// The limits as a record of a token keeps them.
fn written(limits: Option<&SpendLimits>) -> Result<Option<Box<str>>, ChangeError> {
    let text = limits.map(serde_json::to_string).transpose();
    let text = text.map_err(ChangeError::failed)?;
    Ok(text.map(Into::into))
}

/// No token makes or changes what is stronger than itself.
fn check_within(caller: Option<&Grant>, grant: &Grant, now: SystemTime) -> Result<(), ChangeError> {
    let Some(caller) = caller else {
        return Ok(());
    };
    may_create(caller, grant, now).map_err(|reason| Refusal::StrongerThanCaller(reason).into())
}
