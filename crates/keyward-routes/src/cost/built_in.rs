//! The prices that are shipped: one file for each provider, embedded.

use serde::Deserialize;

use super::{PriceEntry, entry::EntryText};

macro_rules! embedded {
    ($($slug:literal),* $(,)?) => {
        &[$(($slug, include_str!(concat!("../prices/", $slug, ".toml")))),*]
    };
}

const FILES: &[(&str, &str)] = embedded![
    "anthropic",
    "baseten",
    "cerebras",
    "cohere",
    "deepseek",
    "fireworks",
    "google-ai-studio",
    "google-vertex-ai",
    "grok",
    "groq",
    "mistral",
    "openai",
    "perplexity-ai",
    "workers-ai",
];

/// Where the prices of one provider are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceSource {
    provider: Box<str>,
    page: Box<str>,
    checked: Box<str>,
    packages: Box<[Box<str>]>,
    models: usize,
}

/// Why prices make no table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PricesError {
    /// An embedded file is wrong.
    #[error("cannot read the prices of {provider}")]
    #[non_exhaustive]
    File {
        /// The file's name.
        provider: Box<str>,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Two entries name the same model from the same day on.
    #[error(
        "two prices are of the model `{model}` of {provider} from the same day on; leave one out, or give one another `from`"
    )]
    #[non_exhaustive]
    Twice {
        /// The provider's slug.
        provider: Box<str>,
        /// The name or pattern.
        model: Box<str>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    provider: Box<str>,
    source: Box<str>,
    checked: Box<str>,
    packages: Box<[Box<str>]>,
    model: Vec<EntryText>,
}

impl PriceSource {
    /// The slug of the provider whose prices they are.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The page of the provider that has them.
    #[must_use]
    pub fn page(&self) -> &str {
        &self.page
    }

    /// The day on which they were compared with the packages, `YYYY-MM-DD`.
    #[must_use]
    pub fn checked(&self) -> &str {
        &self.checked
    }

    /// The packages that they were compared with, by name and release.
    pub fn packages(&self) -> impl ExactSizeIterator<Item = &str> {
        self.packages.iter().map(AsRef::as_ref)
    }

    /// How many names and patterns of models have a price.
    #[must_use]
    pub const fn models(&self) -> usize {
        self.models
    }
}

/// Every embedded file.
pub(super) fn read() -> Result<(Vec<PriceSource>, Vec<PriceEntry>), PricesError> {
    let mut sources = Vec::with_capacity(FILES.len());
    let mut all = Vec::new();
    for (slug, text) in FILES {
        let (source, entries) = read_file(slug, text).map_err(|source| PricesError::File {
            provider: (*slug).into(),
            source,
        })?;
        sources.push(source);
        all.extend(entries);
    }
    Ok((sources, all))
}

fn read_file(
    slug: &str,
    text: &str,
) -> Result<(PriceSource, Vec<PriceEntry>), Box<dyn std::error::Error + Send + Sync>> {
    let file: File = toml::from_str(text)?;
    if *file.provider != *slug {
        return Err("`provider` is not the name of the file".into());
    }
    let mut entries = Vec::with_capacity(file.model.len());
    for mut text in file.model {
        if text.provider.replace(slug.into()).is_some() {
            return Err("`provider` stands at the top of the file alone".into());
        }
        entries.push(PriceEntry::try_from(text)?);
    }
    let mut names: Vec<_> = entries.iter().flat_map(PriceEntry::names).collect();
    names.sort_unstable();
    names.dedup();
    let source = PriceSource {
        provider: file.provider,
        page: file.source,
        checked: file.checked,
        packages: file.packages,
        models: names.len(),
    };
    Ok((source, entries))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::{FILES, PricesError, read_file};

    #[test]
    fn the_refusals_of_a_table_say_what_is_wrong() {
        keyward_testing::assert_texts!("PricesError", PricesError {
            PricesError::File { .. } => PricesError::File {
                provider: "openai".into(),
                source: "`provider` is not the name of the file".into(),
            },
            PricesError::Twice { .. } => PricesError::Twice {
                provider: "openai".into(),
                model: "gpt-5*".into(),
            },
        }, |error| keyward_testing::told(&error));
    }

    #[test]
    fn every_file_of_the_directory_is_embedded() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/prices");
        let files = fs::read_dir(directory).unwrap().map(|entry| {
            let path = entry.unwrap().path();
            path.file_stem().unwrap().to_str().unwrap().to_owned()
        });
        let files: BTreeSet<_> = files.collect();
        let embedded = FILES.iter().map(|(slug, _)| (*slug).to_owned());
        assert_eq!(files, embedded.collect::<BTreeSet<_>>());
    }

    #[test]
    fn a_file_that_is_not_understood_whole_is_refused() {
        const HEAD: &str = "provider = \"x\"\nsource = \"s\"\nchecked = \"c\"\npackages = []\n";
        let read = |rest: &str| read_file("x", &format!("{HEAD}{rest}"));
        assert!(read("[[model]]\nnames = [\"m\"]\ninput = 1\n").is_ok());
        for rest in [
            "",
            "note = \"\"\n[[model]]\nnames = [\"m\"]\ninput = 1\n",
            "[[model]]\nnames = [\"m\"]\ninput = 1\nreasoning = 2\n",
            "[[model]]\nprovider = \"x\"\nnames = [\"m\"]\ninput = 1\n",
            "[[model]]\nnames = [\"m\"]\n",
            "[[model]]\nnames = [\"m\"]\ninput = \"1\"\n",
        ] {
            assert!(read(rest).is_err(), "{rest}");
        }
        let other = read_file(
            "y",
            &format!("{HEAD}[[model]]\nnames = [\"m\"]\ninput = 1\n"),
        );
        assert!(other.is_err());
    }
}
