//! How many tokens an answer says that it took.

/// Token counts of one answer, read alike whoever gave it. None: the answer does not say, or says what cannot be.
///
/// Providers count differently: one leaves cached tokens out of the input, another reasoning out of the output. Here both
/// are within, so that a part is never larger than its whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Usage {
    /// All tokens that went in: those that were read from a cache or written to one too.
    pub input: Option<u64>,
    /// Of the input, what was read from a cache.
    pub cache_read: Option<u64>,
    /// Of the input, what was written to a cache.
    pub cache_write: Option<u64>,
    /// Of what was written to a cache, what is kept there for an hour. Other providers than Anthropic do not say.
    pub cache_write_hour: Option<u64>,
    /// All tokens that came out: those of reasoning too.
    pub output: Option<u64>,
    /// Of the output, what was reasoning.
    pub reasoning: Option<u64>,
}

impl Usage {
    /// Of an answer that says nothing.
    pub const UNKNOWN: Self = Self {
        input: None,
        cache_read: None,
        cache_write: None,
        cache_write_hour: None,
        output: None,
        reasoning: None,
    };

    /// Whether the answer says nothing.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::UNKNOWN
    }

    /// Input and output together, where both are known.
    #[must_use]
    pub const fn total(&self) -> Option<u64> {
        match (self.input, self.output) {
            (Some(input), Some(output)) => input.checked_add(output),
            _ => None,
        }
    }
}
