//! Masks what looks like a key or a token, wherever it stands.

/// Fewer characters than any token of ours has.
const SHORTEST_TOKEN: usize = 20;

/// Puts `*` in the place of every byte of a word that looks like a provider's key or begins like a token of ours.
///
/// A word is letters, digits, `-`, `_` and `.`; what stands behind `\` or `%` in JSON's and URLs' escapes begins a new one.
/// Lengths stay, so that JSON stays JSON.
pub(super) fn mask(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(first) = bytes.get(at) {
        match first {
            b'\\' => at += 2,
            b'%' if is_escape(bytes, at) => at += 3,
            first if is_word(*first) => {
                let rest = bytes.get_mut(at..).unwrap_or_default();
                let length = rest
                    .iter()
                    .position(|byte| !is_word(*byte))
                    .unwrap_or(rest.len());
                let word = rest.get_mut(..length).unwrap_or_default();
                if is_credential(word) {
                    word.fill(b'*');
                }
                at += length;
            }
            _ => at += 1,
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

fn is_escape(bytes: &[u8], at: usize) -> bool {
    bytes
        .get(at + 1..at + 3)
        .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

fn is_credential(word: &[u8]) -> bool {
    keyward_providers::looks_like_key(word)
        || (word.len() >= SHORTEST_TOKEN && keyward_auth::is_ours(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::mask;

    fn masked(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        mask(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn keys_and_tokens_are_masked_and_nothing_else() {
        let key = "sk-proj-0123456789abcdef";
        let stars = "*".repeat(key.len());
        for around in [
            "KEY",
            "Bearer KEY",
            "key=KEY&x",
            r#"{"a":"KEY"}"#,
            r#""line\nKEY""#,
            "a%20KEY%20b",
            "ä KEY",
        ] {
            let expected = around.replace("KEY", &stars);
            assert_eq!(masked(&around.replace("KEY", key)), expected);
        }
        let token = "kw_gw_0V2kQ9xTz3Ab_0123456789";
        assert_eq!(masked(token), "*".repeat(token.len()));
        for text in [
            "gpt-5-mini-2026-01-01",
            "sk-short",
            "task-force-0123456789abc",
            "%",
            "\\",
            "%2",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    proptest! {
        #[test]
        fn a_text_stays_a_text_of_its_length(text in "\\PC*") {
            prop_assert_eq!(masked(&text).len(), text.len());
        }
    }
}
