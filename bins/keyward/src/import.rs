//! Finding provider keys where applications keep them: `.env` files, the environment, LiteLLM's configuration.
//!
//! Pure: texts in, what was found out. What is no key, or not surely one of a certain provider's, is told with the
//! reason and never stored.

mod env_file;
mod litellm;
mod recognise;

use std::fmt;

use keyward_registry::{Alias, KeyValue};
use keyward_secret::SecretBytes;

pub(crate) use self::{
    env_file::read as read_env, litellm::read as read_litellm, recognise::begins_as_key,
};

/// A setting that may hold a key.
pub(crate) struct Setting {
    /// The name of the variable, or the path in a document.
    pub(crate) name: String,
    /// The line it stands on, counted from 1; 0 where there is none.
    pub(crate) line: usize,
    pub(crate) value: SecretBytes,
    /// The provider that the document itself names.
    pub(crate) provider: Option<&'static str>,
    /// Whether the document says that this is a key, whatever its name.
    pub(crate) is_key: bool,
}

/// What is known of a setting.
pub(crate) enum Verdict {
    /// A key.
    Key(Key),
    /// It looks as if it were meant to be one, and is not taken.
    Skipped(Reason),
}

/// A key that was found.
pub(crate) struct Key {
    pub(crate) provider: &'static str,
    pub(crate) alias: Alias,
    pub(crate) value: KeyValue,
}

/// Why a setting is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Nothing, or what stands for something to be filled in.
    Placeholder,
    /// It names another variable.
    Reference,
    /// The name says one provider, the value looks like another's key.
    Contradiction {
        by_name: &'static str,
        by_value: &'static str,
    },
    /// The provider cannot be told from name or value.
    UnknownProvider,
    /// One of Keyward's own tokens.
    OwnToken,
    /// It cannot be a key.
    NoKey(String),
    /// The same value stands in an earlier setting.
    Repeated(String),
    /// An earlier setting is for the same provider and alias.
    SameName(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Placeholder => f.write_str("empty, or to be filled in"),
            Self::Reference => f.write_str("names another variable"),
            Self::Contradiction { by_name, by_value } => write!(
                f,
                "the name says {by_name}, the value looks like a key of {by_value}"
            ),
            Self::UnknownProvider => {
                f.write_str("looks like a key; of which provider is not known")
            }
            Self::OwnToken => f.write_str("a token of Keyward's"),
            Self::NoKey(why) => f.write_str(why),
            Self::Repeated(name) => write!(f, "the same key as {name}"),
            Self::SameName(name) => {
                write!(f, "{name} is for the same provider and alias")
            }
        }
    }
}

/// What the settings are, in their order; those that have nothing to do with keys are left out.
pub(crate) fn judge(settings: Vec<Setting>) -> Vec<(Setting, Verdict)> {
    let mut judged: Vec<(Setting, Verdict)> = Vec::new();
    for setting in settings {
        let Some(mut verdict) = recognise::recognise(&setting) else {
            continue;
        };
        if let Verdict::Key(key) = &verdict
            && let Some(reason) = earlier(&judged, key)
        {
            verdict = Verdict::Skipped(reason);
        }
        judged.push((setting, verdict));
    }
    judged
}

