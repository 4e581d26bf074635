use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use keyward_secret::AccountId;
use proptest::prelude::*;

use super::{Entry, TokenIndex};
use crate::{Change, Grant, Kind, Permissions, Retiring, TokenDigest, TokenId, TokenRecord};

const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);
const NOW: SystemTime = SystemTime::UNIX_EPOCH;
const OTHER: AccountId = AccountId::from_bytes([2; 16]);

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn record(id: u8, digest: u8) -> TokenRecord {
    TokenRecord {
        id: TokenId::from_random([id; 16]),
        kind: Kind::Gateway,
        digest: TokenDigest::of(&[digest]),
        retiring: None,
        name: format!("{id}/{digest}"),
        grant: Grant::new(ACCOUNT, Permissions::NONE),
        spend_limits: None,
        issued_at: time(0),
        modified_at: time(0),
    }
}

#[test]
fn a_change_leaves_the_old_index_as_it_was() {
    let old = TokenIndex::from_iter([record(1, 1)]);
    let new = old.with(record(2, 2)).without(record(1, 1).id);
    assert!(
        old.find(&record(1, 1).digest, NOW).is_some()
            && old.find(&record(2, 2).digest, NOW).is_none()
    );
    assert!(
        new.find(&record(1, 1).digest, NOW).is_none()
            && new.find(&record(2, 2).digest, NOW).is_some()
    );
}

#[test]
fn a_rolled_token_is_found_by_its_new_digest_only() {
    let index = TokenIndex::from_iter([record(1, 1)]).with(record(1, 9));
    assert!(index.find(&record(1, 1).digest, NOW).is_none());
    assert_eq!(
        index.find(&record(1, 9).digest, NOW).unwrap().record,
        record(1, 9)
    );
    assert_eq!(index.len(), 1);
}

#[test]
fn a_rolled_tokens_old_text_is_good_until_its_time_and_gone_with_the_token() {
    let rolled = TokenRecord {
        retiring: Some(Retiring {
            digest: record(1, 1).digest,
            until: time(60),
        }),
        ..record(1, 9)
    };
    let index = TokenIndex::from_iter([record(1, 1)]).with(rolled.clone());
    let find = |index: &TokenIndex, digest: u8, at| {
        let found = index.find(&record(1, digest).digest, time(at));
        found.map(|entry| entry.record.clone())
    };
    assert_eq!(find(&index, 1, 59), Some(rolled.clone()));
    assert_eq!(find(&index, 1, 60), None);
    assert_eq!(find(&index, 9, 60), Some(rolled));
    assert_eq!(index.len(), 1);
    assert_eq!(index.iter().count(), 1);
    // Rolled once more without an overlap, and deleted: neither leaves a text behind.
    assert_eq!(find(&index.with(record(1, 5)), 1, 0), None);
    assert_eq!(find(&index.with(record(1, 5)), 9, 0), None);
    let gone = index.without(record(1, 1).id);
    assert_eq!((find(&gone, 1, 0), find(&gone, 9, 0)), (None, None));
}

#[test]
fn last_use_survives_changes_also_from_entries_still_held() {
    let index = TokenIndex::build([record(1, 1), record(2, 2)], [(record(1, 1).id, time(10))]);
    let held = Arc::clone(index.find(&record(1, 1).digest, NOW).unwrap());
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

/// The crate's front page says about 520 bytes a token, as measured (docs/performance.md): entry, its two counters,
/// the shared last use, a name of 24 bytes, a slot of the map by digest at its average load, a leaf of the map by
/// id. What is left out: the rest of the map's nodes, and the allocator's own share.
#[test]
fn a_token_costs_about_what_the_front_page_says() {
    let entry = size_of::<Entry>() + 2 * size_of::<usize>();
    let last_used = 3 * size_of::<u64>();
    let slot = (size_of::<(TokenDigest, Arc<Entry>)>() + 1) * 3 / 2;
    let leaf = size_of::<(TokenId, Arc<Entry>)>() + 5 * size_of::<usize>();
    let bytes = entry + last_used + 24 + slot + leaf;
    assert!((450..=600).contains(&bytes), "{bytes}");
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
                prop_assert_eq!(&index.find(&record.digest, NOW).unwrap().record, record);
                prop_assert_eq!(&index.find_by_id(record.id).unwrap().record, record);
            }
        }
    }
}
