//! A provider key's value, from where it is typed to the body that carries it.

use bytes::Bytes;
use keyward_registry::{KeyValue, ProviderSlug};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{args::keys::ValueFrom, failure::Failure, output::remark, secret_input};

/// Reads the value, and says what was cut off. What cannot be a key is refused before it is sent.
pub(super) fn read(provider: &ProviderSlug, from: &ValueFrom) -> Result<KeyValue, Failure> {
    let prompt = format!("Key for {provider}");
    let pasted = secret_input::read_value(&prompt, from.from_file.as_deref())?;
    let value = KeyValue::parse(&pasted).map_err(|error| {
        Failure::new(error.to_string()).help(
            "copy the key again from the provider's page, whole and without anything around it",
        )
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
pub(super) fn body(fields: &Value, value: &KeyValue) -> Result<Bytes, Failure> {
    let text = fields.to_string();
    let fields = text
        .strip_suffix('}')
        .ok_or_else(|| Failure::new("cannot write the request"))?;
    let separator = if fields == "{" { "" } else { "," };
    let secret = value.secret().expose();
    // Every character might need an escape.
    let room = fields.len() + 2 * secret.len() + 16;
    let mut body = Zeroizing::new(Vec::with_capacity(room));
    body.extend_from_slice(fields.as_bytes());
    body.extend_from_slice(separator.as_bytes());
    body.extend_from_slice(b"\"secret\":\"");
    // A key value is printable ASCII: only these two need one.
    for byte in secret {
        if matches!(byte, b'"' | b'\\') {
            body.push(b'\\');
        }
        body.push(*byte);
    }
    body.extend_from_slice(b"\"}");
    Ok(Bytes::from_owner(body))
}

#[cfg(test)]
mod tests {
    use keyward_registry::KeyValue;
    use keyward_secret::SecretBytes;
    use serde_json::{Value, json};

    use super::body;

    #[test]
    fn the_body_is_json_whatever_the_key_holds() {
        let text = r#"sk-"\u0041\/{}',:"#;
        let value = KeyValue::parse(&SecretBytes::copy_from(text.as_bytes()))
            .ok()
            .unwrap();
        for fields in [json!({}), json!({ "alias": "a" })] {
            let bytes = body(&fields, &value).unwrap();
            let parsed: Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(parsed["secret"], text);
            assert_eq!(parsed.get("alias"), fields.get("alias"));
        }
    }
}
