//! Where a provider speaks OpenAI's chat completions, in its own words: the path below its base, and how it takes a key
//! there.

use http::HeaderName;
use serde::Deserialize;

use crate::pattern::{Canonical, Pattern};

/// A provider's own OpenAI-compatible endpoints.
///
/// The paths are rests, as [`Provider::route`](crate::Provider::route) takes them: whoever sends a chat that was asked for in
/// OpenAI's form routes [`chat`](Self::chat) like a path that a client sent. The route then says which
/// [`Surface`] the path is of, and [`Provider::bind_on`](crate::Provider::bind_on) places the key accordingly.
#[derive(Debug)]
pub struct Compat {
    pub(crate) chat: Box<str>,
    pub(crate) models: Option<Box<str>>,
    pub(crate) credential: Option<CompatCredential>,
}

impl Compat {
    /// The path of chat completions: a rest, without leading slash, such as `v1/chat/completions`.
    #[must_use]
    pub fn chat(&self) -> &str {
        &self.chat
    }

    /// The path of the list of models in OpenAI's form, where there is one: a rest like [`chat`](Self::chat).
    #[must_use]
    pub fn models(&self) -> Option<&str> {
        self.models.as_deref()
    }
}

/// Which of a provider's ways of taking a key a path wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever binds a key must handle every way of taking one"
)]
pub enum Surface {
    /// The provider's own.
    #[default]
    Own,
    /// The one of its OpenAI-compatible endpoints, where that differs.
    Compat,
}

/// How a key is taken on paths where that differs from the rest of the provider.
#[derive(Debug)]
pub(crate) struct CompatCredential {
    pub(crate) header: HeaderName,
    pub(crate) scheme: Box<str>,
    /// The paths.
    pub(crate) on: Box<[Pattern]>,
}

impl CompatCredential {
    /// Whether `path` is one of those, whatever the method.
    pub(crate) fn is_on(&self, path: Canonical<'_>) -> bool {
        // The patterns are of any method, so which one is asked with does not matter.
        self.on
            .iter()
            .any(|pattern| pattern.matches(&http::Method::POST, path))
    }
}

/// The table `[compat]` of a catalogue file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompatText {
    chat: Box<str>,
    models: Option<Box<str>>,
    /// Where it is from: for readers of the file.
    #[expect(dead_code, reason = "a file without a source is refused")]
    source: Box<str>,
    credential: Option<CompatCredentialText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CompatCredentialText {
    header: Box<str>,
    scheme: Box<str>,
    on: Vec<Box<str>>,
    #[expect(dead_code, reason = "a file without a source is refused")]
    source: Box<str>,
}

impl CompatText {
    /// `credential_headers` are those that are removed before a key goes in; `insert` is the version.
    pub(crate) fn build(
        self,
        credential_headers: &[HeaderName],
        insert: Option<&str>,
    ) -> Result<Compat, String> {
        for path in std::iter::once(&self.chat).chain(&self.models) {
            Pattern::parse(&format!("* {path}"), insert)
                .map_err(|reason| format!("{path}: {reason}"))?;
        }
        let credential = self
            .credential
            .map(|text| text.build(credential_headers, insert))
            .transpose()?;
        Ok(Compat {
            chat: self.chat,
            models: self.models,
            credential,
        })
    }
}

impl CompatCredentialText {
    fn build(
        self,
        credential_headers: &[HeaderName],
        insert: Option<&str>,
    ) -> Result<CompatCredential, String> {
        let header = HeaderName::try_from(&*self.header).map_err(|error| error.to_string())?;
        // Else a client's own key could stand beside the stored one.
        if !credential_headers.contains(&header) {
            return Err(format!("`{header}` is none of `credential.headers`"));
        }
        let on = self
            .on
            .iter()
            .map(|path| Pattern::parse(&format!("* {path}"), insert));
        Ok(CompatCredential {
            header,
            scheme: self.scheme,
            on: on.collect::<Result<_, _>>()?,
        })
    }
}
