//! What secrets are called, and which services may use them.

use std::{fmt, str::FromStr};

use keyward_vault::SecretRecord;

/// A secret's name in its store: 1 to 255 of `A-Z`, `a-z`, `0-9`, `_` and `-` (wire-spec §4.8; the length is ours).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecretName(Box<str>);

/// A secrets store's name: 1 to 255 characters without control characters, not all of them blanks. The grammar is
/// ours.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecretsStoreName(Box<str>);

/// A text is no name of a secret or of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseNameError(&'static str);

const MAX_NAME: usize = 255;

impl SecretName {
    /// Parses a name.
    ///
    /// # Errors
    ///
    /// When the text is empty, too long, or holds another character.
    pub fn parse(text: &str) -> Result<Self, ParseNameError> {
        let is_named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if text.is_empty() {
            Err(ParseNameError("secret_name_empty: a name is required"))
        } else if text.len() <= MAX_NAME && text.bytes().all(is_named) {
            Ok(Self(text.into()))
        } else {
            Err(ParseNameError(
                "secret_name_invalid: a name is 1 to 255 of `A-Z`, `a-z`, `0-9`, `_` and `-`",
            ))
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SecretsStoreName {
    /// Parses a name.
    ///
    /// # Errors
    ///
    /// When the text is blank, too long, or holds a control character.
    pub fn parse(text: &str) -> Result<Self, ParseNameError> {
        if text.trim().is_empty() {
            Err(ParseNameError("store_name_empty: a name is required"))
        } else if text.chars().count() <= MAX_NAME && !text.chars().any(char::is_control) {
            Ok(Self(text.into()))
        } else {
            Err(ParseNameError(
                "store_name_invalid: a name is 1 to 255 characters without control characters",
            ))
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretName({})", self.0)
    }
}

impl fmt::Debug for SecretsStoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretsStoreName({})", self.0)
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SecretsStoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A service that may use a secret, as the reference names them (wire-spec §4.8, as of 2026-11). Keyward is one of
/// them, [`AiGateway`](Self::AiGateway); the others are kept and returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SecretScope {
    /// `workers`
    Workers,
    /// `ai_gateway`: provider keys may use the secret.
    AiGateway,
    /// `dex`
    Dex,
    /// `access`
    Access,
    /// `containers`
    Containers,
    /// `websearch`
    Websearch,
}

impl SecretScope {
    /// Every scope.
    pub const ALL: [Self; 6] = [
        Self::Workers,
        Self::AiGateway,
        Self::Dex,
        Self::Access,
        Self::Containers,
        Self::Websearch,
    ];

    /// The text that the wire and the store carry.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workers => "workers",
            Self::AiGateway => "ai_gateway",
            Self::Dex => "dex",
            Self::Access => "access",
            Self::Containers => "containers",
            Self::Websearch => "websearch",
        }
    }

    /// Whether `secret` has this scope.
    #[must_use]
    pub fn is_of(self, secret: &SecretRecord) -> bool {
        secret.scopes.iter().any(|scope| scope == self.as_str())
    }

    /// The texts of these scopes, each once, in their order.
    pub(crate) fn texts(scopes: &[Self]) -> Vec<String> {
        let mut texts: Vec<String> = Vec::with_capacity(scopes.len());
        for scope in scopes {
            if !texts.iter().any(|known| known == scope.as_str()) {
                texts.push(scope.as_str().to_owned());
            }
        }
        texts
    }
}

impl FromStr for SecretScope {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or(ParseNameError(
            "secret_scope_invalid: a scope is `workers`, `ai_gateway`, `dex`, `access`, `containers` or `websearch`",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::{SecretName, SecretScope, SecretsStoreName};

    #[test]
    fn names_of_secrets_are_letters_digits_and_two_signs() {
        for text in ["a", "gw_openai_default", "A-9_", &"a".repeat(255)] {
            assert!(SecretName::parse(text).is_ok(), "{text}");
        }
        for text in ["", " a", "a b", "a.b", "a/b", "é", "a\n", &"a".repeat(256)] {
            assert!(SecretName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_of_stores_are_any_line_of_text() {
        for text in ["default_secrets_store", "Füße 2", &"ü".repeat(255)] {
            assert!(SecretsStoreName::parse(text).is_ok(), "{text}");
        }
        for text in ["", "  ", "a\nb", &"ü".repeat(256)] {
            assert!(SecretsStoreName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn scopes_are_read_back_and_told_once() {
        for scope in SecretScope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        assert!("Workers".parse::<SecretScope>().is_err());
        let twice = [SecretScope::Dex, SecretScope::Workers, SecretScope::Dex];
        assert_eq!(SecretScope::texts(&twice), ["dex", "workers"]);
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{SecretName, SecretScope, SecretsStoreName};

        keyward_testing::assert_texts!("ParseNameError", [
            "no name" => SecretName::parse("").unwrap_err(),
            "a secret" => SecretName::parse("a b").unwrap_err(),
            "no name of a store" => SecretsStoreName::parse("").unwrap_err(),
            "a store" => SecretsStoreName::parse("a\u{7}b").unwrap_err(),
            "a scope" => "all".parse::<SecretScope>().unwrap_err(),
        ]);
    }
}
