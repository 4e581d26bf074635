//! Sealed storage of secrets, each bound to the origins it may be sent to.
//!
//! - [`Vault`] is the unsealed handle: it seals a value for a [`Policy`], and opens it for an origin that the
//!   policy allows and for no other.
//! - [`SealState`] is what is stored of the seal itself: [`Slot`]s (key file, passphrase, recovery key, command)
//!   that each wrap the root key, and the keyring under it. [`Unsealed`] adds slots and removes them.
//! - [`SecretRecord`], [`VersionRecord`], [`version`]: secrets and their numbered versions.
//! - [`rotation`]: replacing a value with a way back.
//! - [`status`]: how a key stands by what its provider answers. It decides; sending probes and storing is for others.
//! - [`VaultStore`] is what a store must do; the feature `testing` has one in memory and the contract suite.
//!
//! Sealing and opening are pure and synchronous: bytes in, bytes out. `vectors/` has test vectors for every kind
//! of bytes, and a Python program of its own that opens them.
//!
//! ```
//! use keyward_secret::{AccountId, Destination, Origin, SecretBytes};
//! use keyward_vault::{Policy, RecordId, SecretId, Vault, VersionNumber};
//!
//! let (vault, _root_key) = Vault::create()?;
//! let id = RecordId {
//!     account: AccountId::from_bytes([1; 16]),
//!     secret: SecretId::random()?,
//!     version: VersionNumber::FIRST,
//! };
//! let policy = Policy {
//!     destination: Some(Destination::parse(["https://api.openai.com"])?),
//!     context: Box::default(),
//! };
//! let record = vault.seal(&id, &policy, &SecretBytes::copy_from(b"sk-example"))?;
//!
//! let opened = vault.open(&record, &id, &Origin::parse("https://api.openai.com")?)?;
//! assert_eq!(opened.value.expose(), b"sk-example");
//!
//! // The value opens for its destination alone, whatever is asked.
//! let elsewhere = vault.open(&record, &id, &Origin::parse("https://evil.example")?);
//! assert!(elsewhere.unwrap_err().is_wrong_destination());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it is not
//!
//! No server, no client, no cache, and no store but the one for tests: it knows no HTTP, no SQL, no provider and no
//! runtime. It reads no clock (`now` is an argument) and no file. It cannot tell an old state of a store that was put
//! back whole from the newest, and a value that was opened is the caller's to keep.
//!
//! # Features
//!
//! - `testing` (off): [`testing`] has a store in memory, and the contract suite that every store should run.
//!
//! # Reading on
//!
//! `keyward-forward` takes an opened value, as a `BoundCredential`, to its destination. The bytes of every format, with
//! the reasons and test vectors, are in `docs/sealed-format.md` of the repository; `examples/vault.rs` and
//! `examples/own_store.rs` use this crate alone.

mod committed;
mod error;
mod id;
mod keyring;
mod policy;
mod record;
pub mod rotation;
mod seal;
mod sealed_format;
mod slot;
pub mod status;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(test)]
mod tests;
mod unsealed;
mod vault;
pub mod version;

pub use error::{OpenError, RandomError, ResealError, SealError, UnsealError};
pub use id::{KeyId, ParseIdError, SecretId, SecretsStoreId, VaultId, VersionNumber};
pub use keyring::Subkey;
pub use policy::Policy;
pub use record::{Change, SecretRecord, VersionRecord, VersionState};
pub use seal::{Opened, RecordId};
pub use sealed_format::{ParseRecordError, SealedRecord};
pub use slot::{
    CommandOutput, CommandOutputError, KeyFile, ParseKeyFileError, ParseRecoveryKeyError,
    ParseSlotError, PassphraseParams, PassphraseParamsError, RecoveryKey, RootKey, Slot, SlotKind,
    Unlock,
};
pub use store::{BoxFuture, StoreError, VaultStore};
pub use unsealed::{SlotChangeError, Unsealed};
pub use vault::{SealState, Vault};
