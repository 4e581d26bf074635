//! The audit log: who did what to what, from where, with what result.

use std::{borrow::Cow, fmt, net::IpAddr, time::SystemTime};

use keyward_auth::TokenId;

use crate::Subject;

/// Who did something, or tried to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Actor {
    /// The holder of an API token.
    Token {
        /// The token.
        id: TokenId,
        /// Where the request came from, as the listener knows it. `None`: the host of the control plane told of
        /// no address.
        source: Option<IpAddr>,
    },
    /// Somebody who showed no token that is good here.
    Unknown {
        /// Where the request came from. `None`: as for [`Token`](Self::Token).
        source: Option<IpAddr>,
    },
    /// A command on the machine itself, such as `vault init`.
    Command(&'static str),
    /// The server itself, where nobody asked: something was found out, or was due.
    System,
}

impl Actor {
    /// Where the request came from; a command on the machine and the server itself have none.
    #[must_use]
    pub const fn source(&self) -> Option<IpAddr> {
        match self {
            Self::Token { source, .. } | Self::Unknown { source } => *source,
            Self::Command(_) | Self::System => None,
        }
    }
}

impl fmt::Display for Actor {
    /// The actor as the audit log names it, without the address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token { id, .. } => write!(f, "token {id}"),
            Self::Unknown { .. } => f.write_str("unknown"),
            Self::Command(name) => write!(f, "command {name}"),
            Self::System => f.write_str("system"),
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever reads the log must know each"
)]
pub enum AuditResult {
    /// It was done: the rows and this line were stored together.
    Done,
    /// The token was good, and not for this.
    Denied,
    /// No token, or none that is good here.
    Unauthenticated,
}

impl AuditResult {
    /// Every result.
    pub const ALL: [Self; 3] = [Self::Done, Self::Denied, Self::Unauthenticated];

    /// The text that the log keeps.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Denied => "denied",
            Self::Unauthenticated => "unauthenticated",
        }
    }

    /// Reads [`as_str`](Self::as_str) back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == text)
    }
}

/// One line of the audit log about a change that is made: who does what to what, and when. Never holds a
/// secret. Its result is [`AuditResult::Done`]: without the change there is no line, without the line no change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// When.
    pub at: SystemTime,
    /// Who, and from where.
    pub actor: Actor,
    /// What is done, such as `provider_key.rotate`.
    pub action: &'static str,
    /// To what.
    pub subject: Subject,
}

/// Attempts that were refused, alike in everything that is told here. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RefusedAttempt {
    /// When the newest of them was made.
    pub at: SystemTime,
    /// Who, and from where.
    pub actor: Actor,
    /// What was tried, such as `provider_key.rotate`.
    pub action: Cow<'static, str>,
    /// To what. `None`: the request named no record that could be told of.
    pub subject: Option<Subject>,
    /// [`AuditResult::Denied`] or [`AuditResult::Unauthenticated`].
    pub result: AuditResult,
    /// How many there were.
    pub times: u64,
}

#[cfg(test)]
mod tests {
    use super::AuditResult;

    #[test]
    fn results_are_read_back() {
        for result in AuditResult::ALL {
            assert_eq!(AuditResult::parse(result.as_str()), Some(result));
        }
        assert_eq!(AuditResult::parse(""), None);
    }
}
