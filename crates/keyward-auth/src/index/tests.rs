use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use keyward_secret::AccountId;
use proptest::prelude::*;

use super::{Entry, TokenIndex};
use crate::{Change, Grant, Kind, Permissions, TokenDigest, TokenId, TokenRecord};

const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);
const OTHER: AccountId = AccountId::from_bytes([2; 16]);

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn record(id: u8, digest: u8) -> TokenRecord {
    TokenRecord {
        id: TokenId::from_random([id; 16]),
        kind: Kind::Gateway,
        digest: TokenDigest::of(&[digest]),
        name: format!("{id}/{digest}"),
        grant: Grant::new(ACCOUNT, Permissions::NONE),
        issued_at: time(0),
        modified_at: time(0),
    }
}

#[test]
fn a_change_leaves_the_old_index_as_it_was() {
    let old = TokenIndex::from_iter([record(1, 1)]);
    let new = old.with(record(2, 2)).without(record(1, 1).id);
    assert!(old.find(&record(1, 1).digest).is_some() && old.find(&record(2, 2).digest).is_none());
    assert!(new.find(&record(1, 1).digest).is_none() && new.find(&record(2, 2).digest).is_some());
}

#[test]
fn a_rolled_token_is_found_by_its_new_digest_only() {
    let index = TokenIndex::from_iter([record(1, 1)]).with(record(1, 9));
    assert!(index.find(&record(1, 1).digest).is_none());
    assert_eq!(
        index.find(&record(1, 9).digest).unwrap().record,
        record(1, 9)
    );
    assert_eq!(index.len(), 1);
}

#[test]
fn last_use_survives_changes_also_from_entries_still_held() {
    let index = TokenIndex::build([record(1, 1), record(2, 2)], [(record(1, 1).id, time(10))]);
    let held = Arc::clone(index.find(&record(1, 1).digest).unwrap());
    let next = index.with(record(1, 9)).with(record(3, 3));
    held.last_used.touch(20);
    let entry = next.find_by_id(record(1, 1).id).unwrap();
    assert_eq!(entry.last_used.get(), Some(time(20)));
    assert_eq!(
        next.used_since(time(20)).collect::<Vec<_>>(),
        [(record(1, 1).id, time(20))]
    );
    assert_eq!(next.used_since(time(21)).count(), 0);
}

#[test]
fn deletion_needs_the_account() {
    let index = TokenIndex::from_iter([record(1, 1)]);
    let id = record(1, 1).id;
    let delete = |account| Change::DeleteToken { account, id };
    assert_eq!(index.with_changes([delete(OTHER)]).len(), 1);
    assert_eq!(index.with_changes([delete(ACCOUNT)]).len(), 0);
}

/// The crate's front page says about 400 bytes a token: entry, its two counters, the shared last use, a name
/// of 24 bytes, and a slot of the map at its average load.
#[test]
fn a_token_costs_about_what_the_front_page_says() {
    let entry = size_of::<Entry>() + 2 * size_of::<usize>();
    let last_used = 3 * size_of::<u64>();
    let slot = (size_of::<(TokenDigest, Arc<Entry>)>() + 1) * 3 / 2;
    let bytes = entry + last_used + 24 + slot;
    assert!((350..=420).contains(&bytes), "{bytes}");
}

proptest! {
    #[test]
    fn the_index_follows_a_plain_map(steps in proptest::collection::vec((0_u8..6, any::<bool>()), 0..40)) {
        let mut model: HashMap<u8, TokenRecord> = HashMap::new();
        let mut index = TokenIndex::default();
        for (step, (id, put)) in steps.into_iter().enumerate() {
            // Every put has a digest of its own.
            let record = record(id, u8::try_from(step).unwrap());
            if put {
                index = index.with(record.clone());
                model.insert(id, record);
            } else {
                index = index.without(record.id);
                model.remove(&id);
            }
            prop_assert_eq!(index.len(), model.len());
            prop_assert_eq!(index.is_empty(), model.is_empty());
            for record in model.values() {
                prop_assert_eq!(&index.find(&record.digest).unwrap().record, record);
                prop_assert_eq!(&index.find_by_id(record.id).unwrap().record, record);
            }
        }
    }
}
