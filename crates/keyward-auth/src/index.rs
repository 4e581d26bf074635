//! Every token in memory, by digest and by id.
//!
//! Complete by design: what is not in the index does not exist, and no presented token causes a store
//! look-up. So there is no negative cache, no eviction, and nothing to exhaust by unknown tokens; the price
//! is about 520 bytes a token.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
    time::SystemTime,
};

use rpds::HashTrieMapSync;

use crate::{Change, LastUsed, TokenDigest, TokenId, TokenRecord};

/// A token in the index.
#[derive(Debug)]
pub struct Entry {
    /// What is kept of it.
    pub record: TokenRecord,
    /// When it was last used. Survives changes of the record.
    pub last_used: LastUsed,
}

/// Every token, by digest. Immutable: a change makes a new index, which shares with the old one every entry but
/// the changed one. Of the places in which they are looked up it copies about one in 256 for each digest.
///
/// [`find`](Self::find) takes one look-up and no lock.
#[derive(Clone, Debug, Default)]
pub struct TokenIndex {
    digests: Digests,
    ids: HashTrieMapSync<TokenId, Arc<Entry>>,
}

impl TokenIndex {
    /// The index of these records and of what is known of their last use.
    #[must_use]
    pub fn build(
        records: impl IntoIterator<Item = TokenRecord>,
        last_used: impl IntoIterator<Item = (TokenId, SystemTime)>,
    ) -> Self {
        let times: HashMap<TokenId, SystemTime> = last_used.into_iter().collect();
        let mut index = Self::default();
        for record in records {
            let last_used = LastUsed::default();
            if let Some(time) = times.get(&record.id) {
                last_used.touch_at(*time);
            }
            index.insert(Entry { record, last_used });
        }
        index
    }

    /// The token whose text has this digest: its newest text, or at `now` still the one before. One look-up;
    /// allocates nothing.
    #[must_use]
    pub fn find(&self, digest: &TokenDigest, now: SystemTime) -> Option<&Arc<Entry>> {
        let entry = self.digests.find(digest)?;
        let record = &entry.record;
        let is_good = record.digest == *digest
            || record
                .retiring
                .is_some_and(|old| old.digest == *digest && now < old.until);
        is_good.then_some(entry)
    }

    /// The token with this id. One look-up.
    #[must_use]
    pub fn find_by_id(&self, id: TokenId) -> Option<&Arc<Entry>> {
        self.ids.get(&id)
    }

    /// Every token, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.ids.values()
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
        self.ids.size()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
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

    /// The index after `changes`, in their order.
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
        // By id: a rolled token has a new digest, and the old one must be gone or be the retiring one.
        let last_used = self
            .take(record.id)
            .map(|entry| entry.last_used.clone())
            .unwrap_or_default();
        self.insert(Entry { record, last_used });
    }

    fn insert(&mut self, entry: Entry) {
        let entry = Arc::new(entry);
        for digest in digests(&entry.record) {
            self.digests.insert(digest, Arc::clone(&entry));
        }
        self.ids.insert_mut(entry.record.id, entry);
    }

    fn take(&mut self, id: TokenId) -> Option<Arc<Entry>> {
        let entry = Arc::clone(self.ids.get(&id)?);
        self.ids.remove_mut(&id);
        for digest in digests(&entry.record) {
            self.digests.remove(&digest);
        }
        Some(entry)
    }
}

/// The digests by which a token is found.
fn digests(record: &TokenRecord) -> impl Iterator<Item = TokenDigest> + use<> {
    let retiring = record.retiring.map(|old| old.digest);
    std::iter::once(record.digest).chain(retiring)
}

/// Entries by digest, in 256 maps by the digest's last byte: a change copies one of them for each digest that it
/// concerns, and the 256 pointers. A look-up is that of a plain map, and one load more.
#[derive(Clone, Debug)]
struct Digests(Arc<[Arc<Shard>; SHARDS]>);

const SHARDS: usize = 256;

type Shard = HashMap<TokenDigest, Arc<Entry>, BuildHasherDefault<DigestHasher>>;

impl Default for Digests {
    fn default() -> Self {
        let empty = Arc::new(Shard::default());
        Self(Arc::new(std::array::from_fn(|_shard| Arc::clone(&empty))))
    }
}

impl Digests {
    fn find(&self, digest: &TokenDigest) -> Option<&Arc<Entry>> {
        self.0.get(place(digest))?.get(digest)
    }

    fn insert(&mut self, digest: TokenDigest, entry: Arc<Entry>) {
        if let Some(shard) = self.shard(&digest) {
            shard.insert(digest, entry);
        }
    }

    fn remove(&mut self, digest: &TokenDigest) {
        if let Some(shard) = self.shard(digest) {
            shard.remove(digest);
        }
    }

    /// Always there: a byte is below 256.
    fn shard(&mut self, digest: &TokenDigest) -> Option<&mut Shard> {
        Arc::make_mut(&mut self.0)
            .get_mut(place(digest))
            .map(Arc::make_mut)
    }
}

/// By the last byte: the map inside goes by the first eight.
fn place(digest: &TokenDigest) -> usize {
    let [.., last] = *digest.as_bytes();
    usize::from(last)
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
