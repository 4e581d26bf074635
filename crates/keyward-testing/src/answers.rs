//! Answers in the forms that the providers' documentation gives them, with numbers of our own, and what each says.

const JSON: &str = "application/json";
const SSE: &str = "text/event-stream; charset=utf-8";

/// An answer, and what it says of its tokens.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "tests make their own")]
pub struct Answer {
    /// Provider, and the rest of the path below it.
    pub of: (&'static str, &'static str),
    /// Its content type.
    pub content_type: &'static str,
    /// Its body.
    pub body: &'static str,
    /// The model that it names.
    pub model: Option<&'static str>,
    /// Input, read from a cache, written to one, kept there for an hour, output, reasoning. -1: not said.
    pub counts: [i64; 6],
}

impl Answer {
    /// Whether it comes as events.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.content_type == SSE
    }
}

/// One of each form, of each provider.
pub const ANSWERS: &[Answer] = &[
    Answer {
        of: ("openai", "v1/chat/completions"),
        content_type: JSON,
        body: r#"{"id":"chatcmpl-1","object":"chat.completion","created":1741569952,"model":"gpt-5-2025-08-07","choices":[{"index":0,"message":{"role":"assistant","content":"He said: \"usage\": {\"prompt_tokens\": 1} }]","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":1019,"completion_tokens":310,"total_tokens":1329,"prompt_tokens_details":{"cached_tokens":512,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":256,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default"}"#,
        model: Some("gpt-5-2025-08-07"),
        counts: [1019, 512, -1, -1, 310, 256],
    },
    Answer {
        of: ("openai", "chat/completions"),
        content_type: SSE,
        body: "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1694268190,\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\ndata: {\"id\":\"chatcmpl-1\",\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\\"total_tokens\\\" \\u00e9 \u{1f600}\"},\"finish_reason\":null}],\"usage\":null}\n\ndata: {\"id\":\"chatcmpl-1\",\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\ndata: {\"id\":\"chatcmpl-1\",\"model\":\"gpt-4o-mini\",\"choices\":[],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":10,\"total_tokens\":29,\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}}}\n\ndata: [DONE]\n\n",
        model: Some("gpt-4o-mini"),
        counts: [19, 0, -1, -1, 10, 0],
    },
    Answer {
        of: ("openai", "v1/responses"),
        content_type: JSON,
        body: "{\n  \"id\": \"resp_1\",\n  \"object\": \"response\",\n  \"status\": \"completed\",\n  \"instructions\": null,\n  \"metadata\": {\"usage\": \"12\"},\n  \"model\": \"gpt-5\",\n  \"output\": [{\"type\": \"message\", \"content\": [{\"type\": \"output_text\", \"text\": \"Hi\", \"usage\": {\"input_tokens\": 1}}]}],\n  \"usage\": {\n    \"input_tokens\": 36,\n    \"input_tokens_details\": {\"cached_tokens\": 12, \"cache_write_tokens\": 7},\n    \"output_tokens\": 87,\n    \"output_tokens_details\": {\"reasoning_tokens\": 64},\n    \"total_tokens\": 123\n  },\n  \"user\": null\n}\n",
        model: Some("gpt-5"),
        counts: [36, 12, 7, -1, 87, 64],
    },
    Answer {
        of: ("openai", "v1/responses"),
        content_type: SSE,
        body: "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"model\":\"gpt-5-mini\",\"output\":[],\"usage\":null}}\n\nevent: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"model\":\"gpt-5-mini\",\"output\":[{\"content\":[{\"text\":\"Hi\"}]}],\"usage\":{\"input_tokens\":37,\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":11,\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":48},\"user\":null}}\n\n",
        model: Some("gpt-5-mini"),
        counts: [37, 0, -1, -1, 11, 0],
    },
    Answer {
        of: ("openai", "v1/embeddings"),
        content_type: JSON,
        body: r#"{"object":"list","data":[{"object":"embedding","embedding":[0.0023064255,-0.009327292,-4.5e-05],"index":0}],"model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}}"#,
        model: Some("text-embedding-3-small"),
        counts: [8, -1, -1, -1, -1, -1],
    },
    Answer {
        of: ("openai", "v1/audio/transcriptions"),
        content_type: JSON,
        body: r#"{"text":"Imagine.","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":10,"audio_tokens":4},"output_tokens":101,"total_tokens":115}}"#,
        model: None,
        counts: [14, -1, -1, -1, 101, -1],
    },
    Answer {
        of: ("anthropic", "v1/messages"),
        content_type: JSON,
        body: r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929","content":[{"type":"text","text":"Hi!"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":50,"cache_creation_input_tokens":248,"cache_read_input_tokens":1800,"cache_creation":{"ephemeral_5m_input_tokens":148,"ephemeral_1h_input_tokens":100},"output_tokens":503,"output_tokens_details":{"thinking_tokens":400},"iterations":[{"input_tokens":9,"output_tokens":9,"cache_read_input_tokens":9}],"server_tool_use":{"web_search_requests":1},"service_tier":"standard"}}"#,
        model: Some("claude-sonnet-4-5-20250929"),
        counts: [2098, 1800, 248, 100, 503, 400],
    },
    // The end corrects the input downwards, and says nothing of the hour.
    Answer {
        of: ("anthropic", "v1/messages"),
        content_type: SSE,
        body: "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-opus-4-1\",\"content\":[],\"usage\":{\"input_tokens\":472,\"cache_creation_input_tokens\":30,\"cache_read_input_tokens\":100,\"cache_creation\":{\"ephemeral_5m_input_tokens\":10,\"ephemeral_1h_input_tokens\":20},\"output_tokens\":2}}}\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"input_tokens\":400,\"cache_read_input_tokens\":80,\"output_tokens\":89}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        model: Some("claude-opus-4-1"),
        counts: [510, 80, 30, 20, 89, -1],
    },
    // An older form: the end says the output alone.
    Answer {
        of: ("anthropic", "v1/messages"),
        content_type: SSE,
        body: "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-3-haiku\",\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":15}}\n\n",
        model: Some("claude-3-haiku"),
        counts: [25, -1, -1, -1, 15, -1],
    },
    Answer {
        of: ("anthropic", "v1/chat/completions"),
        content_type: JSON,
        body: r#"{"id":"msg_1","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"}}],"model":"claude-sonnet-4-5","usage":{"completion_tokens":15,"prompt_tokens":17,"total_tokens":32}}"#,
        model: Some("claude-sonnet-4-5"),
        counts: [17, -1, -1, -1, 15, -1],
    },
    Answer {
        of: (
            "google-ai-studio",
            "v1beta/models/gemini-2.5-flash:generateContent",
        ),
        content_type: "application/json; charset=UTF-8",
        body: "{\n  \"candidates\": [\n    {\n      \"content\": {\"parts\": [{\"text\": \"Hi\"}], \"role\": \"model\"},\n      \"finishReason\": \"STOP\"\n    }\n  ],\n  \"usageMetadata\": {\n    \"promptTokenCount\": 89,\n    \"candidatesTokenCount\": 204,\n    \"totalTokenCount\": 838,\n    \"cachedContentTokenCount\": 60,\n    \"promptTokensDetails\": [{\"modality\": \"TEXT\", \"tokenCount\": 89}],\n    \"toolUsePromptTokenCount\": 165,\n    \"thoughtsTokenCount\": 380\n  },\n  \"modelVersion\": \"gemini-2.5-flash\",\n  \"responseId\": \"x\"\n}\n",
        model: Some("gemini-2.5-flash"),
        counts: [254, 60, -1, -1, 584, 380],
    },
    // Running totals: the last one stands, also where it is less and says fewer.
    Answer {
        of: (
            "google-ai-studio",
            "v1beta/models/gemini-2.5-flash:streamGenerateContent",
        ),
        content_type: SSE,
        body: "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"A\"}]}}],\"usageMetadata\": {\"promptTokenCount\": 169,\"toolUsePromptTokenCount\": 5,\"totalTokenCount\": 174},\"modelVersion\": \"gemini-2.5-flash\"}\n\ndata: {\"candidates\": [],\"usageMetadata\": {\"trafficType\": \"ON_DEMAND\"}}\n\ndata: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"B\"}]}}],\"usageMetadata\": {\"promptTokenCount\": 79,\"candidatesTokenCount\": 12,\"totalTokenCount\": 96,\"thoughtsTokenCount\": 5},\"modelVersion\": \"gemini-2.5-flash\"}\n\n",
        model: Some("gemini-2.5-flash"),
        counts: [79, -1, -1, -1, 17, 5],
    },
    // Without `alt=sse` a stream is one array.
    Answer {
        of: (
            "google-ai-studio",
            "v1beta/models/gemini-2.5-flash:streamGenerateContent",
        ),
        content_type: JSON,
        body: "[{\n  \"candidates\": [],\n  \"usageMetadata\": {\"promptTokenCount\": 32, \"totalTokenCount\": 74, \"thoughtsTokenCount\": 42},\n  \"modelVersion\": \"gemini-2.5-flash\"\n}\n,\r\n{\n  \"candidates\": [],\n  \"usageMetadata\": {\"promptTokenCount\": 32, \"candidatesTokenCount\": 12, \"totalTokenCount\": 86, \"thoughtsTokenCount\": 42}\n}\n]\n",
        model: Some("gemini-2.5-flash"),
        counts: [32, -1, -1, -1, 54, 42],
    },
    Answer {
        of: (
            "google-ai-studio",
            "v1beta/models/gemini-embedding-2:embedContent",
        ),
        content_type: JSON,
        body: r#"{"embedding":{"values":[0.01,-0.02]},"usageMetadata":{"promptTokenCount":261}}"#,
        model: None,
        counts: [261, -1, -1, -1, -1, -1],
    },
    Answer {
        of: ("google-ai-studio", "v1beta/interactions"),
        content_type: SSE,
        body: "event: interaction.created\ndata: {\"interaction\":{\"id\":\"v1_1\",\"model\":\"gemini-3-flash\"},\"event_type\":\"interaction.created\"}\n\nevent: interaction.completed\ndata: {\"interaction\":{\"id\":\"v1_1\",\"usage\":{\"total_tokens\":1373,\"total_input_tokens\":22,\"total_cached_tokens\":0,\"total_output_tokens\":973,\"total_tool_use_tokens\":129,\"total_thought_tokens\":249},\"model\":\"gemini-3-flash\"}}\n\n",
        model: Some("gemini-3-flash"),
        counts: [151, 0, -1, -1, 1222, 249],
    },
    Answer {
        of: ("google-ai-studio", "v1beta/openai/chat/completions"),
        content_type: JSON,
        body: r#"{"choices":[],"model":"gemini-2.5-flash","usage":{"completion_tokens":6,"prompt_tokens":66,"total_tokens":100}}"#,
        model: Some("gemini-2.5-flash"),
        counts: [66, -1, -1, -1, 6, -1],
    },
    Answer {
        of: (
            "google-vertex-ai",
            "v1/projects/p/locations/l/publishers/google/models/text-embedding-005:predict",
        ),
        content_type: JSON,
        body: r#"{"predictions":[{"embeddings":{"values":[1.5],"statistics":{"truncated":false,"token_count":6}}},{"embeddings":{"statistics":{"token_count":5,"truncated":false},"values":[]}}],"metadata":{"billableCharacterCount":62}}"#,
        model: None,
        counts: [11, -1, -1, -1, -1, -1],
    },
    Answer {
        of: (
            "google-vertex-ai",
            "v1/projects/p/locations/l/publishers/anthropic/models/claude:rawPredict",
        ),
        content_type: JSON,
        body: r#"{"model":"claude","usage":{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":3}}"#,
        model: Some("claude"),
        counts: [15, 5, -1, -1, 3, -1],
    },
    Answer {
        of: ("mistral", "v1/chat/completions"),
        content_type: SSE,
        body: "data: {\"id\":\"cmpl-1\",\"model\":\"mistral-small-latest\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: {\"id\":\"cmpl-1\",\"model\":\"mistral-small-latest\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":16,\"total_tokens\":50,\"completion_tokens\":34,\"num_cached_tokens\":4}}\n\ndata: [DONE]\n\n",
        model: Some("mistral-small-latest"),
        counts: [16, 4, -1, -1, 34, -1],
    },
    Answer {
        of: ("cohere", "v2/chat"),
        content_type: JSON,
        body: r#"{"id":"c1","finish_reason":"COMPLETE","message":{"role":"assistant","content":[{"type":"text","text":"Hi"}]},"usage":{"billed_units":{"input_tokens":5,"output_tokens":418},"tokens":{"input_tokens":71,"output_tokens":428,"reasoning_tokens":12},"cached_tokens":64}}"#,
        model: None,
        counts: [71, 64, -1, -1, 428, 12],
    },
    Answer {
        of: ("cohere", "v2/chat"),
        content_type: SSE,
        body: "event: message-start\ndata: {\"type\":\"message-start\",\"id\":\"c1\",\"delta\":{\"message\":{\"role\":\"assistant\"}}}\n\nevent: content-delta\ndata: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":\"LL\"}}}}\n\nevent: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\",\"usage\":{\"billed_units\":{\"input_tokens\":3,\"output_tokens\":13},\"tokens\":{\"input_tokens\":69,\"output_tokens\":14}}}}\n\n",
        model: None,
        counts: [69, -1, -1, -1, 14, -1],
    },
    Answer {
        of: ("cohere", "v1/chat"),
        content_type: "application/stream+json",
        body: "{\"is_finished\":false,\"event_type\":\"stream-start\",\"generation_id\":\"g\"}\n{\"is_finished\":false,\"event_type\":\"text-generation\",\"text\":\"Hi\"}\n{\"is_finished\":true,\"event_type\":\"stream-end\",\"response\":{\"text\":\"Hi\",\"meta\":{\"api_version\":{\"version\":\"1\"},\"billed_units\":{\"input_tokens\":9,\"output_tokens\":8},\"tokens\":{\"input_tokens\":94,\"output_tokens\":81}}},\"finish_reason\":\"COMPLETE\"}\n",
        model: None,
        counts: [94, -1, -1, -1, 81, -1],
    },
    Answer {
        of: ("cohere", "v2/embed"),
        content_type: JSON,
        body: r#"{"id":"e1","embeddings":{"float":[[0.1,0.2]]},"texts":["hi"],"meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":2}}}"#,
        model: None,
        counts: [2, -1, -1, -1, -1, -1],
    },
    Answer {
        of: ("cohere", "compatibility/v1/chat/completions"),
        content_type: JSON,
        body: r#"{"model":"command-a","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":8,"total_tokens":15}}"#,
        model: Some("command-a"),
        counts: [7, -1, -1, -1, 8, -1],
    },
    // Both places say the same, and are not added.
    Answer {
        of: ("groq", "chat/completions"),
        content_type: SSE,
        body: "data: {\"id\":\"c1\",\"model\":\"openai\\/gpt-oss-20b\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}],\"x_groq\":{\"id\":\"req_1\"}}\n\ndata: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"x_groq\":{\"id\":\"req_1\",\"usage\":{\"queue_time\":0.2009,\"prompt_tokens\":91,\"prompt_time\":0.0072,\"completion_tokens\":50,\"total_tokens\":141,\"completion_tokens_details\":{\"reasoning_tokens\":29}}}}\n\ndata: {\"id\":\"c1\",\"choices\":[],\"usage\":{\"prompt_tokens\":91,\"completion_tokens\":50,\"total_tokens\":141,\"completion_tokens_details\":{\"reasoning_tokens\":29}}}\n\ndata: [DONE]\n\n",
        model: Some("openai/gpt-oss-20b"),
        counts: [91, -1, -1, -1, 50, 29],
    },
    Answer {
        of: ("deepseek", "chat/completions"),
        content_type: JSON,
        body: r#"{"model":"deepseek-reasoner","choices":[],"usage":{"prompt_tokens":547,"completion_tokens":69,"total_tokens":616,"completion_tokens_details":{"reasoning_tokens":39},"prompt_cache_hit_tokens":384,"prompt_cache_miss_tokens":163}}"#,
        model: Some("deepseek-reasoner"),
        counts: [547, 384, -1, -1, 69, 39],
    },
    Answer {
        of: ("deepseek", "anthropic/v1/messages"),
        content_type: JSON,
        body: r#"{"model":"deepseek-chat","usage":{"input_tokens":4,"cache_read_input_tokens":64,"output_tokens":9}}"#,
        model: Some("deepseek-chat"),
        counts: [68, 64, -1, -1, 9, -1],
    },
    Answer {
        of: ("grok", "v1/chat/completions"),
        content_type: JSON,
        body: r#"{"model":"grok-4","choices":[],"usage":{"prompt_tokens":129,"completion_tokens":152,"total_tokens":479,"prompt_tokens_details":{"text_tokens":129,"audio_tokens":0,"image_tokens":0,"cached_tokens":128},"completion_tokens_details":{"reasoning_tokens":198,"audio_tokens":0},"num_sources_used":0}}"#,
        model: Some("grok-4"),
        counts: [129, 128, -1, -1, 350, 198],
    },
    Answer {
        of: ("grok", "v1/responses"),
        content_type: JSON,
        body: r#"{"model":"grok-4","usage":{"input_tokens":216,"input_tokens_details":{"cached_tokens":192},"output_tokens":831,"output_tokens_details":{"reasoning_tokens":253},"total_tokens":1047}}"#,
        model: Some("grok-4"),
        counts: [216, 192, -1, -1, 831, 253],
    },
    Answer {
        of: ("perplexity-ai", "chat/completions"),
        content_type: JSON,
        body: r#"{"model":"sonar-deep-research","usage":{"prompt_tokens":108,"completion_tokens":3256,"total_tokens":3364,"citation_tokens":7299,"num_search_queries":74,"reasoning_tokens":73248,"cost":{"total_cost":0.6}},"choices":[]}"#,
        model: Some("sonar-deep-research"),
        counts: [108, -1, -1, -1, 76_504, 73_248],
    },
    // Counts in every event.
    Answer {
        of: ("perplexity-ai", "chat/completions"),
        content_type: SSE,
        body: "data: {\"model\":\"sonar\",\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":1,\"total_tokens\":9},\"choices\":[{\"delta\":{\"content\":\"A\"}}]}\n\ndata: {\"model\":\"sonar\",\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":2,\"total_tokens\":10},\"choices\":[{\"delta\":{\"content\":\"B\"}}]}\n\n",
        model: Some("sonar"),
        counts: [8, -1, -1, -1, 2, -1],
    },
    // Comments while it waits; no blank line at the end.
    Answer {
        of: ("openrouter", "v1/chat/completions"),
        content_type: SSE,
        body: ": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\ndata: {\"id\":\"gen-1\",\"provider\":\"Anthropic\",\"model\":\"anthropic/claude-haiku-4.5\",\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: {\"id\":\"gen-1\",\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":3329,\"completion_tokens\":53,\"total_tokens\":3382,\"cost\":0.00219,\"prompt_tokens_details\":{\"cached_tokens\":3211,\"cache_write_tokens\":115},\"completion_tokens_details\":{\"reasoning_tokens\":9}}}\n",
        model: Some("anthropic/claude-haiku-4.5"),
        counts: [3329, 3211, 115, -1, 53, 9],
    },
    Answer {
        of: ("workers-ai", "run/@cf/meta/llama-3.1-8b-instruct"),
        content_type: JSON,
        body: r#"{"result":{"response":"Hi","usage":{"prompt_tokens":20,"completion_tokens":10,"total_tokens":30}},"success":true,"errors":[],"messages":[]}"#,
        model: None,
        counts: [20, -1, -1, -1, 10, -1],
    },
    Answer {
        of: ("huggingface", "v1/chat/completions"),
        content_type: JSON,
        body: r#"{"model":"x/y","choices":[],"usage":{"prompt_tokens":269,"completion_tokens":27,"total_tokens":296,"prompt_tokens_details":null,"cached_tokens":17}}"#,
        model: Some("x/y"),
        counts: [269, 17, -1, -1, 27, -1],
    },
    Answer {
        of: ("aws-bedrock", "model/m/converse"),
        content_type: JSON,
        body: r#"{"metrics":{"latencyMs":1},"output":{"message":{"content":[{"text":"Hi"}]}},"stopReason":"end_turn","usage":{"cacheDetails":[{"inputTokens":236,"ttl":"5m"}],"cacheReadInputTokens":1712,"cacheWriteInputTokens":236,"inputTokens":3,"outputTokens":121,"totalTokens":2072}}"#,
        model: None,
        counts: [1951, 1712, 236, -1, 121, -1],
    },
    Answer {
        of: ("aws-bedrock", "model/m/invoke"),
        content_type: JSON,
        body: r#"{"generation":"Hi","prompt_token_count":8,"generation_token_count":35,"stop_reason":"stop"}"#,
        model: None,
        counts: [8, -1, -1, -1, 35, -1],
    },
    Answer {
        of: ("aws-bedrock", "model/m/invoke"),
        content_type: JSON,
        body: r#"{"embedding":[0.1,-2.5E-4],"inputTextTokenCount":8.0}"#,
        model: None,
        counts: [8, -1, -1, -1, -1, -1],
    },
];
