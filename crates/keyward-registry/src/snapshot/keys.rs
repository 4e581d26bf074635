//! The provider keys of one gateway in their order, copied at a change for a few hundred entries only.

use std::{cmp::Ordering, sync::Arc};

use super::ProviderKey;

/// Provider keys, sorted by provider, then alias, in chunks that copies share.
///
/// A look-up is two binary searches and allocates nothing; a change copies one chunk, and one pointer for
/// each of the others.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(Vec<Arc<Chunk>>);

/// Sorted, never empty.
type Chunk = Vec<Arc<ProviderKey>>;

/// A longer chunk is cut in half.
const MOST: usize = 256;

/// Where a key stands in the order.
type Place<'a> = (&'a str, &'a str);

impl Keys {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<ProviderKey>> {
        self.0.iter().flat_map(|chunk| chunk.iter())
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|chunk| chunk.len()).sum()
    }

    pub(super) fn find(&self, provider: &str, alias: &str) -> Option<&Arc<ProviderKey>> {
        let place = (provider, alias);
        let chunk = self.0.get(self.chunk_of(place))?;
        let at = search(chunk, place).ok()?;
        chunk.get(at)
    }

    /// The keys for one provider, sorted by alias.
    pub(super) fn of_provider(&self, provider: &str) -> impl Iterator<Item = &Arc<ProviderKey>> {
        // No alias is empty, so that all of the provider's stand behind this place.
        let first = (provider, "");
        let start = self.chunk_of(first);
        let chunks = self.0.get(start..).unwrap_or_default();
        let skipped = chunks
            .first()
            .map_or(0, |chunk| search(chunk, first).unwrap_or_else(|at| at));
        chunks
            .iter()
            .flat_map(|chunk| chunk.iter())
            .skip(skipped)
            .take_while(move |key| key.record.provider.as_str() == provider)
    }

    /// Puts the key at its place, instead of the one that stands there.
    pub(super) fn insert(&mut self, key: Arc<ProviderKey>) {
        if self.0.is_empty() {
            self.0.push(Arc::new(vec![key]));
            return;
        }
        // What comes after all others goes into the last chunk.
        let number = self.chunk_of(key.order()).min(self.0.len() - 1);
        let Some(chunk) = self.0.get_mut(number).map(Arc::make_mut) else {
            return;
        };
        match search(chunk, key.order()) {
            Ok(at) => {
                if let Some(there) = chunk.get_mut(at) {
                    *there = key;
                }
            }
            Err(at) => chunk.insert(at, key),
        }
        if chunk.len() > MOST {
            let rest = chunk.split_off(MOST / 2);
            self.0.insert(number + 1, Arc::new(rest));
        }
    }

    pub(super) fn remove(&mut self, provider: &str, alias: &str) {
        let place = (provider, alias);
        let number = self.chunk_of(place);
        let Some(chunk) = self.0.get_mut(number) else {
            return;
        };
        let Ok(at) = search(chunk, place) else {
            return;
        };
        let chunk = Arc::make_mut(chunk);
        chunk.remove(at);
        if chunk.is_empty() {
            self.0.remove(number);
        } else {
            self.join_with_next(number);
        }
    }

    /// Keeps deletions from leaving many chunks of few keys.
    fn join_with_next(&mut self, number: usize) {
        let (Some(chunk), Some(next)) = (self.0.get(number), self.0.get(number + 1)) else {
            return;
        };
        if chunk.len() + next.len() > MOST / 2 {
            return;
        }
        let next = self.0.remove(number + 1);
        if let Some(chunk) = self.0.get_mut(number) {
            Arc::make_mut(chunk).extend(next.iter().cloned());
        }
    }

    /// The number of the chunk in which `place` stands or would stand; beyond the last where it would come
    /// after all keys.
    fn chunk_of(&self, place: Place<'_>) -> usize {
        self.0
            .partition_point(|chunk| chunk.last().is_some_and(|last| last.order() < place))
    }
}

fn search(chunk: &[Arc<ProviderKey>], place: Place<'_>) -> Result<usize, usize> {
    chunk.binary_search_by(|key| -> Ordering { key.order().cmp(&place) })
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        sync::Arc,
        time::{Duration, SystemTime},
    };

    use keyward_auth::LastUsed;
    use keyward_secret::AccountId;
    use keyward_vault::SecretId;
    use proptest::prelude::*;

    use super::{Keys, MOST};
    use crate::{Alias, GatewayId, ProviderKey, ProviderKeyId, ProviderKeyRecord, ProviderSlug};

    fn key(provider: u16, alias: u16, id: u8) -> Arc<ProviderKey> {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        let place = (
            AccountId::from_bytes([1; 16]),
            GatewayId::parse("g").unwrap(),
        );
        let name = (
            ProviderSlug::parse(&format!("p{provider}")).unwrap(),
            Alias::parse(&format!("a{alias}")).unwrap(),
        );
        let secret = SecretId::from_bytes([id; 16]);
        let id = ProviderKeyId::from_bytes([id; 16]);
        let record = ProviderKeyRecord::new(id, place, name, secret, at);
        Arc::new(ProviderKey::join(record, None, LastUsed::default()))
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u16, u16),
        Remove(u16, u16),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let place = || (0_u16..3, 0_u16..400);
        let step = prop_oneof![
            3 => place().prop_map(|(provider, alias)| Step::Insert(provider, alias)),
            1 => place().prop_map(|(provider, alias)| Step::Remove(provider, alias)),
        ];
        proptest::collection::vec(step, 0..1200)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn keys_follow_a_plain_map_and_copies_stay_as_they_were(steps in steps()) {
            let mut keys = Keys::default();
            let mut model: BTreeMap<(String, String), ProviderKeyId> = BTreeMap::new();
            for (number, step) in steps.into_iter().enumerate() {
                let before = keys.clone();
                let count = before.len();
                match step {
                    Step::Insert(provider, alias) => {
                        let key = key(provider, alias, number.to_le_bytes()[0]);
                        model.insert((format!("p{provider}"), format!("a{alias}")), key.record.id);
                        keys.insert(key);
                    }
                    Step::Remove(provider, alias) => {
                        model.remove(&(format!("p{provider}"), format!("a{alias}")));
                        keys.remove(&format!("p{provider}"), &format!("a{alias}"));
                    }
                }
                prop_assert_eq!(before.len(), count);
            }
            let listed: Vec<_> = keys.iter().map(|key| key.record.id).collect();
            prop_assert_eq!(listed, model.values().copied().collect::<Vec<_>>());
            prop_assert_eq!(keys.len(), model.len());
            prop_assert!(keys.0.iter().all(|chunk| (1..=MOST).contains(&chunk.len())));
            for ((provider, alias), id) in &model {
                prop_assert_eq!(keys.find(provider, alias).map(|key| key.record.id), Some(*id));
            }
            prop_assert!(keys.find("p1", "a").is_none() && keys.find("p9", "a1").is_none());
            for provider in ["p0", "p1", "p2", "p", "q"] {
                let of: Vec<_> = keys.of_provider(provider).map(|key| key.record.id).collect();
                let expected = model.iter().filter(|((known, _), _)| known == provider);
                prop_assert_eq!(of, expected.map(|(_, id)| *id).collect::<Vec<_>>());
            }
        }
    }
}
