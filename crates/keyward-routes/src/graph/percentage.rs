//! Shares of a percentage element, and which of them a draw takes.

use std::fmt;

/// One per cent, in parts: four decimals count.
const PER_CENT: u32 = 10_000;
/// The whole, in parts.
pub(super) const WHOLE: u32 = 100 * PER_CENT;
/// The output that takes what the others leave.
pub(super) const ELSE: &str = "else";
/// The most outputs beside `else`.
pub(super) const MOST: usize = 5;

/// An output of a percentage element.
#[derive(Clone, Debug)]
pub(crate) struct Share<E> {
    /// The output's name, such as `10%` or `else`.
    pub(super) name: Box<str>,
    /// How much it takes, in parts of [`WHOLE`].
    pub(super) parts: u32,
    pub(super) to: E,
}

impl<E> Share<E> {
    /// The chance of a request to take it.
    pub(crate) const fn chance(&self) -> Chance {
        Chance(self.parts)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn to(&self) -> &E {
        &self.to
    }
}

/// A chance as people write it: `12.5%`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chance(pub(super) u32);

impl Chance {
    /// Whether any request takes it.
    pub(crate) const fn is_any(self) -> bool {
        self.0 > 0
    }
}

impl fmt::Display for Chance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / PER_CENT, self.0 % PER_CENT);
        match rest {
            0 => write!(formatter, "{whole}%"),
            _ => {
                let digits = format!("{rest:04}");
                write!(formatter, "{whole}.{}%", digits.trim_end_matches('0'))
            }
        }
    }
}

/// How many parts a name such as `10%` or `12.5%` says: more than nothing, at most the whole.
pub(super) fn parse(name: &str) -> Option<u32> {
    let number = name.strip_suffix('%')?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str, most| {
        let good = !text.is_empty() && text.len() <= most;
        good && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(whole, 3) || !digits(decimals, 4) {
        return None;
    }
    let parts =
        whole.parse::<u32>().ok()? * PER_CENT + format!("{decimals:0<4}").parse::<u32>().ok()?;
    (1..=WHOLE).contains(&parts).then_some(parts)
}

/// The share that a draw takes: of all draws, evenly spread, each share takes its part.
pub(crate) fn choose<E>(shares: &[Share<E>], ordinal: u64, draw: u64) -> Option<&Share<E>> {
    let draw = u128::from(mix(draw, ordinal));
    // Below the whole, as the draw is below 2^64.
    let mut at = (draw * u128::from(WHOLE)) >> 64;
    for share in shares {
        match at.checked_sub(u128::from(share.parts)) {
            None => return Some(share),
            Some(beyond) => at = beyond,
        }
    }
    // Shares total the whole.
    None
}

/// The draw of one percentage: the first of a graph takes the draw as it is, the others each a permutation of it, so that
/// two in a row do not choose alike. (The finalizer of SplitMix64, Steele et al., 2014.)
const fn mix(draw: u64, ordinal: u64) -> u64 {
    if ordinal == 0 {
        return draw;
    }
    let mixed = draw.wrapping_add(ordinal.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Chance, Share, choose, parse};

    #[test]
    fn a_share_is_written_in_per_cent_with_at_most_four_decimals() {
        for (name, parts) in [
            ("10%", 100_000),
            ("100%", 1_000_000),
            ("0.0001%", 1),
            ("12.5%", 125_000),
            ("07%", 70_000),
        ] {
            assert_eq!(parse(name), Some(parts), "{name}");
        }
        for name in [
            "",
            "%",
            "10",
            "0%",
            "100.0001%",
            "-1%",
            "+1%",
            "1e1%",
            ".5%",
            "5.%",
            "0.00001%",
            "10 %",
            "10%%",
            "1000%",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
        assert_eq!(Chance(125_000).to_string(), "12.5%");
        assert_eq!(Chance(1).to_string(), "0.0001%");
    }

    fn shares() -> Vec<Share<()>> {
        let share = |name: &str, parts| Share {
            name: name.into(),
            parts,
            to: (),
        };
        vec![
            share("10%", 100_000),
            share("32.5%", 325_000),
            share("else", 575_000),
        ]
    }

    fn counts(ordinal: u64) -> Vec<u32> {
        let shares = shares();
        let mut counts = vec![0; shares.len()];
        for at in 0..10_000 {
            let draw = u64::try_from((u128::from(u64::MAX) + 1) * (2 * at + 1) / 20_000).unwrap();
            let chosen = choose(&shares, ordinal, draw).expect("shares total the whole");
            let index = shares
                .iter()
                .position(|share| share.name == chosen.name)
                .unwrap();
            counts[index] += 1;
        }
        counts
    }

    #[test]
    fn draws_that_are_evenly_spread_take_each_share_exactly() {
        assert_eq!(counts(0), [1_000, 3_250, 5_750]);
        let shares = shares();
        assert!(choose(&shares, 0, u64::MAX).is_some_and(|share| &*share.name == "else"));
        assert!(choose(&shares, 7, u64::MAX).is_some());
    }

    #[test]
    fn two_percentages_choose_independently_of_each_other() {
        // Each combination is as likely as its two choices together say: of 10,000 draws within four standard deviations.
        let shares = shares();
        let mut both = 0_i32;
        for at in 0..10_000 {
            let draw = u64::try_from((u128::from(u64::MAX) + 1) * (2 * at + 1) / 20_000).unwrap();
            let takes = |ordinal| {
                choose(&shares, ordinal, draw)
                    .unwrap()
                    .name
                    .starts_with("10%")
            };
            both += i32::from(takes(0) && takes(1));
        }
        assert!((both - 100).abs() < 40, "{both}");
        for (count, expected) in counts(3).into_iter().zip([1_000, 3_250, 5_750]) {
            assert!(count.abs_diff(expected) < 200, "{count} of {expected}");
        }
    }
}
