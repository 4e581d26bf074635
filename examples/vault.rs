//! The vault alone: seal a value, open it, be refused elsewhere, replace it, and unseal the vault again.
//!
//! Nothing here does I/O but the printing: what the vault returns are bytes, and where they are kept is yours to
//! choose. `own_store.rs` shows a store.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;

use keyward_examples::provider_key;
use keyward_secret::{AccountId, Destination, Origin, SecretBytes};
use keyward_vault::{
    KeyFile, PassphraseParams, Policy, RecordId, SealedRecord, SecretId, Slot, Unlock, Vault,
    VersionNumber,
};

fn main() -> Result<(), Box<dyn Error>> {
    // A new vault. The key file opens it again: keep it apart from what is stored.
    let (vault, root_key) = Vault::create()?;
    let key_file = KeyFile::generate()?;
    let params = PassphraseParams::default();
    let slot = Slot::wrap(
        1,
        vault.id(),
        &root_key,
        &Unlock::KeyFile(&key_file),
        params,
    )?;
    let stored_seal = vault.seal_state(&root_key, vec![slot])?;
    println!("made a vault that a key file opens");

    // Seal. The destination is part of what is sealed: nobody can change it later.
    let first = RecordId {
        account: AccountId::from_bytes([1; 16]),
        secret: SecretId::random()?,
        version: VersionNumber::FIRST,
    };
    let policy = Policy {
        destination: Some(Destination::parse(["https://api.openai.com"])?),
        context: Box::from(*b"our chat service"),
    };
    let stored = vault
        .seal(&first, &policy, &provider_key()?)?
        .as_bytes()
        .to_vec();
    println!(
        "sealed version {} for {}",
        first.version,
        policy_text(&policy)
    );

    // Open, for the origin that the value is about to be sent to.
    let record = SealedRecord::parse(stored)?;
    let openai = Origin::parse("https://api.openai.com")?;
    let opened = vault.open(&record, &first, &openai)?;
    println!(
        "opened for {openai}: the value is the one that was sealed: {}",
        opened.value.ct_eq(&provider_key()?)
    );

    // Refused: the record is genuine, and the value may not go there.
    let elsewhere = Origin::parse("https://api.openai.com.evil.example")?;
    match vault.open(&record, &first, &elsewhere) {
        Ok(_) => return Err("a sealed value left for another origin".into()),
        Err(error) if error.is_wrong_destination() => {
            println!(
                "not opened for {elsewhere}: it is sealed for {}",
                policy_text(&policy)
            );
        }
        Err(error) => return Err(error.into()),
    }

    // Replace: a new value is the next version. A record of one version is no record of another.
    let second = RecordId {
        version: first.version.next().ok_or("no number left")?,
        ..first
    };
    let replacement = SecretBytes::copy_from(b"sk-another-key-of-the-same-provider");
    let replaced = vault.seal(&second, &policy, &replacement)?;
    println!(
        "replaced by version {}: the old record in its place is damaged: {}",
        second.version,
        vault
            .open(&record, &second, &openai)
            .is_err_and(|error| error.is_damaged())
    );
    drop(vault);

    // Another process, later: what was stored and the key file open it, and nothing else does.
    let stranger = KeyFile::generate()?;
    let refused = Vault::unseal(&stored_seal, &Unlock::KeyFile(&stranger));
    println!(
        "another key file does not unseal the vault: {}",
        refused.is_err_and(|error| error.is_wrong_unlock())
    );
    let vault = Vault::unseal(&stored_seal, &Unlock::KeyFile(&key_file))?;
    let opened = vault.open(&replaced, &second, &openai)?;
    println!(
        "unsealed again: version {} opens: {}",
        second.version,
        opened.value.ct_eq(&replacement)
    );
    Ok(())
}

fn policy_text(policy: &Policy) -> String {
    policy
        .destination
        .as_ref()
        .map_or_else(|| "no origin".to_owned(), ToString::to_string)
}
