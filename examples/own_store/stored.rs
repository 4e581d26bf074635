//! How the records are written: plain JSON values, bytes as hexadecimal digits.

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use data_encoding::HEXLOWER;
use keyward_secret::AccountId;
use keyward_vault::{
    SealState, SealedRecord, SecretId, SecretRecord, SecretsStoreId, Slot, VaultId, VersionNumber,
    VersionRecord, VersionState,
    rotation::{Phase, Reason, RequestId},
    status::Charge,
};
use serde::{Deserialize, Serialize};

type Unreadable = Box<dyn Error + Send + Sync>;

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) seal: Option<Seal>,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) versions: Vec<Version>,
    pub(crate) rotations: Vec<Rotation>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Seal {
    vault: String,
    slots: Vec<String>,
    keyring: String,
    revision: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Secret {
    id: String,
    account: String,
    store: String,
    name: String,
    comment: String,
    scopes: Vec<String>,
    current: Option<u32>,
    created_at: Duration,
    modified_at: Duration,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Version {
    account: String,
    secret: String,
    number: u32,
    state: String,
    sealed: Option<String>,
    preview: String,
    created_at: Duration,
    changed_at: Duration,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Rotation {
    account: String,
    secret: String,
    request: String,
    from: Option<u32>,
    to: u32,
    overlap: Duration,
    verify: bool,
    phase: String,
    phase_since: Duration,
    begun_at: Duration,
    reason: Option<(String, Option<String>, Option<u16>)>,
    attempts: u32,
}

impl From<&SealState> for Seal {
    fn from(state: &SealState) -> Self {
        Self {
            vault: state.vault.to_string(),
            slots: state
                .slots
                .iter()
                .map(|slot| HEXLOWER.encode(&slot.to_bytes()))
                .collect(),
            keyring: HEXLOWER.encode(&state.keyring),
            revision: state.revision,
        }
    }
}

impl Seal {
    pub(crate) fn read(&self) -> Result<SealState, Unreadable> {
        let slots = self.slots.iter().map(|slot| -> Result<Slot, Unreadable> {
            Ok(Slot::parse(&HEXLOWER.decode(slot.as_bytes())?)?)
        });
        Ok(SealState {
            vault: VaultId::parse(&self.vault)?,
            slots: slots.collect::<Result<_, _>>()?,
            keyring: HEXLOWER.decode(self.keyring.as_bytes())?.into(),
            revision: self.revision,
        })
    }
}

impl From<&SecretRecord> for Secret {
    fn from(record: &SecretRecord) -> Self {
        Self {
            id: record.id.to_string(),
            account: record.account.to_string(),
            store: record.store.to_string(),
            name: record.name.clone(),
            comment: record.comment.clone(),
            scopes: record.scopes.clone(),
            current: record.current.map(VersionNumber::get),
            created_at: since_epoch(record.created_at),
            modified_at: since_epoch(record.modified_at),
        }
    }
}

impl Secret {
    pub(crate) fn read(&self) -> Result<SecretRecord, Unreadable> {
        Ok(SecretRecord {
            id: SecretId::parse(&self.id)?,
            account: AccountId::parse(&self.account)?,
            store: SecretsStoreId::parse(&self.store)?,
            name: self.name.clone(),
            comment: self.comment.clone(),
            scopes: self.scopes.clone(),
            current: self.current.map(number).transpose()?,
            created_at: SystemTime::UNIX_EPOCH + self.created_at,
            modified_at: SystemTime::UNIX_EPOCH + self.modified_at,
        })
    }
}

impl From<&VersionRecord> for Version {
    fn from(record: &VersionRecord) -> Self {
        Self {
            account: record.account.to_string(),
            secret: record.secret.to_string(),
            number: record.number.get(),
            state: record.state.as_str().to_owned(),
            sealed: record
                .sealed
                .as_ref()
                .map(|sealed| HEXLOWER.encode(sealed.as_bytes())),
            preview: record.preview.clone(),
            created_at: since_epoch(record.created_at),
            changed_at: since_epoch(record.changed_at),
        }
    }
}

impl Version {
    pub(crate) fn read(&self) -> Result<VersionRecord, Unreadable> {
        let sealed = self.sealed.as_ref().map(|sealed| -> Result<_, Unreadable> {
            Ok(SealedRecord::parse(HEXLOWER.decode(sealed.as_bytes())?)?)
        });
        Ok(VersionRecord {
            account: AccountId::parse(&self.account)?,
            secret: SecretId::parse(&self.secret)?,
            number: number(self.number)?,
            state: VersionState::parse(&self.state).ok_or("a state that is none")?,
            sealed: sealed.transpose()?,
            preview: self.preview.clone(),
            created_at: SystemTime::UNIX_EPOCH + self.created_at,
            changed_at: SystemTime::UNIX_EPOCH + self.changed_at,
        })
    }
}

impl From<&keyward_vault::rotation::Rotation> for Rotation {
    fn from(record: &keyward_vault::rotation::Rotation) -> Self {
        let reason = record.reason.map(|reason| {
            let charge = reason.charge().map(|charge| charge.as_str().to_owned());
            (reason.as_str().to_owned(), charge, reason.code())
        });
        Self {
            account: record.account.to_string(),
            secret: record.secret.to_string(),
            request: record.request.to_string(),
            from: record.from.map(VersionNumber::get),
            to: record.to.get(),
            overlap: record.overlap,
            verify: record.verify,
            phase: record.phase.as_str().to_owned(),
            phase_since: since_epoch(record.phase_since),
            begun_at: since_epoch(record.begun_at),
            reason,
            attempts: record.attempts,
        }
    }
}

impl Rotation {
    pub(crate) fn read(&self) -> Result<keyward_vault::rotation::Rotation, Unreadable> {
        let reason = self.reason.as_ref().map(|(text, charge, code)| {
            let charge = match charge {
                Some(charge) => Some(Charge::parse(charge)?),
                None => None,
            };
            Reason::parse(text, charge, *code)
        });
        Ok(keyward_vault::rotation::Rotation {
            account: AccountId::parse(&self.account)?,
            secret: SecretId::parse(&self.secret)?,
            request: RequestId::parse(&self.request)?,
            from: self.from.map(number).transpose()?,
            to: number(self.to)?,
            overlap: self.overlap,
            verify: self.verify,
            phase: Phase::parse(&self.phase).ok_or("a phase that is none")?,
            phase_since: SystemTime::UNIX_EPOCH + self.phase_since,
            begun_at: SystemTime::UNIX_EPOCH + self.begun_at,
            reason: reason
                .map(|reason| reason.ok_or("a reason that is none"))
                .transpose()?,
            attempts: self.attempts,
        })
    }
}

fn number(number: u32) -> Result<VersionNumber, Unreadable> {
    Ok(VersionNumber::new(number).ok_or("a version without a number")?)
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}
