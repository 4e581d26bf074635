//! Requests under way, by what they use, and how they are cut.
//!
//! Each worker keeps a list of its own, which it shares with nobody but whoever revokes. A request enters it when
//! it waits for the first time, so one that is answered at once never does, and leaves it when its answer ends.
//! What it pays is that worker's uncontended lock, twice; while nothing is cut, one load per frame.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    num::NonZeroUsize,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use keyward_auth::TokenId;
use keyward_registry::{CustomProviderId, InUse, ProviderKeyId, Use};
use keyward_vault::{SecretId, VersionNumber};
use slab::Slab;

/// How many cuts are remembered for requests that were decided before and enter a list after. That takes them
/// microseconds.
const REMEMBERED: usize = 1024;

/// What one request uses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Used {
    pub(crate) token: Option<TokenId>,
    pub(crate) key: Option<KeyUse>,
    /// Shared: few requests have one, and the room for it is in every one, twice while it waits.
    pub(crate) custom: Option<Arc<CustomUse>>,
}

/// One value of a provider key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyUse {
    pub(crate) id: ProviderKeyId,
    pub(crate) secret: SecretId,
    pub(crate) version: VersionNumber,
}

/// A custom provider, and which of its headers are carried to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CustomUse {
    pub(crate) id: CustomProviderId,
    pub(crate) headers: Option<VersionNumber>,
}

/// What was revoked under a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revoked {
    Token,
    Key,
    /// A custom provider, or its headers.
    Custom,
}

/// Every worker's requests.
#[derive(Debug, Default)]
pub(crate) struct Cuts {
    /// Raised twice by each cut: before it goes through the lists and after.
    made: AtomicU64,
    recent: Mutex<VecDeque<(u64, Use)>>,
    workers: Mutex<Vec<Weak<Requests>>>,
}

/// One worker's requests that wait.
#[derive(Debug)]
pub(crate) struct Requests {
    waiting: Mutex<Slab<Waiting>>,
    cuts: Arc<Cuts>,
}

#[derive(Debug)]
struct Waiting {
    used: Used,
    waker: Waker,
    revoked: Option<Revoked>,
}

/// One request's place in its worker's list.
#[derive(Debug)]
pub(crate) struct Watch {
    requests: Arc<Requests>,
    used: Used,
    /// Where the count of cuts stood when it was decided, or last looked.
    seen: u64,
    /// One more than its place in the list.
    place: Option<NonZeroUsize>,
}

impl Used {
    fn revoked_by(&self, what: Use) -> Option<Revoked> {
        match what {
            Use::Token(id) => (self.token == Some(id)).then_some(Revoked::Token),
            Use::ProviderKey { id, keeps } => self
                .key
                .filter(|key| key.id == id && keeps != Some((key.secret, key.version)))
                .map(|_key| Revoked::Key),
            Use::CustomProvider(id) => self
                .custom
                .as_ref()
                .filter(|custom| custom.id == id)
                .map(|_custom| Revoked::Custom),
            Use::CustomHeaders { id, keeps } => self
                .custom
                .as_ref()
                .filter(|custom| custom.id == id)
                .filter(|custom| custom.headers.is_some() && custom.headers != keeps)
                .map(|_custom| Revoked::Custom),
        }
    }
}

impl Cuts {
    /// A list for one more worker.
    pub(crate) fn worker(self: &Arc<Self>) -> Arc<Requests> {
        let requests = Arc::new(Requests {
            waiting: Mutex::default(),
            cuts: Arc::clone(self),
        });
        let mut workers = lock(&self.workers);
        workers.retain(|worker| worker.strong_count() > 0);
        workers.push(Arc::downgrade(&requests));
        drop(workers);
        requests
    }

    /// Whether one of the cuts since the count stood at `seen` concerns `used`.
    fn since(&self, seen: u64, used: &Used) -> Option<Revoked> {
        let recent = lock(&self.recent);
        let newer = recent.iter().filter(|(number, _)| *number > seen);
        newer
            .map(|(_, what)| used.revoked_by(*what))
            .find(Option::is_some)?
    }

    fn each_worker<T>(&self, mut of: impl FnMut(&mut Slab<Waiting>) -> T) -> Vec<T> {
        let workers: Vec<_> = lock(&self.workers)
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        workers
            .iter()
            .map(|requests| of(&mut lock(&requests.waiting)))
            .collect()
    }
}

impl InUse for Cuts {
    fn count(&self, of: Use) -> usize {
        let counts = self.each_worker(|waiting| {
            let used = waiting.iter().filter(|(_, request)| {
                request.revoked.is_none() && request.used.revoked_by(of).is_some()
            });
            used.count()
        });
        counts.into_iter().sum()
    }

