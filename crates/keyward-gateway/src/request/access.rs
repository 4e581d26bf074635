//! Who sends a request, and what they may: token, gateway, grant.

use std::sync::Arc;

use keyward_auth::{
    Decision, Entry, Failure, Kind, Permission, Reason, RunAsk, Status, TokenId, decide_run,
};
use keyward_providers::{Class, Provider};
use keyward_registry::Gateway as GatewayView;

use super::Step;
use crate::{
    Gateway,
    caller::{Caller, Presented, decodings, holds_token},
    gateway::ProviderEntry,
    respond::{Denied, Refusal},
    subprotocols::{self, Offer},
    worker::{State, Trace},
};

/// Who sends a request, and the gateway that it is for. What they may do there is another question.
pub(super) struct Entered<'a> {
    /// What each sub-protocol is, where the request is a WebSocket handshake.
    pub(super) offers: Option<Vec<Offer<'a>>>,
    pub(super) caller: Caller<'a>,
    /// The token; none where none is presented and the gateway wants none.
    pub(super) token: Option<&'a Arc<Entry>>,
    pub(super) view: &'a GatewayView,
}

impl<'a> Step<'a> {
    /// Who sends the request, by a token that must be known, and the gateway, where they may know of it.
    pub(super) fn enter(
        &self,
        gateway: &Gateway,
        provider: Option<&Provider>,
    ) -> Result<Entered<'a>, Refusal> {
        let offers = self.offers(provider);
        let query = self.uri.query();
        let caller = Caller::find(self.head, self.headers, query, provider, offers.as_deref());
        let token = self.verify(gateway, &caller)?;
        Ok(Entered {
            view: self.gateway(token)?,
            offers,
            caller,
            token,
        })
    }

    /// The same for a request that may be told which providers there are: it may use the gateway.
    pub(super) fn enter_as_user(
        &self,
        gateway: &Gateway,
        provider: Option<&Provider>,
    ) -> Result<Entered<'a>, Refusal> {
        let entered = self.enter(gateway, provider)?;
        if let Some(token) = entered.token {
            self.check_entry(token)?;
        }
        Ok(entered)
    }

    /// What each sub-protocol is, where the request is a WebSocket handshake.
    fn offers(&self, provider: Option<&Provider>) -> Option<Vec<Offer<'a>>> {
        let handshake = self.handshake?;
        Some(subprotocols::read(handshake.protocols(), provider))
    }

    /// The token, where there is one: it must be known. Whether it may is another question.
    ///
    /// A known token is found first, so that nobody behind the same address can get it refused. All else is
    /// counted, and the answer is the same whether the source is over its limit or not.
    fn verify(
        &self,
        gateway: &Gateway,
        caller: &Caller<'_>,
    ) -> Result<Option<&'a Arc<Entry>>, Refusal> {
        let (denied, unknown) = match &caller.token {
            Presented::Absent => return Ok(self.sender.known),
            // Two tokens cannot both be meant.
            _ if self.sender.known.is_some() => (Denied::Malformed, None),
            Presented::Bad => (Denied::Malformed, None),
            Presented::Token(text) => {
                let entry = self.snapshot.tokens().find(&text.digest(), self.now);
                if entry.is_some() {
                    return Ok(entry);
                }
                (Denied::Unknown, Some(text.id()))
            }
        };
        if self.trace == Trace::Left {
            self.note_failure(gateway, unknown);
        }
        Err(Refusal::Unauthorized(denied))
    }

    /// Counts a token that does not verify; its id, where what is presented has one.
    fn note_failure(&self, gateway: &Gateway, unknown: Option<TokenId>) {
        let failure = gateway.note_failure(self.sender.source, self.now);
        let limited = if failure.is_over() { "yes" } else { "no" };
        metrics::counter!("keyward_failed_authentications_total", "plane" => "data", "limited" => limited)
            .increment(1);
        match (failure, unknown) {
            (Failure::Counted, Some(id)) => {
                tracing::debug!(token = %id, "a token is unknown or revoked");
            }
            (Failure::Counted, None) => {
                tracing::debug!("what is presented as a token is malformed, hidden, or several");
            }
            (Failure::OverAndNews, _) => tracing::warn!(
                source = %self.sender.source,
                "many failed authentications come from one source; for a minute no more is said of it"
            ),
            (Failure::Over, _) => {}
        }
    }

    /// The gateway. Only who holds a token that could be for it learns that there is none.
    fn gateway(&self, token: Option<&Arc<Entry>>) -> Result<&'a GatewayView, Refusal> {
        let name = self.address.gateway;
        let found = self.snapshot.gateway(self.address.account, name);
        match (found, token) {
            (Some(view), None) if view.record().settings.authentication => {
                if self.trace == Trace::Left {
                    tracing::debug!("the gateway wants a token, and none is presented");
                }
                Err(Refusal::Unauthorized(Denied::Missing))
            }
            (Some(view), _) => Ok(view),
            (None, Some(token)) => {
                self.check_entry(token)?;
                Err(Refusal::GatewayUnknown {
                    gateway: shown(name),
                })
            }
            (None, None) => Err(Refusal::Unauthorized(Denied::NoGateway)),
        }
    }

    /// Whether the token could be for the gateway: then it learns what there is, and what there is not.
    pub(super) fn check_entry(&self, token: &Entry) -> Result<(), Refusal> {
        let grant = &token.record.grant;
        let reason = match token.record.status(self.now) {
            _ if token.record.kind != Kind::Gateway => Reason::WrongKind,
            _ if grant.account != self.address.account => Reason::Account,
            _ if !grant.gateways.allows(self.address.gateway) => Reason::Gateway,
            Status::Disabled => Reason::Disabled,
            Status::Expired => Reason::Expired,
            Status::Active => return Ok(()),
        };
        Err(Refusal::Unauthorized(Denied::Grant(reason)))
    }

    /// Whether the token may send anything at all: before a body of it is read, or anything is counted.
    pub(super) fn check_sender(&self, token: &Entry) -> Result<(), Refusal> {
        self.check_entry(token)?;
        let grant = &token.record.grant;
        let reason = match () {
            () if !grant.permissions.contains(Permission::AiGatewayRun) => Reason::Permission,
            () if !grant.networks.allows(self.sender.source) => Reason::Network,
            () => return Ok(()),
        };
        Err(Refusal::Unauthorized(Denied::Grant(reason)))
    }

    /// A provider that is not there. Who may not use the gateway learns no more than that.
    pub(super) fn unknown_provider(&self, gateway: &Gateway) -> Refusal {
        let entered = self.enter_as_user(gateway, None);
        entered.err().unwrap_or_else(|| Refusal::ProviderUnknown {
            provider: shown(self.address.provider),
        })
    }

    /// Whether the token may do what is asked, by its grant.
    pub(super) fn check(
        &self,
        token: &Entry,
        entry: &ProviderEntry,
        alias: Option<&str>,
        class: Class,
    ) -> Result<(), Refusal> {
        let wanted = self.wanted(token, &entry.provider, class);
        let ask = RunAsk {
            account: self.address.account,
            gateway: self.address.gateway,
            provider: entry.provider.slug(),
            alias,
            class: class.bit(),
            model: wanted.asked(),
            source: self.sender.source,
        };
        match decide_run(token.record.kind, &token.record.grant, &ask, self.now) {
            Decision::Allow => Ok(()),
            Decision::Deny(reason) => {
                if self.trace == Trace::Left {
                    tracing::debug!(token = %token.record.id, %reason, "a token may not do what it asks for");
                }
                Err(Refusal::Unauthorized(Denied::Grant(reason)))
            }
        }
    }

    /// The client's own key goes through, unless the gateway takes stored keys only.
    pub(super) fn allow_own_key(
        &self,
        state: &mut State,
        view: &GatewayView,
        token: Option<&Arc<Entry>>,
        entry: &ProviderEntry,
        class: Class,
    ) -> Result<(), Refusal> {
        if let Some(token) = token {
            self.check(token, entry, None, class)?;
        }
        let provider = entry.provider.slug();
        state.counted = state.keyless.find(view.record(), provider);
        if view.record().settings.stored_keys_only {
            return Err(Refusal::OwnKeyForbidden {
                gateway: self.address.gateway.to_owned(),
            });
        }
        Ok(())
    }
}

/// A name of the path as an answer and the log may repeat it: what cannot be meant as a name may be anything,
/// also a token or a key, plain or encoded.
pub(crate) fn shown(name: &str) -> String {
    match decodings(name).iter().any(|name| may_be_secret(name)) {
        true => "?".to_owned(),
        false => name.to_owned(),
    }
}

fn may_be_secret(name: &[u8]) -> bool {
    /// The longest name that there can be.
    const LONGEST: usize = 64;
    /// A name that is longer has words, and a random text has digits. A guess.
    const LONGEST_WORD: usize = 32;
    let is_random =
        name.len() > LONGEST_WORD && !name.contains(&b'-') && name.iter().any(u8::is_ascii_digit);
    name.len() > LONGEST
        || is_random
        || keyward_auth::is_ours(name)
        || holds_token(name)
        || keyward_providers::looks_like_key(name)
}
