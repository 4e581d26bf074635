//! Rules that own what they hold, for callers whose rules stay the same from request to request.

use std::sync::Arc;

use http::HeaderValue;
use keyward_secret::{BoundCredential, Origin};

use super::{AcceptEncoding, CdnLoop, LocationRule, Rules};
use crate::{Scrubber, StripList};

/// [`Rules`] that own what they hold: made once, lent to every request.
///
/// ```
/// use keyward_forward::RuleSet;
/// use keyward_secret::{BoundCredential, Destination, SecretBytes};
///
/// let credential = BoundCredential::build(
///     http::header::AUTHORIZATION,
///     "Bearer ",
///     SecretBytes::new(b"sk-example".to_vec()),
///     Destination::parse(["https://api.example.com"])?,
/// )?;
/// let rules = RuleSet::injecting(credential).with_prefix("/v1");
/// assert!(rules.lend().credential.is_some());
/// assert!(rules.lend().strip.matches("x-api-key"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct RuleSet {
    credential: Option<(BoundCredential, Arc<Scrubber>)>,
    strip: StripList,
    cdn_loop: Option<HeaderValue>,
    accept_encoding: AcceptEncoding,
    prefix: Box<str>,
    mount: Box<str>,
    allowed: Box<[Origin]>,
}

impl RuleSet {
    /// Injects `credential`, scrubs it from answers, and strips what clients commonly send credentials in
    /// ([`StripList::credentials`]).
    #[must_use]
    pub fn injecting(credential: BoundCredential) -> Self {
        let scrubber = Arc::new(Scrubber::new(&credential));
        Self {
            credential: Some((credential, scrubber)),
            strip: StripList::credentials(),
            ..Self::default()
        }
    }

    /// Strips the headers of this list instead, besides those that always go.
    #[must_use]
    pub fn with_strip(mut self, strip: StripList) -> Self {
        self.strip = strip;
        self
    }

    /// Sends `own` as `CDN-Loop`, behind what the client sent of it.
    #[must_use]
    pub fn with_cdn_loop(mut self, own: HeaderValue) -> Self {
        self.cdn_loop = Some(own);
        self
    }

    /// Says what happens to `Accept-Encoding`. Without this, the client's stays.
    #[must_use]
    pub const fn with_accept_encoding(mut self, accept_encoding: AcceptEncoding) -> Self {
        self.accept_encoding = accept_encoding;
        self
    }

    /// The path of the upstream below which everything stays: [`LocationRule::prefix`].
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The path at which clients see that prefix: [`LocationRule::mount`].
    #[must_use]
    pub fn with_mount(mut self, mount: impl Into<Box<str>>) -> Self {
        self.mount = mount.into();
        self
    }

    /// Origins that redirects may point to, unchanged: [`LocationRule::allowed`].
    #[must_use]
    pub fn with_redirects_to(mut self, origins: impl IntoIterator<Item = Origin>) -> Self {
        self.allowed = origins.into_iter().collect();
        self
    }

    /// The rules, for one request.
    #[must_use]
    pub fn lend(&self) -> Rules<'_> {
        let mut rules = Rules::new(&self.strip);
        if let Some((credential, scrubber)) = &self.credential {
            rules = rules.with_credential(credential, scrubber);
        }
        Rules {
            cdn_loop: self.cdn_loop.as_ref().map_or(CdnLoop::Drop, CdnLoop::Send),
            accept_encoding: self.accept_encoding,
            location: LocationRule {
                prefix: &self.prefix,
                mount: &self.mount,
                allowed: &self.allowed,
            },
            ..rules
        }
    }
}

impl Default for RuleSet {
    /// Injects nothing, and strips only what always goes.
    fn default() -> Self {
        Self {
            credential: None,
            strip: StripList::default(),
            cdn_loop: None,
            accept_encoding: AcceptEncoding::Client,
            prefix: Box::default(),
            mount: Box::default(),
            allowed: Box::default(),
        }
    }
}
