//! A JSON text that is read straight into memory that is erased.

use std::fmt;

use keyward_secret::SecretBytes;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Items that a list of secrets, and members that an object of secrets may have.
pub(super) const MOST: usize = 256;

/// The value of a field that should hold secrets. Whatever else stands there is skipped, never copied.
pub(super) enum SecretField {
    /// A text: the secret.
    Text(SecretBytes),
    /// Null: no secret.
    Null,
    /// A list. Behind one item more than there may be, the rest is skipped.
    List(Vec<Self>),
    /// An object: names, which are no secrets, with their values. Behind one member more than there may be, the rest is
    /// skipped.
    Members(Vec<(String, Self)>),
    /// Anything else.
    Other,
}

impl<'de> Deserialize<'de> for SecretField {
    /// A text without escapes is copied once, from the body. Of one with escapes the parser keeps a scratch
    /// copy that is freed and not erased.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

impl SecretField {
    /// The two texts of a list of two.
    pub(super) fn into_pair(self) -> Option<[SecretBytes; 2]> {
        let Self::List(items) = self else {
            return None;
        };
        match <[Self; 2]>::try_from(items).ok()? {
            [Self::Text(first), Self::Text(second)] => Some([first, second]),
            _ => None,
        }
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = SecretField;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a list or an object of texts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SecretField, E> {
        Ok(SecretField::Text(SecretBytes::copy_from(text.as_bytes())))
    }

    fn visit_unit<E: Error>(self) -> Result<SecretField, E> {
        Ok(SecretField::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<SecretField, E> {
        Ok(SecretField::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<SecretField, E> {
        Ok(SecretField::Other)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<SecretField, E> {
        Ok(SecretField::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<SecretField, E> {
        Ok(SecretField::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<SecretField, A::Error> {
        let mut read = Vec::new();
        while read.len() <= MOST {
            match items.next_element()? {
                Some(item) => read.push(item),
                None => return Ok(SecretField::List(read)),
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(SecretField::List(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<SecretField, A::Error> {
        let mut read = Vec::new();
        while read.len() <= MOST {
            match members.next_entry()? {
                Some(member) => read.push(member),
                None => return Ok(SecretField::Members(read)),
            }
        }
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(SecretField::Members(read))
    }
}
