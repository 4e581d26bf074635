//! Rotations: a new value of a provider key with a way back.
//!
//! What follows from what is decided in `keyward_vault::rotation`; here it is joined with the keys that use the secret,
//! and stored: each step is one write.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use keyward_secret::AccountId;
use keyward_vault::{
    Policy, RecordId, SecretId, VersionRecord,
    rotation::{self, Admission, BeginError, Event, Phase, Rotation, RotationRequest},
    version,
};

use crate::{
    Actor, Change, ChangeError, KeyValue, ProviderKey, ProviderKeyId, ProviderKeyRecord, Refusal,
    Registry, Snapshot, Subject, owner::Owner,
};

impl Registry {
    /// Begins a rotation: the new value is sealed for the provider's origins as they are now, and is staged where it
    /// is to be verified, else current before the call returns. Every key that shares the value gets the new one. A
    /// request with the id of the last rotation changes nothing.
    ///
    /// # Errors
    ///
    /// [`Refusal::RotationUnderWay`], [`Refusal::RotationRequestTaken`], [`Refusal::OverlapTooLong`], another [`Refusal`] that says what is wrong, or the
    /// store's failure.
    pub async fn begin_rotation(
        &self,
        account: AccountId,
        key: ProviderKeyId,
        value: &KeyValue,
        asked: RotationRequest,
        actor: Actor,
        now: SystemTime,
    ) -> Result<Arc<ProviderKey>, ChangeError> {
        let _turn = self.turn().await?;
        let known = self.stored_key(account, key)?;
        let asked = RotationRequest {
            overlap: whole_millis(asked.overlap),
            ..asked
        };
        let found = self.find_secret(account, known.record.secret).await?;
        let (mut changes, secret, current) = match found {
            Some((secret, current)) => (Vec::new(), secret, current),
            None => {
                let (changes, secret) = self.secret_for_orphan(&known, now)?;
                (changes, secret, None)
            }
        };
        let is_new_secret = secret.id != known.record.secret;
        let last = self.find_rotation(account, secret.id).await?;
        let refuse = |error| refusal_of(error, last.as_ref());
        match rotation::admit(last.as_ref(), &asked).map_err(refuse)? {
            // The value itself is sealed, and may be destroyed; what may be shown of it tells another one.
            Admission::There => {
                let versions = self.versions_of(account, secret.id).await?;
                let entered = versions
                    .iter()
                    .find(|version| last.as_ref().is_some_and(|last| last.to == version.number));
                return match entered {
                    Some(entered) if entered.preview != value.preview() => {
                        Err(Refusal::RotationRequestTaken(asked.request.to_string()).into())
                    }
                    _ => Ok(known),
                };
            }
            Admission::New => {}
        }
        let destination = self.destination_of(account, &known.record.provider)?;
        self.check_other_uses(&known, &destination)?;
        let versions = self.versions_of(account, secret.id).await?;
        let record_id = RecordId {
            account,
            secret: secret.id,
            version: version::next_number(&secret, &versions).map_err(ChangeError::failed)?,
        };
        let old = current.as_ref().and_then(|current| self.policy_of(current));
        let policy = Policy {
            destination: Some(destination),
            context: old.map_or_else(|| Owner::ProviderKeys.context(), |old| old.context),
        };
        let sealed = self.vault.seal(&record_id, &policy, value.secret());
        let sealed = sealed.map_err(ChangeError::failed)?;
        let entered = (sealed, value.preview());
        let begun = rotation::begin((&secret, &versions), last.as_ref(), asked, entered, now);
        let (begun, versions) = begun.map_err(refuse)?;
        changes.extend(versions.into_iter().map(Change::Vault));
        let is_current = begun.phase != Phase::Staged;
        if is_new_secret {
            changes.push(Change::PutProviderKey(ProviderKeyRecord {
                secret: secret.id,
                ..known.record.renewed(now)
            }));
        } else if is_current {
            changes.extend(renewed_keys(&self.snapshot(), account, secret.id, now));
        }
        let subject = Subject::ProviderKey(account, key);
        self.commit(changes, actor, "provider_key.rotate.begin", subject, now)
            .await?;
        self.stored_key(account, key)
    }

