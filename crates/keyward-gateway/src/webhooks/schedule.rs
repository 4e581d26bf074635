//! When a delivery is tried again. Pure.

use std::time::Duration;

/// The waits between the tries of one delivery.
///
/// By default 5 s, 30 s, 2 min and 5 min: five tries in all, over some eight minutes. Each wait is between a half and
/// one and a half times as long, by chance, so that receivers that come back are not met by everything at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tries(Vec<Duration>);

impl Tries {
    /// A first try, and one more after each of these waits.
    #[must_use]
    pub const fn new(waits: Vec<Duration>) -> Self {
        Self(waits)
    }

    /// How long to wait after the `attempt`th try, from 0. `None`: it was the last one. `random` is any number.
    pub(super) fn after(&self, attempt: usize, random: u32) -> Option<Duration> {
        let wait = self.0.get(attempt)?;
        let part = f64::from(random) / f64::from(u32::MAX);
        Some(wait.mul_f64(0.5 + part))
    }
}

impl Default for Tries {
    fn default() -> Self {
        Self([5, 30, 120, 300].map(Duration::from_secs).into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::Tries;

    #[test]
    fn there_are_five_tries_over_some_minutes() {
        let tries = Tries::default();
        let waits: Vec<_> = (0..5)
            .map_while(|at| tries.after(at, u32::MAX / 2))
            .collect();
        assert_eq!(waits.len(), 4);
        let all: Duration = waits.iter().sum();
        assert!((420..=480).contains(&all.as_secs()), "{all:?}");
    }

    proptest! {
        #[test]
        fn a_wait_is_off_by_a_half_at_most(random: u32) {
            let wait = Tries::default().after(1, random).unwrap();
            prop_assert!((15.0..=45.0).contains(&wait.as_secs_f64()));
        }
    }
}
