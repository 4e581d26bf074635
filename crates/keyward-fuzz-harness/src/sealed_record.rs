//! Sealed records: one form, one owner, one destination.

use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use keyward_secret::{AccountId, Destination, Origin, SecretBytes};
use keyward_vault::{Policy, RecordId, SealedRecord, SecretId, Vault, VersionNumber};

static VAULT: LazyLock<Vault> = LazyLock::new(|| Vault::create().expect("randomness").0);
const PLACES: [&str; 5] = [
    "https://api.example.com",
    "https://api.example.com:8443",
    "https://{region}.example.com",
    "http://127.0.0.1:8080",
    "https://[2001:db8::1]",
];
const ELSEWHERE: &str = "https://elsewhere.example.org";

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    account: [u8; 16],
    secret: [u8; 16],
    version: u32,
    places: Vec<u8>,
    context: &'a [u8],
    flip_at: u16,
    flip_by: u8,
    value: &'a [u8],
}

/// Reads `data` as a stored record, and as a value that is sealed, stored, damaged and opened.
///
/// # Panics
///
/// When a promise is broken.
pub fn check(data: &[u8]) {
    if let Ok(record) = SealedRecord::parse(data) {
        assert_eq!(record.as_bytes(), data, "a record has a second form");
        let _told = format!("{record:?} {:?}", record.unverified_policy());
    }
    if let Ok(destination) = Destination::from_canonical(data) {
        assert_eq!(
            destination.to_canonical(),
            data,
            "a destination has a second form"
        );
    }
    if let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) {
        check_round_trip(&input);
    }
}

fn check_round_trip(input: &Input<'_>) {
    let Some(version) = VersionNumber::new(input.version) else {
        return;
    };
    let id = RecordId {
        account: AccountId::from_bytes(input.account),
        secret: SecretId::from_bytes(input.secret),
        version,
    };
    let places = input
        .places
        .iter()
        .map(|at| PLACES[usize::from(*at) % PLACES.len()]);
    let policy = Policy {
        destination: Destination::parse(places).ok(),
        context: input.context.into(),
    };
    let Ok(sealed) = VAULT.seal(&id, &policy, &SecretBytes::copy_from(input.value)) else {
        assert!(
            input.value.len() > 65_536 || input.context.len() > 4096,
            "a value is not sealed"
        );
        return;
    };
    let record = SealedRecord::parse(sealed.as_bytes()).expect("what is sealed is a record");
    assert_eq!(record.unverified_policy(), &policy);
    assert_eq!(VAULT.policy(&record, &id).expect("it is genuine"), policy);

    let elsewhere = Origin::parse(ELSEWHERE).expect("an origin");
    let refused = VAULT
        .open(&record, &id, &elsewhere)
        .expect_err("it may not go there");
    assert!(refused.is_wrong_destination());
    if let Some(origin) = policy.destination.as_ref().and_then(Destination::single) {
        let opened = VAULT.open(&record, &id, origin).expect("it may go there");
        assert_eq!(opened.value.expose(), input.value);
    }
    check_damaged(sealed.as_bytes(), &id, input);
}

/// A changed bit anywhere: no record, or one that does not open.
fn check_damaged(bytes: &[u8], id: &RecordId, input: &Input<'_>) {
    if input.flip_by == 0 {
        return;
    }
    let mut bytes = bytes.to_vec();
    let at = usize::from(input.flip_at) % bytes.len();
    bytes[at] ^= input.flip_by;
    if let Ok(record) = SealedRecord::parse(bytes) {
        let refused = VAULT
            .policy(&record, id)
            .expect_err("a changed record is genuine");
        assert!(refused.is_damaged());
    }
}
