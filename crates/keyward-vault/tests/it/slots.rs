//! Slots from outside: added, removed, and the last one kept.

use keyward_secret::SecretBytes;
use keyward_testing::Canary;
use keyward_vault::{
    CommandOutput, KeyFile, PassphraseParams, RecoveryKey, SealState, Slot, SlotKind, Unlock,
    Unsealed, Vault,
};

fn quick() -> PassphraseParams {
    PassphraseParams::build(PassphraseParams::MIN_MEMORY_KIB, 1, 1).unwrap()
}

/// A vault with one slot, of a new key file.
fn vault() -> (SealState, KeyFile) {
    let (vault, root) = Vault::create().unwrap();
    let file = KeyFile::generate().unwrap();
    let slot = Slot::wrap(1, vault.id(), &root, &Unlock::KeyFile(&file), quick()).unwrap();
    (vault.seal_state(&root, vec![slot]).unwrap(), file)
}

fn add(state: &SealState, by: &Unlock<'_>, new: &Unlock<'_>) -> (SealState, u32) {
    let unsealed = Unsealed::open(state, by).unwrap();
    unsealed.with_slot(new, quick()).unwrap()
}

#[test]
fn every_kind_of_slot_opens_the_same_vault() {
    let (state, file) = vault();
    let by_file = Unlock::KeyFile(&file);
    let canary = Canary::new("vault passphrase");
    let passphrase = SecretBytes::copy_from(canary.text().as_bytes());
    let recovery = RecoveryKey::generate().unwrap();
    let canary = Canary::new("vault command");
    let output = CommandOutput::new(canary.text().as_bytes()).unwrap();
    let (state, two) = add(&state, &by_file, &Unlock::Passphrase(&passphrase));
    // Not only the first slot's key adds others.
    let (state, three) = add(
        &state,
        &Unlock::Passphrase(&passphrase),
        &Unlock::Recovery(&recovery),
    );
    let (state, four) = add(
        &state,
        &Unlock::Recovery(&recovery),
        &Unlock::Command(&output),
    );
    assert_eq!([two, three, four], [2, 3, 4]);
    let kinds: Vec<_> = state.slots.iter().map(Slot::kind).collect();
    assert_eq!(
        kinds,
        [
            SlotKind::KeyFile,
            SlotKind::Passphrase,
            SlotKind::Recovery,
            SlotKind::Command
        ]
    );
    let unlocks = [
        by_file,
        Unlock::Passphrase(&passphrase),
        Unlock::Recovery(&recovery),
        Unlock::Command(&output),
    ];
    for (number, unlock) in (1..).zip(unlocks) {
        let unsealed = Unsealed::open(&state, &unlock).unwrap();
        assert_eq!(unsealed.slot(), number);
        assert_eq!(unsealed.into_vault().id(), state.vault);
    }
}

#[test]
fn the_last_slot_and_the_one_that_was_opened_stay() {
    let (one, file) = vault();
    let by_file = Unlock::KeyFile(&file);
    let unsealed = Unsealed::open(&one, &by_file).unwrap();
    assert!(unsealed.without_slot(1).unwrap_err().is_last());
    assert!(unsealed.without_slot(2).unwrap_err().is_unknown());
    let recovery = RecoveryKey::generate().unwrap();
    let by_recovery = Unlock::Recovery(&recovery);
    let (two, _) = add(&one, &by_file, &by_recovery);
    let unsealed = Unsealed::open(&two, &by_file).unwrap();
    assert!(unsealed.without_slot(1).unwrap_err().is_in_use());
    let left = unsealed.without_slot(2).unwrap();
    assert_eq!(left.slots, one.slots);
    assert!(
        Unsealed::open(&left, &by_recovery)
            .unwrap_err()
            .is_wrong_unlock()
    );
    Unsealed::open(&left, &by_file).unwrap();
}

#[test]
fn numbers_rise_and_what_opens_already_is_not_added_again() {
    let (state, file) = vault();
    let by_file = Unlock::KeyFile(&file);
    let refused = Unsealed::open(&state, &by_file)
        .unwrap()
        .with_slot(&by_file, quick());
    assert!(refused.unwrap_err().is_already_there());
    let files: Vec<_> = (0..40).map(|_| KeyFile::generate().unwrap()).collect();
    let mut state = state;
    let mut numbers = Vec::new();
    for file in &files {
        let unsealed = Unsealed::open(&state, &by_file).unwrap();
        match unsealed.with_slot(&Unlock::KeyFile(file), quick()) {
            Ok((next, number)) => {
                numbers.push(number);
                state = next;
            }
            Err(error) => assert!(!error.is_already_there()),
        }
    }
    // 32 slots at most: each of a kind is tried with a wrong key.
    assert_eq!(numbers, (2..=32).collect::<Vec<_>>());
}

#[test]
fn a_slot_of_another_vault_does_not_open_here() {
    let (state, file) = vault();
    let (mut other, other_file) = vault();
    other.slots.extend(state.slots);
    assert!(
        Unsealed::open(&other, &Unlock::KeyFile(&file))
            .unwrap_err()
            .is_wrong_unlock()
    );
    Unsealed::open(&other, &Unlock::KeyFile(&other_file)).unwrap();
}
