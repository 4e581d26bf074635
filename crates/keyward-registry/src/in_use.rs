//! Who uses a token, a provider's key or a custom provider at this moment, and how that use is ended.
//!
//! What was revoked is good for no request that starts later. What has started goes on, unless it is cut:
//! whoever serves requests says how many there are, and ends them.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use keyward_auth::TokenId;
use keyward_vault::{SecretId, VersionNumber};

use crate::{CustomProviderId, ProviderKeyId, Registry};

/// Requests that are under way, by what they use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever serves requests must be able to find each"
)]
pub enum Use {
    /// Those that this token authenticated.
    Token(TokenId),
    /// Those that carry a value of this provider key, other than the one that is kept.
    ProviderKey {
        /// The provider key.
        id: ProviderKeyId,
        /// The value whose use goes on: the current one, where an older one is ended.
        keeps: Option<(SecretId, VersionNumber)>,
    },
    /// Those to this custom provider, whatever they carry.
    CustomProvider(CustomProviderId),
    /// Those that carry headers of this custom provider, other than the ones that are kept.
    CustomHeaders {
        /// The custom provider.
        id: CustomProviderId,
        /// The [number](crate::SealedHeaders::number) of those whose use goes on.
        keeps: Option<VersionNumber>,
    },
}

/// Serves requests, and knows what they use.
pub trait InUse: Send + Sync + fmt::Debug {
    /// How many requests use this, answers that are still being streamed and WebSockets among them.
    fn count(&self, of: Use) -> usize;

    /// Ends them, and says how many there were. Does not wait for their connections to close.
    fn cut(&self, of: Use) -> usize;
}

impl Registry {
    /// Asks `server` too when [`requests_open`](Self::requests_open) or [`cut_requests`](Self::cut_requests) is
    /// called, for as long as it lives.
    pub fn watch(&self, server: &Arc<dyn InUse>) {
        let mut servers = self.servers();
        servers.retain(|server| server.strong_count() > 0);
        servers.push(Arc::downgrade(server));
    }

    /// How many requests use this.
    #[must_use]
    pub fn requests_open(&self, of: Use) -> usize {
        self.each_server(|server| server.count(of))
    }

    /// Ends the requests that use this, and says how many there were. Called after the change that revokes it:
    /// what starts in between would not be found.
    #[must_use]
    pub fn cut_requests(&self, of: Use) -> usize {
        self.each_server(|server| server.cut(of))
    }

    fn each_server(&self, ask: impl Fn(&dyn InUse) -> usize) -> usize {
        let servers: Vec<_> = self.servers().iter().filter_map(Weak::upgrade).collect();
        servers.iter().map(|server| ask(server.as_ref())).sum()
    }
}
