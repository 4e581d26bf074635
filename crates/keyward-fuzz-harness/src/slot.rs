//! Slots and key files: bounds before allocation, nothing that can be changed.

use std::sync::LazyLock;

use keyward_secret::SecretBytes;
use keyward_vault::{KeyFile, PassphraseParams, SealState, Slot, Unlock, Vault};

/// An unsealed vault's seal, and what opens it.
static SEALED: LazyLock<(SealState, KeyFile)> = LazyLock::new(|| {
    let (vault, root) = Vault::create().expect("randomness");
    let file = KeyFile::generate().expect("randomness");
    let unlock = Unlock::KeyFile(&file);
    let slot = Slot::wrap(1, vault.id(), &root, &unlock, PassphraseParams::default());
    let state = vault
        .seal_state(&root, vec![slot.expect("a slot")])
        .expect("a seal");
    (state, file)
});

/// Reads `data` as a stored slot, as a key file, and as the damage done to a good slot.
///
/// # Panics
///
/// When a promise is broken.
pub fn check(data: &[u8]) {
    let (state, file) = &*SEALED;
    let unlock = Unlock::KeyFile(file);
    if let Ok(slot) = Slot::parse(data) {
        assert_eq!(slot.to_bytes(), data, "a slot has a second form");
        let _told = format!("{slot:?} {}", slot.kind().as_str());
        // By key file only: a passphrase slot may ask for as much memory as its bounds allow.
        let foreign = SealState {
            slots: vec![slot],
            ..state.clone()
        };
        let refused = Vault::unseal(&foreign, &unlock);
        assert!(refused.is_err(), "a slot out of nowhere opens the vault");
    }
    if let Ok(parsed) = KeyFile::parse(data) {
        let text: SecretBytes = parsed.to_text();
        assert_eq!(data.trim_ascii_end(), text.expose().trim_ascii_end());
    }
    if let [at, by, cut, ..] = data {
        check_damaged(state, &unlock, [*at, *by, *cut]);
    }
}

fn check_damaged(state: &SealState, unlock: &Unlock<'_>, [at, by, cut]: [u8; 3]) {
    let good = state.slots[0].to_bytes();
    let mut damaged = good.clone();
    let at = usize::from(at) % damaged.len();
    damaged[at] ^= by;
    damaged.truncate(good.len() - usize::from(cut) % good.len());
    let Ok(slot) = Slot::parse(&damaged) else {
        assert_ne!(damaged, good);
        return;
    };
    let changed = SealState {
        slots: vec![slot],
        ..state.clone()
    };
    assert_eq!(
        Vault::unseal(&changed, unlock).is_ok(),
        damaged == good,
        "a changed slot opens"
    );
}
