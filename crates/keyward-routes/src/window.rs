//! How much of a limit is taken in a window, decided from what was counted and the time.
//!
//! Pure, in whole numbers: no clock, no drift. Where windows begin and end is `grid.rs`'s. A sliding window is told from two of
//! them: the one that runs, and what the one before it has in common with it, as if its requests had come evenly.

use crate::{Ask, Technique, grid::Grid};

/// How far a clock may go back at least without a window being begun again, in milliseconds. A guess: threads that read
/// the clock and then wait for each other are nearer than that, and clocks are set by less.
const LEAST_STEP_BACK_MS: u64 = 10_000;

/// What was counted: in a window, and in the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what stores keep, whole")]
pub struct Counted {
    /// Which window it is, from the epoch on.
    pub number: u64,
    /// What was counted in it.
    pub current: u64,
    /// What was counted in the window before it.
    pub previous: u64,
}

/// A limit as the arithmetic needs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) limit: u64,
    pub(crate) window_ms: u64,
    pub(crate) technique: Technique,
}

impl Bounds {
    /// Where the windows stand.
    pub(crate) const fn grid(self) -> Grid {
        Grid::even(self.window_ms)
    }
}

/// How an amount stands to a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it fits or it does not")]
pub enum Fit {
    /// It fits.
    Within {
        /// What is left after it.
        remaining: u64,
        /// How long the window lasts, in milliseconds.
        reset_ms: u64,
    },
    /// It does not.
    Over {
        /// After how long it would, if nothing else came, in milliseconds: at least 1.
        retry_ms: u64,
    },
}

impl Counted {
    /// Whether what an ask wants fits beside this, which is as it stands at `now_ms`, in milliseconds since the epoch.
    #[must_use]
    pub fn fit_of(self, ask: &Ask, now_ms: u64) -> Fit {
        self.fit(ask.limit.bounds(), ask.amount, now_ms)
    }

    /// What was counted, as it stands at `now`.
    ///
    /// A clock that is set back by no more than a window (or ten seconds) leaves everything in the window that was
    /// begun. By more, what was counted counts in the window of the new time: nothing is free before that ends, and
    /// nothing waits for the old time to come again.
    pub(crate) const fn at(mut self, grid: Grid, now_ms: u64) -> Self {
        let number = grid.number_at(now_ms);
        if number == self.number {
            return self;
        }
        if number < self.number {
            let length = grid.length(self.number);
            let slack = if length > LEAST_STEP_BACK_MS {
                length
            } else {
                LEAST_STEP_BACK_MS
            };
            if grid.begins_at(self.number).saturating_sub(now_ms) > slack {
                self.number = number;
            }
            return self;
        }
        Self {
            number,
            previous: if number - self.number == 1 {
                self.current
            } else {
                0
            },
            current: 0,
        }
    }

    /// Whether `amount` fits beside what is counted [at](Self::at) `now`.
    pub(crate) fn fit(self, bounds: Bounds, amount: u64, now_ms: u64) -> Fit {
        let left_ms = self.left_ms(bounds.grid(), now_ms);
        let overlap = overlap(bounds.technique, left_ms, bounds.window_ms);
        let wanted = self.counts(overlap, bounds.window_ms) + u128::from(amount);
        match u128::from(bounds.limit).checked_sub(wanted) {
            Some(remaining) => Fit::Within {
                remaining: u64::try_from(remaining).unwrap_or(bounds.limit),
                reset_ms: left_ms,
            },
            None => Fit::Over {
                retry_ms: self.retry_ms(bounds, amount, left_ms, overlap).max(1),
            },
        }
    }

    /// Counts `amount`.
    pub(crate) const fn add(&mut self, amount: u64) {
        self.current = self.current.saturating_add(amount);
    }

    /// Counts `amount` in the window of that number, if that still matters. A later one is the one that runs: the clock was
    /// set back since.
    pub(crate) const fn add_in(&mut self, number: u64, amount: u64) {
        if number >= self.number {
            self.add(amount);
        } else if self.number - number == 1 {
            self.previous = self.previous.saturating_add(amount);
        }
    }

