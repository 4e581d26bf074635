//! Why a rotation is where it is.

use std::fmt;

use crate::status::Charge;

/// Why a rotation is where it is, or what was found on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever tells people of a rotation must know each"
)]
pub enum Reason {
    /// The provider refuses the staged value.
    Rejected {
        /// What it says is wrong with it.
        charge: Charge,
        /// The status code of its answer.
        code: u16,
    },
    /// No probe of the staged value was clear.
    Unproven,
    /// An operator said so.
    ByOperator,
    /// The provider refuses the new value, and takes the old one.
    NewRefused {
        /// What it says is wrong with the new one.
        charge: Charge,
        /// The status code of its answer.
        code: u16,
    },
    /// The provider refuses both values: there is nothing to roll back to.
    BothRefused {
        /// The status code of its answer about the new one.
        code: u16,
    },
    /// Another value was entered meanwhile, without a rotation.
    Replaced,
}

impl Reason {
    /// Which it is, without what goes with it. The text that stores and APIs use.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Rejected { .. } => "rejected",
            Self::Unproven => "unproven",
            Self::ByOperator => "by_operator",
            Self::NewRefused { .. } => "new_refused",
            Self::BothRefused { .. } => "both_refused",
            Self::Replaced => "replaced",
        }
    }

    /// What the provider says is wrong with the new value.
    #[must_use]
    pub const fn charge(&self) -> Option<Charge> {
        match self {
            Self::Rejected { charge, .. } | Self::NewRefused { charge, .. } => Some(*charge),
            Self::Unproven | Self::ByOperator | Self::BothRefused { .. } | Self::Replaced => None,
        }
    }

    /// The status code of the provider's answer about the new value.
    #[must_use]
    pub const fn code(&self) -> Option<u16> {
        match self {
            Self::Rejected { code, .. }
            | Self::NewRefused { code, .. }
            | Self::BothRefused { code } => Some(*code),
            Self::Unproven | Self::ByOperator | Self::Replaced => None,
        }
    }

    /// Reads [`as_str`](Self::as_str), [`charge`](Self::charge) and [`code`](Self::code) back. `None` where they do not
    /// go together.
    #[must_use]
    pub fn parse(text: &str, charge: Option<Charge>, code: Option<u16>) -> Option<Self> {
        let reason = match (text, charge, code) {
            ("rejected", Some(charge), Some(code)) => Self::Rejected { charge, code },
            ("unproven", ..) => Self::Unproven,
            ("by_operator", ..) => Self::ByOperator,
            ("new_refused", Some(charge), Some(code)) => Self::NewRefused { charge, code },
            ("both_refused", _, Some(code)) => Self::BothRefused { code },
            ("replaced", ..) => Self::Replaced,
            _ => return None,
        };
        let is_whole = (reason.charge(), reason.code()) == (charge, code);
        is_whole.then_some(reason)
    }
}

impl fmt::Display for Reason {
    /// In words, for people. Says nothing of any value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = |charge: &Charge| match charge {
            Charge::Rejected => "does not know",
            Charge::Expired => "says the date has passed of",
        };
        match self {
            Self::Rejected { charge, code } | Self::NewRefused { charge, code } => {
                write!(f, "the provider {} the new value ({code})", what(charge))?;
                match self {
                    Self::NewRefused { .. } => f.write_str(", and takes the old one"),
                    _ => Ok(()),
                }
            }
            Self::Unproven => f.write_str("no probe of the new value was clear"),
            Self::ByOperator => f.write_str("an operator said so"),
            Self::BothRefused { code } => {
                write!(
                    f,
                    "the provider refuses the new value and the old one ({code})"
                )
            }
            Self::Replaced => f.write_str("another value was entered meanwhile"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;
    use crate::status::Charge;

    #[test]
    fn reasons_are_read_back_whole_or_not_at_all() {
        let all = [
            Reason::Rejected {
                charge: Charge::Rejected,
                code: 401,
            },
            Reason::Unproven,
            Reason::ByOperator,
            Reason::NewRefused {
                charge: Charge::Expired,
                code: 403,
            },
            Reason::BothRefused { code: 401 },
            Reason::Replaced,
        ];
        for reason in all {
            let (text, charge, code) = (reason.as_str(), reason.charge(), reason.code());
            assert_eq!(Reason::parse(text, charge, code), Some(reason));
            let another = match code {
                Some(_) => None,
                None => Some(401),
            };
            assert_eq!(Reason::parse(text, charge, another), None, "{reason:?}");
        }
        assert_eq!(Reason::parse("", None, None), None);
    }
}
