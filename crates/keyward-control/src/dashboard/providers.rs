//! The providers that a key may be for: those of the catalogue and the account's own.

use keyward_auth::{ManagePlace, Permission};
use keyward_providers::Support;
use serde::Deserialize;

use super::visit::{To, Visit};
use crate::envelope::Problem;

/// A provider as lists and drop-downs show it.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) slug: String,
    pub(crate) name: String,
    /// What a key looks like.
    pub(crate) hint: Option<String>,
    /// Where keys are made and revoked.
    pub(crate) keys_page: Option<String>,
    /// Why it cannot be used.
    pub(crate) refused: Option<String>,
    /// Whether it can be asked about a key.
    pub(crate) is_provable: bool,
}

impl Choice {
    /// The letter that stands for it where a picture would.
    pub(crate) fn letter(&self) -> String {
        let first = self
            .name
            .chars()
            .find(|character| character.is_alphanumeric());
        first.unwrap_or('?').to_uppercase().to_string()
    }
}

/// Every provider, those that can be used first, by name.
#[derive(Debug)]
pub(crate) struct Providers(pub(crate) Vec<Choice>);

#[derive(Deserialize)]
struct Custom {
    name: String,
    provider_slug: String,
}

/// Pages of custom providers that are read: more than anybody picks from.
const MOST_PAGES: usize = 10;

impl Providers {
    pub(crate) async fn load(visit: &Visit) -> Result<Self, Problem> {
        let registry = &visit.shared().surroundings.registry;
        let can_ask = visit.shared().config().verify.is_some();
        let text = |text: Option<&str>| text.map(str::to_owned);
        let built_in = registry.catalogue().iter().map(|provider| Choice {
            slug: provider.slug().to_owned(),
            name: provider.name().to_owned(),
            hint: text(provider.key_hint()),
            keys_page: text(provider.keys_page()),
            refused: match provider.support() {
                Support::Ready => None,
                Support::Refused { reason } => Some(reason.to_string()),
            },
            is_provable: can_ask && provider.probe().is_some(),
        });
        let mut choices: Vec<_> = built_in.collect();
        if visit.may(Permission::AiGatewayRead, ManagePlace::Account) {
            for page in 1..=MOST_PAGES {
                let to = To::new("custom_provider_list")
                    .with_number("page", page)
                    .with_number("per_page", 100);
                let answer = visit.get::<Vec<Custom>>(to).await?;
                choices.extend(answer.result.into_iter().map(|custom| Choice {
                    slug: custom.provider_slug,
                    name: custom.name,
                    hint: None,
                    keys_page: None,
                    refused: None,
                    is_provable: false,
                }));
                if page >= answer.result_info.total_pages {
                    break;
                }
            }
        }
        choices.sort_by_cached_key(|choice| (choice.refused.is_some(), choice.name.to_lowercase()));
        Ok(Self(choices))
    }

    pub(crate) fn find(&self, slug: &str) -> Option<&Choice> {
        self.0.iter().find(|choice| choice.slug == slug)
    }

    /// The name for people; where it is not known any more, the slug.
    pub(crate) fn name<'a>(&'a self, slug: &'a str) -> &'a str {
        self.find(slug).map_or(slug, |choice| choice.name.as_str())
    }

    pub(crate) fn keys_page(&self, slug: &str) -> Option<&str> {
        self.find(slug)?.keys_page.as_deref()
    }

    pub(crate) fn hint(&self, slug: &str) -> Option<&str> {
        self.find(slug)?.hint.as_deref()
    }

    /// Whether the provider can be asked about a key.
    pub(crate) fn is_provable(&self, slug: &str) -> bool {
        self.find(slug).is_some_and(|choice| choice.is_provable)
    }

    /// Whether any can.
    pub(crate) fn are_provable(&self) -> bool {
        self.0.iter().any(|choice| choice.is_provable)
    }

    /// Those that can be used.
    pub(crate) fn usable(&self) -> impl Iterator<Item = &Choice> {
        self.0.iter().filter(|choice| choice.refused.is_none())
    }
}
