//! How a decided request is rewritten: what the forwarder is told of it.

use http::HeaderMap;
use keyward_forward::{AcceptEncoding, CdnLoop, LocationRule, Rules};

use super::Plan;
use crate::{Gateway, caller, credentials::Injected};

impl Plan {
    /// Removes what is left of tokens from the request's headers, and says how the rest is rewritten. `injected` is what
    /// the plan injects, or another value that takes its place. `path` is the request's.
    pub(crate) fn rules<'a>(
        &'a self,
        gateway: &'a Gateway,
        injected: Option<&'a Injected>,
        headers: &mut HeaderMap,
        path: &'a str,
    ) -> Rules<'a> {
        if self.has_stray_token {
            caller::remove_tokens(headers);
        }
        let mut rules = Rules::new(match self.keeps_own_key {
            true => &self.provider.strip_none,
            false => &self.provider.strip_all,
        });
        if let Some(injected) = injected {
            rules.credential = injected.credential.as_ref();
            rules.more = &injected.more;
            rules.scrubber = Some(&injected.scrubber);
        }
        let location = LocationRule {
            prefix: self
                .target
                .path_and_query()
                .path()
                .get(..self.prefix)
                .unwrap_or_default(),
            mount: path.get(..self.mount).unwrap_or_default(),
            allowed: &[],
        };
        // An origin that the operator named may be anything, also this gateway; and it need not be one that
        // keeps what it is told to itself.
        let (cdn_loop, accept_encoding) = if self.provider.provider.is_overridden() {
            let mark = gateway.loop_mark().value();
            (CdnLoop::Send(mark), AcceptEncoding::Identity)
        } else {
            (CdnLoop::Drop, AcceptEncoding::Client)
        };
        Rules {
            location,
            cdn_loop,
            accept_encoding,
            ..rules
        }
    }
}
