//! LiteLLM's `config.yaml`: the `api_key` of models, and `environment_variables`.
//!
//! Shape: LiteLLM's documentation, "Proxy config.yaml". The parser keeps the text in memory that does not erase itself;
//! it comes from a file where it stands in clear.

use std::{collections::BTreeMap, path::Path};

use keyward_secret::SecretBytes;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Setting, recognise};
use crate::failure::Failure;

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    model_list: Vec<Model>,
    #[serde(default)]
    environment_variables: BTreeMap<String, Spanned<Option<String>>>,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default)]
    model_name: String,
    litellm_params: Params,
}

#[derive(Deserialize)]
struct Params {
    #[serde(default)]
    model: String,
    api_key: Option<Spanned<Option<String>>>,
    api_base: Option<String>,
}

/// The settings of a configuration that may hold keys, in the order of its lines.
pub(crate) fn read(text: &str, file: &Path) -> Result<Vec<Setting>, Failure> {
    let document: Document = serde_saphyr::from_str(text).map_err(|error| {
        // The parser's message may quote what stands there, which may be a key; its place does not.
        let failure = Failure::new("the file is no configuration of LiteLLM's");
        let name = file.display();
        match error.location() {
            Some(place) => failure.at(format!("{name}:{}:{}", place.line(), place.column())),
            None => failure.in_file(file),
        }
        .help("name it with --litellm only if it is one; `.env` files are read without it")
    })?;
    let models = document.model_list.into_iter().enumerate();
    let mut settings: Vec<_> = models
        .filter_map(|(index, model)| {
            let key = model.litellm_params.api_key?;
            Some(Setting {
                name: format!("model_list[{index}] {}", model.model_name),
                line: line(&key),
                value: secret(key),
                provider: provider(&model.litellm_params.model, &model.litellm_params.api_base),
                is_key: true,
            })
        })
        .collect();
    settings.extend(
        document
            .environment_variables
            .into_iter()
            .map(|(name, value)| Setting {
                name,
                line: line(&value),
                value: secret(value),
                provider: None,
                is_key: false,
            }),
    );
    settings.sort_by_key(|setting| setting.line);
    Ok(settings)
}

/// The provider before the slash of `groq/llama-3.3-70b`. An `api_base` of its own is some other place.
fn provider(model: &str, api_base: &Option<String>) -> Option<&'static str> {
    let is_own = api_base.as_ref().is_none_or(|base| base.is_empty());
    let (prefix, _) = model.split_once('/').filter(|_| is_own)?;
    recognise::by_litellm_name(prefix)
}

fn line<T>(value: &Spanned<T>) -> usize {
    usize::try_from(value.referenced.line()).unwrap_or_default()
}

fn secret(value: Spanned<Option<String>>) -> SecretBytes {
    SecretBytes::new(value.value.unwrap_or_default().into_bytes())
}
