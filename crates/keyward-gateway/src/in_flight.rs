//! How much is going on at once: connections, and requests that are being forwarded, up to a limit.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Counts of all workers together.
#[derive(Debug)]
pub(crate) struct InFlight {
    limit: usize,
    requests: AtomicUsize,
    connections: AtomicUsize,
}

impl InFlight {
    /// Nothing going on, and at most `limit` requests at once.
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            limit,
            requests: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        }
    }

    /// A place for one more request; `None` when all are taken.
    pub(crate) fn begin_request(self: &Arc<Self>) -> Option<RequestSlot> {
        // Given back at once where it was one too many: no compare-and-swap loop on the path.
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        let slot = RequestSlot(Arc::clone(self));
        (before < self.limit).then_some(slot)
    }

    /// Counts a connection until what it returns is dropped.
    pub(crate) fn begin_connection(self: &Arc<Self>) -> ConnectionCount {
        self.connections.fetch_add(1, Ordering::Relaxed);
        ConnectionCount(Arc::clone(self))
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// The place of one request, from its decision to the end of its answer.
#[derive(Debug)]
pub(crate) struct RequestSlot(Arc<InFlight>);

impl Drop for RequestSlot {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
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
        let in_flight = Arc::new(InFlight::new(2));
        let first = in_flight.begin_request().unwrap();
        let _second = in_flight.begin_request().unwrap();
        assert!(in_flight.begin_request().is_none());
        assert_eq!(in_flight.requests(), 2);
        drop(first);
        assert!(in_flight.begin_request().is_some());
    }
}
