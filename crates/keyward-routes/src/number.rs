//! Numbers of JSON, compared by their value.

use std::{cmp::Ordering, fmt};

/// A number as JSON writes it. Never infinite, never not a number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    /// A whole number between `i64::MIN` and `u64::MAX`.
    Whole(i128),
    /// Any other.
    Real(f64),
}

impl Number {
    /// The number of a JSON value.
    pub(crate) fn of(number: &serde_json::Number) -> Option<Self> {
        let whole = number.as_i64().map(i128::from);
        let whole = whole.or_else(|| number.as_u64().map(i128::from));
        whole
            .map(Self::Whole)
            .or_else(|| number.as_f64().map(Self::Real))
    }

    /// The number that a text spells out in JSON, the whole of it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // Nothing but digits, signs and an exponent, so that white space is none.
        let begins = text.starts_with(|first: char| first.is_ascii_digit() || first == '-');
        let ends = text.ends_with(|last: char| last.is_ascii_digit());
        let number = || serde_json::from_str::<serde_json::Number>(text).ok();
        (begins && ends)
            .then(number)
            .flatten()
            .as_ref()
            .and_then(Self::of)
    }

    /// How two numbers stand to each other, exactly: no whole number is rounded to be compared.
    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => Some(one.cmp(&other)),
            (Self::Real(one), Self::Real(other)) => one.partial_cmp(&other),
            (Self::Whole(whole), Self::Real(real)) => compare_mixed(whole, real),
            (Self::Real(real), Self::Whole(whole)) => {
                compare_mixed(whole, real).map(Ordering::reverse)
            }
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(whole) => whole.fmt(formatter),
            Self::Real(real) => real.fmt(formatter),
        }
    }
}

fn compare_mixed(whole: i128, real: f64) -> Option<Ordering> {
    /// 2^100, beyond every whole number here, and far below what an `i128` holds.
    const BEYOND: f64 = 1_267_650_600_228_229_401_496_703_205_376.0;
    if real >= BEYOND {
        return Some(Ordering::Less);
    }
    if real <= -BEYOND {
        return Some(Ordering::Greater);
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a whole value below 2^100 in either direction"
    )]
    let below = real.trunc() as i128;
    let ordering = whole.cmp(&below);
    match ordering {
        Ordering::Equal => 0.0.partial_cmp(&real.fract()),
        Ordering::Less | Ordering::Greater => Some(ordering),
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::Number;

    #[track_caller]
    fn check(one: &str, other: &str, expected: Ordering) {
        let parse = |text| Number::parse(text).expect(text);
        assert_eq!(
            parse(one).compare(parse(other)),
            Some(expected),
            "{one}, {other}"
        );
        let reverse = parse(other).compare(parse(one));
        assert_eq!(reverse, Some(expected.reverse()), "{other}, {one}");
    }

    #[test]
    fn numbers_are_compared_by_their_value_whatever_they_are_written_as() {
        check("1", "1.0", Ordering::Equal);
        check("0", "-0.0", Ordering::Equal);
        check("100", "1e2", Ordering::Equal);
        check("1", "1.5", Ordering::Less);
        check("-1", "-1.5", Ordering::Greater);
        // 2^53 + 1 is no double.
        check("9007199254740993", "9007199254740992.0", Ordering::Greater);
        check(
            "18446744073709551615",
            "18446744073709551616.0",
            Ordering::Less,
        );
        check("-9223372036854775808", "-1e300", Ordering::Greater);
        check("18446744073709551615", "1e300", Ordering::Less);
    }

    #[test]
    fn a_text_is_a_number_when_the_whole_of_it_is_one() {
        for text in [
            "", " 1", "1 ", "+1", "0x1", "01", "1.", ".5", "1e400", "NaN", "inf", "-",
        ] {
            assert!(Number::parse(text).is_none(), "{text}");
        }
    }
}
