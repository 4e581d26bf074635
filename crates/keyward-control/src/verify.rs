//! The seam to the data plane: whether a provider takes a key. Neither plane knows the other, so whoever runs both in one
//! process joins them by [`Verify`].

use std::{future::Future, pin::Pin, sync::Arc};

use keyward_providers::{ErrorClass, ProbeOutcome, Provider};
use keyward_registry::ProviderKey;
use keyward_secret::BoundCredential;

/// Asks a provider about a key, by way of the data plane.
pub trait Verify: Send + Sync {
    /// Sends the provider's probe, once, and tells what the answer says. Gives nothing back of a secret, and keeps none.
    ///
    /// How often a key may be asked about is the control plane's to limit: once per second and key; of values that are
    /// not stored 10 per minute and API token, of stored ones 60.
    fn ask(&self, about: About) -> Pin<Box<dyn Future<Output = Answered> + Send + '_>>;
}

/// What is asked about.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "who asks a provider must know where the value comes from"
)]
pub enum About {
    /// The current value of a stored key, which the data plane opens for the provider's own origins.
    Stored(Arc<ProviderKey>),
    /// A value that is not stored.
    Value {
        /// Whose probe is sent.
        provider: Arc<Provider>,
        /// The value, bound to what it would be sealed for.
        credential: BoundCredential,
    },
}

/// What came of it. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What the answer says of the key; unclear where there was none.
    pub outcome: ProbeOutcome,
    /// What the answer refuses; none where it refuses nothing, and where there was none.
    pub class: Option<ErrorClass>,
    /// The answer's status; none where there was no answer.
    pub status: Option<u16>,
    /// Why there is no answer that says anything, in words for people.
    pub problem: Option<String>,
}
