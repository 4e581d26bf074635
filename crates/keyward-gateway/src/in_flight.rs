//! How much is going on at once: connections, and requests that are being forwarded, up to a limit.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicUsize, Ordering},
};

/// Counts of all workers together.
#[derive(Debug)]
pub(crate) struct InFlight {
    /// Where there is a limit on requests, the places that all workers share.
    limited: Option<Arc<Places>>,
    /// Where there is none, each worker's own.
    each: Mutex<Vec<Weak<Places>>>,
    connections: AtomicUsize,
}

/// Places for requests: of all workers where there is a limit, else of one, so that workers write to nothing
/// that they share.
#[derive(Debug)]
pub(crate) struct Places {
    limit: usize,
    taken: AtomicUsize,
}

impl InFlight {
    /// Nothing going on, and at most `limit` requests at once.
    pub(crate) fn new(limit: Option<usize>) -> Self {
        Self {
            limited: limit.map(|limit| Arc::new(Places::new(limit))),
            each: Mutex::default(),
            connections: AtomicUsize::new(0),
        }
    }

    /// The places for one more worker's requests.
    pub(crate) fn worker(&self) -> Arc<Places> {
        if let Some(places) = &self.limited {
            return Arc::clone(places);
        }
        let places = Arc::new(Places::new(usize::MAX));
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        each.retain(|places| places.strong_count() > 0);
        each.push(Arc::downgrade(&places));
        places
    }

    /// Counts a connection until what it returns is dropped.
    pub(crate) fn begin_connection(self: &Arc<Self>) -> ConnectionCount {
        self.connections.fetch_add(1, Ordering::Relaxed);
        ConnectionCount(Arc::clone(self))
    }

    pub(crate) fn requests(&self) -> usize {
        let each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        let each = each.iter().filter_map(Weak::upgrade);
        each.chain(self.limited.clone())
            .map(|places| places.taken.load(Ordering::Relaxed))
            .sum()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Places {
    const fn new(limit: usize) -> Self {
        Self {
            limit,
            taken: AtomicUsize::new(0),
        }
    }

    /// A place for one more request; `None` when all are taken.
    pub(crate) fn begin_request(self: &Arc<Self>) -> Option<RequestSlot> {
        // Given back at once where it was one too many: no compare-and-swap loop on the path.
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        let slot = RequestSlot(Arc::clone(self));
        (before < self.limit).then_some(slot)
    }
}

/// The place of one request, from its decision to the end of its answer.
#[derive(Debug)]
pub(crate) struct RequestSlot(Arc<Places>);

impl Drop for RequestSlot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One counted connection.
#[derive(Debug)]
pub(crate) struct ConnectionCount(Arc<InFlight>);

impl Drop for ConnectionCount {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_requests_than_the_limit_and_each_place_comes_back() {
        let in_flight = InFlight::new(Some(2));
        let (one, other) = (in_flight.worker(), in_flight.worker());
        let first = one.begin_request().unwrap();
        let _second = other.begin_request().unwrap();
        assert!(one.begin_request().is_none());
        assert!(other.begin_request().is_none());
        assert_eq!(in_flight.requests(), 2);
        drop(first);
        assert!(other.begin_request().is_some());
    }

    #[test]
    fn without_a_limit_workers_share_nothing_and_all_their_requests_count() {
        let in_flight = InFlight::new(None);
        let (one, other) = (in_flight.worker(), in_flight.worker());
        assert!(!Arc::ptr_eq(&one, &other));
        let first = one.begin_request().unwrap();
        let second = other.begin_request().unwrap();
        assert_eq!(in_flight.requests(), 2);
        // An answer may outlive the worker that gave it.
        drop((one, first));
        drop(other);
        assert_eq!(in_flight.requests(), 1);
        drop(second);
        assert_eq!(in_flight.requests(), 0);
    }
}
