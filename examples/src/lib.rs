//! What the examples share: a provider key to play with, and an API to send it to.
//!
//! Everything is on this machine; no example needs a network or an account.

mod upstream;

use std::{env, fs, io};

use keyward_secret::SecretBytes;

pub use self::upstream::Upstream;

/// The provider key that the examples use: the content of the file that `EXAMPLE_KEY_FILE` names, or one that
/// nobody has.
///
/// # Errors
///
/// When the file cannot be read.
pub fn provider_key() -> io::Result<SecretBytes> {
    match env::var_os("EXAMPLE_KEY_FILE") {
        Some(file) => fs::read(file).map(SecretBytes::new),
        None => Ok(SecretBytes::copy_from(
            b"sk-example-0123456789abcdef0123456789abcdef012345678",
        )),
    }
}
