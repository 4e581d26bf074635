//! Versions as people name them.

/// Which version of a route is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VersionName {
    /// The one that requests follow.
    Deployed,
    /// The one that was saved last.
    Newest,
    /// By its number.
    Number(u32),
    /// By its id, or the beginning of it.
    Id(String),
}

impl VersionName {
    /// The digits of an id.
    const LONGEST: usize = 32;
    /// Shorter ones are numbers.
    const SHORTEST: usize = 6;

    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str =
            "a version is `deployed`, `newest`, a number such as 2, or 6 or more digits of its id";
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        match text {
            "deployed" => Ok(Self::Deployed),
            "newest" => Ok(Self::Newest),
            text if text.len() < Self::SHORTEST => {
                let number = text.parse().ok().filter(|number| *number > 0);
                number.map(Self::Number).ok_or(WRONG)
            }
            text if text.len() <= Self::LONGEST && text.bytes().all(is_hex) => {
                Ok(Self::Id(text.to_owned()))
            }
            _ => Err(WRONG),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::VersionName;

    #[test]
    fn a_version_is_named_in_four_ways() {
        for (text, expected) in [
            ("deployed", VersionName::Deployed),
            ("newest", VersionName::Newest),
            ("1", VersionName::Number(1)),
            ("99999", VersionName::Number(99_999)),
            ("123456", VersionName::Id("123456".to_owned())),
            ("0a1b2c", VersionName::Id("0a1b2c".to_owned())),
        ] {
            assert_eq!(VersionName::parse(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "-1", "latest", "a1", "0A1B2C", &"a".repeat(33)] {
            assert!(VersionName::parse(text).is_err(), "{text}");
        }
    }
}
