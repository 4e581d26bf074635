//! What the model of a unified request names.

/// What `model` names: a provider and a model of it, or a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named<'a> {
    /// `provider/model`, cut at the first slash (wire-spec §1.3).
    Model { provider: &'a str, model: &'a str },
    /// `dynamic/name`.
    Route(&'a str),
}

const ROUTES: &str = "dynamic";

impl<'a> Named<'a> {
    /// None where nothing stands before or behind the first slash.
    pub(crate) fn parse(model: &'a str) -> Option<Self> {
        let (provider, model) = model.split_once('/')?;
        match provider {
            _ if provider.is_empty() || model.is_empty() => None,
            ROUTES => Some(Self::Route(model)),
            _ => Some(Self::Model { provider, model }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Named;

    #[test]
    fn a_model_is_cut_at_its_first_slash() {
        let model = |provider, model| Some(Named::Model { provider, model });
        for (text, expected) in [
            ("openai/gpt-5", model("openai", "gpt-5")),
            (
                "workers-ai/@cf/meta/llama",
                model("workers-ai", "@cf/meta/llama"),
            ),
            (
                "google-vertex-ai/google/gemini-2.5-pro",
                model("google-vertex-ai", "google/gemini-2.5-pro"),
            ),
            ("custom-mine/x", model("custom-mine", "x")),
            ("dynamic/support", Some(Named::Route("support"))),
            ("Dynamic/support", model("Dynamic", "support")),
            ("gpt-5", None),
            ("/gpt-5", None),
            ("openai/", None),
            ("dynamic/", None),
        ] {
            assert_eq!(Named::parse(text), expected, "{text}");
        }
    }
}
