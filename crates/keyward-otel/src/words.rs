//! What the conventions call operations and providers. Pure.

/// What is done by a request with this path behind the provider.
pub(crate) fn operation(path: &str) -> &'static str {
    let path = path.trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or_default();
    // Google's paths end with what is asked of a model.
    let (_, asked) = last.rsplit_once(':').unwrap_or_default();
    match (last, asked) {
        ("embeddings" | "embed", _)
        | (_, "embedContent" | "batchEmbedContents" | "asyncBatchEmbedContent") => "embeddings",
        (_, "generateContent" | "streamGenerateContent") => "generate_content",
        ("completions", _) if path.ends_with("chat/completions") => "chat",
        ("completions", _) => "text_completion",
        ("chat" | "messages" | "responses" | "converse" | "converse-stream", _) => "chat",
        _ => "other",
    }
}

/// What the conventions call a provider, by its slug; the slug where they have no name.
pub(crate) fn provider(slug: &str) -> &str {
    match slug {
        "aws-bedrock" => "aws.bedrock",
        "azure-openai" => "azure.ai.openai",
        "google-ai-studio" => "gcp.gemini",
        "google-vertex-ai" => "gcp.vertex_ai",
        "grok" => "x_ai",
        "mistral" => "mistral_ai",
        "perplexity-ai" => "perplexity",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{operation, provider};

    #[test]
    fn a_path_says_what_is_done() {
        for (path, expected) in [
            ("v1/chat/completions", "chat"),
            ("chat/completions/", "chat"),
            ("v1/completions", "text_completion"),
            ("v1/responses", "chat"),
            ("v1/messages", "chat"),
            ("v2/chat", "chat"),
            ("model/anthropic.claude/converse", "chat"),
            ("v1/embeddings", "embeddings"),
            (
                "v1beta/models/gemini-2.5-pro:generateContent",
                "generate_content",
            ),
            (
                "v1beta/models/gemini-2.5-pro:streamGenerateContent",
                "generate_content",
            ),
            ("v1beta/models/e:embedContent", "embeddings"),
            ("v1/models", "other"),
            ("v1/messages/count_tokens", "other"),
            ("", "other"),
            (":", "other"),
        ] {
            assert_eq!(operation(path), expected, "{path}");
        }
    }

    #[test]
    fn a_provider_has_the_name_of_the_conventions_or_its_own() {
        assert_eq!(provider("grok"), "x_ai");
        assert_eq!(provider("openai"), "openai");
        assert_eq!(provider("custom-local"), "custom-local");
    }
}