    fn cut(&self, of: Use) -> usize {
        {
            let mut recent = lock(&self.recent);
            let number = self.made.load(Ordering::Relaxed) + 1;
            if recent.len() >= REMEMBERED {
                recent.pop_front();
            }
            recent.push_back((number, of));
            // Before the lists are gone through: who enters one after this finds it out by itself.
            self.made.store(number, Ordering::Release);
        }
        let cut = self.each_worker(|waiting| {
            let mut wakers = Vec::new();
            for (_, request) in waiting.iter_mut() {
                if request.revoked.is_some() {
                    continue;
                }
                if let Some(revoked) = request.used.revoked_by(of) {
                    request.revoked = Some(revoked);
                    wakers.push(request.waker.clone());
                }
            }
            wakers
        });
        {
            // A request that looked meanwhile, before its list's turn, has to look once more. Under the lock, in
            // which numbers are given.
            let _recent = lock(&self.recent);
            self.made.fetch_add(1, Ordering::Release);
        }
        let wakers: Vec<_> = cut.into_iter().flatten().collect();
        let count = wakers.len();
        // Outside the locks: what is woken takes them.
        wakers.into_iter().for_each(Waker::wake);
        metrics::counter!("keyward_requests_cut_total")
            .increment(u64::try_from(count).unwrap_or(u64::MAX));
        count
    }
}

impl Requests {
    /// Where the count of cuts stands: asked before a request is decided.
    pub(crate) fn cuts_made(&self) -> u64 {
        self.cuts.made.load(Ordering::Acquire)
    }

    /// Watches a request that uses this, and was decided when the count of cuts stood at `seen`.
    pub(crate) fn watch(self: &Arc<Self>, used: Used, seen: u64) -> Watch {
        Watch {
            requests: Arc::clone(self),
            used,
            seen,
            place: None,
        }
    }
}

impl Watch {
    /// What the request uses.
    pub(crate) const fn used(&self) -> &Used {
        &self.used
    }

    /// What the request uses. It is not watched any more.
    pub(crate) fn into_used(mut self) -> Used {
        std::mem::take(&mut self.used)
    }

    /// Whether there were cuts since it last looked, so that [`poll_revoked`](Self::poll_revoked) has to be asked
    /// although the request does not wait. One load.
    pub(crate) fn has_to_look(&self) -> bool {
        self.requests.cuts_made() != self.seen
    }

    /// Ready when the request is cut; else it is woken when that happens.
    pub(crate) fn poll_revoked(&mut self, context: &Context<'_>) -> Poll<Revoked> {
        let mut waiting = lock(&self.requests.waiting);
        let place = self.place.map(|place| place.get() - 1);
        if let Some(request) = place.and_then(|place| waiting.get_mut(place)) {
            if !request.waker.will_wake(context.waker()) {
                request.waker.clone_from(context.waker());
            }
            self.seen = self.requests.cuts_made();
            return request.revoked.map_or(Poll::Pending, Poll::Ready);
        }
        let place = waiting.insert(Waiting {
            used: self.used.clone(),
            waker: context.waker().clone(),
            revoked: None,
        });
        self.place = Some(NonZeroUsize::MIN.saturating_add(place));
        drop(waiting);
        let made = self.requests.cuts_made();
        if made != self.seen {
            let missed = self.requests.cuts.since(self.seen, &self.used);
            self.seen = made;
            if let Some(revoked) = missed {
                return Poll::Ready(revoked);
            }
        }
        Poll::Pending
    }

    /// Ready when the request is cut.
    pub(crate) async fn revoked(&mut self) -> Revoked {
        poll_fn(|context| self.poll_revoked(context)).await
    }

    /// What comes of `work`, unless the request is cut before. Pinned by the caller: a future that is handed over
    /// has room in both, and is copied from one to the other.
    pub(crate) async fn unless_revoked<T>(
        &mut self,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Revoked> {
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => self.poll_revoked(context).map(Err),
        })
        .await
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            lock(&self.requests.waiting).try_remove(place.get() - 1);
        }
    }
}

