//! A provider key's value, from where it is typed to the body that carries it.

use bytes::Bytes;
use keyward_registry::{KeyValue, ProviderSlug};
use serde_json::Value;

use crate::{args::keys::ValueFrom, failure::Failure, output::remark, secret_body, secret_input};

/// Reads the value, and says what was cut off. What cannot be a key is refused before it is sent.
pub(super) fn read(provider: &ProviderSlug, from: &ValueFrom) -> Result<KeyValue, Failure> {
    let prompt = format!("Key for {provider}");
    let pasted = secret_input::read_value(&prompt, from.from_file.as_deref())?;
    let value = KeyValue::parse(&pasted).map_err(|error| {
        let failure = Failure::new(error.to_string()).help(
            "copy the key again from the provider's page, whole and without anything around it",
        );
        match &from.from_file {
            Some(path) => failure.in_file(path),
            None => failure,
        }
    })?;
    // One line break is how texts end; more than that is worth a remark.
    if pasted.len() - value.secret().len() > 1 {
        remark(format_args!(
            "{} characters that are no part of a key were cut off at the ends",
            value.trimmed()
        ));
    }
    Ok(value)
}

/// `fields`, an object, with the value as its field `secret`, in memory that erases itself.
pub(crate) fn body(fields: &Value, value: &KeyValue) -> Result<Bytes, Failure> {
    secret_body::object(fields, "secret", value.secret())
}
