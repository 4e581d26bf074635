//! A key from a passphrase: Argon2id.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use keyward_secret::SecretBytes;
use zeroize::Zeroizing;

use crate::committed::Key;

/// How costly a passphrase is to try. Stored with the slot, authenticated, and bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassphraseParams {
    memory_kib: u32,
    iterations: u32,
    lanes: u32,
}

/// A parameter is outside its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value}; it may be {least} to {most}")]
pub struct PassphraseParamsError {
    name: &'static str,
    value: u32,
    least: u32,
    most: u32,
}

impl PassphraseParams {
    /// 19 MiB: the least that OWASP's password storage cheat sheet names for Argon2id (2024).
    pub const MIN_MEMORY_KIB: u32 = 19 * 1024;
    const MAX_MEMORY_KIB: u32 = 4 * 1024 * 1024;
    const MAX_ITERATIONS: u32 = 64;
    const MAX_LANES: u32 = 64;

    /// Checks the bounds: 19 MiB to 4 GiB of memory, 1 to 64 iterations, 1 to 64 lanes.
    ///
    /// # Errors
    ///
    /// When one is outside.
    pub fn build(
        memory_kib: u32,
        iterations: u32,
        lanes: u32,
    ) -> Result<Self, PassphraseParamsError> {
        let bounds = [
            (
                "memory in KiB",
                memory_kib,
                Self::MIN_MEMORY_KIB,
                Self::MAX_MEMORY_KIB,
            ),
            ("iterations", iterations, 1, Self::MAX_ITERATIONS),
            ("lanes", lanes, 1, Self::MAX_LANES),
        ];
        for (name, value, least, most) in bounds {
            if !(least..=most).contains(&value) {
                return Err(PassphraseParamsError {
                    name,
                    value,
                    least,
                    most,
                });
            }
        }
        Ok(Self {
            memory_kib,
            iterations,
            lanes,
        })
    }

    /// Memory in KiB.
    #[must_use]
    pub const fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory.
    #[must_use]
    pub const fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Lanes.
    #[must_use]
    pub const fn lanes(&self) -> u32 {
        self.lanes
    }

    /// The key, or nothing where the machine has not the memory.
    pub(super) fn derive(&self, passphrase: &SecretBytes, salt: &[u8]) -> Option<Key> {
        let mut key = Zeroizing::new([0; 32]);
        let params = Params::new(
            self.memory_kib,
            self.iterations,
            self.lanes,
            Some(key.len()),
        )
        .ok()?;
        // The last blocks give the key, so the memory is erased too; the crate's own allocation is not.
        let count = params.block_count();
        let mut blocks = Zeroizing::new(Vec::new());
        blocks.try_reserve_exact(count).ok()?;
        blocks.resize(count, Block::new());
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(
                passphrase.expose(),
                salt,
                key.as_mut_slice(),
                blocks.as_mut_slice(),
            )
            .ok()?;
        Some(key)
    }
}

impl Default for PassphraseParams {
    /// 256 MiB, 3 passes, 4 lanes.
    fn default() -> Self {
        Self {
            memory_kib: 256 * 1024,
            iterations: 3,
            lanes: 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PassphraseParams;

    #[test]
    fn bounds_are_kept() {
        assert!(PassphraseParams::build(19 * 1024, 1, 1).is_ok());
        assert!(PassphraseParams::build(19 * 1024 - 1, 1, 1).is_err());
        assert!(PassphraseParams::build(4 * 1024 * 1024 + 1, 1, 1).is_err());
        assert!(PassphraseParams::build(19 * 1024, 0, 1).is_err());
        assert!(PassphraseParams::build(19 * 1024, 1, 65).is_err());
        let default = PassphraseParams::default();
        let same =
            PassphraseParams::build(default.memory_kib(), default.iterations(), default.lanes());
        assert_eq!(same, Ok(default));
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::PassphraseParams;

        keyward_testing::assert_texts!("PassphraseParamsError", [
            "too little memory" => PassphraseParams::build(1, 1, 1).unwrap_err(),
        ]);
    }
}
