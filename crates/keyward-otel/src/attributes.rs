//! Every attribute and metric that is exported, in one table: its name, whose name it is, and what it says.
//!
//! docs/otel.md has the same table, and a test compares the two. There is no attribute for a prompt or an answer.

use self::Source::{Cloudflare, Convention, Keyward};

/// The version of OpenTelemetry's semantic conventions whose GenAI names are used: the last one before they moved to a
/// repository of their own, whose first release (0.1.0) renames metrics.
pub const CONVENTION: &str = "1.41.0";
/// The same, as data names it.
pub(crate) const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.41.0";

/// Whose name it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// OpenTelemetry's semantic conventions, [`CONVENTION`].
    Convention,
    /// Cloudflare's AI Gateway, whose dashboards ask for it (wire-spec §6.7).
    Cloudflare,
    /// Ours.
    Keyward,
}

/// One attribute of a span.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Attribute {
    /// What it is called.
    pub name: &'static str,
    /// Whose name that is.
    pub source: Source,
    /// Whether metrics have it too.
    pub is_of_metrics: bool,
    /// What it says; one sentence without a full stop.
    pub meaning: &'static str,
}

impl Source {
    /// As docs/otel.md has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Convention => "GenAI",
            Self::Cloudflare => "Cloudflare",
            Self::Keyward => "Keyward",
        }
    }
}

const fn span(name: &'static str, source: Source, meaning: &'static str) -> Attribute {
    Attribute {
        name,
        source,
        is_of_metrics: false,
        meaning,
    }
}

const fn both(name: &'static str, source: Source, meaning: &'static str) -> Attribute {
    Attribute {
        is_of_metrics: true,
        ..span(name, source, meaning)
    }
}

/// Declares attributes, and the table of all of them.
macro_rules! attributes {
    ($($name:ident = $attribute:expr;)+) => {
        $(pub(crate) const $name: Attribute = $attribute;)+
        /// Every attribute, in the order of docs/otel.md.
        pub const ATTRIBUTES: &[Attribute] = &[$($name),+];
    };
}

attributes! {
    OPERATION = both("gen_ai.operation.name", Convention, "`chat`, `text_completion`, `generate_content`, `embeddings`, by the path; `other` for everything else");
    PROVIDER = both("gen_ai.provider.name", Convention, "the provider by the convention's name, else by its slug; metrics have `custom` for every custom provider");
    REQUEST_MODEL = both("gen_ai.request.model", Convention, "the model that was asked for where Keyward read it, else the one that the answer names; in metrics what the price table calls it");
    RESPONSE_MODEL = span("gen_ai.response.model", Convention, "the model that the answer names");
    INPUT_TOKENS = span("gen_ai.usage.input_tokens", Convention, "all tokens that went in");
    OUTPUT_TOKENS = span("gen_ai.usage.output_tokens", Convention, "all tokens that came out");
    CACHE_READ = span("gen_ai.usage.cache_read.input_tokens", Convention, "those of the input that were read from a cache");
    CACHE_WRITE = span("gen_ai.usage.cache_creation.input_tokens", Convention, "those of the input that were written to a cache");
    REASONING = span("gen_ai.usage.reasoning.output_tokens", Convention, "those of the output that were reasoning");
    TOKEN_TYPE = Attribute { is_of_metrics: true, ..span("gen_ai.token.type", Convention, "of `gen_ai.client.token.usage` alone: `input` or `output`") };
    STATUS = span("http.response.status_code", Convention, "the answer's status");
    ERROR = both("error.type", Convention, "the status from 400 up, `cut` for an answer that did not come to its end, `canceled` where the client went away before there was one");
    MODEL_PROVIDER = span("gen_ai.model.provider", Cloudflare, "the provider's slug");
    COST = span("gen_ai.usage.cost", Cloudflare, "what it cost in US dollars, as the log has it");
    LOG_ID = span("keyward.log.id", Keyward, "the request's entry in the log, as in `cf-aig-log-id`");
    EVENT_ID = span("keyward.event.id", Keyward, "the client's own name for the request, `cf-aig-event-id`");
    ACCOUNT = span("keyward.account.id", Keyward, "the account");
    GATEWAY = span("keyward.gateway.id", Keyward, "the gateway");
    KEY = span("keyward.provider_key.id", Keyward, "the stored key that was used");
    TOKEN = span("keyward.token.id", Keyward, "the gateway token that the client presented");
    CODE = span("keyward.error.code", Keyward, "the code of Keyward's own answer");
    STEP = span("keyward.step", Keyward, "which entry of a universal request, or which stop of a route, it is");
}

/// How long a request took, in seconds.
pub const DURATION: &str = "gen_ai.client.operation.duration";
/// How many tokens a request took.
pub const TOKENS: &str = "gen_ai.client.token.usage";

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use opentelemetry_semantic_conventions::{attribute as theirs, metric};

    use super::{ATTRIBUTES, CONVENTION, DURATION, SCHEMA_URL, Source, TOKENS};

    #[test]
    #[expect(
        deprecated,
        reason = "they are marked as moved; their names are the same"
    )]
    fn names_are_those_of_the_conventions() {
        let known: BTreeSet<_> = [
            theirs::GEN_AI_OPERATION_NAME,
            theirs::GEN_AI_PROVIDER_NAME,
            theirs::GEN_AI_REQUEST_MODEL,
            theirs::GEN_AI_RESPONSE_MODEL,
            theirs::GEN_AI_USAGE_INPUT_TOKENS,
            theirs::GEN_AI_USAGE_OUTPUT_TOKENS,
            theirs::GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
            theirs::GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS,
            theirs::GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
            theirs::GEN_AI_TOKEN_TYPE,
            theirs::HTTP_RESPONSE_STATUS_CODE,
            theirs::ERROR_TYPE,
        ]
        .into();
        let ours = ATTRIBUTES
            .iter()
            .filter(|attribute| attribute.source == Source::Convention);
        assert_eq!(
            ours.map(|attribute| attribute.name)
                .collect::<BTreeSet<_>>(),
            known
        );
        assert_eq!(DURATION, metric::GEN_AI_CLIENT_OPERATION_DURATION);
        assert_eq!(TOKENS, metric::GEN_AI_CLIENT_TOKEN_USAGE);
        assert!(SCHEMA_URL.ends_with(CONVENTION));
    }

    #[test]
    fn no_attribute_is_for_what_people_write() {
        for attribute in ATTRIBUTES {
            for word in [
                "prompt",
                "completion_json",
                "message",
                "content",
                "instruction",
            ] {
                assert!(!attribute.name.contains(word), "{}", attribute.name);
            }
        }
    }

    #[test]
    fn the_page_has_the_table() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/otel.md");
        let page = fs::read_to_string(page).unwrap();
        let rows = page.lines().filter(|line| {
            ATTRIBUTES
                .iter()
                .any(|attribute| line.starts_with(&format!("| `{}` |", attribute.name)))
        });
        let rows: Vec<_> = rows.collect();
        let table: Vec<_> = ATTRIBUTES
            .iter()
            .map(|attribute| {
                let of = if attribute.is_of_metrics { "yes" } else { "" };
                let (name, source) = (attribute.name, attribute.source.name());
                format!("| `{name}` | {source} | {of} | {} |", attribute.meaning)
                    .replace("|  |", "| |")
            })
            .collect();
        assert_eq!(rows, table, "the page should have:\n{}", table.join("\n"));
        assert!(page.contains(CONVENTION) && page.contains(SCHEMA_URL));
    }
}