/// Nothing panics while a lock is held; if it did, the lists would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        task::{Context, Poll, Waker},
        thread,
        time::{Duration, Instant},
    };

    use keyward_auth::TokenId;
    use keyward_registry::{CustomProviderId, InUse, ProviderKeyId, Use};
    use keyward_vault::{SecretId, VersionNumber};

    use super::{CustomUse, Cuts, KeyUse, Revoked, Used, lock};

    fn key(byte: u8) -> KeyUse {
        KeyUse {
            id: ProviderKeyId::from_bytes([byte; 16]),
            secret: SecretId::from_bytes([byte; 16]),
            version: VersionNumber::FIRST,
        }
    }

    fn token(text: &str) -> TokenId {
        TokenId::parse(text).unwrap()
    }

    #[test]
    fn what_uses_it_is_counted_and_cut_and_nothing_else() {
        let cuts = Arc::new(Cuts::default());
        let (first, second) = (cuts.worker(), cuts.worker());
        let (one, other) = (key(1), key(2));
        let id = token("aaaaaaaaaaaa");
        let used = |token, key| Used {
            token,
            key,
            custom: None,
        };
        let context = Context::from_waker(Waker::noop());
        let mut by_both = first.watch(used(Some(id), Some(one)), 0);
        let mut by_token = second.watch(used(Some(id), Some(other)), 0);
        let mut by_key = second.watch(used(Some(token("bbbbbbbbbbbb")), Some(one)), 0);
        for watch in [&mut by_both, &mut by_token, &mut by_key] {
            assert_eq!(watch.poll_revoked(&context), Poll::Pending);
        }
        let of_key = Use::ProviderKey {
            id: one.id,
            keeps: None,
        };
        let kept = Use::ProviderKey {
            id: one.id,
            keeps: Some((one.secret, one.version)),
        };
        assert_eq!((cuts.count(of_key), cuts.count(kept)), (2, 0));
        assert_eq!(cuts.cut(kept), 0);
        assert_eq!(cuts.cut(of_key), 2);
        assert_eq!(cuts.cut(of_key), 0);
        assert!(by_both.has_to_look());
        assert_eq!(by_both.poll_revoked(&context), Poll::Ready(Revoked::Key));
        assert_eq!(by_key.poll_revoked(&context), Poll::Ready(Revoked::Key));
        assert_eq!(by_token.poll_revoked(&context), Poll::Pending);
        assert!(!by_token.has_to_look());
        assert_eq!(cuts.cut(Use::Token(id)), 1);
        assert_eq!(by_token.poll_revoked(&context), Poll::Ready(Revoked::Token));
        drop((by_both, by_token, by_key));
        assert_eq!(cuts.count(of_key), 0);
    }

    #[test]
    fn a_custom_provider_is_cut_with_all_and_its_headers_with_those_that_carry_them() {
        let cuts = Arc::new(Cuts::default());
        let worker = cuts.worker();
        let [id, other] = [1, 2].map(|byte| CustomProviderId::from_bytes([byte; 16]));
        let (old, new) = (VersionNumber::FIRST, VersionNumber::new(2).unwrap());
        let context = Context::from_waker(Waker::noop());
        let carries = [
            (id, Some(old)),
            (id, Some(new)),
            (id, None),
            (other, Some(old)),
        ];
        let mut watches = carries.map(|(id, headers)| {
            let used = Used {
                custom: Some(Arc::new(CustomUse { id, headers })),
                ..Used::default()
            };
            worker.watch(used, 0)
        });
        let mut ended = || {
            let polled = watches.each_mut();
            polled.map(|watch| watch.poll_revoked(&context) == Poll::Ready(Revoked::Custom))
        };
        assert_eq!(ended(), [false; 4]);
        let replaced = Use::CustomHeaders {
            id,
            keeps: Some(new),
        };
        assert_eq!((cuts.count(replaced), cuts.cut(replaced)), (1, 1));
        assert_eq!(ended(), [true, false, false, false]);
        let removed = Use::CustomHeaders { id, keeps: None };
        assert_eq!(cuts.cut(removed), 1);
        assert_eq!(ended(), [true, true, false, false]);
        assert_eq!(cuts.cut(Use::CustomProvider(id)), 1);
        assert_eq!(ended(), [true, true, true, false]);
    }

    #[test]
    fn a_request_that_was_decided_before_a_cut_finds_it_out() {
        let cuts = Arc::new(Cuts::default());
        let worker = cuts.worker();
        let key = key(1);
        let of_key = Use::ProviderKey {
            id: key.id,
            keeps: None,
        };
        let used = Used {
            token: None,
            key: Some(key),
            custom: None,
        };
        let context = Context::from_waker(Waker::noop());
        let mut early = worker.watch(used.clone(), worker.cuts_made());
        assert_eq!(cuts.cut(of_key), 0);
        // Decided after: with the new picture, so it uses what is good.
        let mut late = worker.watch(used, worker.cuts_made());
        assert_eq!(early.poll_revoked(&context), Poll::Ready(Revoked::Key));
        assert_eq!(late.poll_revoked(&context), Poll::Pending);
    }

    /// Else a stream that never pauses would go on: its next frame is given without another look.
    #[test]
    fn a_request_that_looks_while_a_cut_is_at_other_workers_finds_it_out() {
        let cuts = Arc::new(Cuts::default());
        let (first, second) = (cuts.worker(), cuts.worker());
        let key = key(1);
        let of_key = Use::ProviderKey {
            id: key.id,
            keeps: None,
        };
        let used = Used {
            token: None,
            key: Some(key),
            custom: None,
        };
        let context = Context::from_waker(Waker::noop());
        let mut watch = second.watch(used, second.cuts_made());
        assert_eq!(watch.poll_revoked(&context), Poll::Pending);
        thread::scope(|scope| {
            let held = lock(&first.waiting);
            let cutting = scope.spawn(|| cuts.cut(of_key));
            let deadline = Instant::now() + Duration::from_secs(20);
            while !watch.has_to_look() {
                assert!(Instant::now() < deadline, "nothing was cut");
                thread::yield_now();
            }
            let _not_there_yet = watch.poll_revoked(&context);
            drop(held);
            assert_eq!(cutting.join().unwrap(), 1);
        });
        assert!(watch.has_to_look());
        assert_eq!(watch.poll_revoked(&context), Poll::Ready(Revoked::Key));
    }
}
