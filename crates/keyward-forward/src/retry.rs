//! Whether a failed attempt is followed by another. Pure.
//!
//! One rule: again only if the upstream cannot have seen any of the request. A request whose head was
//! written is never sent twice, whatever its method says.

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// hyper handed the request back: the kept connection was closing, and nothing was written.
    UnsentOnKept,
    /// The same on a connection made for this request.
    UnsentOnFresh,
    /// Some of the request may have been written.
    Sent,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another attempt, on a kept connection if there is one.
    Again,
    /// Another attempt, on a connection made for it.
    AgainFresh,
    GiveUp,
}

/// How many kept connections are tried: more than these closing at once means that the upstream restarts,
/// and the rest of the pool is no better.
const KEPT_ATTEMPTS: u8 = 3;

/// Decides after `failure` of attempt number `attempt`, counted from 1.
pub(crate) const fn next(failure: Failure, attempt: u8) -> Next {
    match failure {
        Failure::UnsentOnKept if attempt < KEPT_ATTEMPTS => Next::Again,
        Failure::UnsentOnKept => Next::AgainFresh,
        Failure::UnsentOnFresh | Failure::Sent => Next::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, Next, next};

    #[test]
    fn only_unsent_requests_are_tried_again_and_not_for_ever() {
        assert_eq!(next(Failure::UnsentOnKept, 1), Next::Again);
        assert_eq!(next(Failure::UnsentOnKept, 3), Next::AgainFresh);
        assert_eq!(next(Failure::UnsentOnFresh, 1), Next::GiveUp);
        for attempt in 1..=u8::MAX {
            assert_eq!(next(Failure::Sent, attempt), Next::GiveUp);
        }
    }
}
