//! The bytes of a slot; the table is at the top of `slot.rs`.

use super::{Method, PassphraseParams, PassphraseParamsError, SALT, Slot, Stretch};
use crate::VaultId;

const MAGIC: &[u8; 5] = b"KWSL\x01";
/// Nonce, commitment, root key and tag.
const WRAPPED: usize = 24 + 32 + 32 + 16;

/// The bytes are not a slot, or ask for parameters outside the bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the slot: {0}")]
pub struct ParseSlotError(Kind);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error(
        "it is not one, or of a format that this version does not know; use the version that wrote it, or restore a backup"
    )]
    Form,
    #[error(transparent)]
    Params(PassphraseParamsError),
}

impl Slot {
    /// The bytes to store.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend_from_slice(&self.wrapped);
        bytes
    }

    fn head(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.id.to_be_bytes());
        match &self.method {
            Method::KeyFile => bytes.push(1),
            Method::Passphrase(stretch) => {
                bytes.push(2);
                stretch.write(&mut bytes);
            }
            Method::Recovery => bytes.push(3),
            Method::Command(stretch) => {
                bytes.push(4);
                stretch.write(&mut bytes);
            }
        }
        bytes
    }

    /// What is authenticated with the root key.
    pub(super) fn associated(&self, vault: VaultId) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend_from_slice(vault.as_bytes());
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Parameters are checked here, before anyone allocates
    /// what they ask for.
    ///
    /// # Errors
    ///
    /// When the bytes are no slot, of an unknown format, or ask for parameters outside the bounds.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseSlotError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(form)?;
        let (id, rest) = rest.split_first_chunk::<4>().ok_or_else(form)?;
        let (kind, rest) = rest.split_first().ok_or_else(form)?;
        let (method, rest) = match kind {
            1 => (Method::KeyFile, rest),
            2 => {
                let (stretch, rest) = Stretch::read(rest)?;
                (Method::Passphrase(stretch), rest)
            }
            3 => (Method::Recovery, rest),
            4 => {
                let (stretch, rest) = Stretch::read(rest)?;
                (Method::Command(stretch), rest)
            }
            _ => return Err(form()),
        };
        if rest.len() != WRAPPED {
            return Err(form());
        }
        Ok(Self {
            id: u32::from_be_bytes(*id),
            method,
            wrapped: rest.into(),
        })
    }
}

impl Stretch {
    fn write(&self, bytes: &mut Vec<u8>) {
        let params = self.params;
        for number in [params.memory_kib(), params.iterations(), params.lanes()] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&self.salt);
    }

    fn read(bytes: &[u8]) -> Result<(Self, &[u8]), ParseSlotError> {
        let (memory, rest) = bytes.split_first_chunk::<4>().ok_or_else(form)?;
        let (iterations, rest) = rest.split_first_chunk::<4>().ok_or_else(form)?;
        let (lanes, rest) = rest.split_first_chunk::<4>().ok_or_else(form)?;
        let (salt, rest) = rest.split_first_chunk::<SALT>().ok_or_else(form)?;
        let [memory, iterations, lanes] =
            [memory, iterations, lanes].map(|field| u32::from_be_bytes(*field));
        let params = PassphraseParams::build(memory, iterations, lanes)
            .map_err(|error| ParseSlotError(Kind::Params(error)))?;
        let stretch = Self {
            params,
            salt: *salt,
        };
        Ok((stretch, rest))
    }
}

const fn form() -> ParseSlotError {
    ParseSlotError(Kind::Form)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{Kind, ParseSlotError};
        use crate::PassphraseParams;

        keyward_testing::assert_texts!("ParseSlotError", Kind {
            Kind::Form => Kind::Form,
            Kind::Params(_) => Kind::Params(PassphraseParams::build(1, 1, 1).unwrap_err()),
        }, |kind| keyward_testing::told(&ParseSlotError(kind)));
    }
}
