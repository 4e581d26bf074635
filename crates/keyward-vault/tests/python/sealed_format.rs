//! The sealed format against a program in another language and over other libraries, which shares no code with
//! this crate. `cargo xtask test` installs what it needs.

use std::{path::Path, process::Command};

use keyward_secret::{AccountId, Origin, SecretBytes};
use keyward_vault::{
    CommandOutput, KeyFile, RecordId, RecoveryKey, SealState, SealedRecord, SecretId, Slot, Unlock,
    Unsealed, VaultId, VersionNumber,
};
use serde_json::Value;

/// What the program prints when it is given these arguments.
fn sealed_format(args: &[&str]) -> String {
    let python = std::env::var_os("KEYWARD_TEST_PYTHON").expect(
        "KEYWARD_TEST_PYTHON is not set: run the tests by `cargo xtask test`, which installs what they need",
    );
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let output = Command::new(python)
        .arg(vectors.join("sealed_format.py"))
        .args(args)
        .current_dir(vectors)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).unwrap()
}

fn text<'a>(made: &'a Value, name: &str) -> &'a str {
    made[name].as_str().unwrap_or_else(|| panic!("{name}"))
}

fn bytes(made: &Value, name: &str) -> Vec<u8> {
    data_encoding::HEXLOWER
        .decode(text(made, name).as_bytes())
        .unwrap()
}

fn array(made: &Value, name: &str) -> [u8; 16] {
    bytes(made, name).try_into().unwrap()
}

#[test]
fn the_other_program_opens_every_vector_and_seals_it_to_the_same_bytes() {
    let said = sealed_format(&["open", "format-1.json"]);
    assert!(said.starts_with("10 vectors opened"), "{said}");
}

#[test]
fn keyward_opens_what_the_other_program_seals() {
    let made: Value = serde_json::from_str(&sealed_format(&["seal"])).unwrap();
    let slots = made["slots"].as_array().unwrap();
    let state = SealState {
        vault: VaultId::from_bytes(array(&made, "vault")),
        slots: slots
            .iter()
            .map(|slot| Slot::parse(&bytes(slot, "sealed")).unwrap())
            .collect(),
        keyring: bytes(&made, "keyring").into(),
        revision: 1,
    };
    let opened_by = |index: usize| text(&slots[index], "opened_by").as_bytes();
    let file = KeyFile::parse(opened_by(0)).ok().unwrap();
    let passphrase = SecretBytes::copy_from(opened_by(1));
    let recovery = RecoveryKey::parse(opened_by(2)).ok().unwrap();
    let output = CommandOutput::new(opened_by(3)).ok().unwrap();
    let unlocks = [
        Unlock::KeyFile(&file),
        Unlock::Passphrase(&passphrase),
        Unlock::Recovery(&recovery),
        Unlock::Command(&output),
    ];
    let record = SealedRecord::parse(bytes(&made, "record")).unwrap();
    let version = u32::try_from(made["version"].as_u64().unwrap()).unwrap();
    let id = RecordId {
        account: AccountId::from_bytes(array(&made, "account")),
        secret: SecretId::from_bytes(array(&made, "secret")),
        version: VersionNumber::new(version).unwrap(),
    };
    let value = SecretBytes::new(bytes(&made, "value"));
    for (number, unlock) in (1..).zip(&unlocks) {
        let unsealed = Unsealed::open(&state, unlock).unwrap();
        assert_eq!(unsealed.slot(), number, "{unlock:?}");
        let vault = unsealed.into_vault();
        for (origin, goes) in [
            ("https://api.example.com", true),
            ("https://eu.llm.example.com", true),
            ("https://llm.example.com", false),
            ("https://evil.example", false),
        ] {
            let opened = vault.open(&record, &id, &Origin::parse(origin).unwrap());
            assert_eq!(opened.is_ok(), goes, "{origin}");
            if let Ok(opened) = opened {
                assert!(opened.value.ct_eq(&value));
            }
        }
    }
}
