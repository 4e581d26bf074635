//! The vectors of format 1: made of the fixed inputs that stand beside them, byte for byte, and opened again.
//!
//! Format 1 for ever: whoever changes a byte of it needs a new format number, not new vectors.

use keyward_secret::{AccountId, Destination, Origin, SecretBytes};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{
    CommandOutput, KeyFile, KeyId, PassphraseParams, Policy, RecordId, RecoveryKey, RootKey,
    SealState, SealedRecord, SecretId, Slot, Unlock, Unsealed, VaultId, VersionNumber,
    committed::NONCE, keyring::Keyring, seal, slot::Fresh,
};

fn vectors(kind: &str) -> Vec<Value> {
    let file = include_str!("../../vectors/format-1.json");
    let mut file: Value = serde_json::from_str(file).unwrap();
    let Value::Array(vectors) = file[kind].take() else {
        panic!("no {kind}");
    };
    assert!(!vectors.is_empty());
    vectors
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap_or_else(|| panic!("{name}"))
}

fn bytes(vector: &Value, name: &str) -> Vec<u8> {
    let hex = text(vector, name).as_bytes();
    data_encoding::HEXLOWER.decode(hex).unwrap()
}

fn array<const N: usize>(vector: &Value, name: &str) -> [u8; N] {
    bytes(vector, name).try_into().unwrap()
}

fn number(vector: &Value, name: &str) -> u32 {
    vector[name].as_u64().unwrap().try_into().unwrap()
}

#[track_caller]
fn check_bytes(made: &[u8], vector: &Value) {
    assert_eq!(
        data_encoding::HEXLOWER.encode(made),
        text(vector, "sealed"),
        "{}",
        text(vector, "name")
    );
}

#[test]
fn records_have_these_bytes_and_open() {
    for vector in vectors("records") {
        let vault = VaultId::from_bytes(array(&vector, "vault"));
        let keyring = Keyring::from_fixed_keys([(
            number(&vector, "key_number"),
            array(&vector, "keyring_key"),
        )]);
        let id = RecordId {
            account: AccountId::from_bytes(array(&vector, "account")),
            secret: SecretId::from_bytes(array(&vector, "secret")),
            version: VersionNumber::new(number(&vector, "version")).unwrap(),
        };
        let origins: Vec<_> = vector["origins"].as_array().unwrap().iter().collect();
        let entries = origins.iter().map(|origin| origin.as_str().unwrap());
        let policy = Policy {
            destination: (!origins.is_empty()).then(|| Destination::parse(entries).unwrap()),
            context: bytes(&vector, "context").into(),
        };
        let value = SecretBytes::new(bytes(&vector, "value"));
        let nonce: [u8; NONCE] = array(&vector, "nonce");
        let record = seal::seal(vault, &keyring, &id, &policy, &value, &nonce).unwrap();
        check_bytes(record.as_bytes(), &vector);

        let record = SealedRecord::parse(bytes(&vector, "sealed")).unwrap();
        let (opened, found) = seal::open(vault, &keyring, &record, &id).unwrap();
        assert!(opened.ct_eq(&value) && found == policy);
        if let Some(wanted) = vector["opens_for"].as_str() {
            let wanted = Origin::parse(wanted).unwrap();
            assert!(seal::open_for(vault, &keyring, &record, &id, &wanted).is_ok());
        }
    }
}

#[test]
fn keyrings_have_these_bytes_and_open() {
    for vector in vectors("keyrings") {
        let vault = VaultId::from_bytes(array(&vector, "vault"));
        let root = Zeroizing::new(array(&vector, "root_key"));
        let keys: Vec<(u32, [u8; 32])> = vector["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| (number(key, "number"), array(key, "key")))
            .collect();
        let ring = Keyring::from_fixed_keys(keys.clone());
        let sealed = ring
            .seal_with(&root, vault, &array(&vector, "nonce"))
            .unwrap();
        check_bytes(&sealed, &vector);
        let opened = Keyring::open(&root, vault, &sealed).unwrap();
        for (id, key) in keys {
            let found = opened.find(KeyId::new(id).unwrap()).unwrap();
            assert_eq!(found.as_slice(), key);
        }
    }
}

#[test]
fn subkeys_have_these_bytes() {
    // The labels that are in use are constants of other crates; the construction is the same for any.
    const LABEL: &str = "keyward row authentication v1";
    for vector in vectors("subkeys") {
        assert_eq!(text(&vector, "label"), LABEL);
        let ring = Keyring::from_fixed_keys([(1, array(&vector, "keyring_key"))]);
        let subkey = ring.subkey(KeyId::FIRST, LABEL).unwrap();
        assert_eq!(*subkey.expose(), array::<32>(&vector, "subkey"));
    }
}

#[test]
fn slots_have_these_bytes_and_open() {
    for vector in vectors("slots") {
        let vault = VaultId::from_bytes(array(&vector, "vault"));
        let root = RootKey::from_fixed(array(&vector, "root_key"));
        let kind = text(&vector, "kind");
        let input = |name| (kind == name).then(|| text(&vector, "opened_by").as_bytes());
        let file = input("key file").map(|text| KeyFile::parse(text).ok().unwrap());
        let passphrase = input("passphrase").map(SecretBytes::copy_from);
        let recovery = input("recovery key").map(|text| RecoveryKey::parse(text).ok().unwrap());
        let output = input("command").map(|text| CommandOutput::new(text).ok().unwrap());
        let unlock = (file.as_ref().map(Unlock::KeyFile))
            .or(passphrase.as_ref().map(Unlock::Passphrase))
            .or(recovery.as_ref().map(Unlock::Recovery))
            .or(output.as_ref().map(Unlock::Command))
            .unwrap();
        let stretched = vector.get("memory_kib").is_some();
        let params = if stretched {
            let field = |name| number(&vector, name);
            PassphraseParams::build(field("memory_kib"), field("iterations"), field("lanes"))
                .unwrap()
        } else {
            PassphraseParams::default()
        };
        let fresh = Fresh {
            salt: if stretched {
                array(&vector, "salt")
            } else {
                [0; 16]
            },
            nonce: array(&vector, "nonce"),
        };
        let id = number(&vector, "number");
        let slot = Slot::wrap_with(id, vault, &root, &unlock, params, &fresh).unwrap();
        check_bytes(&slot.to_bytes(), &vector);

        let ring = Keyring::from_fixed_keys([(1, [3; 32])]);
        let state = SealState {
            vault,
            slots: vec![Slot::parse(&bytes(&vector, "sealed")).unwrap()],
            keyring: ring.seal(root.key(), vault).unwrap(),
            revision: 1,
        };
        assert_eq!(Unsealed::open(&state, &unlock).unwrap().slot(), id);
    }
}
