//! The id of a log entry.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::ParseIdError;

/// The id of a log entry: a UUIDv7 (RFC 9562 §5.7), in lower case with its four hyphens. In the order of their making.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogId([u8; 16]);

impl LogId {
    /// The id with these bits; none where they are not those of a UUIDv7.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        if bytes[6] >> 4 == 7 && bytes[8] >> 6 == 0b10 {
            Some(Self(bytes))
        } else {
            None
        }
    }

    /// The first id of a millisecond: no other that was made in it, or later, is smaller. What lies before 1970 is 1970.
    #[must_use]
    pub fn first_at(time: SystemTime) -> Self {
        let millis = time.duration_since(UNIX_EPOCH).map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        });
        let [_, _, time @ ..] = millis.min((1 << 48) - 1).to_be_bytes();
        let mut bytes = [0; 16];
        for (byte, of_time) in bytes.iter_mut().zip(time) {
            *byte = of_time;
        }
        bytes[6] = 0x70;
        bytes[8] = 0x80;
        Self(bytes)
    }

    /// The 128 bits.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// When it was made, in milliseconds since 1970.
    #[must_use]
    pub const fn millis(&self) -> u64 {
        let [a, b, c, d, e, f, ..] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// When it was made, to the millisecond.
    #[must_use]
    pub fn made_at(&self) -> SystemTime {
        // 48 bits of milliseconds end in the year 10889, which every clock holds.
        UNIX_EPOCH
            .checked_add(Duration::from_millis(self.millis()))
            .unwrap_or(UNIX_EPOCH)
    }

    /// Parses the text form.
    ///
    /// # Errors
    ///
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Self, ParseIdError> {
        let digits: String = text.chars().filter(|digit| *digit != '-').collect();
        let bytes = data_encoding::HEXLOWER
            .decode(digits.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok());
        bytes
            .and_then(Self::from_bytes)
            .filter(|id| id.to_string() == text)
            .ok_or(ParseIdError::new(
                "the id of a log entry",
                "a UUIDv7 in lower case, such as `0199c1f3-f05b-7e4a-93d0-c0d6a2f4c7e1`",
            ))
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = data_encoding::HEXLOWER.encode(&self.0);
        let mut rest = digits.as_str();
        for length in [8, 4, 4, 4] {
            let (part, after) = rest.split_at(length);
            write!(f, "{part}-")?;
            rest = after;
        }
        f.write_str(rest)
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogId({self})")
    }
}

impl FromStr for LogId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::LogId;

    #[test]
    fn only_a_uuid_of_version_7_in_its_one_form_is_an_id() {
        let text = "0199c1f3-f05b-7e4a-93d0-c0d6a2f4c7e1";
        assert_eq!(LogId::parse(text).unwrap().to_string(), text);
        for text in [
            "",
            "0199c1f3-f05b-4e4a-93d0-c0d6a2f4c7e1",
            "0199c1f3-f05b-7e4a-13d0-c0d6a2f4c7e1",
            "0199C1F3-f05b-7e4a-93d0-c0d6a2f4c7e1",
            "0199c1f3f05b7e4a93d0c0d6a2f4c7e1",
            "01JC3R94FRD97JBCBX3S0ZAXKW",
        ] {
            assert!(LogId::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_id_tells_when_it_was_made(millis in 0_u64..1 << 48, rest: [u8; 10]) {
            let time = UNIX_EPOCH + Duration::from_millis(millis);
            let first = LogId::first_at(time);
            prop_assert_eq!(first.made_at(), time);
            let mut bytes = *first.as_bytes();
            bytes[6..].copy_from_slice(&rest);
            bytes[6] = 0x70 | (bytes[6] & 0xf);
            bytes[8] = 0x80 | (bytes[8] & 0x3f);
            let id = LogId::from_bytes(bytes).unwrap();
            prop_assert!(id >= first);
            prop_assert_eq!(id.made_at(), time);
            prop_assert_eq!(LogId::parse(&id.to_string()), Ok(id));
            prop_assert!(millis + 1 == 1 << 48 || id < LogId::first_at(time + Duration::from_millis(1)));
        }
    }
}
