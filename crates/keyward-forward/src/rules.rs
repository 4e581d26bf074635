//! What one request's rewriting is to do, as its caller decided it.

mod owned;

use std::sync::Arc;

use http::HeaderValue;
use keyward_secret::{BoundCredential, Origin};

pub use self::owned::RuleSet;
use crate::{Scrubber, StripList};

/// How one request and its answer are rewritten. Borrows everything; made per request at no cost.
///
/// ```
/// use keyward_forward::{Rules, StripList};
///
/// let strip = StripList::new(["authorization", "x-api-key"], []);
/// let rules = Rules::new(&strip);
/// assert!(rules.credential.is_none());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The credential to inject; none when the client's own key goes through.
    pub credential: Option<&'a BoundCredential>,
    /// Further headers to inject, each bound like a credential. None of them is the credential's own.
    pub more: &'a [BoundCredential],
    /// The scrubber of all of these. Without it (or with another credential's) one is built for the
    /// request, which costs some microseconds: answers are scrubbed either way.
    pub scrubber: Option<&'a Arc<Scrubber>>,
    /// Headers that go besides those that always go. Where the client's own key goes through, its header
    /// is not on the list.
    pub strip: &'a StripList,
    /// What happens to `CDN-Loop`. Default [`CdnLoop::Drop`].
    pub cdn_loop: CdnLoop<'a>,
    /// What happens to `Accept-Encoding`. Default [`AcceptEncoding::Client`].
    pub accept_encoding: AcceptEncoding,
    /// How addresses in answers are mapped. Default: no prefix, no mount, no other origin.
    pub location: LocationRule<'a>,
}

/// What happens to `CDN-Loop` (RFC 8586) on the way up.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller decides between these for every upstream"
)]
pub enum CdnLoop<'a> {
    /// It goes: built-in providers are no part of a loop, and some refuse the header.
    Drop,
    /// The client's values stay, and this one is added behind them.
    Send(&'a HeaderValue),
}

/// What happens to `Accept-Encoding` on the way up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller decides between these for every upstream"
)]
pub enum AcceptEncoding {
    /// The client's stays. A compressed answer passes unscrubbed.
    Client,
    /// `identity` is asked for, so that the answer can be scrubbed: for custom and overridden origins.
    Identity,
}

/// How addresses in `Location` and `Content-Location` are mapped.
///
/// An address inside (the target's origin, below `prefix`) becomes a path below `mount`. Any other is
/// outside: a redirect there is refused, because a client would carry its gateway token along.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocationRule<'a> {
    /// The path prefix of the upstream that the gateway shows, as [`Target::join`](crate::Target::join)
    /// got it. A closing `/` is the same as none.
    pub prefix: &'a str,
    /// The gateway's own path that stands for it, such as `/v1/{account}/{gateway}/{provider}`.
    pub mount: &'a str,
    /// Origins that redirects may point to unchanged, such as a provider's file storage.
    pub allowed: &'a [Origin],
}

impl<'a> Rules<'a> {
    /// Rules that inject nothing and strip what always goes and what is on `strip`.
    #[must_use]
    pub const fn new(strip: &'a StripList) -> Self {
        Self {
            credential: None,
            more: &[],
            scrubber: None,
            strip,
            cdn_loop: CdnLoop::Drop,
            accept_encoding: AcceptEncoding::Client,
            location: LocationRule {
                prefix: "",
                mount: "",
                allowed: &[],
            },
        }
    }

    /// Injects `credential`, and scrubs it from the answer with `scrubber`.
    #[must_use]
    pub const fn with_credential(
        mut self,
        credential: &'a BoundCredential,
        scrubber: &'a Arc<Scrubber>,
    ) -> Self {
        self.credential = Some(credential);
        self.scrubber = Some(scrubber);
        self
    }

    /// Whether anything is injected.
    pub(crate) fn injects(&self) -> bool {
        self.injected().next().is_some()
    }

    /// Everything that is injected, the credential last.
    pub(crate) fn injected(&self) -> impl Iterator<Item = &'a BoundCredential> + Clone {
        self.more.iter().chain(self.credential)
    }
}
