//! What a store would hold of one secret: every change is carried out on it, as a store does.

use std::{collections::BTreeMap, time::SystemTime};

use keyward_secret::{AccountId, SecretBytes};
use keyward_vault::{
    Change, Policy, RecordId, SealedRecord, SecretId, SecretRecord, SecretsStoreId, Vault,
    VersionNumber, VersionRecord,
    rotation::{self, Admission, Event, Phase, Rotation, RotationRequest},
    status::{self, Provability, Standing},
    version,
};

use super::random::Random;

const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);
const SECRET: SecretId = SecretId::from_bytes([2; 16]);

/// A sealed value for each version number: sealing them once makes a million events cheap.
pub(crate) struct Seals(Vec<SealedRecord>);

impl Seals {
    pub(crate) fn new(count: u64) -> Self {
        let (vault, _root) = Vault::create().unwrap();
        let policy = Policy {
            destination: None,
            context: Box::default(),
        };
        let seal = |number: u64| {
            let id = RecordId {
                account: ACCOUNT,
                secret: SECRET,
                version: VersionNumber::new(u32::try_from(number).unwrap()).unwrap(),
            };
            vault
                .seal(&id, &policy, &SecretBytes::copy_from(b"sk-life"))
                .unwrap()
        };
        Self((1..=count).map(seal).collect())
    }

    fn of(&self, number: VersionNumber) -> SealedRecord {
        let place = usize::try_from(number.get()).unwrap() - 1;
        self.0[place].clone()
    }
}

/// Why nothing was done, as the model says it too.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Declined {
    UnderWay,
    TooLong,
    NotNow,
}

#[derive(Clone)]
pub(crate) struct Held<'a> {
    seals: &'a Seals,
    pub(crate) secret: SecretRecord,
    pub(crate) versions: BTreeMap<VersionNumber, VersionRecord>,
    pub(crate) rotation: Option<Rotation>,
    status: Option<status::Record>,
    /// The versions as they were before the rotation began.
    pub(crate) before: Option<BTreeMap<VersionNumber, VersionRecord>>,
}

impl<'a> Held<'a> {
    pub(crate) fn new(seals: &'a Seals, now: SystemTime) -> Self {
        let secret = SecretRecord {
            id: SECRET,
            account: ACCOUNT,
            store: SecretsStoreId::first_of(ACCOUNT),
            name: "life".to_owned(),
            comment: String::new(),
            scopes: Vec::new(),
            current: None,
            created_at: now,
            modified_at: now,
        };
        Self {
            seals,
            secret,
            versions: BTreeMap::new(),
            rotation: None,
            status: None,
            before: None,
        }
    }

    pub(crate) fn create(&mut self, now: SystemTime) {
        let sealed = self.seals.of(VersionNumber::FIRST);
        let changes = version::create(self.secret.clone(), sealed, String::new(), now);
        self.carry_out(changes, now);
    }

    pub(crate) fn replace(&mut self, now: SystemTime) {
        let versions = self.list();
        let number = version::next_number(&self.secret, &versions).unwrap();
        let sealed = self.seals.of(number);
        let changes = version::replace(&self.secret, &versions, sealed, String::new(), now);
        let ended = self.rotation.as_ref().and_then(|last| last.replaced(now));
        let ended = ended.map(|ended| Change::PutRotation(Box::new(ended)));
        self.carry_out(changes.unwrap().into_iter().chain(ended), now);
    }

    pub(crate) fn begin(
        &mut self,
        asked: RotationRequest,
        now: SystemTime,
    ) -> Result<(), Declined> {
        let declined = |error: rotation::BeginError| match error.is_under_way() {
            true => Declined::UnderWay,
            false if error.is_overlap_too_long() => Declined::TooLong,
            false => panic!("{error}"),
        };
        let last = self.rotation.as_ref();
        if rotation::admit(last, &asked).map_err(declined)? == Admission::There {
            return Ok(());
        }
        let versions = self.list();
        let number = version::next_number(&self.secret, &versions).unwrap();
        let entered = (self.seals.of(number), String::new());
        let held = (&self.secret, versions.as_slice());
        let (_rotation, changes) =
            rotation::begin(held, last, asked, entered, now).map_err(declined)?;
        self.carry_out(changes, now);
        Ok(())
    }

    /// Whether something changed.
    pub(crate) fn advance(&mut self, event: Event, now: SystemTime) -> Result<bool, Declined> {
        let Some(last) = &self.rotation else {
            return Ok(false);
        };
        let next = last.next(event, now).map_err(|_phase| Declined::NotNow)?;
        let Some(next) = next else {
            return Ok(false);
        };
        let changes = next.carry_out(&self.secret, &self.list(), now).unwrap();
        self.carry_out(changes, now);
        Ok(true)
    }

    /// Whether people are told.
    pub(crate) fn note(
        &mut self,
        event: status::Event,
        version: VersionNumber,
        asked: SystemTime,
        now: SystemTime,
    ) -> bool {
        let status = self.status.as_mut();
        status.is_some_and(|status| {
            let by = Provability::ByRequests;
            status.note(event, version, by, asked, now).tell
        })
    }

    pub(crate) fn standing(&self) -> Option<Standing> {
        self.status.as_ref().map(status::Record::standing)
    }

    pub(crate) fn is_convicted(&self) -> bool {
        matches!(self.standing(), Some(Standing::Convicted(_)))
    }

    pub(crate) fn phase(&self) -> Option<Phase> {
        self.rotation.as_ref().map(|rotation| rotation.phase)
    }

    /// The newest version, or any other.
    pub(crate) fn some_version(&self, random: &mut Random) -> VersionNumber {
        let newest = self.versions.keys().last().copied();
        let newest = newest.unwrap_or(VersionNumber::FIRST);
        let current = self.secret.current.unwrap_or(newest);
        match random.below(6) {
            0 => {
                let any = 1 + random.below(u64::from(newest.get()));
                VersionNumber::new(u32::try_from(any).unwrap()).unwrap()
            }
            1 | 2 => current,
            _ => newest,
        }
    }

    fn list(&self) -> Vec<VersionRecord> {
        self.versions.values().cloned().collect()
    }

    fn carry_out(&mut self, changes: impl IntoIterator<Item = Change>, now: SystemTime) {
        for change in changes {
            match change {
                Change::PutSecret(secret) => self.secret = secret,
                Change::PutVersion(version) => {
                    let known = self.versions.get(&version.number);
                    let is_gone = known.is_some_and(|known| known.sealed.is_none());
                    assert!(!is_gone || version.sealed.is_none(), "a number came twice");
                    self.versions.insert(version.number, version);
                }
                Change::PutRotation(rotation) => self.rotation = Some(*rotation),
                Change::DeleteSecret { .. } => panic!("nobody deletes it"),
            }
        }
        // Evidence is about one version: another one begins anew.
        let known = self.status.as_ref().map(status::Record::version);
        if known != self.secret.current {
            let record = |current| status::Record::new(current, now);
            self.status = self.secret.current.map(record);
        }
    }
}

impl PartialEq for Held<'_> {
    fn eq(&self, other: &Self) -> bool {
        (&self.secret, &self.versions, &self.rotation, &self.status)
            == (
                &other.secret,
                &other.versions,
                &other.rotation,
                &other.status,
            )
    }
}

impl std::fmt::Debug for Held<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let states = self.versions.values();
        let states: Vec<_> = states
            .map(|version| (version.number, version.state))
            .collect();
        f.debug_struct("Held")
            .field("current", &self.secret.current)
            .field("versions", &states)
            .field("rotation", &self.rotation)
            .finish_non_exhaustive()
    }
}
