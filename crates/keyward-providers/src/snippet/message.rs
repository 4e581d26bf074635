//! How one message is sent to a model of a provider: where to, and in which format. By the table of the snippets.

use super::{Api, known};
use crate::Provider;

/// How one message is sent to a model of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageApi {
    /// The format of the request's body.
    pub format: MessageFormat,
    /// The model that the snippets name. None for a provider of the account's own.
    pub model: Option<&'static str>,
    base: &'static str,
}

/// The format of the body that carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever writes a body must write each of them"
)]
pub enum MessageFormat {
    /// OpenAI's chat completions.
    ChatCompletions,
    /// Anthropic's messages, of the version in [`MessageApi::headers`].
    AnthropicMessages,
    /// Google's `generateContent`.
    GenerateContent,
}

impl MessageApi {
    /// The path below the gateway's URL of the provider, to `model`, which stands in it for some formats.
    #[must_use]
    pub fn path(&self, model: &str) -> String {
        let base = self.base;
        match self.format {
            MessageFormat::ChatCompletions if base.is_empty() => "chat/completions".to_owned(),
            MessageFormat::ChatCompletions => format!("{base}/chat/completions"),
            MessageFormat::AnthropicMessages => "v1/messages".to_owned(),
            MessageFormat::GenerateContent => format!("v1beta/models/{model}:generateContent"),
        }
    }

    /// Headers that the format asks for, beside the type of the body.
    #[must_use]
    pub const fn headers(&self) -> &'static [(&'static str, &'static str)] {
        match self.format {
            MessageFormat::AnthropicMessages => &[("anthropic-version", "2023-06-01")],
            MessageFormat::ChatCompletions | MessageFormat::GenerateContent => &[],
        }
    }
}

/// How one message is sent to a model of `provider`. A custom provider is taken to speak OpenAI's
/// format below its base URL. `None` for one of the catalogue that no snippet is known for.
///
/// ```
/// use keyward_providers::{Catalogue, message_api};
///
/// let catalogue = Catalogue::built_in().expect("the built-in catalogue is whole");
/// let google = catalogue.find("google-ai-studio").expect("it is built in");
/// let api = message_api(google).expect("it has a snippet");
/// assert_eq!(api.path("gemini-2.5-flash"), "v1beta/models/gemini-2.5-flash:generateContent");
/// ```
#[must_use]
pub fn message_api(provider: &Provider) -> Option<MessageApi> {
    if provider.slug().starts_with("custom-") {
        return Some(MessageApi {
            format: MessageFormat::ChatCompletions,
            model: None,
            base: "",
        });
    }
    let known = known(provider)?;
    let (format, base) = match known.api {
        Api::OpenAi { base } => (MessageFormat::ChatCompletions, base),
        Api::Anthropic => (MessageFormat::AnthropicMessages, ""),
        Api::Gemini => (MessageFormat::GenerateContent, ""),
    };
    Some(MessageApi {
        format,
        model: Some(known.model),
        base,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::KNOWN, message_api};
    use crate::{Catalogue, Language, snippet};

    /// The snippet for curl ends its URL so, and names the same headers and the same model.
    #[test]
    fn a_message_goes_where_the_snippet_sends_one() {
        let catalogue = Catalogue::built_in().expect("the built-in catalogue is whole");
        for known in KNOWN {
            let provider = catalogue.find(known.slug).expect(known.slug);
            let api = message_api(provider).expect(known.slug);
            let curl = snippet(provider, Language::Curl, "https://g/p").expect(known.slug);
            let model = api.model.expect(known.slug);
            let url = format!("curl \"https://g/p/{}\"", api.path(model));
            assert!(curl.starts_with(&url), "{curl}: {url}");
            assert!(curl.contains(model), "{curl}");
            for (name, value) in api.headers() {
                assert!(curl.contains(&format!("{name}: {value}")), "{curl}");
            }
        }
    }
}
