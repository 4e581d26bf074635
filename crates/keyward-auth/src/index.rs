//! Every token in memory, by digest.
//!
//! Complete by design: what is not in the index does not exist, and no presented token causes a store
//! look-up. So there is no negative cache, no eviction, and nothing to exhaust by unknown tokens; the price
//! is about 400 bytes a token.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
    time::SystemTime,
};

use crate::{Change, LastUsed, TokenDigest, TokenId, TokenRecord};

/// A token in the index.
#[derive(Debug)]
pub struct Entry {
    /// What is kept of it.
    pub record: TokenRecord,
    /// When it was last used. Survives changes of the record.
    pub last_used: LastUsed,
}

/// Every token, by digest. Immutable: a change makes a new index, which shares the entries.
///
/// [`find`](Self::find) takes one look-up and no lock. Changes and the other questions walk the whole index:
/// they are the control plane's.
#[derive(Clone, Debug, Default)]
pub struct TokenIndex(HashMap<TokenDigest, Arc<Entry>, BuildHasherDefault<DigestHasher>>);

impl TokenIndex {
    /// The index of these records and of what is known of their last use.
    #[must_use]
    pub fn build(
        records: impl IntoIterator<Item = TokenRecord>,
        last_used: impl IntoIterator<Item = (TokenId, SystemTime)>,
    ) -> Self {
        let times: HashMap<TokenId, SystemTime> = last_used.into_iter().collect();
        let entries = records.into_iter().map(|record| {
            let last_used = LastUsed::default();
            if let Some(time) = times.get(&record.id) {
                last_used.touch_at(*time);
            }
            (record.digest, Arc::new(Entry { record, last_used }))
        });
        Self(entries.collect())
    }

    /// The token whose text has this digest. One look-up; allocates nothing.
    #[must_use]
    pub fn find(&self, digest: &TokenDigest) -> Option<&Arc<Entry>> {
        self.0.get(digest)
    }

    /// The token with this id. Walks the index.
    #[must_use]
    pub fn find_by_id(&self, id: TokenId) -> Option<&Arc<Entry>> {
        self.iter().find(|entry| entry.record.id == id)
    }

    /// Every token, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.0.values()
    }

    /// The tokens used at or after `time`, and when: what a saver of last uses has to write.
    pub fn used_since(&self, time: SystemTime) -> impl Iterator<Item = (TokenId, SystemTime)> {
        self.iter().filter_map(move |entry| {
            let used = entry.last_used.get()?;
            (used >= time).then_some((entry.record.id, used))
        })
    }

    /// How many tokens there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The index with `record` added, or in the place of the one with its id.
    #[must_use]
    pub fn with(&self, record: TokenRecord) -> Self {
        let mut next = self.clone();
        next.put(record);
        next
    }

    /// The index without the token `id`.
    #[must_use]
    pub fn without(&self, id: TokenId) -> Self {
        let mut next = self.clone();
        next.take(id);
        next
    }

    /// The index after `changes`, in their order. Copies once for all of them.
    #[must_use]
    pub fn with_changes(&self, changes: impl IntoIterator<Item = Change>) -> Self {
        let mut next = self.clone();
        for change in changes {
            match change {
                Change::PutToken(record) => next.put(record),
                Change::DeleteToken { account, id } => {
                    let ours = next.find_by_id(id);
                    if ours.is_some_and(|entry| entry.record.grant.account == account) {
                        next.take(id);
                    }
                }
            }
        }
        next
    }

    fn put(&mut self, record: TokenRecord) {
        // By id: a rolled token has a new digest, and the old one must be gone.
        let last_used = self
            .take(record.id)
            .map(|entry| entry.last_used.clone())
            .unwrap_or_default();
        self.0
            .insert(record.digest, Arc::new(Entry { record, last_used }));
    }

    fn take(&mut self, id: TokenId) -> Option<Arc<Entry>> {
        let digest = self.find_by_id(id)?.record.digest;
        self.0.remove(&digest)
    }
}

impl FromIterator<TokenRecord> for TokenIndex {
    fn from_iter<I: IntoIterator<Item = TokenRecord>>(records: I) -> Self {
        Self::build(records, [])
    }
}

/// Takes eight bytes of a digest as they are.
///
/// The keys are SHA-256 digests of texts that we made out of random bits: spread already, and not of an
/// attacker's choice, so nobody can fill one bucket.
#[derive(Clone, Copy, Debug, Default)]
struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
