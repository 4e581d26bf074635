//! The seals, secrets and versions that the contract suite stores.
#![expect(
    clippy::expect_used,
    reason = "the suite is test code: a sample that cannot be made must fail the test"
)]

use std::time::{Duration, SystemTime};

use keyward_secret::{AccountId, Destination, SecretBytes};

use crate::{
    Policy, RecordId, SealState, SealedRecord, SecretId, SecretRecord, SecretsStoreId, Slot, Vault,
    VaultId, VersionNumber, VersionRecord, VersionState,
    rotation::{MAX_OVERLAP, Phase, Reason, RequestId, Rotation},
    status::Charge,
};

pub(super) fn id(number: u8) -> SecretId {
    let mut bytes = [0; 16];
    if let Some(last) = bytes.last_mut() {
        *last = number;
    }
    SecretId::from_bytes(bytes)
}

/// A time with milliseconds, which every store keeps.
pub(super) fn time(milliseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_123 + milliseconds)
}

/// Two key file slots and one of a passphrase. What they wrap opens with nothing.
pub(super) fn seal(revision: u64) -> SealState {
    let passphrase = [
        [0, 0, 0x4c, 0].as_slice(),
        &[0, 0, 0, 3],
        &[0, 0, 0, 4],
        &[7; 16],
    ]
    .concat();
    let slot = |id: u8, kind: u8, middle: &[u8]| {
        let bytes = [b"KWSL\x01\0\0\0", [id, kind].as_slice(), middle, &[id; 104]].concat();
        Slot::parse(&bytes).expect("a slot")
    };
    SealState {
        vault: VaultId::from_bytes([0xc3; 16]),
        slots: vec![slot(2, 1, &[]), slot(9, 2, &passphrase), slot(1, 1, &[])],
        keyring: (0..=255).collect(),
        revision,
    }
}

pub(super) fn secret(number: u8, account: AccountId) -> SecretRecord {
    SecretRecord {
        id: id(number),
        account,
        store: SecretsStoreId::first_of(account),
        name: format!("secret {number}"),
        comment: String::new(),
        scopes: Vec::new(),
        current: None,
        created_at: time(0),
        modified_at: time(1),
    }
}

/// A secret with no field at its default, and text that a careless query would trip over.
pub(super) fn full_secret(number: u8, account: AccountId) -> SecretRecord {
    SecretRecord {
        store: SecretsStoreId::from_bytes([0x57; 16]),
        name: "naïve \u{1f511} 'quoted' \"name\"; --".to_owned(),
        comment: "one,two\nthree % _ \\".to_owned(),
        scopes: vec![
            "workers".to_owned(),
            "ai_gateway".to_owned(),
            "a,b".to_owned(),
        ],
        modified_at: time(5),
        ..secret(number, account)
    }
}

/// A version without a value.
pub(super) fn version_record(secret: &SecretRecord, number: u32) -> VersionRecord {
    VersionRecord {
        account: secret.account,
        secret: secret.id,
        number: VersionNumber::new(number).expect("not 0"),
        state: VersionState::Destroyed,
        sealed: None,
        preview: format!("••••{number}"),
        created_at: time(2),
        changed_at: time(3),
    }
}

pub(super) fn sealed(secret: &SecretRecord, number: u32, value: &[u8]) -> SealedRecord {
    let (vault, _root) = Vault::create().expect("randomness");
    let id = RecordId {
        account: secret.account,
        secret: secret.id,
        version: VersionNumber::new(number).expect("not 0"),
    };
    let destination = Destination::parse(["https://api.openai.com"]).expect("a destination");
    let policy = Policy {
        destination: Some(destination),
        context: Box::from([0, 0xff]),
    };
    vault
        .seal(&id, &policy, &SecretBytes::copy_from(value))
        .expect("a sealed value")
}

/// Rotations of a secret: every phase and every reason stands in one of them.
pub(super) fn rotations(secret: &SecretRecord) -> [Rotation; 7] {
    let first = Rotation {
        account: secret.account,
        secret: secret.id,
        request: RequestId::parse("Deploy_7.a-b").expect("an id"),
        from: Some(VersionNumber::FIRST),
        to: VersionNumber::new(2).expect("not 0"),
        overlap: MAX_OVERLAP,
        verify: true,
        phase: Phase::Staged,
        phase_since: time(10),
        begun_at: time(9),
        reason: None,
        attempts: 2,
    };
    let (charge, code) = (Charge::Expired, 403);
    let then = |phase, reason| Rotation {
        phase,
        reason: Some(reason),
        ..first.clone()
    };
    [
        first.clone(),
        then(Phase::Overlapping, Reason::BothRefused { code: 401 }),
        then(Phase::Refused, Reason::Rejected { charge, code }),
        then(Phase::Refused, Reason::Unproven),
        then(Phase::RolledBack, Reason::NewRefused { charge, code }),
        then(Phase::RolledBack, Reason::ByOperator),
        Rotation {
            request: RequestId::parse("x").expect("an id"),
            from: None,
            overlap: Duration::from_millis(1),
            verify: false,
            attempts: 0,
            ..then(Phase::Finished, Reason::Replaced)
        },
    ]
}
