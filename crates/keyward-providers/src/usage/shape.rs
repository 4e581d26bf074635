//! How providers say what an answer took: where in it the counts stand, and what each of them holds.
//!
//! A shape is a tree of keys. What a key that is not in the tree leads to is passed over unread.

use super::counts::Count;

/// One way of saying it. A catalogue file names that of each provider, and of the endpoints that have another.
///
/// Each name in brackets is what the file writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UsageShape {
    /// OpenAI's chat, completions, responses, embeddings, images and transcriptions, and whatever follows them (`openai`):
    /// cached tokens are part of the input, reasoning is part of the output.
    OpenAi,
    /// The same, but reasoning is no part of the output that is said (`openai_reasoning_apart`).
    OpenAiReasoningApart,
    /// Anthropic's messages (`anthropic`): cached tokens are no part of the input that is said.
    Anthropic,
    /// Gemini's `generateContent`, embeddings and interactions, also at Vertex AI (`gemini`): reasoning is no part of the
    /// output that is said, and what tools bring in is no part of the input.
    Gemini,
    /// Cohere's own API (`cohere`): tokens, or what is charged where nothing else is said.
    Cohere,
    /// Amazon Bedrock's Converse, and what models say that are invoked there (`bedrock`): cached tokens are no part of the
    /// input that is said.
    Bedrock,
}

impl UsageShape {
    /// Every shape.
    pub const ALL: &'static [Self] = &[
        Self::OpenAi,
        Self::OpenAiReasoningApart,
        Self::Anthropic,
        Self::Gemini,
        Self::Cohere,
        Self::Bedrock,
    ];

    /// The shape as a catalogue file writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::OpenAiReasoningApart => "openai_reasoning_apart",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Cohere => "cohere",
            Self::Bedrock => "bedrock",
        }
    }

    pub(super) const fn rule(self) -> Rule {
        let rule = Rule {
            cache_is_apart: false,
            reasoning_is_apart: false,
            adds_to_earlier: false,
        };
        match self {
            Self::OpenAi | Self::Cohere => rule,
            Self::OpenAiReasoningApart | Self::Gemini => Rule {
                reasoning_is_apart: true,
                ..rule
            },
            Self::Anthropic | Self::Bedrock => Rule {
                cache_is_apart: true,
                adds_to_earlier: true,
                ..rule
            },
        }
    }

    pub(super) const fn root(self) -> &'static Node {
        match self {
            Self::OpenAi | Self::OpenAiReasoningApart => &OPENAI,
            Self::Anthropic => &ANTHROPIC,
            Self::Gemini => &GEMINI,
            Self::Cohere => &COHERE,
            Self::Bedrock => &BEDROCK,
        }
    }
}

/// What counts hold, and what becomes of those that were said earlier in the same answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// What was read from a cache and written to one comes on top of the prompt.
    pub(super) cache_is_apart: bool,
    /// Reasoning comes on top of the completion.
    pub(super) reasoning_is_apart: bool,
    /// A usage object replaces the counts that it says and no others. Else it replaces all.
    pub(super) adds_to_earlier: bool,
}

