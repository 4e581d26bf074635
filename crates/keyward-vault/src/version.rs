//! Versions of a secret: what happens when a value is entered and when it is replaced. Pure.
//!
//! `staged` → `current` → `retiring` → `destroyed`. A plain replacement makes the new version current and
//! destroys the old one in one step; no version is staged or retiring in between.

use std::time::SystemTime;

use crate::{Change, SealedRecord, SecretRecord, VersionNumber, VersionRecord, VersionState};

/// A value cannot be replaced as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot replace the value: {0}")]
pub struct ReplaceError(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("its version numbers are used up; store it as a new secret")]
    NumbersUsedUp,
    #[error("the new record is not sealed as the next version")]
    NotTheNext,
    #[error("the version to destroy is not the secret's current one")]
    NotTheCurrent,
}

/// The number that the next value of `secret` is sealed as.
///
/// # Errors
///
/// When the numbers are used up.
pub fn next_number(secret: &SecretRecord) -> Result<VersionNumber, ReplaceError> {
    match secret.current {
        None => Ok(VersionNumber::FIRST),
        Some(current) => current.next().ok_or(ReplaceError(Kind::NumbersUsedUp)),
    }
}

/// Enters the first value of a new secret: it is current at once.
#[must_use]
pub fn create(
    mut secret: SecretRecord,
    sealed: SealedRecord,
    preview: String,
    now: SystemTime,
) -> Vec<Change> {
    let number = sealed.header().id.version;
    secret.current = Some(number);
    let version = VersionRecord {
        account: secret.account,
        secret: secret.id,
        number,
        state: VersionState::Current,
        sealed: Some(sealed),
        preview,
        created_at: now,
        changed_at: now,
    };
    vec![Change::PutSecret(secret), Change::PutVersion(version)]
}

/// Replaces the current value: the new version is current, the old one destroyed and its value gone.
///
/// # Errors
///
/// When `sealed` is not sealed as [`next_number`] of this secret, or `current` is not its current version.
pub fn replace(
    secret: &SecretRecord,
    current: Option<&VersionRecord>,
    sealed: SealedRecord,
    preview: String,
    now: SystemTime,
) -> Result<Vec<Change>, ReplaceError> {
    let number = next_number(secret)?;
    let id = sealed.header().id;
    if id.version != number || id.secret != secret.id || id.account != secret.account {
        return Err(ReplaceError(Kind::NotTheNext));
    }
    let is_current = |version: &VersionRecord| {
        (version.account, version.secret, Some(version.number))
            == (secret.account, secret.id, secret.current)
    };
    if !current.is_none_or(is_current) {
        return Err(ReplaceError(Kind::NotTheCurrent));
    }
    let mut changed = secret.clone();
    changed.modified_at = now;
    let mut changes = create(changed, sealed, preview, now);
    if let Some(current) = current {
        changes.push(Change::PutVersion(VersionRecord {
            state: VersionState::Destroyed,
            sealed: None,
            changed_at: now,
            ..current.clone()
        }));
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use keyward_secret::{AccountId, SecretBytes};

    use super::{create, next_number, replace};
    use crate::{
        Change, Policy, RecordId, SealedRecord, SecretId, SecretRecord, SecretsStoreId, Vault,
        VersionNumber, VersionState,
    };

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    fn secret() -> SecretRecord {
        SecretRecord {
            id: SecretId::from_bytes([1; 16]),
            account: AccountId::from_bytes([2; 16]),
            store: SecretsStoreId::from_bytes([3; 16]),
            name: "default_openai_default".to_owned(),
            comment: String::new(),
            scopes: vec!["ai_gateway".to_owned()],
            current: None,
            created_at: START,
            modified_at: START,
        }
    }

    fn seal(vault: &Vault, version: VersionNumber) -> SealedRecord {
        let id = RecordId {
            account: secret().account,
            secret: secret().id,
            version,
        };
        let policy = Policy {
            destination: None,
            context: Box::default(),
        };
        vault
            .seal(&id, &policy, &SecretBytes::copy_from(b"sk-1"))
            .unwrap()
    }

    #[test]
    fn a_replacement_makes_the_new_one_current_and_the_old_one_gone() {
        let (vault, _root) = Vault::create().unwrap();
        let later = START + Duration::from_secs(1);
        let created = create(
            secret(),
            seal(&vault, VersionNumber::FIRST),
            "••••".to_owned(),
            START,
        );
        let [Change::PutSecret(first), Change::PutVersion(one)] = created.as_slice() else {
            panic!("{created:?}");
        };
        assert_eq!(first.current, Some(VersionNumber::FIRST));

        let next = next_number(first).unwrap();
        let changes = replace(
            first,
            Some(one),
            seal(&vault, next),
            "••••".to_owned(),
            later,
        )
        .unwrap();
        let [
            Change::PutSecret(second),
            Change::PutVersion(two),
            Change::PutVersion(old),
        ] = changes.as_slice()
        else {
            panic!("{changes:?}");
        };
        assert_eq!((second.current, second.modified_at), (Some(next), later));
        assert_eq!((two.number, two.state), (next, VersionState::Current));
        assert_eq!(
            (old.number, old.state),
            (VersionNumber::FIRST, VersionState::Destroyed)
        );
        assert!(old.sealed.is_none());
    }

    #[test]
    fn a_record_of_another_version_or_secret_is_refused() {
        let (vault, _root) = Vault::create().unwrap();
        let mut with_current = secret();
        with_current.current = Some(VersionNumber::FIRST);
        let again = seal(&vault, VersionNumber::FIRST);
        assert!(replace(&with_current, None, again.clone(), String::new(), START).is_err());
        let mut other = secret();
        other.id = SecretId::from_bytes([9; 16]);
        assert!(replace(&other, None, again, String::new(), START).is_err());
    }

    #[test]
    fn no_version_but_the_current_one_is_destroyed() {
        let (vault, _root) = Vault::create().unwrap();
        let first = seal(&vault, VersionNumber::FIRST);
        let created = create(secret(), first, String::new(), START);
        let [Change::PutSecret(now), Change::PutVersion(one)] = created.as_slice() else {
            panic!("{created:?}");
        };
        let mut foreign = one.clone();
        foreign.secret = SecretId::from_bytes([9; 16]);
        let mut later = one.clone();
        later.number = VersionNumber::new(2).unwrap();
        for wrong in [foreign, later] {
            let next = seal(&vault, next_number(now).unwrap());
            assert!(replace(now, Some(&wrong), next, String::new(), START).is_err());
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{Kind, ReplaceError};

        keyward_testing::assert_texts!("ReplaceError", Kind {
            Kind::NumbersUsedUp => Kind::NumbersUsedUp,
            Kind::NotTheNext => Kind::NotTheNext,
            Kind::NotTheCurrent => Kind::NotTheCurrent,
        }, |kind| keyward_testing::told(&ReplaceError(kind)));
    }
}
