//! Ids and numbers of the vault.

use std::{fmt, num::NonZeroU32, str::FromStr};

use keyward_secret::AccountId;
use sha2::{Digest, Sha256};

use crate::RandomError;

/// A vault: 128 random bits, in every record that it sealed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VaultId([u8; 16]);

/// A secret: 128 random bits, kept through all of its versions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretId([u8; 16]);

/// A secrets store: the collection that a secret stands in. 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretsStoreId([u8; 16]);

/// The text is not 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 lower-case hexadecimal digits")]
pub struct ParseIdError;

macro_rules! id128 {
    ($type:ident) => {
        impl $type {
            /// A new id from the system's randomness.
            ///
            /// # Errors
            ///
            /// When the system gives no randomness.
            pub fn random() -> Result<Self, RandomError> {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes).map_err(RandomError::new)?;
                Ok(Self(bytes))
            }

            /// The id with these 128 bits.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 128 bits.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// Parses the text form.
            ///
            /// # Errors
            ///
            /// When the text is anything but 32 digits of `0-9a-f`.
            pub fn parse(text: &str) -> Result<Self, ParseIdError> {
                data_encoding::HEXLOWER
                    .decode(text.as_bytes())
                    .ok()
                    .and_then(|bytes| bytes.try_into().ok())
                    .map(Self)
                    .ok_or(ParseIdError)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
            }
        }

        impl FromStr for $type {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }
    };
}

id128!(VaultId);
id128!(SecretId);
id128!(SecretsStoreId);

impl SecretsStoreId {
    /// The store that every account begins with: the same id for the same account, always. Secrets that were
    /// kept before there were stores stand in it.
    #[must_use]
    pub fn first_of(account: AccountId) -> Self {
        let digest = Sha256::new()
            .chain_update(b"keyward first secrets store v1")
            .chain_update(account.as_bytes())
            .finalize();
        let mut bytes = [0; 16];
        for (byte, digested) in bytes.iter_mut().zip(digest) {
            *byte = digested;
        }
        Self(bytes)
    }
}

/// The number of a key in the keyring, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(NonZeroU32);

/// The number of a secret's version, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionNumber(NonZeroU32);

macro_rules! number {
    ($type:ident) => {
        impl $type {
            /// 1.
            pub const FIRST: Self = Self(NonZeroU32::MIN);

            /// The number, unless it is 0.
            #[must_use]
            pub const fn new(number: u32) -> Option<Self> {
                match NonZeroU32::new(number) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> u32 {
                self.0.get()
            }

            /// The next number, if there is one.
            #[must_use]
            pub const fn next(self) -> Option<Self> {
                match self.0.checked_add(1) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(KeyId);
number!(VersionNumber);

#[cfg(test)]
mod tests {
    use keyward_secret::AccountId;

    use super::{SecretId, SecretsStoreId, VersionNumber};

    /// Never to be changed: secrets that name no store stand in this one.
    #[test]
    fn the_first_store_of_an_account_has_the_same_id_for_ever() {
        let first = SecretsStoreId::first_of(AccountId::from_bytes([1; 16]));
        assert_eq!(first.to_string(), "03c60462a19aa84a7a904b1928905484");
        assert_ne!(
            first,
            SecretsStoreId::first_of(AccountId::from_bytes([2; 16]))
        );
    }

    #[test]
    fn ids_round_trip_and_are_strict() {
        let id = SecretId::random().unwrap();
        assert_eq!(SecretId::parse(&id.to_string()), Ok(id));
        for text in ["", "ab", &"A".repeat(32), &"0".repeat(33)] {
            assert!(SecretId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn versions_count_from_one() {
        assert_eq!(VersionNumber::FIRST.next(), VersionNumber::new(2));
        assert_eq!(VersionNumber::new(0), None);
        assert_eq!(VersionNumber::new(u32::MAX).unwrap().next(), None);
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::ParseIdError;

        keyward_testing::assert_texts!("ParseIdError", [
            "an id" => ParseIdError,
        ]);
    }
}
