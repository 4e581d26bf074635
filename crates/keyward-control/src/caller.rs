//! Who is calling, and may they.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::SystemTime,
};

use http::{HeaderMap, header::AUTHORIZATION};
use keyward_auth::{
    Decision, Entry, Grant, Kind, ManageAsk, ManagePlace, Networks, Permission, Reason, Status,
    TokenDigest, TokenId, TokenText, decide_manage_at,
};
use keyward_registry::{Actor, Snapshot};
use keyward_secret::AccountId;

use crate::envelope::Problem;

/// Where a request comes from. The accept loop puts it into the request's extensions; a host with an accept
/// loop of its own does the same. Without it, tokens that are bound to networks are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// The holder of an API token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    entry: Arc<Entry>,
    /// None: nothing is known of where the request comes from, and the token is good anywhere.
    source: Option<IpAddr>,
}

impl Caller {
    /// Finds the token that the request carries. It may be expired or disabled; it is one of ours, for this
    /// plane, and used from where it may be.
    pub(crate) fn identify(
        snapshot: &Snapshot,
        headers: &HeaderMap,
        peer: Option<Peer>,
        now: SystemTime,
    ) -> Result<Self, Problem> {
        let caller = Self::find(snapshot, headers, peer, now);
        caller.ok_or_else(Problem::unauthenticated)
    }

    /// The same caller if the token is in force. Notes that it was used.
    pub(crate) fn in_force(self, now: SystemTime) -> Result<Self, Problem> {
        let is_early = self.grant().not_before.is_some_and(|start| now < start);
        if is_early || self.status(now) != Status::Active {
            return Err(Problem::unauthenticated());
        }
        self.entry.last_used.touch_at(now);
        Ok(self)
    }

    fn find(
        snapshot: &Snapshot,
        headers: &HeaderMap,
        peer: Option<Peer>,
        now: SystemTime,
    ) -> Option<Self> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        let (scheme, token) = value.as_bytes().split_first_chunk::<7>()?;
        if !scheme.eq_ignore_ascii_case(b"Bearer ") {
            return None;
        }
        Self::of_text(snapshot, token.trim_ascii(), peer, now)
    }

    /// The holder of the API token with this text.
    pub(crate) fn of_text(
        snapshot: &Snapshot,
        text: &[u8],
        peer: Option<Peer>,
        now: SystemTime,
    ) -> Option<Self> {
        let text = TokenText::parse(text).ok()?;
        Self::from_there(snapshot.tokens().find(&text.digest(), now)?, peer)
    }

    /// The holder of an API token that was shown before: `text` is the digest of its text then, which is good no more
    /// where the token was rolled.
    pub(crate) fn known(
        snapshot: &Snapshot,
        token: TokenId,
        text: &TokenDigest,
        peer: Option<Peer>,
    ) -> Option<Self> {
        let entry = snapshot.tokens().find_by_id(token)?;
        let caller = Self::from_there(entry, peer)?;
        (caller.entry.record.digest == *text).then_some(caller)
    }

    /// The same caller as things stand now: while a body came in, the token may have been revoked, rolled or changed.
    pub(crate) fn renewed(self, snapshot: &Snapshot, now: SystemTime) -> Result<Self, Problem> {
        let known = snapshot.tokens().find_by_id(self.entry.record.id);
        let entry = known.ok_or_else(Problem::unauthenticated)?;
        if Arc::ptr_eq(entry, &self.entry) {
            return Ok(self);
        }
        let (before, record) = (&self.entry.record, &entry.record);
        let retires = |digest| record.retiring.is_some_and(|old| old.digest == digest);
        let is_good = before.digest == record.digest || retires(before.digest);
        let renewed = is_good.then(|| Self::from_source(entry, self.source));
        let renewed = renewed.flatten().ok_or_else(Problem::unauthenticated)?;
        renewed.in_force(now)
    }

    fn from_there(entry: &Arc<Entry>, peer: Option<Peer>) -> Option<Self> {
        let source = peer.map(|Peer(address)| address.ip().to_canonical());
        Self::from_source(entry, source)
    }

    fn from_source(entry: &Arc<Entry>, source: Option<IpAddr>) -> Option<Self> {
        let grant = &entry.record.grant;
        let is_from_there = match source {
            Some(source) => grant.networks.allows(source),
            // Nothing is known of where the request comes from, so only a token that is good anywhere is.
            None => grant.networks == Networks::default(),
        };
        let is_good = entry.record.kind == Kind::Api && is_from_there;
        is_good.then(|| Self {
            entry: Arc::clone(entry),
            source,
        })
    }

    /// Refuses unless the caller may use `permission` at `place` of `account`.
    pub(crate) fn require(
        &self,
        account: AccountId,
        permission: Permission,
        place: ManagePlace<'_>,
        now: SystemTime,
    ) -> Result<(), Problem> {
        match self.decide(account, permission, place, now) {
            Decision::Allow => Ok(()),
            Decision::Deny(reason) => {
                tracing::debug!(token = %self.entry.record.id, %reason, "a request to the control plane is refused");
                Err(match reason {
                    Reason::Account => Problem::no_account(),
                    _ => Problem::forbidden(),
                })
            }
        }
    }

    /// Whether the caller may use `permission` at `place` of `account`, where an answer says less if not.
    pub(crate) fn may(
        &self,
        account: AccountId,
        permission: Permission,
        place: ManagePlace<'_>,
        now: SystemTime,
    ) -> bool {
        self.decide(account, permission, place, now) == Decision::Allow
    }

    fn decide(
        &self,
        account: AccountId,
        permission: Permission,
        place: ManagePlace<'_>,
        now: SystemTime,
    ) -> Decision {
        let ask = ManageAsk {
            account,
            permission,
            source: self.source.unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
        };
        decide_manage_at(self.entry.record.kind, self.grant(), &ask, place, now)
    }

    /// Whether what `grant` reaches lies wholly inside what the caller's token is for: then it may be seen
    /// and revoked by it.
    pub(crate) fn covers_scope_of(&self, grant: &Grant) -> bool {
        let own = self.grant();
        grant.account == own.account
            && grant.gateways.is_within(&own.gateways)
            && grant.providers.is_within(&own.providers)
            && grant.aliases.is_within(&own.aliases)
    }

    pub(crate) fn grant(&self) -> &Grant {
        &self.entry.record.grant
    }

    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Where the request comes from, if that is known.
    pub(crate) const fn source(&self) -> Option<IpAddr> {
        self.source
    }

    pub(crate) fn actor(&self) -> Actor {
        Actor::Token {
            id: self.entry.record.id,
            source: self.source,
        }
    }

    pub(crate) fn status(&self, now: SystemTime) -> Status {
        self.entry.record.status(now)
    }
}
