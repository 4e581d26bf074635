//! Texts of a custom provider that a page may one day turn into markup.

use std::fmt;

use keyward_secret::Origin;
use serde::{Deserialize, Serialize};

const MAX_LINK: usize = 2048;
/// Base64 of 64 KiB, and room for the prefix of a data URL.
const MAX_LOGO: usize = 88 * 1024;
const DATA_URL: &str = "data:image/svg+xml;base64,";

/// The address of a page: `http://` or `https://`, a host, and printable ASCII without quotes, angle brackets and
/// backslashes. Never `javascript:` or another scheme.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Link(Box<str>);

/// A picture: Base64 of at most 64 KiB, with or without `data:image/svg+xml;base64,` before it.
///
/// What it decodes to is not looked at: an SVG may hold scripts. It is for an `img` element, where none runs, and
/// never for a page or an answer of its own.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Logo(Box<str>);

/// A text is not what it should be. Does not quote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseTextError(&'static str);

impl Link {
    /// Parses at most 2,048 bytes.
    ///
    /// # Errors
    ///
    /// When the text is no such address.
    pub fn parse(text: &str) -> Result<Self, ParseTextError> {
        const RULE: ParseTextError = ParseTextError(
            "must be an http or https URL of at most 2048 printable ASCII characters, without quotes, `<`, `>` and `\\`",
        );
        let is_plain = |byte: u8| {
            byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\')
        };
        if text.len() > MAX_LINK || !text.bytes().all(is_plain) {
            return Err(RULE);
        }
        let (scheme, rest) = text.split_once("://").ok_or(RULE)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let origin = text.get(..scheme.len() + 3 + end).ok_or(RULE)?;
        // The origin's parser takes these two schemes alone, and no user name.
        Origin::parse(origin).map_err(|_error| RULE)?;
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Logo {
    /// Parses the text.
    ///
    /// # Errors
    ///
    /// When it is no Base64, or too long.
    pub fn parse(text: &str) -> Result<Self, ParseTextError> {
        const RULE: ParseTextError = ParseTextError(
            "must be Base64 of at most 64 KiB, with or without `data:image/svg+xml;base64,` before it",
        );
        let encoded = text.strip_prefix(DATA_URL).unwrap_or(text);
        if text.len() > MAX_LOGO || encoded.is_empty() {
            return Err(RULE);
        }
        let decoded = data_encoding::BASE64.decode(encoded.as_bytes());
        let length = decoded.map_err(|_error| RULE)?.len();
        if length > 64 * 1024 {
            return Err(RULE);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Logo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Logo({} bytes)", self.0.len())
    }
}

macro_rules! text {
    ($type:ident) => {
        impl TryFrom<String> for $type {
            type Error = ParseTextError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(text: $type) -> Self {
                text.0.into()
            }
        }
    };
}

text!(Link);
text!(Logo);

#[cfg(test)]
mod tests {
    use super::{Link, Logo};

    #[test]
    fn a_link_leads_to_a_page_and_runs_nothing() {
        for text in [
            "https://a.example",
            "http://a.example:8080/x?y=z#w",
            "HTTPS://A.example/%22",
        ] {
            assert!(Link::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "a.example",
            "javascript:alert(1)",
            "javascript://a.example/%0aalert(1)",
            "data:text/html,x",
            "//a.example",
            "https://user@a.example",
            "https://a.example/\"onmouseover=x",
            "https://a.example/<script>",
            "https://a.example/\n",
            " https://a.example",
            "https://\u{430}.example",
            "https:\\\\a.example",
            &format!("https://a.example/{}", "x".repeat(2048)),
        ] {
            assert!(Link::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_logo_is_base64_of_a_bounded_size() {
        for text in ["PHN2Zy8+", "data:image/svg+xml;base64,PHN2Zy8+"] {
            assert!(Logo::parse(text).is_ok(), "{text}");
        }
        let largest = "AAAA".repeat(64 * 1024 / 3);
        assert!(Logo::parse(&largest).is_ok());
        for text in [
            "",
            "<svg/>",
            "data:text/html;base64,PHN2Zy8+",
            "data:image/svg+xml;base64,",
            "PHN2Zy8",
            "PHN2\nZy8+",
            &"AAAA".repeat(64 * 1024 / 3 + 1),
        ] {
            assert!(Logo::parse(text).is_err(), "{}", text.len());
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{Link, Logo};

        keyward_testing::assert_texts!("ParseTextError", [
            "a link" => Link::parse("no").unwrap_err(),
            "a logo" => Logo::parse("%").unwrap_err(),
        ]);
    }
}
