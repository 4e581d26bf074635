//! How providers' keys begin.

/// The longer before the shorter. From the vendors' pages, from memory. `sk-` alone is also DeepSeek's, and of many
/// gateways.
const PREFIXES: &[(&str, &str)] = &[
    ("sk-ant-", "anthropic"),
    ("sk-or-", "openrouter"),
    ("sk-proj-", "openai"),
    ("sk-svcacct-", "openai"),
    ("gsk_", "groq"),
    ("AIza", "google-ai-studio"),
    ("xai-", "grok"),
    ("pplx-", "perplexity-ai"),
    ("csk-", "cerebras"),
    ("r8_", "replicate"),
    ("hf_", "huggingface"),
    ("fw_", "fireworks"),
    ("sk_car_", "cartesia"),
];

/// Those that say only that a key begins.
const GENERAL: &[&str] = &["sk-", "sk_"];

/// Fewer characters than any key has: what is shorter was never one. The shortest known have 32.
const SHORTEST: usize = 20;

/// The slug of the provider whose keys begin as `text` does, where `text` is long enough for one.
///
/// ```
/// assert_eq!(keyward_providers::provider_of_key(b"gsk_0123456789abcdef"), Some("groq"));
/// assert_eq!(keyward_providers::provider_of_key(b"gsk_"), None);
/// ```
#[must_use]
pub fn provider_of_key(text: &[u8]) -> Option<&'static str> {
    let found = PREFIXES
        .iter()
        .find(|(prefix, _)| text.starts_with(prefix.as_bytes()) && text.len() >= SHORTEST);
    found.map(|(_, provider)| *provider)
}

/// Whether `text` begins as some provider's keys do, in any case and at any length.
///
/// ```
/// assert!(keyward_providers::begins_as_key(b"aiza1"));
/// assert!(!keyward_providers::begins_as_key(b"chat"));
/// ```
#[must_use]
pub fn begins_as_key(text: &[u8]) -> bool {
    let known = PREFIXES.iter().map(|(prefix, _)| prefix);
    known.chain(GENERAL).any(|prefix| {
        text.get(..prefix.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(prefix.as_bytes()))
    })
}

/// Whether `text` is most likely a key: it [begins as one](begins_as_key), is long enough, and holds a digit.
///
/// ```
/// assert!(keyward_providers::looks_like_key(b"sk-proj-0123456789ab"));
/// assert!(!keyward_providers::looks_like_key(b"sk-learn-models"));
/// ```
#[must_use]
pub fn looks_like_key(text: &[u8]) -> bool {
    text.len() >= SHORTEST && text.iter().any(u8::is_ascii_digit) && begins_as_key(text)
}
