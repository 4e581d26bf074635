//! Where the provider expects its key, and what it says when the key is not there.

use serde_json::json;

use super::answer::Answer;
use crate::wire::Headers;

/// Header names that carry a credential at some provider, or at the gateway.
const CREDENTIAL_HEADERS: [&str; 10] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "apikey",
    "x-goog-api-key",
    "xi-api-key",
    "cf-aig-authorization",
    "x-auth-token",
    "cookie",
];

/// Where a provider expects its key: one header, and what stands before the key in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Placement {
    /// The header's name in lower case.
    pub header: String,
    /// What stands before the key, with its space: `"Bearer "`, or nothing.
    pub scheme: String,
}

impl Placement {
    /// A key behind `scheme` in `header`.
    #[must_use]
    pub fn new(header: &str, scheme: &str) -> Self {
        Self {
            header: header.to_ascii_lowercase(),
            scheme: scheme.to_owned(),
        }
    }

    /// `Authorization: Bearer KEY`, as OpenAI has it.
    #[must_use]
    pub fn bearer() -> Self {
        Self::new("authorization", "Bearer ")
    }

    /// `x-api-key: KEY`, as Anthropic has it.
    #[must_use]
    pub fn x_api_key() -> Self {
        Self::new("x-api-key", "")
    }

    /// `api-key: KEY`, as Azure OpenAI has it.
    #[must_use]
    pub fn api_key() -> Self {
        Self::new("api-key", "")
    }

    /// `x-goog-api-key: KEY`, as Google AI Studio has it.
    #[must_use]
    pub fn x_goog_api_key() -> Self {
        Self::new("x-goog-api-key", "")
    }

    /// The accepted key that the request carries: once, in its place, with no other credential beside it.
    pub(super) fn find_key(&self, headers: &Headers, keys: &[String]) -> Result<String, Refusal> {
        let mut own = None;
        for (name, value) in headers {
            let name = name.to_ascii_lowercase().replace('_', "-");
            if name == self.header {
                if own.replace(value).is_some() {
                    return Err(Refusal("repeated"));
                }
            } else if CREDENTIAL_HEADERS.contains(&name.as_str()) {
                return Err(Refusal("another credential"));
            }
        }
        let value = own.ok_or(Refusal("missing"))?;
        let key = value
            .strip_prefix(self.scheme.as_bytes())
            .ok_or(Refusal("scheme"))?;
        keys.iter()
            .find(|accepted| accepted.as_bytes() == key)
            .cloned()
            .ok_or(Refusal("unknown key"))
    }
}

/// Why a request's credential was refused. The answer says it in `x-fake-refusal`, for whoever reads a
/// failed test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) &'static str);

/// Whose shapes an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// OpenAI's, which most providers share.
    OpenAi,
    /// Anthropic's.
    Anthropic,
    /// Google's.
    Google,
}

impl Format {
    /// By the path where it is telling, else by the place of the key.
    pub(super) fn of(path: &str, placement: &Placement) -> Self {
        if path.ends_with("/messages") {
            return Self::Anthropic;
        }
        if path.contains(":generateContent") || path.contains(":streamGenerateContent") {
            return Self::Google;
        }
        match placement.header.as_str() {
            "x-api-key" => Self::Anthropic,
            "x-goog-api-key" => Self::Google,
            _ => Self::OpenAi,
        }
    }

    /// What this provider answers to a bad credential. Google's is a 400.
    pub(super) fn refuse(self, refusal: Refusal) -> Answer {
        let answer = match self {
            Self::OpenAi => self.error(401, "Incorrect API key provided."),
            Self::Anthropic => self.error(401, "invalid x-api-key"),
            Self::Google => self.error(400, "API key not valid. Please pass a valid API key."),
        };
        answer.with_header("x-fake-refusal", refusal.0)
    }

    /// An error in this provider's shape.
    pub(super) fn error(self, status: u16, message: &str) -> Answer {
        let is_credential = status == 401;
        let body = match self {
            Self::OpenAi => json!({"error": {
                "message": message,
                "type": "invalid_request_error",
                "param": null,
                "code": is_credential.then_some("invalid_api_key"),
            }}),
            Self::Anthropic => json!({
                "type": "error",
                "error": {
                    "type": if is_credential { "authentication_error" } else { "invalid_request_error" },
                    "message": message,
                },
                "request_id": "req_fake",
            }),
            Self::Google => json!({"error": {
                "code": status,
                "message": message,
                "status": "INVALID_ARGUMENT",
                "details": [{
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "API_KEY_INVALID",
                    "domain": "googleapis.com",
                    "metadata": {"service": "generativelanguage.googleapis.com"},
                }],
            }}),
        };
        Answer::json(status, &body)
    }
}

#[cfg(test)]
mod tests {
    use super::{Placement, Refusal};
    use crate::wire::Headers;

    fn headers(lines: &[(&str, &str)]) -> Headers {
        lines
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn a_key_counts_once_in_its_place_and_alone() {
        let keys = ["sk-one".to_owned(), "sk-two".to_owned()];
        let own = ("Authorization", "Bearer sk-two");
        let found = |lines: &[(&str, &str)]| Placement::bearer().find_key(&headers(lines), &keys);
        assert_eq!(found(&[own, ("x-other", "1")]), Ok("sk-two".to_owned()));
        for (lines, why) in [
            (&[][..], "missing"),
            (&[own, own], "repeated"),
            (&[own, ("authorization", "Bearer sk-one")], "repeated"),
            (&[own, ("X_Api_Key", "x")], "another credential"),
            (&[own, ("cf-aig-authorization", "x")], "another credential"),
            (&[own, ("Cookie", "x")], "another credential"),
            (&[("authorization", "sk-two")], "scheme"),
            (&[("authorization", "Bearer sk-three")], "unknown key"),
            (&[("authorization", "Bearer sk-two ")], "unknown key"),
        ] {
            assert_eq!(found(lines), Err(Refusal(why)));
        }
        let plain = Placement::x_api_key();
        assert!(
            plain
                .find_key(&headers(&[("x-api-key", "sk-one")]), &keys)
                .is_ok()
        );
    }
}
