//! Versions of a secret: what happens when a value is entered and when it is replaced. Pure.
//!
//! `staged` → `current` → `retiring` → `destroyed`. A plain replacement makes the new version current and
//! destroys every other in one step; no version is staged or retiring in between. With a way back it is a
//! [`rotation`](crate::rotation).

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
    #[error("a version is another secret's")]
    Foreign,
    #[error("the version that would be current has no value; enter the value again")]
    NoValue,
}

/// The number that the next value of `secret` is sealed as. `versions` are all of the secret's, also those that are
/// destroyed: no number is used twice.
///
/// # Errors
///
/// When the numbers are used up.
pub fn next_number(
    secret: &SecretRecord,
    versions: &[VersionRecord],
) -> Result<VersionNumber, ReplaceError> {
    let numbers = versions.iter().map(|version| version.number);
    match numbers.chain(secret.current).max() {
        None => Ok(VersionNumber::FIRST),
        Some(newest) => newest.next().ok_or(ReplaceError(Kind::NumbersUsedUp)),
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

/// Replaces the current value: the new version is current, and every other destroyed and its value gone. `versions` are
/// all of the secret's.
///
/// # Errors
///
/// When `sealed` is not sealed as [`next_number`] of this secret, or a version is another secret's.
pub fn replace(
    secret: &SecretRecord,
    versions: &[VersionRecord],
    sealed: SealedRecord,
    preview: String,
    now: SystemTime,
) -> Result<Vec<Change>, ReplaceError> {
    let number = check_next(secret, versions, &sealed)?;
    let entered = VersionRecord {
        account: secret.account,
        secret: secret.id,
        number,
        state: VersionState::Current,
        sealed: Some(sealed),
        preview,
        created_at: now,
        changed_at: now,
    };
    let destroyed = |_other| VersionState::Destroyed;
    let mut changes = settle(
        (secret, versions),
        Some(&entered),
        Some(number),
        destroyed,
        now,
    )?;
    changes.push(Change::PutVersion(entered));
    Ok(changes)
}

/// The number that `sealed` is sealed as, if that is the next one of this secret.
pub(crate) fn check_next(
    secret: &SecretRecord,
    versions: &[VersionRecord],
    sealed: &SealedRecord,
) -> Result<VersionNumber, ReplaceError> {
    let number = next_number(secret, versions)?;
    let id = sealed.header().id;
    match (id.account, id.secret, id.version) == (secret.account, secret.id, number) {
        true => Ok(number),
        false => Err(ReplaceError(Kind::NotTheNext)),
    }
}

/// What brings a secret's versions to the states that `wanted` says, and the secret to its version `current`. `entered`
/// is about to be put beside them.
pub(crate) fn settle(
    (secret, versions): (&SecretRecord, &[VersionRecord]),
    entered: Option<&VersionRecord>,
    current: Option<VersionNumber>,
    wanted: impl Fn(VersionNumber) -> VersionState,
    now: SystemTime,
) -> Result<Vec<Change>, ReplaceError> {
    let of = |version: &VersionRecord| (version.account, version.secret);
    let is_ours = |version: &VersionRecord| of(version) == (secret.account, secret.id);
    if !versions.iter().chain(entered).all(is_ours) {
        return Err(ReplaceError(Kind::Foreign));
    }
    let mut changes = Vec::new();
    if current != secret.current {
        let mut all = versions.iter().chain(entered);
        let has_value =
            |version: &VersionRecord| Some(version.number) == current && version.sealed.is_some();
        if !all.any(has_value) {
            return Err(ReplaceError(Kind::NoValue));
        }
        changes.push(Change::PutSecret(SecretRecord {
            current,
            modified_at: now,
            ..secret.clone()
        }));
    }
    for version in versions {
        let state = wanted(version.number);
        // What is destroyed stays so.
        if version.sealed.is_none() || version.state == state {
            continue;
        }
        let sealed = version.sealed.clone();
        changes.push(Change::PutVersion(VersionRecord {
            state,
            sealed: sealed.filter(|_| state != VersionState::Destroyed),
            changed_at: now,
            ..version.clone()
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

        let next = next_number(first, std::slice::from_ref(one)).unwrap();
        let changes = replace(
            first,
            std::slice::from_ref(one),
            seal(&vault, next),
            "••••".to_owned(),
            later,
        )
        .unwrap();
        let [
            Change::PutSecret(second),
            Change::PutVersion(old),
            Change::PutVersion(two),
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
        assert!(replace(&with_current, &[], again.clone(), String::new(), START).is_err());
        let mut other = secret();
        other.id = SecretId::from_bytes([9; 16]);
        assert!(replace(&other, &[], again, String::new(), START).is_err());
    }

    #[test]
    fn a_number_is_never_used_twice_and_no_foreign_version_touched() {
        let (vault, _root) = Vault::create().unwrap();
        let first = seal(&vault, VersionNumber::FIRST);
        let created = create(secret(), first, String::new(), START);
        let [Change::PutSecret(now), Change::PutVersion(one)] = created.as_slice() else {
            panic!("{created:?}");
        };
        let mut refused = one.clone();
        refused.number = VersionNumber::new(2).unwrap();
        refused.state = VersionState::Destroyed;
        refused.sealed = None;
        let versions = [one.clone(), refused];
        let two = seal(&vault, VersionNumber::new(2).unwrap());
        assert!(replace(now, &versions, two, String::new(), START).is_err());
        let next = next_number(now, &versions).unwrap();
        assert_eq!(next.get(), 3);
        let three = seal(&vault, next);
        let changes = replace(now, &versions, three.clone(), String::new(), START).unwrap();
        assert_eq!(changes.len(), 3);

        let mut foreign = one.clone();
        foreign.secret = SecretId::from_bytes([9; 16]);
        let versions = [one.clone(), foreign];
        let two = seal(&vault, VersionNumber::new(2).unwrap());
        assert!(replace(now, &versions, two, String::new(), START).is_err());
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{Kind, ReplaceError};

        keyward_testing::assert_texts!("ReplaceError", Kind {
            Kind::NumbersUsedUp => Kind::NumbersUsedUp,
            Kind::NotTheNext => Kind::NotTheNext,
            Kind::Foreign => Kind::Foreign,
            Kind::NoValue => Kind::NoValue,
        }, |kind| keyward_testing::told(&ReplaceError(kind)));
    }
}