    /// Undoes [`add_in`](Self::add_in).
    pub(crate) const fn take_from(&mut self, number: u64, amount: u64) {
        if number >= self.number {
            self.current = self.current.saturating_sub(amount);
        } else if self.number - number == 1 {
            self.previous = self.previous.saturating_sub(amount);
        }
    }

    /// Both together, which are of the same window.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self {
            number: self.number,
            current: self.current.saturating_add(other.current),
            previous: self.previous.saturating_add(other.previous),
        }
    }

    /// Whether nothing counted can matter any more.
    pub(crate) const fn is_past(self, grid: Grid, now_ms: u64) -> bool {
        self.past_at(grid) <= now_ms
    }

    /// From when on nothing counted can matter any more, in milliseconds since the epoch.
    pub(crate) const fn past_at(self, grid: Grid) -> u64 {
        grid.ends_at(self.number.saturating_add(1))
    }

    /// How long the window that runs still does, in milliseconds.
    pub(crate) const fn left_ms(self, grid: Grid, now_ms: u64) -> u64 {
        grid.ends_at(self.number).saturating_sub(now_ms)
    }

    /// What counts now, where so much of the window before does. Rounded up: what is shared with it counts whole.
    pub(crate) fn counts(self, overlap: u64, window_ms: u64) -> u128 {
        let shared = u128::from(self.previous) * u128::from(overlap);
        shared.div_ceil(window_ms.max(1).into()) + u128::from(self.current)
    }

    /// How long until `amount` fits.
    fn retry_ms(self, bounds: Bounds, amount: u64, left_ms: u64, overlap: u64) -> u64 {
        let window = bounds.window_ms;
        if bounds.technique == Technique::Fixed {
            return left_ms;
        }
        let room_now = bounds
            .limit
            .checked_sub(self.current.saturating_add(amount));
        if let Some(room) = room_now {
            // Within this window, once less of the one before is shared.
            let most = most_overlap(room, self.previous, window);
            return (left_ms - overlap).saturating_add(overlap.saturating_sub(most));
        }
        // In the next one, of which this one is the window before.
        let room = bounds.limit.saturating_sub(amount);
        let most = most_overlap(room, self.current, window);
        left_ms.saturating_add(window - most)
    }
}

/// How much of the window before counts still, in milliseconds.
pub(crate) fn overlap(technique: Technique, left_ms: u64, window_ms: u64) -> u64 {
    match technique {
        Technique::Fixed => 0,
        Technique::Sliding => left_ms.min(window_ms),
    }
}

