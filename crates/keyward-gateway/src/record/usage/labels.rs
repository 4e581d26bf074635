//! The words that labels of metrics consist of.

use std::{collections::BTreeSet, sync::Arc};

use crate::gateway::Providers;

/// How many models have series of their own, over all providers; the others of a provider count as [`OTHER`]. The table that
/// is shipped has some 200.
pub(super) const MOST_MODELS: usize = 1_000;
/// What stands for every model without a price, and for every one beyond [`MOST_MODELS`].
pub(super) const OTHER: &str = "other";

/// The words that were said so far.
#[derive(Debug)]
pub(super) struct Labels {
    words: BTreeSet<Arc<str>>,
    models: BTreeSet<(Arc<str>, Arc<str>)>,
    other: Arc<str>,
}

impl Default for Labels {
    fn default() -> Self {
        Self {
            words: BTreeSet::new(),
            models: BTreeSet::new(),
            other: OTHER.into(),
        }
    }
}

impl Labels {
    /// What the metrics call a provider: its slug, and one word for all custom providers.
    pub(super) fn provider(&mut self, slug: &str, providers: &Providers) -> Arc<str> {
        self.word(providers.label(slug).unwrap_or(OTHER))
    }

    /// What they call a model that has this name in the price table.
    pub(super) fn model(&mut self, provider: &Arc<str>, name: Option<&str>) -> Arc<str> {
        let Some(name) = name else {
            return Arc::clone(&self.other);
        };
        // Looked for before it is kept: there may be as many as were configured.
        let known = self.words.get(name).map(Arc::clone);
        let of = known.map(|name| (Arc::clone(provider), name));
        if let Some((_, name)) = of.filter(|of| self.models.contains(of)) {
            return name;
        }
        if self.models.len() >= MOST_MODELS {
            return Arc::clone(&self.other);
        }
        let name = self.word(name);
        self.models
            .insert((Arc::clone(provider), Arc::clone(&name)));
        name
    }

    fn word(&mut self, word: &str) -> Arc<str> {
        if let Some(known) = self.words.get(word) {
            return Arc::clone(known);
        }
        let word: Arc<str> = word.into();
        self.words.insert(Arc::clone(&word));
        word
    }
}
