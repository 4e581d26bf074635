//! What would become of a request, told without sending it.
//!
//! The decision is the request path's own, and so is the rewriting, so that an explanation says what happens and
//! nothing else. Nothing is sent, no last use is noted, and nothing is counted.
//!
//! What is not decided here: whether a token for some models is for the one that the body names, whether the gateway
//! has room for one more request, whether the provider can be reached, and what it answers. A request that goes to
//! several providers, or where its body says, is not followed: [`Outcome::NotFollowed`].

mod headers;
mod known;
mod listener;
mod target;
mod words;

use std::{
    convert::Infallible,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll},
    time::SystemTime,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Uri};
use http_body::{Body, Frame, SizeHint};
use keyward_auth::TokenId;
use keyward_forward::Handshake;
use keyward_registry::{ProviderKeyId, Snapshot};
use keyward_secret::{AccountId, Origin};
use keyward_vault::VersionNumber;

pub(crate) use self::known::Known;
use self::target::shown_target;
use crate::{
    Gateway, GatewayAddress,
    caller::{self, Caller},
    credentials::{Injected, StoredValue},
    head::{Field, Head},
    request::{self, Part, Plan, Seen, Sender, Stop, Turn, shown},
    subprotocols, upgrade,
    ways::{To, Unaddressed},
    worker::{State, Trace},
};

/// What would become of a request.
///
/// It holds no secret: of headers the names, and values of those alone that the gateway makes up itself; of the query
/// what can be no key; of tokens and keys the ids.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The request's path and query, with `***` for what may be a token or a key.
    pub target: String,
    /// What the path addresses; none where it addresses nothing.
    pub address: Option<Address>,
    /// What stands in the places of a gateway token.
    pub token: Token,
    /// What would become of it.
    pub outcome: Outcome,
}

/// What a request's path addresses. Names that can be none are `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Address {
    /// The account.
    pub account: AccountId,
    /// The gateway's name.
    pub gateway: String,
    /// The provider, as the path names it; empty where it names none.
    pub provider: String,
}

/// What stands in the places where a gateway token may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each wants other words")]
pub enum Token {
    /// Nothing that claims to be a token.
    Absent,
    /// Something malformed, encoded or hidden, or several different tokens.
    Malformed,
    /// A token that the addressed account does not have.
    Unknown,
    /// This one. Whether it may do what is asked is another question.
    Known(TokenId),
}

/// What would become of a request.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a request goes on or it does not, and a caller must handle each case"
)]
pub enum Outcome {
    /// It would be sent to the provider.
    Forwarded(Box<Forwarded>),
    /// It would go to several providers or where its body says, which is not followed here.
    NotFollowed(NotFollowed),
    /// The gateway would answer it.
    Refused(Refused),
}

/// A way in that names no provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each wants other words")]
pub enum NotFollowed {
    /// `compat`: to the provider and model that the body names, or along a route. Token and gateway are decided.
    Unified,
    /// `compat/models`: to the gateway's providers, for their lists. Token and gateway are decided.
    Models,
    /// To several providers in turn. Token and gateway are decided.
    Universal,
    /// A path of the REST API for inference: to the model that the body names. A header names the gateway: nothing is
    /// decided.
    Inference,
}

/// How a request would go on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Forwarded {
    /// The provider's slug.
    pub provider: String,
    /// Where it would go.
    pub origin: Origin,
    /// The path and query there, with `***` for what may be a key.
    pub target: String,
    /// Whose credential it would carry.
    pub credential: Credential,
    /// Whether the provider is one of the account's own.
    pub is_custom: bool,
    /// Whether it is a WebSocket handshake.
    pub is_handshake: bool,
    /// Names of headers whose values would not go on, in the request's order.
    pub dropped: Vec<String>,
    /// Headers that the gateway would set.
    pub set: Vec<SetHeader>,
    /// Names of headers that would go on as they are.
    pub kept: Vec<String>,
    /// Names of headers that would be cut from an answer; `*` stands for any ending.
    pub cut_from_answer: Vec<&'static str>,
    /// Whether a compressed answer is asked for as the client asks. Otherwise `identity` is asked for.
    pub may_be_compressed: bool,
}

