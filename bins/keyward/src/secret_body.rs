//! A JSON body that carries a secret, in memory that erases itself.

use bytes::Bytes;
use keyward_secret::SecretBytes;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// `fields`, an object, with `secret` as one more field called `name`.
///
/// # Errors
///
/// When the secret is no text: JSON can carry nothing else.
pub(crate) fn object(fields: &Value, name: &str, secret: &SecretBytes) -> Result<Bytes, Failure> {
    write(fields, name, secret, "", "")
}

/// A list of one such object.
pub(crate) fn list_of_one(
    fields: &Value,
    name: &str,
    secret: &SecretBytes,
) -> Result<Bytes, Failure> {
    write(fields, name, secret, "[", "]")
}

/// An escape of six characters at most for each byte.
const LONGEST: usize = 6;

fn write(
    fields: &Value,
    name: &str,
    secret: &SecretBytes,
    start: &str,
    end: &str,
) -> Result<Bytes, Failure> {
    let text = fields.to_string();
    let fields = text
        .strip_suffix('}')
        .ok_or_else(|| Failure::new("cannot write the request"))?;
    let separator = if fields == "{" { "" } else { "," };
    let secret = std::str::from_utf8(secret.expose()).map_err(|_error| {
        Failure::new("the value is no text: it holds bytes that are not UTF-8")
            .help("store it encoded, such as in base64")
    })?;
    // The room for everything, so that no copy is left behind when it grows.
    let room = fields.len() + name.len() + LONGEST * secret.len() + 16;
    let mut body = Zeroizing::new(Vec::with_capacity(room));
    for part in [start, fields, separator, "\"", name, "\":"] {
        body.extend_from_slice(part.as_bytes());
    }
    serde_json::to_writer(&mut *body, secret)
        .map_err(|error| Failure::new("cannot write the request").caused_by(&error))?;
    for part in ["}", end] {
        body.extend_from_slice(part.as_bytes());
    }
    Ok(Bytes::from_owner(body))
}

#[cfg(test)]
mod tests {
    use keyward_secret::SecretBytes;
    use serde_json::{Value, json};

    use super::{list_of_one, object};

    #[test]
    fn the_body_is_json_whatever_the_secret_holds() {
        let every: String = (0..0x80).map(char::from).collect();
        for text in [r#"sk-"\u0041\/{}',:"#, "", "ü\n\u{1f511}", &every] {
            let secret = SecretBytes::copy_from(text.as_bytes());
            for fields in [json!({}), json!({ "alias": "a" })] {
                let bytes = object(&fields, "secret", &secret).unwrap();
                let parsed: Value = serde_json::from_slice(&bytes).unwrap();
                assert_eq!(parsed["secret"], text);
                assert_eq!(parsed.get("alias"), fields.get("alias"));
                let bytes = list_of_one(&fields, "value", &secret).unwrap();
                let parsed: Value = serde_json::from_slice(&bytes).unwrap();
                assert_eq!(parsed[0]["value"], text);
            }
        }
    }

    #[test]
    fn what_is_no_text_is_refused_and_not_repeated() {
        let secret = SecretBytes::copy_from(b"hidden\xff");
        let failure = object(&json!({}), "value", &secret).unwrap_err();
        assert!(!failure.to_string().contains("hidden"), "{failure}");
    }
}
