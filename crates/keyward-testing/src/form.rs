//! The forms in which a secret may stand in an output.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};

/// A form in which a secret may stand in an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Form {
    /// As it is, in any letter case.
    Raw,
    /// At least twelve characters of the random part, but not all of it.
    Part,
    /// Hexadecimal digits.
    Hex,
    /// Base64 with the standard or the URL alphabet, wherever in the encoded text the secret begins.
    Base64,
    /// Every byte as `%XX`.
    Percent,
    /// Every character as `\uXXXX`.
    JsonEscapes,
    /// Decimal numbers with commas: what a byte vector looks like in `Debug` or JSON.
    ByteList,
}

impl Form {
    /// Every form that [`encode`](Self::encode) can write.
    pub const ENCODINGS: [Self; 6] = [
        Self::Raw,
        Self::Hex,
        Self::Base64,
        Self::Percent,
        Self::JsonEscapes,
        Self::ByteList,
    ];

    /// Writes `bytes` in this form; [`Part`](Self::Part) leaves out the first third.
    #[must_use]
    pub fn encode(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Raw => bytes.to_vec(),
            Self::Part => bytes[bytes.len() / 3..].to_vec(),
            Self::Hex => HEXLOWER.encode(bytes).into_bytes(),
            Self::Base64 => BASE64.encode(bytes).into_bytes(),
            Self::Percent => each(bytes, "", |byte| format!("%{byte:02X}")),
            Self::JsonEscapes => each(bytes, "", |byte| format!("\\u{byte:04x}")),
            Self::ByteList => each(bytes, ", ", |byte| byte.to_string()),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw text",
            Self::Part => "a part of the raw text",
            Self::Hex => "hexadecimal",
            Self::Base64 => "base64",
            Self::Percent => "percent-encoded",
            Self::JsonEscapes => "JSON escapes",
            Self::ByteList => "a list of bytes",
        })
    }
}

fn each(bytes: &[u8], between: &str, write: impl Fn(u8) -> String) -> Vec<u8> {
    let parts: Vec<String> = bytes.iter().map(|&byte| write(byte)).collect();
    parts.join(between).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn every_form_is_what_its_name_says() {
        for (form, text) in [
            (Form::Raw, "Az0"),
            (Form::Hex, "417a30"),
            (Form::Base64, "QXow"),
            (Form::Percent, "%41%7A%30"),
            (Form::JsonEscapes, "\\u0041\\u007a\\u0030"),
            (Form::ByteList, "65, 122, 48"),
        ] {
            assert_eq!(form.encode(b"Az0"), text.as_bytes(), "{form}");
        }
    }
}