/// Whose credential a request would carry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each wants other words")]
pub enum Credential {
    /// A stored key.
    Stored {
        /// The provider key.
        key: ProviderKeyId,
        /// The version of its value.
        version: VersionNumber,
        /// Whether `cf-aig-byok-alias` chose it. Otherwise its alias is `default`, which needs no header.
        is_asked_for: bool,
    },
    /// The client's own, where it stands.
    Client,
    /// The client's own, from a sub-protocol or the query into the header in which the provider takes one.
    ClientMoved,
    /// The stored headers of a custom provider alone.
    ProviderHeaders,
}

/// A header that the gateway sets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetHeader {
    /// Its name.
    pub name: String,
    /// Its value; none where it is or may be secret.
    pub value: Option<String>,
}

/// How the gateway would answer by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// The code in the envelope; none where the listener refuses, whose answers have no body.
    pub code: Option<u16>,
    /// What the client would read; empty where there is no body.
    pub message: String,
    /// Why, where the client is not told.
    pub reason: Option<String>,
    /// What mends it, as far as a command does.
    pub help: Option<String>,
}

impl Gateway {
    /// Says what would become of `request` from `source` at `now`: its path and headers as a client sends them to
    /// [`serve`](Self::serve), over HTTP/1.1 unless its version says otherwise. A body is taken to be there where the
    /// headers announce one. What is told of its framing is how it would go over HTTP/1.1.
    ///
    /// Opens the stored key that the request would use, and forgets it again. Does no I/O.
    #[must_use]
    pub fn explain(
        &self,
        mut request: Request<()>,
        source: IpAddr,
        now: SystemTime,
    ) -> Explanation {
        let before = request.headers().clone();
        let read = listener::read(&mut request, &self.config().listen);
        let uri = std::mem::take(request.uri_mut());
        let address = address(uri.path());
        let (token, outcome) = match read {
            Ok(_) if is_inference(uri.path()) => {
                (Token::Absent, Outcome::NotFollowed(NotFollowed::Inference))
            }
            Ok(announced) => {
                let request = request.map(|()| announced);
                self.explain_read(request, &before, &uri, address.as_ref(), (source, now))
            }
            // Nobody looks for a token.
            Err(refused) => (Token::Absent, Outcome::Refused(refused)),
        };
        Explanation {
            target: shown_target(
                uri.path(),
                uri.query(),
                address.as_ref().map(|address| address.account),
            ),
            address: address.as_ref().map(Address::of),
            token,
            outcome,
        }
    }

    /// The same for a request that the listener passes on.
    fn explain_read(
        &self,
        mut request: Request<Announced>,
        before: &HeaderMap,
        uri: &Uri,
        address: Option<&GatewayAddress<'_>>,
        (source, now): (IpAddr, SystemTime),
    ) -> (Token, Outcome) {
        let taken = upgrade::take(&mut request);
        let mut state = State::new(self.registry(), Trace::None);
        let handshake = taken.as_ref().ok().and_then(Option::as_deref).cloned();
        let decided = taken.and_then(|handshake| {
            let handshake = handshake.as_deref();
            let mut decide = |turn: &Turn| {
                let sender = Sender {
                    source,
                    known: None,
                    seen: Seen::Assumed,
                    turn,
                };
                request::decide(self, &mut state, &request, uri, handshake, sender, now)
            };
            let stop = match decide(&Turn::Client) {
                Ok(plan) => return Ok(Decided::Goes(Box::new(plan))),
                Err(stop) => stop,
            };
            match stop {
                Stop::Goes(way) => match NotFollowed::of(way.to) {
                    Some(not_followed) => Ok(Decided::NotFollowed(not_followed)),
                    // With time limits or more attempts than one: each is decided so.
                    None => decide(&Turn::Inner(Part::default()))
                        .map(|plan| Decided::Goes(Box::new(plan)))
                        .map_err(Stop::refusal),
                },
                stop => Err(stop.refusal()),
            }
        });
        let (snapshot, _is_new) = state.reader.current();
        let token = match address {
            Some(address) => {
                self.find_token(snapshot, address, before, uri, handshake.as_ref(), now)
            }
            None => Token::Absent,
        };
        let told = decided.and_then(|decided| match decided {
            Decided::NotFollowed(not_followed) => Ok(Outcome::NotFollowed(not_followed)),
            Decided::Goes(plan) => {
                headers::forwarded(self, &plan, (before, request), handshake, uri.path())
                    .map(|forwarded| Outcome::Forwarded(Box::new(forwarded)))
            }
        });
        let outcome = told.unwrap_or_else(|refusal| {
            Outcome::Refused(words::refused(&refusal, address, token, source))
        });
        (token, outcome)
    }

