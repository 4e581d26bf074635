//! What a graph's parser asks of the world: which providers there are.

/// What is known where a graph is accepted.
pub trait Known {
    /// Whether a model element may name this provider.
    fn provider(&self, slug: &str) -> Servable;

    /// Whether a key of this provider is stored in the route's gateway. Where none is, the graph gets a warning: keys come
    /// and go.
    fn has_key(&self, slug: &str) -> bool;
}

/// Whether a provider takes a chat request in OpenAI's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "who asks must handle each case")]
pub enum Servable {
    /// There is such a provider, and it does.
    Yes,
    /// There is such a provider, and it takes no such request.
    NoCompatiblePath,
    /// There is no such provider.
    Unknown,
}

/// Takes whatever was taken before.
pub(super) struct Anything;

impl Known for Anything {
    fn provider(&self, _: &str) -> Servable {
        Servable::Yes
    }

    fn has_key(&self, _: &str) -> bool {
        true
    }
}
