//! What one token costs, exactly.

use crate::Money;

/// Millionths of a billionth of a dollar per token: so that a price per million tokens is whole in billionths of a dollar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rate(u64);

/// In a dollar per token, which is the most. Numbers of that size are exact as floating point numbers.
const MOST: f64 = 1e15;
/// Of those millionths in a billionth of a dollar.
const PER_NANO: u128 = 1_000_000;

impl Rate {
    /// The nearest rate to so many dollars per million tokens; none where that is negative, no number, or above a million.
    pub(super) fn per_million(dollars: f64) -> Option<Self> {
        Self::nearest(dollars * 1e9)
    }

    /// The nearest rate to so many dollars per token; none where that is negative, no number, or above one.
    pub(super) fn per_token(dollars: f64) -> Option<Self> {
        Self::nearest(dollars * 1e15)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is checked to be between zero and what a number holds exactly"
    )]
    fn nearest(units: f64) -> Option<Self> {
        let units = units.round();
        (0.0..=MOST).contains(&units).then_some(Self(units as u64))
    }

    /// What so many tokens cost, in its own unit: below 2^114, so that a few of them are added without a check.
    pub(super) fn of(self, tokens: u64) -> u128 {
        u128::from(self.0) * u128::from(tokens)
    }
}

/// The amount of what [`Rate::of`] gave, rounded up; at most [`Money::MOST`].
pub(super) fn round(units: u128) -> Money {
    let nanos = u64::try_from(units.div_ceil(PER_NANO)).unwrap_or(u64::MAX);
    Money::from_nanos(nanos).min(Money::MOST)
}
