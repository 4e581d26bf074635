//! What was typed into the form of a custom provider, and the body that it makes.

use keyward_providers::CredentialPlacement;
use serde_json::{Map, Value, json};

use super::CustomProvider;
use crate::dashboard::form::Form;

/// How a provider may take a key.
pub(super) const PLACEMENTS: [CredentialPlacement; 8] = CredentialPlacement::ALL;

/// What was typed: kept when the form is shown again, all but the headers.
pub(super) struct Typed {
    pub(super) name: String,
    pub(super) slug: String,
    pub(super) base_url: String,
    pub(super) credential_header: String,
    pub(super) enable: bool,
    pub(super) description: String,
    pub(super) link: String,
    pub(super) logo: String,
    /// Whether the picture that is stored is to go.
    pub(super) drops_logo: bool,
    pub(super) curl_example: String,
    pub(super) js_example: String,
    pub(super) position: String,
    pub(super) beta: bool,
}

impl Typed {
    /// Of a form that nothing is typed into yet.
    pub(super) fn nothing() -> Self {
        Self {
            enable: true,
            credential_header: CredentialPlacement::default().as_str().to_owned(),
            ..Self::of(&Form::default())
        }
    }

    pub(super) fn of(form: &Form) -> Self {
        let text = |name| form.text(name).to_owned();
        // As a browser sends them, lines end in two characters.
        let lines = |name| form.text(name).replace("\r\n", "\n");
        Self {
            name: text("name"),
            slug: text("slug"),
            base_url: text("base_url"),
            credential_header: text("credential_header"),
            enable: form.is_set("enable"),
            description: lines("description"),
            link: text("link"),
            logo: text("logo").split_ascii_whitespace().collect(),
            drops_logo: form.is_set("drops_logo"),
            curl_example: lines("curl_example"),
            js_example: lines("js_example"),
            position: text("position"),
            beta: form.is_set("beta"),
        }
    }

    /// What is stored, to be changed. The picture is not shown.
    pub(super) fn stored(provider: &CustomProvider) -> Self {
        // As the form gives it back.
        let text = |text: &Option<String>| {
            let text = text.as_deref().unwrap_or_default();
            text.replace("\r\n", "\n").trim().to_owned()
        };
        Self {
            name: provider.name.clone(),
            slug: provider.slug.clone(),
            base_url: provider.base_url.clone(),
            credential_header: provider.credential_header.clone(),
            enable: provider.enable,
            description: text(&provider.description),
            link: text(&provider.link),
            logo: String::new(),
            drops_logo: false,
            curl_example: text(&provider.curl_example),
            js_example: text(&provider.js_example),
            position: provider
                .position
                .map_or_else(String::new, |at| at.to_string()),
            beta: provider.beta,
        }
    }

    /// Whether what stands in the part of the form that is folded up.
    pub(super) fn has_details(&self) -> bool {
        let texts = [
            &self.link,
            &self.logo,
            &self.curl_example,
            &self.js_example,
            &self.position,
        ];
        self.beta || texts.iter().any(|text| !text.is_empty())
    }

    /// The fields that can be changed, without the headers. What is empty is null.
    fn fields(&self) -> Map<String, Value> {
        let text = |text: &str| match text {
            "" => Value::Null,
            text => json!(text),
        };
        let fields = [
            ("name", json!(self.name)),
            ("base_url", json!(self.base_url)),
            ("credential_header", json!(self.credential_header)),
            ("enable", json!(self.enable)),
            ("beta", json!(self.beta)),
            ("description", text(&self.description)),
            ("link", text(&self.link)),
            ("logo", text(&self.logo)),
            ("curl_example", text(&self.curl_example)),
            ("js_example", text(&self.js_example)),
            ("position", position(&self.position)),
        ];
        let named = fields.map(|(name, value)| (name.to_owned(), value));
        named.into_iter().collect()
    }

    /// What makes the provider.
    pub(super) fn body(&self) -> Value {
        let mut fields = self.fields();
        fields.retain(|_name, value| !value.is_null());
        fields.insert("slug".to_owned(), json!(self.slug));
        Value::Object(fields)
    }

    /// What is different from what is stored: requests under way are settled by what is sent.
    pub(super) fn changes(&self, provider: &CustomProvider) -> Map<String, Value> {
        let stored = Self::stored(provider).fields();
        let mut fields = self.fields();
        fields.retain(|name, value| stored.get(name) != Some(value));
        if self.drops_logo && provider.logo.is_some() {
            fields.entry("logo").or_insert(Value::Null);
        }
        fields
    }
}

/// A number where it is one; what is none is left for the route to refuse.
fn position(text: &str) -> Value {
    match (text, text.parse::<i64>()) {
        ("", _) => Value::Null,
        (_, Ok(number)) => json!(number),
        (text, Err(_)) => json!(text),
    }
}
