//! Amounts of money, exactly.

use std::fmt;

/// So many US dollars: whole billionths of one, 0 to about 18 billion dollars.
///
/// Sums of a million small requests have to be exact, so it is no floating point number. A billionth is a fiftieth of what
/// one token of the cheapest models costs; what falls between two is for whoever computes a cost to round.
///
/// ```
/// use keyward_routes::Money;
///
/// let cent = Money::from_dollars(0.01).ok_or("not an amount")?;
/// assert_eq!(cent.nanos(), 10_000_000);
/// assert_eq!(cent.to_string(), "0.01");
/// assert_eq!(Money::from_dollars(-1.0), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(u64);

/// Billionths in a dollar.
const PER_DOLLAR: u64 = 1_000_000_000;

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The most that is counted: a million dollars. Up to there, floating point numbers tell every billionth apart.
    pub const MOST: Self = Self(1_000_000 * PER_DOLLAR);

    /// So many billionths of a dollar.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The nearest amount to so many dollars; none where that is negative, no number, or above [`MOST`](Self::MOST).
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "it is checked to be between zero and what a number holds exactly"
    )]
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        let nanos = (dollars * PER_DOLLAR as f64).round();
        (0.0..=Self::MOST.0 as f64)
            .contains(&nanos)
            .then_some(Self(nanos as u64))
    }

    /// In billionths of a dollar.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// In dollars, as JSON has them: exact up to [`MOST`](Self::MOST) to the billionth.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "amounts up to the most that is counted are below 2^53"
    )]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / PER_DOLLAR as f64
    }

    /// Both together; at the end of the numbers, that end.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left of it; nothing where the other is more.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Money {
    /// In dollars, with the digits that it needs: `12`, `0.000175`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / PER_DOLLAR, self.0 % PER_DOLLAR);
        if part == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{part:09}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Money({self} USD)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Money;

    #[test]
    fn what_is_no_amount_is_none() {
        for dollars in [-0.01, f64::NAN, f64::INFINITY, 1_000_000.01] {
            assert_eq!(Money::from_dollars(dollars), None, "{dollars}");
        }
        assert_eq!(Money::from_dollars(1e6), Some(Money::MOST));
        assert_eq!(Money::from_dollars(0.0), Some(Money::ZERO));
        assert_eq!(Money::from_dollars(0.1 + 0.2), Money::from_dollars(0.3));
    }

    #[test]
    fn sums_end_where_numbers_end() {
        let most = Money::from_nanos(u64::MAX);
        assert_eq!(most.plus(Money::from_nanos(1)), most);
        assert_eq!(Money::ZERO.minus(Money::MOST), Money::ZERO);
    }

    proptest! {
        #[test]
        fn an_amount_is_read_back_from_dollars_and_from_its_text(nanos in 0..=Money::MOST.nanos()) {
            let money = Money::from_nanos(nanos);
            prop_assert_eq!(Money::from_dollars(money.dollars()), Some(money));
            let read = money.to_string().parse::<f64>().ok().and_then(Money::from_dollars);
            prop_assert_eq!(read, Some(money));
        }
    }
}