pub(super) type Member = (&'static str, Node);

/// A place in an answer.
#[derive(Debug)]
pub(super) enum Node {
    Object {
        members: &'static [Member],
        /// Its counts belong together, and count when it is whole.
        is_usage: bool,
    },
    /// Every element of an array.
    Each(&'static Self),
    Count(Count),
    /// One of several that make up the count.
    Add(Count),
    Model,
}

/// A part of a text that every event with a count in it holds, whatever the shape: all keys below have it.
pub(super) const MARK: &[u8] = b"oken";

/// A part of a text that every event holds that names its model.
pub(super) const MODEL_MARK: &[u8] = b"\"model";

const fn object(members: &'static [Member]) -> Node {
    Node::Object {
        members,
        is_usage: false,
    }
}

const fn usage(members: &'static [Member]) -> Node {
    Node::Object {
        members,
        is_usage: true,
    }
}

/// source: <https://platform.openai.com/docs/api-reference/chat/object> and `/responses/object`; `cached_tokens` beside the
/// others: <https://docs.together.ai/reference/chat-completions-1> and Hugging Face's router; `num_cached_tokens`: Mistral;
/// `prompt_cache_hit_tokens`: <https://api-docs.deepseek.com/api/create-chat-completion>; `reasoning_tokens` beside the
/// others: <https://docs.perplexity.ai/api-reference/chat-completions-post>.
const OPENAI_COUNTS: &[Member] = &[
    ("prompt_tokens", Node::Count(Count::Prompt)),
    ("input_tokens", Node::Count(Count::Prompt)),
    ("completion_tokens", Node::Count(Count::Completion)),
    ("output_tokens", Node::Count(Count::Completion)),
    ("prompt_tokens_details", object(OPENAI_PROMPT)),
    ("input_tokens_details", object(OPENAI_PROMPT)),
    ("completion_tokens_details", object(OPENAI_COMPLETION)),
    ("output_tokens_details", object(OPENAI_COMPLETION)),
    ("cached_tokens", Node::Count(Count::CacheRead)),
    ("num_cached_tokens", Node::Count(Count::CacheRead)),
    ("prompt_cache_hit_tokens", Node::Count(Count::CacheRead)),
    ("reasoning_tokens", Node::Count(Count::Reasoning)),
];

const OPENAI_PROMPT: &[Member] = &[
    ("cached_tokens", Node::Count(Count::CacheRead)),
    ("cache_write_tokens", Node::Count(Count::CacheWrite)),
];

const OPENAI_COMPLETION: &[Member] = &[("reasoning_tokens", Node::Count(Count::Reasoning))];

/// `response` is within events of the responses API. source for `x_groq`: <https://console.groq.com/docs/api-reference#chat-create>;
/// for `result`, what the REST API of Workers AI wraps its answers in: <https://developers.cloudflare.com/workers-ai/get-started/rest-api/>.
const OPENAI: Node = object(&[
    ("usage", usage(OPENAI_COUNTS)),
    ("model", Node::Model),
    (
        "response",
        object(&[("usage", usage(OPENAI_COUNTS)), ("model", Node::Model)]),
    ),
    ("x_groq", object(&[("usage", usage(OPENAI_COUNTS))])),
    (
        "result",
        object(&[("usage", usage(OPENAI_COUNTS)), ("model", Node::Model)]),
    ),
]);

/// source: <https://docs.anthropic.com/en/api/messages>, `usage`; `iterations` repeats what the counts beside it hold.
const ANTHROPIC_COUNTS: &[Member] = &[
    ("input_tokens", Node::Count(Count::Prompt)),
    ("output_tokens", Node::Count(Count::Completion)),
    ("cache_read_input_tokens", Node::Count(Count::CacheRead)),
    (
        "cache_creation_input_tokens",
        Node::Count(Count::CacheWrite),
    ),
    (
        "cache_creation",
        object(&[(
            "ephemeral_1h_input_tokens",
            Node::Count(Count::CacheWriteHour),
        )]),
    ),
    (
        "output_tokens_details",
        object(&[("thinking_tokens", Node::Count(Count::Reasoning))]),
    ),
];

/// `message` is within the event `message_start`; `message_delta` corrects it.
/// source: <https://docs.anthropic.com/en/docs/build-with-claude/streaming>.
const ANTHROPIC: Node = object(&[
    ("usage", usage(ANTHROPIC_COUNTS)),
    ("model", Node::Model),
    (
        "message",
        object(&[("usage", usage(ANTHROPIC_COUNTS)), ("model", Node::Model)]),
    ),
]);

/// source: <https://ai.google.dev/api/generate-content#UsageMetadata>.
const GEMINI_COUNTS: &[Member] = &[
    ("promptTokenCount", Node::Count(Count::Prompt)),
    ("toolUsePromptTokenCount", Node::Count(Count::Tool)),
    ("cachedContentTokenCount", Node::Count(Count::CacheRead)),
    ("candidatesTokenCount", Node::Count(Count::Completion)),
    ("thoughtsTokenCount", Node::Count(Count::Reasoning)),
];

/// source: <https://ai.google.dev/gemini-api/docs/interactions>.
const INTERACTION_COUNTS: &[Member] = &[
    ("total_input_tokens", Node::Count(Count::Prompt)),
    ("total_tool_use_tokens", Node::Count(Count::Tool)),
    ("total_cached_tokens", Node::Count(Count::CacheRead)),
    ("total_output_tokens", Node::Count(Count::Completion)),
    ("total_thought_tokens", Node::Count(Count::Reasoning)),
];

/// Of Vertex AI's text embeddings, one for each text.
/// source: <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api>.
const PREDICTION: Node = object(&[(
    "embeddings",
    object(&[(
        "statistics",
        object(&[("token_count", Node::Add(Count::Prompt))]),
    )]),
)]);

const GEMINI: Node = object(&[
    ("usageMetadata", usage(GEMINI_COUNTS)),
    ("modelVersion", Node::Model),
    ("usage", usage(INTERACTION_COUNTS)),
    ("model", Node::Model),
    (
        "interaction",
        object(&[("usage", usage(INTERACTION_COUNTS)), ("model", Node::Model)]),
    ),
    ("predictions", Node::Each(&PREDICTION)),
]);

/// source: <https://docs.cohere.com/reference/chat>, `usage`, and `/reference/chat-v1`, `meta`.
const COHERE_COUNTS: &[Member] = &[
    (
        "tokens",
        object(&[
            ("input_tokens", Node::Count(Count::Prompt)),
            ("output_tokens", Node::Count(Count::Completion)),
            ("reasoning_tokens", Node::Count(Count::Reasoning)),
        ]),
    ),
    (
        "billed_units",
        object(&[
            ("input_tokens", Node::Count(Count::BilledPrompt)),
            ("output_tokens", Node::Count(Count::BilledCompletion)),
        ]),
    ),
    ("cached_tokens", Node::Count(Count::CacheRead)),
];

/// `delta` is within the event `message-end`, `response` within `stream-end`.
const COHERE: Node = object(&[
    ("usage", usage(COHERE_COUNTS)),
    ("meta", usage(COHERE_COUNTS)),
    ("delta", object(&[("usage", usage(COHERE_COUNTS))])),
    ("response", object(&[("meta", usage(COHERE_COUNTS))])),
]);

/// source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html>; with `Count` at the end as
/// Nova has it when it is invoked; with underscores as Anthropic's and OpenAI's models have it there.
const BEDROCK_COUNTS: &[Member] = &[
    ("inputTokens", Node::Count(Count::Prompt)),
    ("outputTokens", Node::Count(Count::Completion)),
    ("cacheReadInputTokens", Node::Count(Count::CacheRead)),
    ("cacheReadInputTokenCount", Node::Count(Count::CacheRead)),
    ("cacheWriteInputTokens", Node::Count(Count::CacheWrite)),
    ("cacheWriteInputTokenCount", Node::Count(Count::CacheWrite)),
    ("input_tokens", Node::Count(Count::Prompt)),
    ("output_tokens", Node::Count(Count::Completion)),
    ("cache_read_input_tokens", Node::Count(Count::CacheRead)),
    (
        "cache_creation_input_tokens",
        Node::Count(Count::CacheWrite),
    ),
    (
        "cache_creation",
        object(&[(
            "ephemeral_1h_input_tokens",
            Node::Count(Count::CacheWriteHour),
        )]),
    ),
    (
        "output_tokens_details",
        object(&[("thinking_tokens", Node::Count(Count::Reasoning))]),
    ),
    ("prompt_tokens", Node::Count(Count::Prompt)),
    ("completion_tokens", Node::Count(Count::Completion)),
];

/// What the last event of an invoked model's stream holds, whatever the model.
const INVOCATION: &[Member] = &[
    ("inputTokenCount", Node::Count(Count::Prompt)),
    ("outputTokenCount", Node::Count(Count::Completion)),
    ("cacheReadInputTokenCount", Node::Count(Count::CacheRead)),
    ("cacheWriteInputTokenCount", Node::Count(Count::CacheWrite)),
];

/// The counts beside `usage` are Llama's and Titan's.
/// source: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html>.
const BEDROCK: Node = object(&[
    ("usage", usage(BEDROCK_COUNTS)),
    (
        "message",
        object(&[("usage", usage(BEDROCK_COUNTS)), ("model", Node::Model)]),
    ),
    ("metadata", object(&[("usage", usage(BEDROCK_COUNTS))])),
    ("model", Node::Model),
    ("amazon-bedrock-invocationMetrics", usage(INVOCATION)),
    ("prompt_token_count", Node::Count(Count::Prompt)),
    ("generation_token_count", Node::Count(Count::Completion)),
    ("inputTextTokenCount", Node::Count(Count::Prompt)),
    ("totalOutputTextTokenCount", Node::Count(Count::Completion)),
]);

#[cfg(test)]
mod tests {
    use super::{MARK, Node, UsageShape};

    fn keys(node: &'static Node, found: &mut Vec<&'static str>) {
        match node {
            Node::Object { members, .. } => {
                for (key, node) in *members {
                    match node {
                        Node::Count(_) | Node::Add(_) => found.push(key),
                        node => keys(node, found),
                    }
                }
            }
            Node::Each(node) => keys(node, found),
            Node::Count(_) | Node::Add(_) | Node::Model => {}
        }
    }

    #[test]
    fn every_count_of_an_event_bears_a_mark() {
        for shape in UsageShape::ALL {
            let mut found = Vec::new();
            keys(shape.root(), &mut found);
            assert!(!found.is_empty(), "{shape:?}");
            for key in found {
                assert!(
                    memchr::memmem::find(key.as_bytes(), MARK).is_some(),
                    "{key}"
                );
            }
        }
    }
}
