//! A seal that somebody opened: the only place from where slots are added and removed.

use std::fmt;

use crate::{
    PassphraseParams, RootKey, SealError, SealState, Slot, Unlock, UnsealError, Vault,
    error::UnsealErrorKind, keyring::Keyring,
};

/// More slots make every wrong passphrase slower to refuse: each is tried.
const MOST_SLOTS: usize = 32;

/// A seal that was opened, with the root key. Keep it for as long as slots are changed, and no longer.
///
/// ```
/// use keyward_vault::{KeyFile, PassphraseParams, RecoveryKey, Slot, Unlock, Unsealed, Vault};
///
/// let (vault, root) = Vault::create()?;
/// let (file, params) = (KeyFile::generate()?, PassphraseParams::default());
/// let slot = Slot::wrap(1, vault.id(), &root, &Unlock::KeyFile(&file), params)?;
/// let state = vault.seal_state(&root, vec![slot])?;
///
/// let recovery = RecoveryKey::generate()?;
/// let unsealed = Unsealed::open(&state, &Unlock::KeyFile(&file))?;
/// let (state, added) = unsealed.with_slot(&Unlock::Recovery(&recovery), params)?;
/// assert_eq!(added, 2);
///
/// // Whoever removes a slot shows first that another one opens.
/// let refused = Unsealed::open(&state, &Unlock::KeyFile(&file))?.without_slot(1);
/// assert!(refused.unwrap_err().is_in_use());
/// let state = Unsealed::open(&state, &Unlock::Recovery(&recovery))?.without_slot(1)?;
/// assert!(Vault::unseal(&state, &Unlock::KeyFile(&file)).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Unsealed<'a> {
    state: &'a SealState,
    vault: Vault,
    root: RootKey,
    slot: u32,
}

