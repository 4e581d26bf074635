//! Telling a provider key by its variable's name and by how it begins.

use keyward_registry::{Alias, KeyValue};
use keyward_secret::SecretBytes;

use super::{Key, Reason, Setting, Verdict};

/// Names that SDKs read, without case. From the vendors' SDKs and LiteLLM's provider pages, from memory.
const NAMES: &[(&str, &str)] = &[
    ("ANTHROPIC_API_KEY", "anthropic"),
    ("BASETEN_API_KEY", "baseten"),
    ("CARTESIA_API_KEY", "cartesia"),
    ("CEREBRAS_API_KEY", "cerebras"),
    ("COHERE_API_KEY", "cohere"),
    ("CO_API_KEY", "cohere"),
    ("DEEPGRAM_API_KEY", "deepgram"),
    ("DEEPSEEK_API_KEY", "deepseek"),
    ("ELEVENLABS_API_KEY", "elevenlabs"),
    ("ELEVEN_API_KEY", "elevenlabs"),
    ("FAL_API_KEY", "fal"),
    ("FAL_KEY", "fal"),
    ("FIREWORKS_AI_API_KEY", "fireworks"),
    ("FIREWORKS_API_KEY", "fireworks"),
    ("GEMINI_API_KEY", "google-ai-studio"),
    ("GOOGLE_API_KEY", "google-ai-studio"),
    ("GROQ_API_KEY", "groq"),
    ("HF_TOKEN", "huggingface"),
    ("HUGGINGFACE_API_KEY", "huggingface"),
    ("HUGGING_FACE_HUB_TOKEN", "huggingface"),
    ("IDEOGRAM_API_KEY", "ideogram"),
    ("MISTRAL_API_KEY", "mistral"),
    ("OPENAI_API_KEY", "openai"),
    ("OPENAI_KEY", "openai"),
    ("OPENROUTER_API_KEY", "openrouter"),
    ("PARALLEL_API_KEY", "parallel"),
    ("PERPLEXITYAI_API_KEY", "perplexity-ai"),
    ("PERPLEXITY_API_KEY", "perplexity-ai"),
    ("PPLX_API_KEY", "perplexity-ai"),
    ("REPLICATE_API_KEY", "replicate"),
    ("REPLICATE_API_TOKEN", "replicate"),
    ("GROK_API_KEY", "grok"),
    ("XAI_API_KEY", "grok"),
];

/// Providers that LiteLLM calls otherwise than we do.
const LITELLM: &[(&str, &str)] = &[
    ("gemini", "google-ai-studio"),
    ("perplexity", "perplexity-ai"),
    ("xai", "grok"),
    ("fireworks_ai", "fireworks"),
    ("fal_ai", "fal"),
];

/// Ends of names that say that a key is meant.
const KEY_NAMES: &[&str] = &["API_KEY", "APIKEY", "API_TOKEN", "SECRET_KEY"];

/// Fewer characters than any key, or token of ours, has.
const SHORTEST: usize = 20;

/// Whether a text begins as keys do, or is a token of ours.
pub(crate) fn begins_as_key(text: &str) -> bool {
    let text = text.as_bytes();
    let is_token = keyward_auth::is_ours(text)
        && text.len() >= SHORTEST
        && text.iter().any(u8::is_ascii_digit);
    is_token || keyward_providers::looks_like_key(text)
}

/// What a setting is; `None` where it has nothing to do with keys.
pub(super) fn recognise(setting: &Setting) -> Option<Verdict> {
    let value = setting.value.expose();
    if keyward_auth::is_ours(value) {
        return Some(Verdict::Skipped(Reason::OwnToken));
    }
    let named = by_name(&setting.name);
    let by_name = setting
        .provider
        .or(named.as_ref().map(|(provider, _)| *provider));
    let by_value = keyward_providers::provider_of_key(value);
    let is_meant = setting.is_key || by_name.is_some() || {
        let name = setting.name.to_ascii_uppercase();
        KEY_NAMES.iter().any(|end| name.ends_with(end))
    };
    let alias = named.map(|(_, alias)| alias).unwrap_or_default();
    match (by_name, by_value) {
        (None, None) if !is_meant => None,
        _ if is_reference(value) => Some(Verdict::Skipped(Reason::Reference)),
        _ if is_placeholder(value) => Some(Verdict::Skipped(Reason::Placeholder)),
        (Some(by_name), Some(by_value)) if by_name != by_value => {
            Some(Verdict::Skipped(Reason::Contradiction {
                by_name,
                by_value,
            }))
        }
        (Some(provider), _) | (None, Some(provider)) => Some(key(provider, alias, &setting.value)),
        (None, None) => Some(Verdict::Skipped(Reason::UnknownProvider)),
    }
}

fn key(provider: &'static str, alias: Alias, value: &SecretBytes) -> Verdict {
    match KeyValue::parse(value) {
        Ok(value) => Verdict::Key(Key {
            provider,
            alias,
            value,
        }),
        Err(error) => Verdict::Skipped(Reason::NoKey(error.to_string())),
    }
}

/// The provider that a variable's name says, and the alias from what stands around it: `OPENAI_API_KEY_STAGING` and
/// `STAGING_OPENAI_API_KEY` are the key `staging`.
fn by_name(name: &str) -> Option<(&'static str, Alias)> {
    let name = name.to_ascii_uppercase();
    let found = NAMES.iter().filter_map(|(known, provider)| {
        let at = name.find(known)?;
        let before = name.get(..at)?;
        let after = name.get(at + known.len()..)?;
        let is_whole = (before.is_empty() || before.ends_with('_'))
            && (after.is_empty() || after.starts_with('_'));
        is_whole.then_some((known.len(), *provider, before.to_owned(), after.to_owned()))
    });
    // The longest: `OPENAI_API_KEY` and not `OPENAI_KEY`, should both be found.
    let (_, provider, before, after) = found.max_by_key(|(length, ..)| *length)?;
    let around: Vec<_> = [before.trim_matches('_'), after.trim_matches('_')]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let alias = around.join("-").to_ascii_lowercase().replace('_', "-");
    Some((provider, Alias::parse(&alias).unwrap_or_default()))
}

/// The provider that LiteLLM calls `name`.
pub(super) fn by_litellm_name(name: &str) -> Option<&'static str> {
    let other = LITELLM.iter().find(|(known, _)| *known == name);
    let same = || NAMES.iter().map(|(_, provider)| *provider);
    other
        .map(|(_, provider)| *provider)
        .or_else(|| same().find(|provider| *provider == name))
}

fn is_reference(value: &[u8]) -> bool {
    value.starts_with(b"$") || value.starts_with(b"os.environ/") || value.starts_with(b"{{")
}

/// What people write where a key is to be filled in.
fn is_placeholder(value: &[u8]) -> bool {
    const WORDS: [&str; 10] = [
        "your",
        "changeme",
        "change-me",
        "xxx",
        "placeholder",
        "example",
        "todo",
        "dummy",
        "...",
        "insert",
    ];
    // Compared where it stands: a copy of it would not erase itself.
    let holds = |word: &str| {
        let mut parts = value.windows(word.len());
        parts.any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    };
    value.is_empty()
        || value.starts_with(b"<")
        || value.eq_ignore_ascii_case(b"none")
        || value.eq_ignore_ascii_case(b"null")
        // Longer ones are keys that hold such a word by chance.
        || (value.len() < 2 * SHORTEST && WORDS.into_iter().any(holds))
}