    /// Takes a rotation on by what happened. Returns where it is then; `None` where nothing changed. What is found out
    /// about a rotation that is over changes nothing, and costs no look into the store.
    ///
    /// # Errors
    ///
    /// Of an operator's event [`Refusal::RotationNotFound`] and [`Refusal::RotationNotNow`];
    /// [`Refusal::ValueGone`] where the version that would be current has no value; the store's failure.
    pub async fn advance_rotation(
        &self,
        account: AccountId,
        secret: SecretId,
        event: Event,
        actor: Actor,
        now: SystemTime,
    ) -> Result<Option<Rotation>, ChangeError> {
        let is_asked = matches!(event, Event::RollBack | Event::DestroyNow);
        if !is_asked && self.snapshot().open_rotation(account, secret).is_none() {
            return Ok(None);
        }
        let _turn = self.turn().await?;
        let found = self.find_secret(account, secret).await?;
        let last = self.find_rotation(account, secret).await?;
        let Some(((record, _), last)) = found.zip(last) else {
            return match is_asked {
                true => Err(Refusal::RotationNotFound.into()),
                false => Ok(None),
            };
        };
        let Some(next) = last.next(event, now).map_err(Refusal::RotationNotNow)? else {
            return Ok(None);
        };
        let versions = self.versions_of(account, secret).await?;
        let changes = next.clone().carry_out(&record, &versions, now);
        let changes = changes.map_err(|_gone| Refusal::ValueGone)?;
        let is_other_value = changes
            .iter()
            .any(|change| matches!(change, keyward_vault::Change::PutSecret(_)));
        let mut changes: Vec<_> = changes.into_iter().map(Change::Vault).collect();
        let snapshot = self.snapshot();
        if is_other_value {
            changes.extend(renewed_keys(&snapshot, account, secret, now));
        }
        let subject = subject_of(&snapshot, account, secret);
        let action = action(last.phase, next.phase);
        self.commit(changes, actor, action, subject, now).await?;
        Ok(Some(next))
    }

    /// What ends a rotation whose secret gets another value past it.
    pub(super) async fn end_rotation(
        &self,
        account: AccountId,
        secret: SecretId,
        now: SystemTime,
    ) -> Result<Option<Change>, ChangeError> {
        let last = self.find_rotation(account, secret).await?;
        let ended = last.and_then(|last| last.replaced(now));
        Ok(ended.map(|ended| Change::Vault(keyward_vault::Change::PutRotation(Box::new(ended)))))
    }

    pub(super) async fn find_rotation(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> Result<Option<Rotation>, ChangeError> {
        let found = self.store.find_rotation(account, secret).await;
        found.map_err(ChangeError::failed)
    }

    /// Every version of a secret, also those that are destroyed.
    pub(super) async fn versions_of(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> Result<Vec<VersionRecord>, ChangeError> {
        let found = self.store.list_versions(account, secret).await;
        found.map_err(ChangeError::failed)
    }
}

/// What stores keep.
fn whole_millis(duration: Duration) -> Duration {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(millis)
}

fn refusal_of(error: BeginError, last: Option<&Rotation>) -> ChangeError {
    if error.is_under_way() {
        let request = last.map(|last| last.request.to_string());
        return Refusal::RotationUnderWay(request.unwrap_or_default()).into();
    }
    match error.is_overlap_too_long() {
        true => Refusal::OverlapTooLong.into(),
        false => ChangeError::failed(error),
    }
}

/// The keys that share the value, once it is another one.
pub(super) fn renewed_keys(
    snapshot: &Snapshot,
    account: AccountId,
    secret: SecretId,
    now: SystemTime,
) -> Vec<Change> {
    let keys = snapshot.keys_of_secret(account, secret);
    keys.map(|key| Change::PutProviderKey(key.record.renewed(now)))
        .collect()
}

/// What the audit log says was changed: the first of the keys that use the secret, or the secret.
pub(super) fn subject_of(snapshot: &Snapshot, account: AccountId, secret: SecretId) -> Subject {
    let keys = snapshot.keys_of_secret(account, secret);
    let first = keys.map(|key| (key.record.created_at, key.record.id)).min();
    first.map_or(Subject::Secret(account, secret), |(_, id)| {
        Subject::ProviderKey(account, id)
    })
}

const fn action(before: Phase, after: Phase) -> &'static str {
    match (before, after) {
        (_, Phase::RolledBack) => "provider_key.rotate.roll_back",
        (_, Phase::Refused) => "provider_key.rotate.refuse",
        (Phase::Staged, Phase::Overlapping | Phase::Finished) => "provider_key.rotate.promote",
        (Phase::Overlapping, Phase::Finished) => "provider_key.rotate.finish",
        // The same phase with something found out.
        (_, Phase::Staged | Phase::Overlapping | Phase::Finished) => "provider_key.rotate.note",
    }
}
