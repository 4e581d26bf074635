//! Median and quartiles.

/// The three values that cut a sorted sample into four equal parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quartiles {
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
}

/// Cuts `sample`, interpolating between neighbours; `None` when it is empty.
pub(crate) fn quartiles(sample: impl IntoIterator<Item = f64>) -> Option<Quartiles> {
    let mut sorted: Vec<f64> = sample.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let at = |quarters: usize| {
        let steps = sorted.len().checked_sub(1)? * quarters;
        let (index, rest) = (steps / 4, u32::try_from(steps % 4).ok()?);
        let below = *sorted.get(index)?;
        let above = sorted.get(index + 1).copied().unwrap_or(below);
        Some(below + (above - below) * f64::from(rest) / 4.0)
    };
    Some(Quartiles {
        lower: at(1)?,
        median: at(2)?,
        upper: at(3)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_interpolate() {
        let cut = |sample: &[f64]| quartiles(sample.iter().copied());
        assert_eq!(cut(&[]), None);
        assert_eq!(
            cut(&[3.0]),
            Some(Quartiles {
                lower: 3.0,
                median: 3.0,
                upper: 3.0
            })
        );
        assert_eq!(
            cut(&[4.0, 1.0, 3.0, 2.0]),
            Some(Quartiles {
                lower: 1.75,
                median: 2.5,
                upper: 3.25
            })
        );
        assert_eq!(
            cut(&[5.0, 1.0, 3.0, 2.0, 4.0]),
            Some(Quartiles {
                lower: 2.0,
                median: 3.0,
                upper: 4.0
            })
        );
    }
}