    /// The token, looked for as the decision does, where the addressed account has it: of other accounts nothing is
    /// told.
    fn find_token(
        &self,
        snapshot: &Snapshot,
        address: &GatewayAddress<'_>,
        headers: &HeaderMap,
        uri: &Uri,
        handshake: Option<&Handshake>,
        now: SystemTime,
    ) -> Token {
        let entry = self.providers().find(address.provider);
        let custom = request::custom_provider(snapshot, address);
        let provider = entry
            .map(|entry| entry.provider.as_ref())
            .or_else(|| custom.map(|custom| custom.provider.as_ref()));
        let offers = handshake.map(|handshake| subprotocols::read(handshake.protocols(), provider));
        let head = Head::of(headers);
        let caller = Caller::find(&head, headers, uri.query(), provider, offers.as_deref());
        match &caller.token {
            caller::Presented::Absent => Token::Absent,
            caller::Presented::Bad => Token::Malformed,
            caller::Presented::Token(text) => snapshot
                .tokens()
                .find(&text.digest(), now)
                .filter(|entry| entry.record.grant.account == address.account)
                .map_or(Token::Unknown, |entry| Token::Known(entry.record.id)),
        }
    }
}

/// What was decided of a request.
enum Decided {
    Goes(Box<Plan>),
    NotFollowed(NotFollowed),
}

impl NotFollowed {
    const fn of(to: To) -> Option<Self> {
        match to {
            To::Provider => None,
            To::Unified => Some(Self::Unified),
            To::Models => Some(Self::Models),
            To::Universal => Some(Self::Universal),
            To::Inference(_) => Some(Self::Inference),
        }
    }
}

/// The account and the gateway that a path names, whether with a provider behind them or without. The gateway's name is
/// as the path has it, which may be anything.
#[must_use]
pub fn place(path: &str) -> Option<(AccountId, &str)> {
    let address = address(path)?;
    Some((address.account, address.gateway))
}

/// What a path addresses; the provider is empty where it names none.
fn address(path: &str) -> Option<GatewayAddress<'_>> {
    GatewayAddress::parse(path).ok().or_else(|| {
        let unaddressed = Unaddressed::parse(path)?;
        Some(GatewayAddress {
            account: unaddressed.account,
            gateway: unaddressed.gateway?,
            provider: "",
            rest: "",
        })
    })
}

/// Whether it is a path of the REST API for inference, which names no gateway.
fn is_inference(path: &str) -> bool {
    Unaddressed::parse(path).is_some_and(|unaddressed| unaddressed.gateway.is_none())
}

impl Address {
    fn of(address: &GatewayAddress<'_>) -> Self {
        Self {
            account: address.account,
            gateway: shown(address.gateway),
            provider: shown(address.provider),
        }
    }
}

impl Credential {
    /// `headers` are the client's.
    fn of(plan: &Plan, headers: &HeaderMap) -> Self {
        match plan.injected.as_deref() {
            Some(Injected {
                stored: Some(StoredValue { of, .. }),
                ..
            }) => Self::Stored {
                key: of.id,
                version: of.version,
                is_asked_for: !matches!(Head::of(headers).alias, Field::Absent),
            },
            _ if plan.keeps_own_key => Self::Client,
            Some(Injected {
                credential: Some(_),
                ..
            }) => Self::ClientMoved,
            _ => Self::ProviderHeaders,
        }
    }
}

/// A body of which only is known how it was announced.
#[derive(Clone, Copy)]
enum Announced {
    Length(u64),
    /// In chunks, whose end alone tells the length.
    Unknown,
}

impl Body for Announced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Length(0))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Length(length) => SizeHint::with_exact(*length),
            Self::Unknown => SizeHint::default(),
        }
    }
}
