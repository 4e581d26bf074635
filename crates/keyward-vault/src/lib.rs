//! Sealed storage of secrets bound to a destination: keyring, slots, versions.
