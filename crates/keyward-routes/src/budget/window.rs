//! For how long a budget is.

use std::{fmt, num::NonZeroU64};

use super::BudgetError;
use crate::{Limit, Technique, grid::Grid};

/// The window of a budget: so many seconds, from the epoch on or sliding, or a day, week or month of the calendar in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BudgetWindow(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Fixed(NonZeroU64),
    Sliding(NonZeroU64),
    Day,
    Week,
    Month,
}

impl BudgetWindow {
    /// From midnight to midnight, in UTC.
    pub const DAY: Self = Self(Kind::Day);
    /// From Monday to Sunday, in UTC.
    pub const WEEK: Self = Self(Kind::Week);
    /// From the first of a month to its last day, in UTC.
    pub const MONTH: Self = Self(Kind::Month);

    /// So many seconds: aligned to the epoch where fixed. A sliding one counts what was spent in the window before by the
    /// part of it that lies within the last `seconds`, as if it had been spent evenly.
    ///
    /// # Errors
    ///
    /// When it is 0 or more than [`Limit::LONGEST_WINDOW`].
    pub fn seconds(seconds: u64, technique: Technique) -> Result<Self, BudgetError> {
        let seconds = NonZeroU64::new(seconds)
            .filter(|seconds| seconds.get() <= Limit::LONGEST_WINDOW.as_secs())
            .ok_or(BudgetError::Window)?;
        Ok(Self(match technique {
            Technique::Fixed => Kind::Fixed(seconds),
            Technique::Sliding => Kind::Sliding(seconds),
        }))
    }

    /// How windows follow each other. Those of the calendar are fixed.
    #[must_use]
    pub const fn technique(self) -> Technique {
        match self.0 {
            Kind::Sliding(_) => Technique::Sliding,
            Kind::Fixed(_) | Kind::Day | Kind::Week | Kind::Month => Technique::Fixed,
        }
    }

    /// How many seconds it has, where it is none of the calendar.
    #[must_use]
    pub const fn as_seconds(self) -> Option<u64> {
        match self.0 {
            Kind::Fixed(seconds) | Kind::Sliding(seconds) => Some(seconds.get()),
            Kind::Day | Kind::Week | Kind::Month => None,
        }
    }

    /// What stores keep of it: `f60` and `s60` for so many seconds, fixed and sliding, and `day`, `week`, `month`.
    #[must_use]
    pub fn code(self) -> String {
        match self.0 {
            Kind::Fixed(seconds) => format!("f{seconds}"),
            Kind::Sliding(seconds) => format!("s{seconds}"),
            Kind::Day => "day".to_owned(),
            Kind::Week => "week".to_owned(),
            Kind::Month => "month".to_owned(),
        }
    }

    /// Reads [`code`](Self::code) back.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        let seconds = |digits: &str, technique| {
            let seconds = digits.parse().ok()?;
            Self::seconds(seconds, technique).ok()
        };
        match code {
            "day" => Some(Self::DAY),
            "week" => Some(Self::WEEK),
            "month" => Some(Self::MONTH),
            _ => match (code.strip_prefix('f'), code.strip_prefix('s')) {
                (Some(digits), _) => seconds(digits, Technique::Fixed),
                (_, Some(digits)) => seconds(digits, Technique::Sliding),
                _ => None,
            },
        }
    }

    /// Where its windows stand.
    pub(crate) const fn grid(self) -> Grid {
        match self.0 {
            // The longest window is far from the end of the numbers.
            Kind::Fixed(seconds) | Kind::Sliding(seconds) => Grid::even(seconds.get() * 1000),
            Kind::Day => Grid::DAYS,
            Kind::Week => Grid::WEEKS,
            Kind::Month => Grid::Months,
        }
    }
}

impl fmt::Display for BudgetWindow {
    /// As it stands behind "per": `60s, fixed`, `60s, sliding`, `day`, `week`, `month`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Fixed(seconds) => write!(f, "{seconds}s, fixed"),
            Kind::Sliding(seconds) => write!(f, "{seconds}s, sliding"),
            Kind::Day => f.write_str("day"),
            Kind::Week => f.write_str("week"),
            Kind::Month => f.write_str("month"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::BudgetWindow;
    use crate::{BudgetError, Limit, Technique};

    #[test]
    fn a_window_is_read_back_as_it_was_kept() {
        let seconds = |technique| BudgetWindow::seconds(3600, technique).unwrap();
        for (window, code, told) in [
            (seconds(Technique::Fixed), "f3600", "3600s, fixed"),
            (seconds(Technique::Sliding), "s3600", "3600s, sliding"),
            (BudgetWindow::DAY, "day", "day"),
            (BudgetWindow::WEEK, "week", "week"),
            (BudgetWindow::MONTH, "month", "month"),
        ] {
            assert_eq!(window.code(), code);
            assert_eq!(window.to_string(), told);
            assert_eq!(BudgetWindow::from_code(code), Some(window));
        }
        for code in ["", "f", "f0", "s99999999999", "x60", "60", "Day", "s-1"] {
            assert_eq!(BudgetWindow::from_code(code), None, "{code}");
        }
    }

    #[test]
    fn a_window_has_a_second_at_least_and_a_year_at_most() {
        let longest = Limit::LONGEST_WINDOW.as_secs();
        assert!(BudgetWindow::seconds(longest, Technique::Fixed).is_ok());
        for seconds in [0, longest + 1] {
            let error = BudgetWindow::seconds(seconds, Technique::Sliding).unwrap_err();
            assert_eq!(error, BudgetError::Window);
        }
    }
}
