//! Marks that people give answers.

use std::fmt;

/// A number that somebody gave an answer, to the hundredth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogMark(i16);

impl LogMark {
    /// What a person thinks of an answer: −1 to 1.
    #[must_use]
    pub fn feedback(number: f64) -> Option<Self> {
        Self::within(number, -1.0, 1.0)
    }

    /// How good an answer is: 0 to 100.
    #[must_use]
    pub fn score(number: f64) -> Option<Self> {
        Self::within(number, 0.0, 100.0)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "between the bounds, which a hundredfold are small"
    )]
    fn within(number: f64, least: f64, most: f64) -> Option<Self> {
        (least..=most)
            .contains(&number)
            .then(|| Self((number * 100.0).round() as i16))
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// In hundredths: what a store keeps.
    #[must_use]
    pub const fn hundredths(self) -> i16 {
        self.0
    }

    /// Reads [`hundredths`](Self::hundredths) back; none where no mark has so many.
    #[must_use]
    pub const fn from_hundredths(hundredths: i16) -> Option<Self> {
        match hundredths {
            -100..=10_000 => Some(Self(hundredths)),
            _ => None,
        }
    }
}

impl fmt::Debug for LogMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogMark({})", self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::LogMark;

    #[test]
    fn marks_stay_within_their_bounds() {
        for number in [-1.01, 1.01, f64::NAN, f64::INFINITY] {
            assert_eq!(LogMark::feedback(number), None, "{number}");
        }
        for number in [-0.01, 100.5, f64::NAN] {
            assert_eq!(LogMark::score(number), None, "{number}");
        }
        for number in [-1.0, 0.0, 0.25, 1.0] {
            assert_eq!(LogMark::feedback(number).map(LogMark::number), Some(number));
        }
        let most = LogMark::score(100.0).unwrap();
        assert_eq!(LogMark::from_hundredths(most.hundredths()), Some(most));
        assert_eq!(LogMark::from_hundredths(10_001), None);
    }
}
