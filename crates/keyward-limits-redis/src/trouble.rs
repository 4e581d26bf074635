//! Why a decision could not be had of Redis, in words that hold nothing it said.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why Redis does not decide. What Redis answers is never passed on: it may quote what it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("nobody listens there, or the connection broke; see that it runs and can be reached")]
    Unreachable,
    #[error(
        "TLS failed; see that its certificate is for this name and of an authority that is trusted"
    )]
    Tls,
    #[error("it did not answer in time")]
    Silent,
    #[error("it refuses the user or the password")]
    Login,
    #[error("its user may not run what it needs on `{{keyward}}:*`; docs/limits.md lists that")]
    Permission,
    #[error("it is a replica that takes no writes; name the primary")]
    ReadOnly,
    #[error("it is still loading its data")]
    Loading,
    #[error("it is a part of a cluster, which is not supported")]
    Cluster,
    #[error(
        "it refuses to count: it may be out of memory, have no such database, or be older than version 5"
    )]
    Refused,
    #[error("what answers there is no Redis, or an old one")]
    Foreign,
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::Io => Self::Unreachable,
            ErrorKind::AuthenticationFailed => Self::Login,
            ErrorKind::Server(kind) => match kind {
                ServerErrorKind::NoPerm => Self::Permission,
                ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown => Self::ReadOnly,
                ServerErrorKind::BusyLoading => Self::Loading,
                ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::CrossSlot => Self::Cluster,
                // What a script may not do is a plain error, told in words alone.
                _ if error.detail().is_some_and(is_of_acl) => Self::Permission,
                _ => Self::Refused,
            },
            ErrorKind::Extension => match error.code() {
                Some("NOAUTH" | "WRONGPASS") => Self::Login,
                _ => Self::Refused,
            },
            _ => Self::Foreign,
        }
    }
}

/// As Redis 7 and those before it put it.
fn is_of_acl(detail: &str) -> bool {
    detail.contains("ACL failure in script") || detail.contains("executing the script can't run")
}

#[cfg(test)]
mod tests {
    use super::Trouble;

    #[test]
    fn what_is_told_of_redis() {
        keyward_testing::assert_texts!("Trouble", Trouble {
            Trouble::Unreachable => Trouble::Unreachable,
            Trouble::Tls => Trouble::Tls,
            Trouble::Silent => Trouble::Silent,
            Trouble::Login => Trouble::Login,
            Trouble::Permission => Trouble::Permission,
            Trouble::ReadOnly => Trouble::ReadOnly,
            Trouble::Loading => Trouble::Loading,
            Trouble::Cluster => Trouble::Cluster,
            Trouble::Refused => Trouble::Refused,
            Trouble::Foreign => Trouble::Foreign,
        }, |trouble| keyward_testing::told(&trouble));
    }
}