/// The longest overlap with which `counted` takes no more than `room`.
fn most_overlap(room: u64, counted: u64, window: u64) -> u64 {
    let most = (u128::from(room) * u128::from(window)).checked_div(counted.into());
    most.and_then(|most| u64::try_from(most).ok())
        .map_or(window, |most| most.min(window))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Bounds, Counted, Fit};
    use crate::Technique;

    fn bounds(limit: u64, window_ms: u64, technique: Technique) -> Bounds {
        Bounds {
            limit,
            window_ms,
            technique,
        }
    }

    /// Takes one where it fits.
    fn take(counted: &mut Counted, bounds: Bounds, now_ms: u64) -> Fit {
        *counted = counted.at(bounds.grid(), now_ms);
        let fit = counted.fit(bounds, 1, now_ms);
        if matches!(fit, Fit::Within { .. }) {
            counted.add(1);
        }
        fit
    }

    fn is_let(fit: Fit) -> bool {
        matches!(fit, Fit::Within { .. })
    }

    #[test]
    fn fixed_windows_begin_on_the_clock() {
        let bounds = bounds(2, 1000, Technique::Fixed);
        let mut counted = Counted::default();
        let left = |remaining, reset_ms| Fit::Within {
            remaining,
            reset_ms,
        };
        assert_eq!(take(&mut counted, bounds, 5900), left(1, 100));
        assert_eq!(take(&mut counted, bounds, 5950), left(0, 50));
        assert_eq!(take(&mut counted, bounds, 5999), Fit::Over { retry_ms: 1 });
        assert_eq!(take(&mut counted, bounds, 6000), left(1, 1000));
    }

    #[test]
    fn a_sliding_window_counts_what_it_shares_with_the_one_before() {
        let bounds = bounds(10, 1000, Technique::Sliding);
        let mut counted = Counted::default();
        for _ in 0..10 {
            assert!(is_let(take(&mut counted, bounds, 5900)));
        }
        // In the next window all ten are shared at first, and one less every tenth of it.
        assert_eq!(
            take(&mut counted, bounds, 6000),
            Fit::Over { retry_ms: 100 }
        );
        assert_eq!(take(&mut counted, bounds, 6099), Fit::Over { retry_ms: 1 });
        assert!(is_let(take(&mut counted, bounds, 6100)));
        assert!(!is_let(take(&mut counted, bounds, 6100)));
        assert!(is_let(take(&mut counted, bounds, 6200)));
        // Two windows later nothing is.
        assert_eq!(
            take(&mut counted, bounds, 8000),
            Fit::Within {
                remaining: 9,
                reset_ms: 1000
            }
        );
    }

    #[test]
    fn a_clock_set_back_neither_frees_nor_locks() {
        let bounds = bounds(2, 60_000, Technique::Fixed);
        let mut counted = Counted::default();
        let now = 100_000 * 60_000;
        assert!(is_let(take(&mut counted, bounds, now)));
        assert!(is_let(take(&mut counted, bounds, now)));
        // A little: the window that was begun goes on.
        assert_eq!(
            take(&mut counted, bounds, now - 1),
            Fit::Over { retry_ms: 60_001 }
        );
        // A day: not freed, and no longer than one window locked.
        let yesterday = now - 24 * 60 * 60_000;
        let Fit::Over { retry_ms } = take(&mut counted, bounds, yesterday) else {
            panic!("freed by the clock");
        };
        assert!(retry_ms <= 60_000);
        assert!(is_let(take(&mut counted, bounds, yesterday + retry_ms)));
    }

    fn technique() -> impl Strategy<Value = Technique> {
        prop_oneof![Just(Technique::Fixed), Just(Technique::Sliding)]
    }

    proptest! {
        #[test]
        fn no_window_has_more_than_the_limit_and_waiting_as_told_is_enough(
            limit in 1_u64..50,
            window_ms in 1_u64..5000,
            technique in technique(),
            steps in proptest::collection::vec(0_u64..700, 1..400),
        ) {
            let bounds = bounds(limit, window_ms, technique);
            let mut counted = Counted::default();
            let (mut now, mut window, mut taken) = (1_700_000_000_000_u64, 0, 0);
            for step in steps {
                now += step;
                if now / window_ms != window {
                    (window, taken) = (now / window_ms, 0);
                }
                match take(&mut counted, bounds, now) {
                    Fit::Within { remaining, .. } => {
                        taken += 1;
                        prop_assert!(taken + remaining <= limit);
                    }
                    Fit::Over { retry_ms } => {
                        let mut later = counted;
                        prop_assert!(is_let(take(&mut later, bounds, now + retry_ms)));
                        let mut earlier = counted;
                        prop_assert!(!is_let(take(&mut earlier, bounds, now + retry_ms - 1)));
                    }
                }
            }
        }

        #[test]
        fn nothing_overflows(
            number: u64, current: u64, previous: u64, limit in 1_u64.., window_ms in 1_u64..,
            amount: u64, now: u64, technique in technique(),
        ) {
            let bounds = bounds(limit, window_ms, technique);
            let counted = Counted { number, current, previous }.at(bounds.grid(), now);
            let _fit = counted.fit(bounds, amount, now);
            let _past = counted.is_past(bounds.grid(), now);
        }
    }
}
