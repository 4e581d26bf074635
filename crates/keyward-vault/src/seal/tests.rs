//! What a record promises, and its pinned bytes.

use keyward_secret::{AccountId, Destination, Origin, SecretBytes};
use proptest::prelude::*;

use super::{RecordId, open_for, seal};
use crate::{
    Policy, SealedRecord, SecretId, VaultId, VersionNumber, committed::NONCE, keyring::Keyring,
};

const VAULT: VaultId = VaultId::from_bytes([0xA0; 16]);

fn id() -> RecordId {
    RecordId {
        account: AccountId::from_bytes([0xB0; 16]),
        secret: SecretId::from_bytes([0xC0; 16]),
        version: VersionNumber::FIRST,
    }
}

fn policy(entries: &[&str]) -> Policy {
    Policy {
        destination: (!entries.is_empty())
            .then(|| Destination::parse(entries.iter().copied()).unwrap()),
        context: b"owner".as_slice().into(),
    }
}

fn sealed(value: &[u8], policy: &Policy) -> (Keyring, SealedRecord) {
    let keyring = Keyring::from_fixed([0xD0; 32]);
    let value = SecretBytes::copy_from(value);
    let record = seal(VAULT, &keyring, &id(), policy, &value, &[0xE0; NONCE]).unwrap();
    (keyring, record)
}

fn origin() -> Origin {
    Origin::parse("https://api.openai.com").unwrap()
}

/// Format 1 for ever: whoever changes a byte of it needs a new format number, not a new vector.
#[test]
fn format_1_has_these_bytes() {
    let (_, record) = sealed(b"sk-vector", &policy(&["https://api.openai.com"]));
    let header = [
        "4b5753520101 01",
        "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0",
        "00000001",
        "b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0",
        "c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0",
        "00000001",
        "01",
        "0000001a 00000016 68747470733a2f2f6170692e6f70656e61692e636f6d",
        "00000005 6f776e6572",
        "e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0",
    ];
    let header = header.concat().replace(' ', "");
    let hex = data_encoding::HEXLOWER.encode(record.as_bytes());
    let rest = hex.strip_prefix(&header).expect("the clear part");
    assert_eq!(rest, VECTOR);
}

const VECTOR: &str = concat!(
    "d81e46115fcc8d42cf533a478bc13500a7425b778d1c691f3c68ce76371be844",
    "5e047c74ddbf1d054a5e78a4dbc581f30a325dfa53f4c203f2",
);

#[test]
fn it_opens_for_its_destination_alone() {
    let (keyring, record) = sealed(b"sk-1", &policy(&["https://api.openai.com"]));
    let opened = open_for(VAULT, &keyring, &record, &id(), &origin()).unwrap();
    assert_eq!(opened.value.expose(), b"sk-1");
    for elsewhere in [
        "http://api.openai.com",
        "https://api.openai.com:8443",
        "https://evil.example",
    ] {
        let elsewhere = Origin::parse(elsewhere).unwrap();
        let error = open_for(VAULT, &keyring, &record, &id(), &elsewhere).unwrap_err();
        assert!(error.is_wrong_destination() && !error.is_damaged());
        assert_eq!(
            error.sealed_for().as_deref(),
            Some("https://api.openai.com")
        );
    }
}

#[test]
fn an_unbound_value_opens_for_nowhere() {
    let (keyring, record) = sealed(b"sk-1", &policy(&[]));
    let error = open_for(VAULT, &keyring, &record, &id(), &origin()).unwrap_err();
    assert!(error.is_wrong_destination());
}

#[test]
fn another_row_another_vault_and_another_keyring_are_damage() {
    let (keyring, record) = sealed(b"sk-1", &policy(&["https://api.openai.com"]));
    let moved = [
        RecordId {
            account: AccountId::from_bytes([1; 16]),
            ..id()
        },
        RecordId {
            secret: SecretId::from_bytes([1; 16]),
            ..id()
        },
        RecordId {
            version: VersionNumber::new(2).unwrap(),
            ..id()
        },
    ];
    for expected in moved {
        assert!(
            open_for(VAULT, &keyring, &record, &expected, &origin())
                .unwrap_err()
                .is_damaged()
        );
    }
    let other = VaultId::from_bytes([1; 16]);
    assert!(
        open_for(other, &keyring, &record, &id(), &origin())
            .unwrap_err()
            .is_damaged()
    );
    let other = Keyring::from_fixed([1; 32]);
    assert!(
        open_for(VAULT, &other, &record, &id(), &origin())
            .unwrap_err()
            .is_damaged()
    );
}

#[test]
fn no_single_bit_can_be_changed() {
    let (keyring, record) = sealed(b"sk-1", &policy(&["https://api.openai.com"]));
    for bit in 0..record.as_bytes().len() * 8 {
        let mut bytes = record.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(changed) = SealedRecord::parse(bytes) else {
            continue;
        };
        let result = open_for(VAULT, &keyring, &changed, &id(), &origin());
        assert!(result.unwrap_err().is_damaged(), "bit {bit}");
    }
}

#[test]
fn too_long_values_are_refused() {
    let keyring = Keyring::from_fixed([0xD0; 32]);
    let policy = policy(&[]);
    let longest = SecretBytes::new(vec![b'x'; 65_536]);
    let record = seal(VAULT, &keyring, &id(), &policy, &longest, &[0; NONCE]).unwrap();
    assert_eq!(SealedRecord::parse(record.as_bytes()), Ok(record));
    let longer = SecretBytes::new(vec![b'x'; 65_537]);
    assert!(seal(VAULT, &keyring, &id(), &policy, &longer, &[0; NONCE]).is_err());
}

proptest! {
    #[test]
    fn bytes_round_trip(value: Vec<u8>, context in proptest::collection::vec(any::<u8>(), 0..64), bound: bool) {
        let mut policy = policy(if bound { &["https://api.openai.com", "https://{r}.b.example"] } else { &[] });
        policy.context = context.into();
        let (keyring, record) = sealed(&value, &policy);
        let parsed = SealedRecord::parse(record.as_bytes()).unwrap();
        prop_assert_eq!(&parsed, &record);
        prop_assert_eq!(parsed.unverified_policy(), &policy);
        let opened = open_for(VAULT, &keyring, &parsed, &id(), &origin());
        prop_assert_eq!(opened.is_ok(), bound);
        if let Ok(opened) = opened {
            prop_assert_eq!(opened.value.expose(), value.as_slice());
        }
    }

    #[test]
    fn foreign_bytes_never_panic(bytes: Vec<u8>, cut in 0_usize..200) {
        let _may_be_refused = SealedRecord::parse(bytes.as_slice());
        let (_, record) = sealed(b"sk-1", &policy(&["https://api.openai.com"]));
        let mut mixed = record.as_bytes()[..cut.min(record.as_bytes().len())].to_vec();
        mixed.extend_from_slice(&bytes);
        let _may_be_refused = SealedRecord::parse(mixed);
    }

    #[test]
    fn what_parses_is_canonical(at in 0_usize..147, byte: u8) {
        let (_, record) = sealed(b"sk-1", &policy(&["https://api.openai.com"]));
        let mut bytes = record.as_bytes().to_vec();
        bytes[at] = byte;
        if let Ok(parsed) = SealedRecord::parse(bytes) {
            let again = parsed.header().to_bytes().unwrap();
            prop_assert_eq!(again.as_slice(), parsed.parts().0);
        }
    }
}
