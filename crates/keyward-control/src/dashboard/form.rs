//! A form as a browser sends it, taken apart in memory that is erased.

use keyward_secret::SecretBytes;
use percent_encoding::percent_decode;

/// The fields of a form, in the order they came. Any of them may be a secret until it is looked at.
#[derive(Default)]
pub(crate) struct Form(Vec<(String, SecretBytes)>);

/// More fields than any form of ours has.
const MOST: usize = 256;

impl Form {
    /// Reads `application/x-www-form-urlencoded`. `None`: it is not one of ours.
    ///
    /// Each value is decoded into memory of its full size: nothing grows, so that no copy is left behind.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let mut fields = Vec::new();
        for pair in body
            .split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty())
        {
            if fields.len() == MOST {
                return None;
            }
            let at = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = pair.split_at_checked(at?)?;
            let name = String::from_utf8(percent_decode(name).collect()).ok()?;
            fields.push((name, decode(value.get(1..)?)));
        }
        Some(Self(fields))
    }

    /// The value of a field as text, cut of blanks at its ends; empty where it is not there.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.values(name).next().unwrap_or_default()
    }

    /// Every value of a field as text, cut of blanks at its ends; what is empty left out.
    pub(crate) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values(name).filter(|text| !text.is_empty())
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let fields = self.0.iter().filter(move |(known, _)| known == name);
        let texts = fields.filter_map(|(_, value)| std::str::from_utf8(value.expose()).ok());
        texts.map(str::trim)
    }

    /// Whether a box is ticked.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// A secret as text, without the blanks and line breaks that pasting leaves at its ends; empty where it is none.
    pub(crate) fn secret_text(&self, name: &str) -> &str {
        let secret = self.secret(name).map(|value| value.expose().trim_ascii());
        let text = secret.and_then(|secret| std::str::from_utf8(secret).ok());
        text.unwrap_or_default()
    }

    /// The value of a field as it came, in memory that is erased.
    pub(crate) fn secret(&self, name: &str) -> Option<&SecretBytes> {
        let field = self.0.iter().find(|(known, _)| known == name);
        field.map(|(_, value)| value)
    }
}

fn decode(value: &[u8]) -> SecretBytes {
    let mut decoded = Vec::with_capacity(value.len());
    for (at, part) in value.split(|byte| *byte == b'+').enumerate() {
        if at > 0 {
            decoded.push(b' ');
        }
        decoded.extend(percent_decode(part));
    }
    SecretBytes::new(decoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Form;

    #[test]
    fn fields_are_decoded() {
        let form =
            Form::parse(b"csrf=abc&description=of+the%20team%2B&secret=sk-%26%3D+x&secret=no&now=");
        let form = form.unwrap();
        assert_eq!(form.text("description"), "of the team+");
        assert_eq!(form.secret("secret").unwrap().expose(), b"sk-&= x");
        assert!(form.is_set("now") && !form.is_set("later"));
        assert_eq!(form.text("later"), "");
        assert_eq!(form.texts("secret").collect::<Vec<_>>(), ["sk-&= x", "no"]);
        assert_eq!(form.texts("now").count(), 0);
        assert!(form.secret("later").is_none());
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for body in ["{\"a\":1}", "a", "a=1&b", "%ff=1"] {
            assert!(Form::parse(body.as_bytes()).is_none(), "{body}");
        }
        assert!(Form::parse("a=1&".repeat(257).as_bytes()).is_none());
    }

    proptest! {
        #[test]
        fn any_value_comes_through(value: String) {
            let encoded = percent_encoding::percent_encode(value.as_bytes(), percent_encoding::NON_ALPHANUMERIC);
            let form = Form::parse(format!("v={encoded}").as_bytes()).unwrap();
            prop_assert_eq!(form.secret("v").unwrap().expose(), value.as_bytes());
        }

        #[test]
        fn arbitrary_bytes_never_panic(body: Vec<u8>) {
            let _may_be_refused = Form::parse(&body).is_some();
        }
    }
}
