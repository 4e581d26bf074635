//! The lines by which an application reaches a provider through a gateway, for people to paste.
//!
//! One table for the command line, the dashboard and the documentation. No snippet holds a token: each reads it
//! from the environment variable [`TOKEN_VARIABLE`].

mod message;

pub use self::message::{MessageApi, MessageFormat, message_api};
use crate::Provider;

/// The environment variable from which every snippet reads the gateway token.
pub const TOKEN_VARIABLE: &str = "KEYWARD_TOKEN";

/// What a snippet is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever shows snippets shows each of them"
)]
pub enum Language {
    /// A shell command with curl.
    Curl,
    /// Python with the provider's own SDK, or OpenAI's where the provider speaks its format.
    Python,
    /// TypeScript, likewise.
    TypeScript,
    /// Rust with reqwest 0.13.
    Rust,
    /// The variables that the provider's SDKs read, as shell lines.
    Env,
}

/// A variable that an SDK reads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// Its name, such as `OPENAI_BASE_URL`.
    pub name: &'static str,
    /// What to set it to.
    pub value: VariableValue,
}

/// What a [`Variable`] is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a token and what is none are handled apart"
)]
pub enum VariableValue {
    /// This URL.
    Url(String),
    /// The gateway token.
    Token,
}

/// In which format a provider is spoken to, and with which SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    /// OpenAI's chat completions, below this path.
    OpenAi { base: &'static str },
    /// Anthropic's messages.
    Anthropic,
    /// Google's `generateContent`.
    Gemini,
}

/// One provider that snippets are known for.
struct Known {
    slug: &'static str,
    api: Api,
    model: &'static str,
    variables: Option<Variables>,
}

/// The variables that an SDK reads.
struct Variables {
    base_url: &'static str,
    key: &'static str,
    /// What the SDK would take before these, or beside them.
    rivals: &'static [&'static str],
}

/// Paths: wire-spec §1.1. Names of models are those of the vendors' own quick starts, from memory, and are meant to
/// be replaced. Variables: `openai` 3.54.0 and `anthropic` 2.12.0 read as installed; `google-genai` by its README.
const KNOWN: &[Known] = &[
    Known {
        variables: Some(Variables {
            base_url: "OPENAI_BASE_URL",
            key: "OPENAI_API_KEY",
            rivals: &[],
        }),
        ..open_ai("openai", "", "gpt-5-mini")
    },
    open_ai("echo", "v1", "echo"),
    open_ai("groq", "", "llama-3.3-70b-versatile"),
    open_ai("mistral", "v1", "mistral-small-latest"),
    open_ai("deepseek", "", "deepseek-chat"),
    open_ai("perplexity-ai", "", "sonar"),
    open_ai("openrouter", "v1", "openrouter/auto"),
    open_ai("grok", "v1", "grok-4"),
    open_ai("cerebras", "v1", "llama-3.3-70b"),
    open_ai(
        "fireworks",
        "",
        "accounts/fireworks/models/llama-v3p3-70b-instruct",
    ),
    open_ai("baseten", "v1", "deepseek-ai/DeepSeek-V3.1"),
    Known {
        slug: "anthropic",
        api: Api::Anthropic,
        model: "claude-haiku-4-5",
        variables: Some(Variables {
            base_url: "ANTHROPIC_BASE_URL",
            key: "ANTHROPIC_API_KEY",
            rivals: &["ANTHROPIC_AUTH_TOKEN"],
        }),
    },
    Known {
        slug: "google-ai-studio",
        api: Api::Gemini,
        model: "gemini-2.5-flash",
        variables: Some(Variables {
            base_url: "GOOGLE_GEMINI_BASE_URL",
            key: "GEMINI_API_KEY",
            rivals: &["GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"],
        }),
    },
];