/// A slot could not be added or removed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("cannot change the slots")]
pub struct SlotChangeError(#[from] Kind);

#[derive(Debug, thiserror::Error)]
enum Kind {
    #[error("slot {0} is opened by the same already")]
    AlreadyOpens(u32),
    #[error("there are {MOST_SLOTS} slots, and there may be no more")]
    TooMany,
    #[error("there is no slot {0}")]
    NoSuchSlot(u32),
    #[error("slot {0} is the last one: without it nothing would open the vault")]
    Last(u32),
    #[error(
        "slot {0} is the one that was opened; whoever removes a slot opens another one, to show that it can be"
    )]
    InUse(u32),
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl<'a> Unsealed<'a> {
    /// Opens a seal: tries every slot of the kind that `unlock` is of. A passphrase takes as long as its
    /// parameters say.
    ///
    /// # Errors
    ///
    /// [`UnsealError::is_wrong_unlock`] where no slot opens; [`UnsealError::is_damaged`] where the keyring
    /// does not.
    pub fn open(state: &'a SealState, unlock: &Unlock<'_>) -> Result<Self, UnsealError> {
        let mut last = UnsealErrorKind::NoSuchSlot(unlock.kind().as_str());
        let slots = state.slots.iter();
        for slot in slots.filter(|slot| slot.kind() == unlock.kind()) {
            match slot.open(state.vault, unlock) {
                Ok(root) => {
                    let keyring = Keyring::open(root.key(), state.vault, &state.keyring)
                        .ok_or(UnsealError(UnsealErrorKind::DamagedKeyring))?;
                    return Ok(Self {
                        state,
                        vault: Vault::assemble(state.vault, keyring),
                        root,
                        slot: slot.id(),
                    });
                }
                // A slot that could not be tried may be the right one: that is what to tell.
                Err(_) if matches!(last, UnsealErrorKind::Derivation) => {}
                Err(kind) => last = kind,
            }
        }
        Err(UnsealError(last))
    }

    /// The slot that opened.
    #[must_use]
    pub const fn slot(&self) -> u32 {
        self.slot
    }

    /// The vault. The root key is erased.
    #[must_use]
    pub fn into_vault(self) -> Vault {
        self.vault
    }

    /// The seal with one more slot, which `unlock` opens, and that slot's number. `params` are those of
    /// [`Slot::wrap`].
    ///
    /// # Errors
    ///
    /// [`SlotChangeError::is_already_there`] where a slot opens with the same; also when there are 32, and when
    /// the new one cannot be made.
    pub fn with_slot(
        &self,
        unlock: &Unlock<'_>,
        params: PassphraseParams,
    ) -> Result<(SealState, u32), SlotChangeError> {
        let slots = &self.state.slots;
        if slots.len() >= MOST_SLOTS {
            return Err(Kind::TooMany.into());
        }
        let same = slots.iter().filter(|slot| slot.kind() == unlock.kind());
        for slot in same {
            if slot.open(self.state.vault, unlock).is_ok() {
                return Err(Kind::AlreadyOpens(slot.id()).into());
            }
        }
        let highest = slots.iter().map(Slot::id).max().unwrap_or(0);
        // A number that somebody wrote to the database leaves no room above it: any free one will do.
        let id = highest
            .checked_add(1)
            .or_else(|| (1..=u32::MAX).find(|id| slots.iter().all(|slot| slot.id() != *id)));
        let id = id.ok_or(Kind::TooMany)?;
        let slot =
            Slot::wrap(id, self.state.vault, &self.root, unlock, params).map_err(Kind::Seal)?;
        let mut state = self.state.clone();
        state.slots.push(slot);
        Ok((state, id))
    }

    /// The seal without slot `id`. The root key stays the same: whoever has both an older copy of the seal and
    /// what opened that slot can still open the copy.
    ///
    /// # Errors
    ///
    /// [`SlotChangeError::is_last`] where no other slot is left; [`SlotChangeError::is_in_use`] for the slot that
    /// this was opened with; [`SlotChangeError::is_unknown`] where there is none of that number.
    pub fn without_slot(&self, id: u32) -> Result<SealState, SlotChangeError> {
        let slots = &self.state.slots;
        if slots.iter().all(|slot| slot.id() != id) {
            return Err(Kind::NoSuchSlot(id).into());
        }
        if slots.iter().all(|slot| slot.id() == id) {
            return Err(Kind::Last(id).into());
        }
        if id == self.slot {
            return Err(Kind::InUse(id).into());
        }
        let mut state = self.state.clone();
        state.slots.retain(|slot| slot.id() != id);
        Ok(state)
    }
}

impl SlotChangeError {
    /// Whether a slot is there already that opens with the same.
    #[must_use]
    pub const fn is_already_there(&self) -> bool {
        matches!(self.0, Kind::AlreadyOpens(_))
    }

    /// Whether no slot has that number.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self.0, Kind::NoSuchSlot(_))
    }

    /// Whether it is the last slot.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        matches!(self.0, Kind::Last(_))
    }

    /// Whether it is the slot that the seal was opened with.
    #[must_use]
    pub const fn is_in_use(&self) -> bool {
        matches!(self.0, Kind::InUse(_))
    }
}

impl fmt::Debug for Unsealed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsealed")
            .field("vault", &self.state.vault)
            .field("slot", &self.slot)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{Kind, SlotChangeError};
        use crate::error::SealErrorKind;

        keyward_testing::assert_texts!("SlotChangeError", Kind {
            Kind::AlreadyOpens(_) => Kind::AlreadyOpens(1),
            Kind::TooMany => Kind::TooMany,
            Kind::NoSuchSlot(_) => Kind::NoSuchSlot(7),
            Kind::Last(_) => Kind::Last(1),
            Kind::InUse(_) => Kind::InUse(1),
            Kind::Seal(_) => Kind::Seal(SealErrorKind::Derivation.into()),
        }, |kind| keyward_testing::told(&SlotChangeError(kind)));
    }
}
