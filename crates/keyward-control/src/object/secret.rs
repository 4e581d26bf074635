//! A JSON text that is read straight into memory that is erased.

use std::fmt;

use keyward_secret::SecretBytes;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The value of a field that should hold a secret. Whatever else stands there is skipped, never copied.
pub(super) enum SecretField {
    /// A text: the secret.
    Text(SecretBytes),
    /// Null: no secret.
    Null,
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

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = SecretField;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
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
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(SecretField::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<SecretField, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(SecretField::Other)
    }
}
