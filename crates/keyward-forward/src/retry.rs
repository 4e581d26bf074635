//! Whether a failed attempt is followed by another. Pure.
//!
//! One rule: again only if the upstream cannot have worked on the request. A request whose head was written
//! is never sent twice, whatever its method says, unless the upstream itself said that it did nothing with it.

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// hyper handed the request back: the connection, which others had used before, was closing, and nothing was
    /// written. Which forwarder kept it does not matter.
    UnsentOnKept,
    /// The same on a connection made for this request.
    UnsentOnFresh,
    /// The upstream said that it did nothing with the request (HTTP/2: `REFUSED_STREAM`, or a stream beyond the
    /// last one that `GOAWAY` names), and we still have it whole.
    Refused,
    /// Some of the request may have been written, or it is no longer whole.
    Sent,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another attempt, on a kept connection if there is one.
    Again,
    /// Another attempt, on a connection made for it; where there may be no more, on one that others leave.
    AgainFresh,
    GiveUp,
}

/// How many kept connections are tried: more than these closing at once means that the upstream restarts,
/// and the rest of the pool is no better.
const KEPT_ATTEMPTS: u8 = 3;
/// How often an upstream may refuse: it may be at its limit, and more of the same does not help it.
const REFUSED_ATTEMPTS: u8 = 3;

/// Decides after `failure` of attempt number `attempt`, counted from 1.
pub(crate) const fn next(failure: Failure, attempt: u8) -> Next {
    match failure {
        Failure::UnsentOnKept if attempt < KEPT_ATTEMPTS => Next::Again,
        Failure::UnsentOnKept if attempt == KEPT_ATTEMPTS => Next::AgainFresh,
        Failure::Refused if attempt < REFUSED_ATTEMPTS => Next::Again,
        Failure::UnsentOnKept | Failure::UnsentOnFresh | Failure::Refused | Failure::Sent => {
            Next::GiveUp
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, Next, next};

    #[test]
    fn what_follows_is_this_table() {
        use Next::{Again, AgainFresh, GiveUp};
        for (failure, expected) in [
            (Failure::UnsentOnKept, [Again, Again, AgainFresh, GiveUp]),
            (Failure::UnsentOnFresh, [GiveUp; 4]),
            (Failure::Refused, [Again, Again, GiveUp, GiveUp]),
            (Failure::Sent, [GiveUp; 4]),
        ] {
            for (attempt, expected) in (1..).zip(expected) {
                assert_eq!(next(failure, attempt), expected, "{failure:?}, {attempt}");
            }
        }
    }

    #[test]
    fn nothing_is_tried_for_ever() {
        for failure in [
            Failure::UnsentOnKept,
            Failure::UnsentOnFresh,
            Failure::Refused,
            Failure::Sent,
        ] {
            for attempt in 4..=u8::MAX {
                assert_eq!(
                    next(failure, attempt),
                    Next::GiveUp,
                    "{failure:?}, {attempt}"
                );
            }
        }
    }
}
