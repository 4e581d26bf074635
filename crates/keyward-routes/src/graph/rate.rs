//! What a rate element counts, by what, and how many it lets through.

use std::{borrow::Cow, fmt, time::Duration};

use crate::{
    Budget, Limit,
    facts::{Fact, Reader},
    field::Field,
};

/// The limit of a rate element.
#[derive(Clone, Debug)]
pub struct Rate {
    pub(super) bound: Bound,
    pub(super) key: Option<Field>,
}

/// How much one window lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "who counts must handle each case")]
pub enum Bound {
    /// So many requests: `limitType` `count`.
    Requests(Limit),
    /// So many US dollars: `limitType` `cost`. Its windows are seconds.
    Cost(Budget),
}

/// How requests are told apart that are counted together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "who counts must handle each case")]
pub enum Partition<'a> {
    /// No field is named: all requests together.
    All,
    /// The named field is absent, `null`, an array or an object: all such requests together, so that leaving it out
    /// escapes no limit.
    Absent,
    /// The field's value as a text, of whatever length a client sent. `7` and `"7"` are one.
    Value(Cow<'a, str>),
}

/// How windows follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "who counts must handle each case")]
pub enum Technique {
    /// Windows stand beside each other, from the epoch on.
    #[default]
    Fixed,
    /// The window moves with the request.
    Sliding,
}

impl Technique {
    /// The word for it in a graph: `fixed` or `sliding`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Sliding => "sliding",
        }
    }
}

impl fmt::Display for Bound {
    /// How much, without the window: `20 requests`, `0.25 USD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requests(limit) => write!(f, "{} requests", limit.limit()),
            Self::Cost(budget) => write!(f, "{} USD", budget.limit()),
        }
    }
}

impl Rate {
    /// How much one window lets through.
    #[must_use]
    pub const fn bound(&self) -> Bound {
        self.bound
    }

    /// The window, in whole seconds: 1 s to 366 days.
    #[must_use]
    pub fn window(&self) -> Duration {
        match self.bound {
            Bound::Requests(limit) => limit.window(),
            Bound::Cost(budget) => {
                Duration::from_secs(budget.window().as_seconds().unwrap_or_default())
            }
        }
    }

    /// How windows follow each other. Fixed by default.
    #[must_use]
    pub const fn technique(&self) -> Technique {
        match self.bound {
            Bound::Requests(limit) => limit.technique(),
            Bound::Cost(budget) => budget.window().technique(),
        }
    }

    /// The field by whose value requests are counted apart.
    #[must_use]
    pub const fn key(&self) -> Option<&Field> {
        self.key.as_ref()
    }

    /// With which others a request is counted. The body must have been read.
    pub(crate) fn partition<'r>(&self, reader: &'r Reader<'_>) -> Partition<'r> {
        let Some(key) = &self.key else {
            return Partition::All;
        };
        match reader.find(key) {
            Fact::Text(text) | Fact::Header(text) => Partition::Value(Cow::Borrowed(text)),
            Fact::Bool(value) => {
                Partition::Value(Cow::Borrowed(if value { "true" } else { "false" }))
            }
            Fact::Number(number) => Partition::Value(Cow::Owned(number.to_string())),
            Fact::Missing | Fact::Null | Fact::Bytes | Fact::Array | Fact::Object => {
                Partition::Absent
            }
        }
    }
}
