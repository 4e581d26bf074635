//! What a slot promises, for each kind.

use std::sync::LazyLock;

use keyward_secret::SecretBytes;
use proptest::prelude::*;

use super::{
    CommandOutput, KeyFile, PassphraseParams, RecoveryKey, RootKey, Slot, SlotKind, Unlock,
};
use crate::VaultId;

const VAULT: VaultId = VaultId::from_bytes([1; 16]);
const ROOT: [u8; 32] = [9; 32];
/// Where the kind stands.
const KIND_AT: usize = 9;

/// One of everything that opens a slot.
struct Keys {
    file: KeyFile,
    passphrase: SecretBytes,
    recovery: RecoveryKey,
    output: CommandOutput,
}

impl Keys {
    fn generate(word: &[u8]) -> Self {
        Self {
            file: KeyFile::generate().unwrap(),
            passphrase: SecretBytes::copy_from(word),
            recovery: RecoveryKey::generate().unwrap(),
            output: CommandOutput::new(&[word, b" from a command"].concat()).unwrap(),
        }
    }

    fn unlocks(&self) -> [Unlock<'_>; 4] {
        [
            Unlock::KeyFile(&self.file),
            Unlock::Passphrase(&self.passphrase),
            Unlock::Recovery(&self.recovery),
            Unlock::Command(&self.output),
        ]
    }
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::generate(b"correct horse"));
/// The bytes of a slot of each kind.
static SLOTS: LazyLock<[Vec<u8>; 4]> = LazyLock::new(|| {
    let root = RootKey::from_fixed(ROOT);
    let wrap = |unlock| {
        Slot::wrap(7, VAULT, &root, &unlock, quick())
            .unwrap()
            .to_bytes()
    };
    KEYS.unlocks().map(wrap)
});

fn quick() -> PassphraseParams {
    PassphraseParams::build(PassphraseParams::MIN_MEMORY_KIB, 1, 1).unwrap()
}

fn opens(bytes: &[u8], vault: VaultId, unlock: &Unlock<'_>) -> bool {
    let Ok(slot) = Slot::parse(bytes) else {
        return false;
    };
    let Ok(root) = slot.open(vault, unlock) else {
        return false;
    };
    assert_eq!(root.0.as_slice(), ROOT);
    true
}

#[test]
fn a_slot_opens_for_what_it_was_made_for_and_nothing_else() {
    let others = Keys::generate(b"wrong horse");
    let kinds = [
        SlotKind::KeyFile,
        SlotKind::Passphrase,
        SlotKind::Recovery,
        SlotKind::Command,
    ];
    for (own, bytes) in SLOTS.iter().enumerate() {
        let slot = Slot::parse(bytes).unwrap();
        assert_eq!((slot.id(), slot.kind()), (7, kinds[own]));
        assert_eq!(slot.to_bytes(), *bytes);
        for (kind, unlock) in KEYS.unlocks().iter().enumerate() {
            assert_eq!(opens(bytes, VAULT, unlock), kind == own, "{unlock:?}");
        }
        for unlock in others.unlocks() {
            assert!(!opens(bytes, VAULT, &unlock), "{unlock:?}");
        }
    }
}

#[test]
fn a_slot_that_is_moved_to_another_vault_or_number_does_not_open() {
    for (bytes, unlock) in SLOTS.iter().zip(KEYS.unlocks()) {
        assert!(!opens(bytes, VaultId::from_bytes([2; 16]), &unlock));
        let mut renumbered = bytes.clone();
        renumbered[8] = 8;
        assert!(!opens(&renumbered, VAULT, &unlock));
    }
}

/// The same bytes are brought as a passphrase and as a command's output: only the kind differs.
#[test]
fn a_slot_cannot_be_passed_off_as_one_of_another_kind() {
    let word = b"the same sixteen bytes or more";
    let passphrase = SecretBytes::copy_from(word);
    let output = CommandOutput::new(word).unwrap();
    let root = RootKey::from_fixed(ROOT);
    let unlocks = [Unlock::Passphrase(&passphrase), Unlock::Command(&output)];
    let [of_passphrase, of_command] = unlocks.map(|unlock| {
        Slot::wrap(7, VAULT, &root, &unlock, quick())
            .unwrap()
            .to_bytes()
    });
    let as_kind = |bytes: &[u8], kind| {
        let mut bytes = bytes.to_vec();
        bytes[KIND_AT] = kind;
        bytes
    };
    assert!(!opens(&as_kind(&of_passphrase, 4), VAULT, &unlocks[1]));
    assert!(!opens(&as_kind(&of_command, 2), VAULT, &unlocks[0]));
    // Back as they were, they open: nothing else is in the way.
    assert!(opens(&as_kind(&of_passphrase, 2), VAULT, &unlocks[0]));
    assert!(opens(&as_kind(&of_command, 4), VAULT, &unlocks[1]));
    for kind in [0, 5, 255] {
        assert!(Slot::parse(&as_kind(&of_command, kind)).is_err());
    }
}

#[test]
fn no_bit_of_a_slot_can_be_changed() {
    // Those that cost nothing to try; the others are tried at random places below.
    for at in [0, 2] {
        let bytes = &SLOTS[at];
        let unlock = KEYS.unlocks()[at];
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!opens(&flipped, VAULT, &unlock), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(Slot::parse(&bytes[..length]).is_err());
        }
        assert!(Slot::parse(&[bytes, b"x".as_slice()].concat()).is_err());
    }
}

#[test]
fn weakened_or_boundless_parameters_do_not_pass() {
    let root = RootKey::from_fixed(ROOT);
    let params = PassphraseParams::build(PassphraseParams::MIN_MEMORY_KIB, 2, 1).unwrap();
    for at in [1, 3] {
        let unlock = KEYS.unlocks()[at];
        let bytes = Slot::wrap(7, VAULT, &root, &unlock, params)
            .unwrap()
            .to_bytes();
        let with = |at: usize, number: u32| {
            let mut bytes = bytes.clone();
            bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
            bytes
        };
        // Fewer iterations parse, and do not open: they are authenticated.
        let weaker = with(14, 1);
        assert!(Slot::parse(&weaker).is_ok() && !opens(&weaker, VAULT, &unlock));
        // What would ask for four terabytes is refused before anything is allocated.
        for field in [10, 14, 18] {
            assert!(Slot::parse(&with(field, u32::MAX)).is_err());
            assert!(Slot::parse(&with(field, 0)).is_err());
        }
    }
}

proptest! {
    #[test]
    fn foreign_bytes_never_panic(bytes: Vec<u8>, kind in 0_u8..6) {
        let _may_be_refused = Slot::parse(&bytes);
        let head = [b"KWSL\x01\0\0\0\x01".as_slice(), &[kind], &bytes].concat();
        let _may_be_refused = Slot::parse(&head);
    }
}

proptest! {
    // Each case runs Argon2id.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_bit_of_a_stretched_slot_can_be_changed(stretched in prop::sample::select(vec![1_usize, 3]), place: prop::sample::Index) {
        let bytes = &SLOTS[stretched];
        let bit = place.index(bytes.len() * 8);
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // A flipped parameter may ask for gigabytes and minutes, within the bounds: those are refused above.
        let costs_more = (10 * 8..22 * 8).contains(&bit);
        prop_assert!(costs_more || !opens(&flipped, VAULT, &KEYS.unlocks()[stretched]), "bit {}", bit);
    }
}
