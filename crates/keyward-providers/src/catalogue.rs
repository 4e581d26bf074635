//! The set of all providers, by name.

use std::{collections::BTreeMap, sync::Arc};

use http::{HeaderName, header};

use crate::{
    CatalogueError, Override, Provider, Upstream, definition::Definition, overrides::nearest,
};

macro_rules! embedded {
    ($($slug:literal),* $(,)?) => {
        &[$(($slug, include_str!(concat!("catalogue/", $slug, ".toml")))),*]
    };
}

const FILES: &[(&str, &str)] = embedded![
    "anthropic",
    "aws-bedrock",
    "azure-openai",
    "baseten",
    "cartesia",
    "cerebras",
    "cohere",
    "deepgram",
    "deepseek",
    "echo",
    "elevenlabs",
    "fal",
    "fireworks",
    "google-ai-studio",
    "google-vertex-ai",
    "grok",
    "groq",
    "huggingface",
    "ideogram",
    "mistral",
    "openai",
    "openrouter",
    "parallel",
    "perplexity-ai",
    "replicate",
    "workers-ai",
];

/// Every provider, by slug. Immutable; share it in an `Arc`.
#[derive(Debug)]
pub struct Catalogue {
    /// Sorted by slug.
    providers: Box<[Arc<Provider>]>,
    /// Slugs and aliases, sorted.
    names: Box<[(Box<str>, Arc<Provider>)]>,
}

impl Catalogue {
    /// The catalogue as it is shipped.
    ///
    /// # Errors
    ///
    /// When an embedded file is wrong; a test of this crate sees to it that none is.
    pub fn built_in() -> Result<Self, CatalogueError> {
        Self::with_overrides(&BTreeMap::new())
    }

    /// The catalogue with an operator's changes, by slug or alias.
    ///
    /// # Errors
    ///
    /// When a name is unknown, one provider is named twice, or a field cannot be used.
    pub fn with_overrides(overrides: &BTreeMap<String, Override>) -> Result<Self, CatalogueError> {
        let definitions = FILES
            .iter()
            .map(|(slug, text)| Definition::parse(slug, text))
            .collect::<Result<Vec<_>, _>>()?;
        let mut changes = resolve(&definitions, overrides)?;
        let mut next_index = 0;
        let mut providers = Vec::with_capacity(definitions.len());
        for definition in definitions {
            let change = changes.remove(definition.slug()).unwrap_or_default();
            let provider = definition.build(&change, next_index)?;
            next_index += provider.upstreams().len();
            providers.push(Arc::new(provider));
        }
        Self::of(providers)
    }

    fn of(mut providers: Vec<Arc<Provider>>) -> Result<Self, CatalogueError> {
        providers.sort_by(|a, b| a.slug().cmp(b.slug()));
        let mut names = Vec::new();
        for provider in &providers {
            let aliases = provider.aliases().iter().map(AsRef::as_ref);
            for name in std::iter::once(provider.slug()).chain(aliases) {
                names.push((Box::<str>::from(name), Arc::clone(provider)));
            }
        }
        names.sort_by(|(a, _), (b, _)| a.cmp(b));
        let twice = names
            .iter()
            .zip(names.iter().skip(1))
            .find(|((a, _), (b, _))| a == b);
        if let Some(((name, provider), _)) = twice {
            let reason = format!("`{name}` names two providers");
            return Err(CatalogueError::field(provider.slug(), "aliases", reason));
        }
        Ok(Self {
            providers: providers.into(),
            names: names.into(),
        })
    }

    /// The provider of this slug or alias. Allocates nothing.
    #[must_use]
    pub fn find(&self, slug: &str) -> Option<&Arc<Provider>> {
        let at = self
            .names
            .binary_search_by(|(name, _)| name.as_ref().cmp(slug))
            .ok()?;
        self.names.get(at).map(|(_, provider)| provider)
    }

    /// Every provider, sorted by slug.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.providers.iter()
    }

    /// The name, slug or other, that somebody most likely meant who wrote `name`; none where none is near.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.names.iter().map(|(known, _)| known.as_ref()))
    }

    /// Every upstream, in the order of their [indices](Upstream::index).
    pub fn upstreams(&self) -> impl Iterator<Item = &Upstream> {
        self.iter().flat_map(|provider| provider.upstreams())
    }
}

/// The overrides by canonical slug.
fn resolve<'a>(
    definitions: &'a [Definition],
    overrides: &BTreeMap<String, Override>,
) -> Result<BTreeMap<Box<str>, Override>, CatalogueError> {
    let mut changes = BTreeMap::new();
    for (name, change) in overrides {
        let named = |definition: &&'a Definition| definition.names().any(|own| own == name);
        let Some(definition) = definitions.iter().find(named) else {
            let names = definitions.iter().flat_map(Definition::names);
            return Err(CatalogueError::unknown(name, nearest(name, names)));
        };
        if changes
            .insert(definition.slug().into(), change.clone())
            .is_some()
        {
            let reason = format!(
                "it means `{}`, which is configured already",
                definition.slug()
            );
            return Err(CatalogueError::field(name, "name", reason));
        }
    }
    Ok(changes)
}

static CREDENTIAL_HEADERS: [HeaderName; 9] = [
    header::AUTHORIZATION,
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("xi-api-key"),
    HeaderName::from_static("x-amz-security-token"),
    HeaderName::from_static("x-auth-key"),
    HeaderName::from_static("x-auth-email"),
    HeaderName::from_static("x-auth-user-service-key"),
];

/// The headers in which any provider takes a key: the union of [`Provider::credential_headers`].
#[must_use]
pub fn all_credential_headers() -> &'static [HeaderName] {
    &CREDENTIAL_HEADERS
}

/// Whether `name` is one of [`all_credential_headers`]. Costs less than a search of that list.
#[must_use]
#[inline]
pub fn is_credential_header(name: &HeaderName) -> bool {
    // Hardly another header has such a length and such a first letter.
    let text = name.as_str().as_bytes();
    matches!(text.len(), 7 | 9 | 10 | 12..=14 | 20 | 23)
        && matches!(text.first(), Some(b'a' | b'x'))
        && CREDENTIAL_HEADERS.contains(name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Catalogue, FILES, all_credential_headers, is_credential_header};

    #[test]
    fn every_file_of_the_directory_is_embedded() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/catalogue");
        let found: BTreeSet<_> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let embedded = FILES
            .iter()
            .map(|(slug, _)| format!("{slug}.toml"))
            .collect();
        assert_eq!(found, embedded);
    }

    #[test]
    fn the_list_of_credential_headers_is_the_union() {
        let catalogue = Catalogue::built_in().unwrap();
        let union: BTreeSet<_> = catalogue
            .iter()
            .flat_map(|provider| provider.credential_headers())
            .map(ToString::to_string)
            .collect();
        let listed = all_credential_headers()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(union, listed);
    }

    #[test]
    fn every_listed_credential_header_is_told_from_others() {
        assert!(all_credential_headers().iter().all(is_credential_header));
        for other in ["accept", "x-api-kez", "content-length", "authorizatiom"] {
            assert!(!is_credential_header(&other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn indices_have_no_gaps() {
        let catalogue = Catalogue::built_in().unwrap();
        for (expected, upstream) in catalogue.upstreams().enumerate() {
            assert_eq!(upstream.index(), expected);
        }
    }
}