const fn open_ai(slug: &'static str, base: &'static str, model: &'static str) -> Known {
    Known {
        slug,
        api: Api::OpenAi { base },
        model,
        variables: None,
    }
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 5] = [
        Self::Curl,
        Self::Python,
        Self::TypeScript,
        Self::Rust,
        Self::Env,
    ];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Python => "python",
            Self::TypeScript => "ts",
            Self::Rust => "rust",
            Self::Env => "env",
        }
    }

    const fn template(self, api: Api) -> &'static str {
        match (self, api) {
            (Self::Curl, Api::OpenAi { .. }) => include_str!("snippet/openai.sh"),
            (Self::Curl, Api::Anthropic) => include_str!("snippet/anthropic.sh"),
            (Self::Curl, Api::Gemini) => include_str!("snippet/gemini.sh"),
            (Self::Python, Api::OpenAi { .. }) => include_str!("snippet/openai.py.txt"),
            (Self::Python, Api::Anthropic) => include_str!("snippet/anthropic.py.txt"),
            (Self::Python, Api::Gemini) => include_str!("snippet/gemini.py.txt"),
            (Self::TypeScript, Api::OpenAi { .. }) => include_str!("snippet/openai.ts"),
            (Self::TypeScript, Api::Anthropic) => include_str!("snippet/anthropic.ts"),
            (Self::TypeScript, Api::Gemini) => include_str!("snippet/gemini.ts"),
            (Self::Rust, Api::OpenAi { .. }) => include_str!("snippet/openai.rs.txt"),
            (Self::Rust, Api::Anthropic) => include_str!("snippet/anthropic.rs.txt"),
            (Self::Rust, Api::Gemini) => include_str!("snippet/gemini.rs.txt"),
            (Self::Env, _) => "",
        }
    }
}

/// The snippet for `provider` behind the gateway, at `url`: what stands before the rest of the path, such as
/// `https://keyward.example/v1/ACCOUNT/GATEWAY/openai`. `None` where none is known.
///
/// ```
/// use keyward_providers::{Catalogue, Language, snippet};
///
/// let catalogue = Catalogue::built_in().expect("the built-in catalogue is whole");
/// let openai = catalogue.find("openai").expect("it is built in");
/// let url = "https://keyward.example/v1/ACCOUNT/default/openai";
/// let python = snippet(openai, Language::Python, url).expect("it is known");
/// assert!(python.contains("base_url=\"https://keyward.example/v1/ACCOUNT/default/openai\""));
/// assert!(python.contains("os.environ[\"KEYWARD_TOKEN\"]"));
/// ```
#[must_use]
pub fn snippet(provider: &Provider, language: Language, url: &str) -> Option<String> {
    let known = known(provider)?;
    if language == Language::Env {
        let mut text = String::new();
        for variable in variables(provider, url)? {
            let value = match variable.value {
                VariableValue::Url(url) => url,
                VariableValue::Token => format!("${TOKEN_VARIABLE}"),
            };
            text.push_str(&format!("export {}=\"{value}\"\n", variable.name));
        }
        return Some(text);
    }
    let base = base_url(known.api, url);
    let template = language.template(known.api);
    Some(
        template
            .replace("{base}", &base)
            .replace("{model}", known.model),
    )
}

/// The variables by which the official SDK of `provider` finds the gateway at `url`. `None` where its SDK reads none,
/// or has not been looked at.
#[must_use]
pub fn variables(provider: &Provider, url: &str) -> Option<[Variable; 2]> {
    let known = known(provider)?;
    let names = known.variables.as_ref()?;
    Some([
        Variable {
            name: names.base_url,
            value: VariableValue::Url(base_url(known.api, url)),
        },
        Variable {
            name: names.key,
            value: VariableValue::Token,
        },
    ])
}

/// Variables that the SDK of `provider` would take before those of [`variables`], or send beside them: not to be set
/// together with them.
#[must_use]
pub fn rival_variables(provider: &Provider) -> &'static [&'static str] {
    known(provider)
        .and_then(|known| known.variables.as_ref())
        .map(|names| names.rivals)
        .unwrap_or_default()
}

fn known(provider: &Provider) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.slug == provider.slug())
}

fn base_url(api: Api, url: &str) -> String {
    let url = url.trim_end_matches('/');
    match api {
        Api::OpenAi { base } if !base.is_empty() => format!("{url}/{base}"),
        Api::OpenAi { .. } | Api::Anthropic | Api::Gemini => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, Language, snippet, variables};
    use crate::Catalogue;

    #[test]
    fn every_entry_is_of_a_provider_and_gives_every_language() {
        let catalogue = Catalogue::built_in().expect("the built-in catalogue is whole");
        for known in KNOWN {
            let provider = catalogue.find(known.slug).expect(known.slug);
            for language in Language::ALL {
                let text = snippet(provider, language, "http://127.0.0.1:1/v1/a/g/p/");
                let Some(text) = text else {
                    assert_eq!(language, Language::Env, "{}", known.slug);
                    assert!(variables(provider, "").is_none());
                    continue;
                };
                assert!(text.contains("http://127.0.0.1:1/v1/a/g/p"), "{text}");
                assert!(text.contains("KEYWARD_TOKEN"), "{text}");
                assert!(
                    !text.contains("{base}") && !text.contains("{model}"),
                    "{text}"
                );
            }
        }
    }
}
