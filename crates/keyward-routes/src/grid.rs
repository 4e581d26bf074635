//! Where windows begin and end on the clock.

/// Milliseconds in a day.
const DAY_MS: u64 = 86_400_000;

/// How windows follow each other, without a gap, each with a number that is one higher than that of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grid {
    /// All equally long.
    Even {
        /// How long a window is, in milliseconds: at least 1.
        window_ms: u64,
        /// How long after the epoch one began, in milliseconds: less than a window.
        since_ms: u64,
    },
    /// The months of the calendar, in UTC: month 0 is January 1970.
    Months,
}

impl Grid {
    /// The days of the calendar, in UTC.
    pub(crate) const DAYS: Self = Self::even(DAY_MS);
    /// Weeks from Monday to Sunday, in UTC. The epoch was a Thursday, four days before a Monday.
    pub(crate) const WEEKS: Self = Self::Even {
        window_ms: 7 * DAY_MS,
        since_ms: 4 * DAY_MS,
    };

    /// Windows of `window_ms`, aligned to the epoch.
    pub(crate) const fn even(window_ms: u64) -> Self {
        Self::Even {
            window_ms,
            since_ms: 0,
        }
    }

    /// The window at a time, in milliseconds since the epoch.
    pub(crate) const fn number_at(self, now_ms: u64) -> u64 {
        match self {
            // The window in which the epoch lies has the number 0.
            Self::Even {
                window_ms,
                since_ms: 0,
            } => now_ms / window_ms,
            Self::Even {
                window_ms,
                since_ms,
            } => now_ms.saturating_add(window_ms - since_ms) / window_ms,
            Self::Months => month_of_day(now_ms / DAY_MS),
        }
    }

    /// When a window begins, in milliseconds since the epoch, which is when the one before it ends. At the end of the
    /// numbers, that end.
    pub(crate) const fn begins_at(self, number: u64) -> u64 {
        match self {
            Self::Even {
                window_ms,
                since_ms: 0,
            } => number.saturating_mul(window_ms),
            Self::Even {
                window_ms,
                since_ms,
            } => number
                .saturating_mul(window_ms)
                .saturating_sub(window_ms - since_ms),
            Self::Months => first_day_of_month(number).saturating_mul(DAY_MS),
        }
    }

    /// When a window ends, in milliseconds since the epoch.
    pub(crate) const fn ends_at(self, number: u64) -> u64 {
        self.begins_at(number.saturating_add(1))
    }

    /// How long a window is, in milliseconds.
    pub(crate) const fn length(self, number: u64) -> u64 {
        match self {
            Self::Even { window_ms, .. } => window_ms,
            Self::Months => self.ends_at(number).saturating_sub(self.begins_at(number)),
        }
    }
}

/// The first of March of the year 0 is so many days before the epoch.
const DAYS_BEFORE_EPOCH: u64 = 719_468;
/// Days in 400 years, after which the calendar repeats.
const ERA_DAYS: u64 = 146_097;
/// Beyond this month nothing is told apart: some 80 million years.
const LAST_MONTH: u64 = 1_000_000_000;

/// How many whole months lie between the epoch and a day after it: Howard Hinnant's `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>), in which years begin in March so that a leap day is the last.
const fn month_of_day(day: u64) -> u64 {
    let day = day.saturating_add(DAYS_BEFORE_EPOCH);
    let (era, day) = (day / ERA_DAYS, day % ERA_DAYS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // From March, 0 to 11.
    let month = (5 * day + 2) / 153;
    // January of 1970 is the eleventh month of the year 1969.
    let months = (era * 400 + year) * 12 + month;
    let months = months - (1969 * 12 + 10);
    if months > LAST_MONTH {
        LAST_MONTH
    } else {
        months
    }
}

/// On which day after the epoch a month begins: `days_from_civil`.
const fn first_day_of_month(months: u64) -> u64 {
    let months = if months > LAST_MONTH {
        LAST_MONTH
    } else {
        months
    };
    let months = months + 1969 * 12 + 10;
    let (year, month) = (months / 12, months % 12);
    let (era, year) = (year / 400, year % 400);
    let days = 365 * year + year / 4 - year / 100;
    era * ERA_DAYS + days + (153 * month + 2) / 5 - DAYS_BEFORE_EPOCH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{DAY_MS, Grid};

    /// 2026-11-27 was a Friday.
    const FRIDAY: u64 = 20_784;

    #[test]
    fn weeks_begin_on_monday() {
        let number = Grid::WEEKS.number_at(FRIDAY * DAY_MS);
        assert_eq!(Grid::WEEKS.begins_at(number), (FRIDAY - 4) * DAY_MS);
        assert_eq!(Grid::WEEKS.ends_at(number), (FRIDAY + 3) * DAY_MS);
        assert_eq!(Grid::WEEKS.number_at(0), 0);
        assert_eq!(Grid::WEEKS.ends_at(0), 4 * DAY_MS);
    }

    #[test]
    fn months_begin_on_their_first_day_also_in_leap_years() {
        let mut day = 0;
        for number in 0..=(2110 - 1970) * 12 {
            let (year, month) = (1970 + number / 12, number % 12);
            assert_eq!(
                Grid::Months.begins_at(number),
                day * DAY_MS,
                "{year} {month}"
            );
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let days = [
                31,
                28 + u64::from(is_leap),
                31,
                30,
                31,
                30,
                31,
                31,
                30,
                31,
                30,
                31,
            ];
            day += days[usize::try_from(month).unwrap()];
        }
        let november = Grid::Months.number_at(FRIDAY * DAY_MS);
        assert_eq!(november, (2026 - 1970) * 12 + 10);
        assert_eq!(Grid::Months.begins_at(november), (FRIDAY - 26) * DAY_MS);
    }

    fn grid() -> impl Strategy<Value = Grid> {
        prop_oneof![
            (1_u64..10_000_000_000).prop_map(Grid::even),
            Just(Grid::DAYS),
            Just(Grid::WEEKS),
            Just(Grid::Months),
        ]
    }

    proptest! {
        #[test]
        fn every_moment_lies_in_the_window_that_has_its_number(
            grid in grid(), now in 0_u64..10_000_000_000_000,
        ) {
            let number = grid.number_at(now);
            prop_assert!(grid.begins_at(number) <= now && now < grid.ends_at(number));
            prop_assert_eq!(grid.number_at(grid.begins_at(number)), number);
            prop_assert_eq!(grid.number_at(grid.ends_at(number)), number + 1);
        }

        #[test]
        fn nothing_overflows(grid in grid(), number: u64, now: u64) {
            let _ends = (grid.number_at(now), grid.ends_at(number), grid.length(number));
        }
    }
}
