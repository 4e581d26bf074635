//! Base62 on fixed-size arrays: `0-9A-Za-z`, most significant digit first.
//!
//! Constant width and strict: every value has exactly one text, and every other text is refused. The arrays
//! in between are erased. No attempt at constant time: whoever presents a text knows it already, and what is
//! minted is encoded once.

use zeroize::Zeroizing;

/// Bytes of the secret part: 256 random bits and a CRC-32.
pub(crate) const SECRET_BYTES: usize = 36;

/// Digits of the secret part: the least number with 62^n ≥ 2^288.
pub(crate) const SECRET_DIGITS: usize = 49;

/// 62^10, the largest power below 2^64.
const TEN_DIGITS: u64 = 839_299_365_868_340_224;

/// Limbs of 64 bits for the secret part: half of the first stays empty.
const LIMBS: usize = SECRET_BYTES.div_ceil(8);

/// The digit for `value`, which is below 62.
pub(crate) const fn digit(value: u8) -> u8 {
    match value {
        0..=9 => b'0' + value,
        10..=35 => b'A' + (value - 10),
        _ => b'a' + (value - 36),
    }
}

/// The value of `digit`, or nothing where it is none.
pub(crate) const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'Z' => Some(digit - b'A' + 10),
        b'a'..=b'z' => Some(digit - b'a' + 36),
        _ => None,
    }
}

/// Writes `bytes`, as one big-endian number, in 49 digits.
pub(crate) fn encode(bytes: &[u8; SECRET_BYTES]) -> Zeroizing<[u8; SECRET_DIGITS]> {
    let mut digits = Zeroizing::new([0; SECRET_DIGITS]);
    let mut number = Zeroizing::new(*bytes);
    for slot in digits.iter_mut().rev() {
        let mut remainder = 0;
        for byte in number.iter_mut() {
            let part = remainder << 8 | u16::from(*byte);
            // The remainder is below 62, so the quotient fits one byte.
            let [_, quotient] = (part / 62).to_be_bytes();
            *byte = quotient;
            remainder = part % 62;
        }
        let [_, last] = remainder.to_be_bytes();
        *slot = digit(last);
    }
    digits
}

/// Reads 49 digits back. Nothing where one is no digit or the number is 2^288 or more.
pub(crate) fn decode(digits: &[u8; SECRET_DIGITS]) -> Option<Zeroizing<[u8; SECRET_BYTES]>> {
    // The most significant limb first; ten digits at a time, which makes it five passes and not 49: this runs for
    // every request.
    let mut limbs = Zeroizing::new([0_u64; LIMBS]);
    let (first, rest) = digits.split_first_chunk::<9>()?;
    let (tens, _none_left) = rest.as_chunks::<10>();
    multiply_add(&mut limbs, group(first)?)?;
    for ten in tens {
        multiply_add(&mut limbs, group(ten)?)?;
    }
    let [top, low @ ..] = &*limbs;
    let [0, 0, 0, 0, top @ ..] = top.to_be_bytes() else {
        return None;
    };
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    let (front, rest) = bytes.split_first_chunk_mut::<4>()?;
    *front = top;
    let (octets, _none_left) = rest.as_chunks_mut::<8>();
    for (octet, limb) in octets.iter_mut().zip(low) {
        *octet = limb.to_be_bytes();
    }
    Some(bytes)
}

fn group(digits: &[u8]) -> Option<u64> {
    digits
        .iter()
        .try_fold(0, |sum, digit| Some(sum * 62 + u64::from(value(*digit)?)))
}

/// `limbs` × 62^10 + `carry`, or nothing where it does not fit.
fn multiply_add(limbs: &mut [u64; LIMBS], mut carry: u64) -> Option<()> {
    for limb in limbs.iter_mut().rev() {
        (*limb, carry) = limb.carrying_mul(TEN_DIGITS, carry);
    }
    (carry == 0).then_some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{SECRET_BYTES, SECRET_DIGITS, decode, digit, encode, value};

    #[test]
    fn digits_and_values_are_each_others_inverse() {
        assert!((0..62).all(|number| value(digit(number)) == Some(number)));
        assert_eq!((0..=255).filter(|byte| value(*byte).is_some()).count(), 62);
    }

    #[test]
    fn the_ends_of_the_range_are_as_computed_by_hand() {
        assert_eq!(*encode(&[0; SECRET_BYTES]), [b'0'; SECRET_DIGITS]);
        let mut one_hundred = [0; SECRET_BYTES];
        one_hundred[SECRET_BYTES - 1] = 100;
        // 100 = 1 × 62 + 38, and 38 is `c`.
        assert!(encode(&one_hundred).ends_with(b"001c"));
        let greatest = encode(&[0xff; SECRET_BYTES]);
        assert_eq!(
            decode(&greatest).map(|bytes| *bytes),
            Some([0xff; SECRET_BYTES])
        );
    }

    #[test]
    fn what_is_beyond_288_bits_is_refused() {
        let mut next = *encode(&[0xff; SECRET_BYTES]);
        let last = next.last_mut().unwrap();
        *last = digit(value(*last).unwrap() + 1);
        assert!(decode(&next).is_none());
        assert!(decode(&[b'z'; SECRET_DIGITS]).is_none());
    }

    /// Digit by digit, as on paper.
    fn decode_plainly(digits: &[u8; SECRET_DIGITS]) -> Option<[u8; SECRET_BYTES]> {
        let mut bytes = [0; SECRET_BYTES];
        for digit in digits {
            let mut carry = u16::from(value(*digit)?);
            for byte in bytes.iter_mut().rev() {
                let [high, low] = (u16::from(*byte) * 62 + carry).to_be_bytes();
                *byte = low;
                carry = u16::from(high);
            }
            if carry != 0 {
                return None;
            }
        }
        Some(bytes)
    }

    proptest! {
        // Below and beyond 288 bits, which a number passes with a first digit of 4; and with what is no digit.
        #[test]
        fn ten_digits_at_a_time_read_what_one_at_a_time_does(
            text in "[0-5][0-9A-Za-z]{48}|4[X-Za-j][0-9A-Za-z]{47}|[0-4][0-9A-Za-z]{20}[ -~][0-9A-Za-z]{27}",
        ) {
            let digits: [u8; SECRET_DIGITS] = text.as_bytes().try_into().unwrap();
            prop_assert_eq!(decode(&digits).map(|read| *read), decode_plainly(&digits));
        }

        #[test]
        fn bytes_round_trip(bytes in proptest::array::uniform32(any::<u8>()), tail: [u8; 4]) {
            let mut whole = [0; SECRET_BYTES];
            whole[..32].copy_from_slice(&bytes);
            whole[32..].copy_from_slice(&tail);
            prop_assert_eq!(decode(&encode(&whole)).map(|read| *read), Some(whole));
        }

        #[test]
        fn every_text_that_is_read_is_the_one_that_is_written(text in "[0-9A-Za-z]{49}") {
            let digits: [u8; SECRET_DIGITS] = text.as_bytes().try_into().unwrap();
            if let Some(bytes) = decode(&digits) {
                prop_assert_eq!(*encode(&bytes), digits);
            }
        }
    }
}