fn earlier(judged: &[(Setting, Verdict)], key: &Key) -> Option<Reason> {
    judged.iter().find_map(|(setting, verdict)| match verdict {
        Verdict::Key(other) if other.provider == key.provider => {
            if other.value.secret().ct_eq(key.value.secret()) {
                Some(Reason::Repeated(setting.name.clone()))
            } else if other.alias == key.alias {
                Some(Reason::SameName(setting.name.clone()))
            } else {
                None
            }
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Verdict, judge, read_env, read_litellm};

    /// What is found, a line each: never a value.
    fn told(settings: Vec<super::Setting>) -> Vec<String> {
        judge(settings)
            .into_iter()
            .map(|(setting, verdict)| {
                let verdict = match verdict {
                    Verdict::Key(key) => format!(
                        "{}/{} {} characters",
                        key.provider,
                        key.alias,
                        key.value.secret().len()
                    ),
                    Verdict::Skipped(reason) => reason.to_string(),
                };
                format!("{} {}: {verdict}", setting.line, setting.name)
            })
            .collect()
    }

    #[test]
    fn an_env_file_with_traps() {
        let text = "# OPENAI_API_KEY=sk-proj-commented0000000000\n\
            OPENAI_API_KEY=sk-proj-aaaaaaaaaaaaaaaaaaaaaaaa\n\
            export ANTHROPIC_API_KEY=\"sk-ant-api03-bbbbbbbbbbbbbbbbbbbb\"\r\n\
            OPENAI_API_KEY_STAGING='sk-proj-cccccccccccccccccccccccc' # of the staging project\n\
            GROQ_API_KEY=\n\
            MISTRAL_API_KEY=your-key-here\n\
            GEMINI_API_KEY=${GOOGLE_API_KEY}\n\
            GOOGLE_API_KEY=AIzaSyDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD\n\
            DEEPSEEK_API_KEY=sk-ant-api03-eeeeeeeeeeeeeeeeeeee\n\
            LLM_KEY=gsk_ffffffffffffffffffffffffffffffff\n\
            OPENAI_KEY_COPY=sk-proj-aaaaaaaaaaaaaaaaaaaaaaaa\n\
            OPENAI_BASE_URL=https://api.openai.com/v1\n\
            DATABASE_URL=postgres://user:password@localhost/db\n\
            GATEWAY=kw_gw_000000000000_0000000000000000000000000000000000000000000000000\n\
            SOME_API_KEY=0123456789abcdef0123456789abcdef\n\
            = nothing\n\
            PROD_COHERE_API_KEY=gggggggggggggggggggggggggggggggggggggggg\n\
            XAI_API_KEY=with a blank\n";
        let expected = [
            "2 OPENAI_API_KEY: openai/default 32 characters",
            "3 ANTHROPIC_API_KEY: anthropic/default 33 characters",
            "4 OPENAI_API_KEY_STAGING: openai/staging 32 characters",
            "5 GROQ_API_KEY: empty, or to be filled in",
            "6 MISTRAL_API_KEY: empty, or to be filled in",
            "7 GEMINI_API_KEY: names another variable",
            "8 GOOGLE_API_KEY: google-ai-studio/default 39 characters",
            "9 DEEPSEEK_API_KEY: the name says deepseek, the value looks like a key of anthropic",
            "10 LLM_KEY: groq/default 36 characters",
            "11 OPENAI_KEY_COPY: the same key as OPENAI_API_KEY",
            "14 GATEWAY: a token of Keyward's",
            "15 SOME_API_KEY: looks like a key; of which provider is not known",
            "17 PROD_COHERE_API_KEY: cohere/prod 40 characters",
            "18 XAI_API_KEY: ",
        ];
        let found = told(read_env(text.as_bytes()));
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}\n{expected}");
        }
    }

    #[test]
    fn a_byte_order_mark_hides_no_line() {
        let text = "\u{feff}OPENAI_API_KEY=sk-proj-aaaaaaaaaaaaaaaaaaaaaaaa\n";
        let expected = ["1 OPENAI_API_KEY: openai/default 32 characters"];
        assert_eq!(told(read_env(text.as_bytes())), expected);
    }

    #[test]
    fn litellm_configuration() {
        let text = "model_list:\n\
            - model_name: fast\n  litellm_params:\n    model: groq/llama-3.3-70b\n    api_key: gsk_ffffffffffffffffffffffffffffffff\n\
            - model_name: smart\n  litellm_params:\n    model: anthropic/claude\n    api_key: os.environ/ANTHROPIC_API_KEY\n\
            - model_name: own\n  litellm_params: {model: openai/own, api_base: 'https://own.example/v1', api_key: abcdefghijklmnopqrstuvwxyz012345}\n\
            environment_variables:\n  OPENAI_API_KEY: sk-proj-aaaaaaaaaaaaaaaaaaaaaaaa\n\
            general_settings:\n  master_key: sk-1234\n";
        let expected = [
            "5 model_list[0] fast: groq/default 36 characters",
            "9 model_list[1] smart: names another variable",
            "11 model_list[2] own: looks like a key; of which provider is not known",
            "13 OPENAI_API_KEY: openai/default 32 characters",
        ];
        assert_eq!(
            told(read_litellm(text, "litellm.yaml".as_ref()).unwrap()),
            expected
        );
    }
}
