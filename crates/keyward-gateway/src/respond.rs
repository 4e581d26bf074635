//! Our errors → Cloudflare's shape. The only place of the data plane that knows codes and statuses.
//!
//! The shape is wire-spec §3.0 (`error` singular, an array), the codes below 9000 are Cloudflare's (§3.6),
//! those from 9001 up are ours. docs/errors.md lists them all, each with what to do.

use std::time::SystemTime;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use jiff::Timestamp;
use keyward_auth::Reason;
use keyward_forward::{Fault, ForwardError, Kind};
use keyward_routes::{BudgetWindow, Money};
use serde_json::json;

use crate::{cut::Revoked, request_id::Ids, rules::Whose};

const ERROR_SOURCE: HeaderName = HeaderName::from_static("cf-aig-error-source");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// When a request that found everything in use may be sent again, in seconds. A guess: answers take as long.
const RETRY_AFTER_SECS: HeaderValue = HeaderValue::from_static("2");

/// What the listener answers by itself, without a body, before the gateway sees a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    HeadTooLarge,
    Malformed,
}

impl Unread {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Malformed => StatusCode::BAD_REQUEST,
        }
    }
}

/// Why a request is answered by the gateway itself. The texts are for the client: they name what is missing
/// and the command that mends it, and hold no secret. docs/errors.md has a line for each code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("Unauthorized")]
    Unauthorized(Denied),
    #[error(
        "There is no gateway `{gateway}` in this account. Make it with `keyward gateways create {gateway}`, or correct the URL."
    )]
    GatewayUnknown { gateway: String },
    #[error(
        "Invalid provider: there is no provider `{provider}`. docs/providers.md lists the slugs that Keyward knows."
    )]
    ProviderUnknown { provider: String },
    #[error("Invalid provider: `{provider}` cannot be used: {reason}")]
    ProviderRefused { provider: String, reason: String },
    #[error(
        "Provider '{provider}' has no BYOK credential named '{alias}'. Configured aliases: {configured}. Store it with `keyward keys add {provider} --gateway {gateway} --alias {alias}`."
    )]
    AliasUnknown {
        gateway: String,
        provider: String,
        alias: String,
        configured: String,
    },
    #[error(
        "Provider credentials required: gateway `{gateway}` has no stored key for `{provider}`, and the request carries none. Store one with `keyward keys add {provider} --gateway {gateway}`."
    )]
    KeyMissing { gateway: String, provider: String },
    #[error("{0}")]
    Path(String),
    #[error("The request must carry exactly one Host, and address no other server.")]
    Host,
    #[error(
        "The header that carries the provider's key stands in the request more than once. Send it once."
    )]
    CredentialRepeated,
    #[error(
        "Gateway `{gateway}` does not take the client's own provider keys. Leave the key out, and the stored one is used."
    )]
    OwnKeyForbidden { gateway: String },
    #[error("Method {method} is not passed on. Use the one that the provider's API asks for.")]
    Method { method: String },
    #[error(
        "This upgrade is not passed on: {0}. Send the request without `Upgrade`, or correct the handshake; docs/compatibility.md says where WebSockets go."
    )]
    Upgrade(&'static str),
    #[error("The only expectation that is met is `100-continue`. Leave `Expect` out.")]
    Expectation,
    #[error(
        "The request came back to this gateway: an overridden or custom provider leads here again. Correct its `base_url`."
    )]
    Loop,
    #[error("Header `cdn-loop` is no list of CDN ids. Correct it, or leave it out.")]
    LoopHeader,
    #[error("Header `{name}` {problem}. Correct it, or leave it out.")]
    Header {
        name: &'static str,
        problem: &'static str,
    },
    #[error("{0}. Correct the request; docs/compatibility.md says what is passed on.")]
    Target(String),
    #[error(
        "The stored key for `{provider}`, alias `{alias}`, is disabled by an operator. Enable it with `keyward keys enable {provider} --gateway {gateway} --alias {alias}`."
    )]
    KeyDisabled {
        gateway: String,
        provider: String,
        alias: String,
    },
    #[error(
        "The stored key for `{provider}`, alias `{alias}`, is {status} {why}. Replace it with `keyward keys rotate {provider} --gateway {gateway} --alias {alias}`; it is tried now and then, and is in use again when the provider takes it."
    )]
    KeyNotActive {
        gateway: String,
        provider: String,
        alias: String,
        status: &'static str,
        /// Since when, and what the provider said.
        why: String,
    },
    #[error(
        "The stored key for `{provider}`, alias `{alias}`, is expired: it was to be used until {at}. Give it a later date with `keyward keys update {provider} --gateway {gateway} --alias {alias} --expires-on DATE`; `keyward keys rotate` gives it a new value and leaves the date."
    )]
    KeyPast {
        gateway: String,
        provider: String,
        alias: String,
        at: String,
    },
    #[error(
        "No key of the pool for `{provider}` in gateway `{gateway}` can be used now: {members}. Try again after the seconds in `Retry-After`, or add a key to the pool; docs/pools.md says how keys recover."
    )]
    PoolLimited {
        gateway: String,
        provider: String,
        members: String,
        seconds: u64,
    },
    #[error(
        "No key of the pool for `{provider}` in gateway `{gateway}` can be used: {members}. Replace or enable one; `keyward keys list --provider {provider} --gateway {gateway}` shows them."
    )]
    PoolUnusable {
        gateway: String,
        provider: String,
        members: String,
    },
    #[error(
        "The stored key for `{provider}`, alias `{alias}`, was refused: {reason}. The gateway token is fine. Replace the key with `keyward keys rotate {provider} --gateway {gateway} --alias {alias}`."
    )]
    KeyRefused {
        gateway: String,
        provider: String,
        alias: String,
        reason: String,
    },
    #[error(
        "The stored key for `{provider}`, alias `{alias}`, is sealed for {sealed_for}, and `{provider}` is at {wanted} now. Enter the key again with `keyward keys rotate {provider} --gateway {gateway} --alias {alias}`."
    )]
    KeyElsewhere {
        gateway: String,
        provider: String,
        alias: String,
        sealed_for: String,
        wanted: String,
    },
    #[error(
        "The stored key for `{provider}`, alias `{alias}`, cannot be used: its secret is missing, damaged, or has lost the scope `ai_gateway`. Enter the key again with `keyward keys rotate {provider} --gateway {gateway} --alias {alias}`."
    )]
    KeyDamaged {
        gateway: String,
        provider: String,
        alias: String,
    },
    #[error(
        "The stored headers of `{provider}` are sealed for {sealed_for}, and `{provider}` is at {wanted} now. Enter them again with `keyward providers update {slug} --headers-file FILE`."
    )]
    HeadersElsewhere {
        provider: String,
        slug: String,
        sealed_for: String,
        wanted: String,
    },
    #[error(
        "The stored headers of `{provider}` cannot be opened: their record is damaged. Enter them again with `keyward providers update {slug} --headers-file FILE`."
    )]
    HeadersDamaged { provider: String, slug: String },
    #[error(
        "The stored key was revoked while the request was under way, and the request was cut. Send it again if there is another key."
    )]
    KeyCut,
    #[error(
        "The provider was changed or removed while the request was under way, and the request was cut. Send it again if the provider is still there."
    )]
    ProviderCut,
    #[error("{0}")]
    Upstream(String),
    #[error("{0}")]
    UpstreamSlow(String),
    #[error("{0}, after the seconds in `Retry-After`; `[upstream] max_connections` is the limit")]
    UpstreamBusy(String),
    #[error("{0}; its base URL may be wrong: tell who runs the gateway")]
    RedirectRefused(String),
    #[error(
        "{host} leads to an address that is not public. If that is meant, name the host in the configuration file: `[providers.NAME] base_url = \"…\"`."
    )]
    AddressForbidden { host: String },
    #[error("{0}")]
    AnswerEncoding(String),
    #[error("{0}")]
    RequestBody(String),
    #[error("{0}")]
    RequestBodySlow(String),
    #[error("Chat completion bad format: {0}.")]
    Chat(String),
    #[error(
        "The universal endpoint takes an array of requests: {0}. Correct the body; docs/requests.md has the form."
    )]
    Entries(String),
    #[error(
        "The unified endpoint has `chat/completions` and `models`, and nothing else. For other endpoints name the provider in the path."
    )]
    CompatPath,
    #[error(
        "Failed to get response from provider: there is no route of this name in the gateway. Correct `model`, or make the route."
    )]
    RouteUnknown,
    #[error(
        "Failed to get response from provider: the deployed version of the route cannot be used any more. Save its elements anew, and deploy them."
    )]
    RouteBroken,
    #[error(
        "Failed to get response from provider: no model of route `{route}` answered: {failed}. Try again, or add a fall-back to the route."
    )]
    RouteFailed { route: String, failed: String },
    #[error(
        "The request's body is longer than {mib} MiB, and has to be read before it is known where it goes, or whether its token may send it. Send a shorter one, or one to the provider's own path with a token for every model."
    )]
    BodyTooLong { mib: usize },
    #[error("The token is for some models, and which one is asked for cannot be told: {0}.")]
    ModelUnread(String),
    #[error("Rate limited")]
    RateLimited {
        /// What is limited, in one word.
        what: &'static str,
        limit: u64,
        /// In seconds.
        window: u64,
        seconds: u64,
    },
    #[error("{0}")]
    SpendLimited(Box<NoRoom>),
    #[error(
        "The gateway's spend limits count what this request costs, and that cannot be told: {0}. Correct the request."
    )]
    CostUnread(String),
    #[error(
        "Spend rule '{rule}' counts what this request costs, and nobody knows the price of model `{model}` of {provider}. Have its price configured with `[prices]`, or say there what unknown models cost; docs/cost.md has both."
    )]
    PriceUnknown {
        provider: String,
        model: String,
        rule: String,
    },
    #[error(
        "The request could not be counted against its rate limit, and is refused rather than let through. Try again after the seconds in `Retry-After`; tell who runs the gateway that its counters are not reachable."
    )]
    LimitsLost,
    #[error(
        "Too many requests are being forwarded. Try again after the seconds in `Retry-After`; `[gateway] memory_budget` is the limit."
    )]
    Busy,
}

/// A spend rule without room for a request. The text begins as the reference's does (wire-spec §6.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Spend limit exceeded: rule '{rule}'{of} (cost limit {limit} per {window}) for {provider} {model}: {spent} USD spent and {reserved} USD reserved for requests that run; the window ends in {seconds} s. Try again then, or have the rule changed.",
    of = .whose.told()
)]
pub(crate) struct NoRoom {
    pub(crate) rule: String,
    pub(crate) whose: Whose,
    pub(crate) limit: Money,
    pub(crate) window: BudgetWindow,
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) spent: Money,
    pub(crate) reserved: Money,
    pub(crate) seconds: u64,
}

/// Why a request is not authorized. Clients are not told: to them all of these look alike, or they could probe what a
/// stolen token is good for. Who may read the gateway is told, when they ask for an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The gateway wants a token, and none is presented.
    Missing,
    /// What is presented as a token is malformed, hidden, or several different ones.
    Malformed,
    /// The token is unknown or revoked.
    Unknown,
    /// No token is presented, and there is no such gateway.
    NoGateway,
    /// The token is not for this, by its grant.
    Grant(Reason),
    /// No token is presented, and what is stored is for authenticated requests.
    StoredNeedsToken,
}

impl From<Revoked> for Refusal {
    fn from(revoked: Revoked) -> Self {
        match revoked {
            Revoked::Token => Self::Unauthorized(Denied::Unknown),
            Revoked::Key => Self::KeyCut,
            Revoked::Custom => Self::ProviderCut,
        }
    }
}

impl Refusal {
    /// What the forwarder's failure means to the client.
    pub(crate) fn from_forward(error: &ForwardError) -> Self {
        tracing::debug!(
            error = error as &dyn std::error::Error,
            "a request was not answered"
        );
        let text = error.to_string();
        match error.kind() {
            Kind::RedirectOutside => Self::RedirectRefused(text),
            Kind::Busy => Self::UpstreamBusy(text),
            Kind::AddressForbidden => {
                // An operator must act, or somebody has pointed the name elsewhere.
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "an upstream leads to an address that is not allowed"
                );
                Self::AddressForbidden {
                    host: error.endpoint().origin().host().to_owned(),
                }
            }
            Kind::WrongDestination => Self::Upstream(text),
            Kind::Undecodable => Self::AnswerEncoding(text),
            Kind::RequestBodyTimeout => Self::RequestBodySlow(text),
            _ if error.fault() == Fault::Client => Self::RequestBody(text),
            _ if error.is_timeout() => Self::UpstreamSlow(text),
            _ => Self::Upstream(text),
        }
    }

    /// Status and code.
    pub(crate) const fn status(&self) -> (StatusCode, u16) {
        match self {
            Self::Unauthorized(_) => (StatusCode::UNAUTHORIZED, 2009),
            Self::GatewayUnknown { .. } => (StatusCode::BAD_REQUEST, 2001),
            Self::ProviderUnknown { .. } | Self::ProviderRefused { .. } => {
                (StatusCode::BAD_REQUEST, 2008)
            }
            Self::AliasUnknown { .. } => (StatusCode::BAD_REQUEST, 2040),
            Self::KeyMissing { .. } => (StatusCode::BAD_REQUEST, 2044),
            Self::Path(_) => (StatusCode::BAD_REQUEST, 9001),
            Self::Host => (StatusCode::BAD_REQUEST, 9002),
            Self::CredentialRepeated => (StatusCode::BAD_REQUEST, 9003),
            Self::OwnKeyForbidden { .. } => (StatusCode::BAD_REQUEST, 9004),
            Self::Method { .. } => (StatusCode::METHOD_NOT_ALLOWED, 9005),
            Self::Header { .. } | Self::LoopHeader => (StatusCode::BAD_REQUEST, 9006),
            Self::Target(_) => (StatusCode::BAD_REQUEST, 9007),
            Self::RequestBody(_) => (StatusCode::BAD_REQUEST, 9008),
            Self::RequestBodySlow(_) => (StatusCode::REQUEST_TIMEOUT, 9016),
            Self::ModelUnread(_) => (StatusCode::BAD_REQUEST, 9027),
            Self::Chat(_) => (StatusCode::BAD_REQUEST, 2019),
            Self::RouteUnknown | Self::RouteBroken | Self::RouteFailed { .. } => {
                (StatusCode::BAD_REQUEST, 2005)
            }
            Self::Entries(_) => (StatusCode::BAD_REQUEST, 9029),
            Self::CompatPath => (StatusCode::BAD_REQUEST, 9007),
            Self::BodyTooLong { .. } => (StatusCode::PAYLOAD_TOO_LARGE, 9028),
            Self::AnswerEncoding(_) => (StatusCode::BAD_GATEWAY, 9025),
            Self::Upgrade(_) => (StatusCode::NOT_IMPLEMENTED, 9009),
            Self::Expectation => (StatusCode::EXPECTATION_FAILED, 9015),
            Self::Loop => (StatusCode::LOOP_DETECTED, 9017),
            Self::KeyDisabled { .. } => (StatusCode::FAILED_DEPENDENCY, 9010),
            Self::KeyNotActive { .. } | Self::KeyPast { .. } => {
                (StatusCode::FAILED_DEPENDENCY, 9011)
            }
            Self::PoolLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, 9019),
            Self::PoolUnusable { .. } => (StatusCode::FAILED_DEPENDENCY, 9026),
            Self::KeyRefused { .. } => (StatusCode::FAILED_DEPENDENCY, 9018),
            Self::KeyElsewhere { .. } | Self::HeadersElsewhere { .. } => {
                (StatusCode::FAILED_DEPENDENCY, 9012)
            }
            Self::KeyDamaged { .. } | Self::HeadersDamaged { .. } => {
                (StatusCode::FAILED_DEPENDENCY, 9013)
            }
            Self::KeyCut | Self::ProviderCut => (StatusCode::FAILED_DEPENDENCY, 9014),
            Self::Upstream(_) => (StatusCode::BAD_GATEWAY, 9020),
            Self::UpstreamSlow(_) => (StatusCode::GATEWAY_TIMEOUT, 9021),
            Self::RedirectRefused(_) => (StatusCode::BAD_GATEWAY, 9022),
            Self::AddressForbidden { .. } => (StatusCode::BAD_GATEWAY, 9023),
            Self::UpstreamBusy(_) => (StatusCode::SERVICE_UNAVAILABLE, 9024),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, 9030),
            Self::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, 2003),
            Self::SpendLimited(_) => (StatusCode::TOO_MANY_REQUESTS, 2045),
            Self::PriceUnknown { .. } | Self::CostUnread(_) => (StatusCode::BAD_REQUEST, 9032),
            Self::LimitsLost => (StatusCode::SERVICE_UNAVAILABLE, 9031),
        }
    }

    /// What to do, where the message is one that clients of the reference know word by word. It is the same for
    /// every reason.
    const fn description(&self) -> Option<&'static str> {
        match self {
            Self::Unauthorized(_) => Some(
                "Unauthorized: send a gateway token that is in force for this in `cf-aig-authorization: Bearer …`, or where the provider's key would stand; `keyward tokens list` shows the tokens there are.",
            ),
            _ => None,
        }
    }

    /// When the request may be sent again, in seconds.
    fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            Self::PoolLimited { seconds, .. } | Self::RateLimited { seconds, .. } => {
                Some(HeaderValue::from(*seconds))
            }
            _ => (self.status().0 == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_SECS),
        }
    }

    /// Which limit the request is over, in fields that clients know: `RateLimit-Policy` and `RateLimit` as in
    /// draft-ietf-httpapi-ratelimit-headers (a list of one string with parameters: `q` the quota, `w` the window, `r` what
    /// is left, `t` the seconds until there is more).
    fn put_limit(&self, headers: &mut HeaderMap) {
        let Self::RateLimited {
            what,
            limit,
            window,
            seconds,
        } = self
        else {
            return;
        };
        let policy = format!("\"{what}\";q={limit};w={window}");
        let state = format!("\"{what}\";r=0;t={seconds}");
        for (name, text) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, state)] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
    }

    /// Whether another attempt may end otherwise: the provider was not reached, or not in time. All else was decided here,
    /// or is about an answer that the provider gave.
    const fn may_pass(&self) -> bool {
        matches!(self, Self::Upstream(_) | Self::UpstreamSlow(_))
    }

    /// The limit of cost of the route that has no room, by its element's id.
    fn full_element(&self) -> Option<&str> {
        match self {
            Self::SpendLimited(no_room) if no_room.whose == Whose::Route => Some(&no_room.rule),
            _ => None,
        }
    }

    /// The whole answer.
    pub(crate) fn into_response(self, ids: &Ids) -> Response<Bytes> {
        let (status, code) = self.status();
        let may_pass = self.may_pass();
        let retry_after = self.retry_after();
        let full_element = self.full_element().map(Box::from);
        let message = self.to_string();
        let description = self.description().unwrap_or(&message);
        let body = json!({
            "success": false,
            "result": [],
            "messages": [],
            "error": [{ "code": code, "message": message }],
            "name": "AiGatewayError",
            "httpCode": status.as_u16(),
            "internalCode": code,
            "message": message,
            "description": description,
        });
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = status;
        response.extensions_mut().insert(Own {
            code,
            message,
            may_pass,
            full_element,
        });
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ERROR_SOURCE, HeaderValue::from_static("gateway"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds);
        }
        self.put_limit(headers);
        ids.put(headers);
        response
    }
}

/// On an answer of the gateway's own.
#[derive(Clone, Debug)]
struct Own {
    code: u16,
    message: String,
    /// Whether another attempt may change it.
    may_pass: bool,
    /// The limit of cost of the route that has no room, by its element's id.
    full_element: Option<Box<str>>,
}

fn own<B>(answer: &Response<B>) -> Option<&Own> {
    answer.extensions().get::<Own>()
}

/// Whether the answer is the gateway's own, and another attempt does not change it.
pub(crate) fn stands<B>(answer: &Response<B>) -> bool {
    own(answer).is_some_and(|own| !own.may_pass)
}

/// What an answer that is no success says, in one line: the gateway's own words, or the provider's status.
pub(crate) fn gist<B>(answer: &Response<B>) -> String {
    match own(answer) {
        Some(Own { code, message, .. }) => format!("was refused here with {code}: {message}"),
        None => format!("answered {}", answer.status().as_u16()),
    }
}

/// Whether an answer is our own to a request that is over a limit.
pub(crate) fn is_over_limit<B>(answer: &Response<B>) -> bool {
    answer.status() == StatusCode::TOO_MANY_REQUESTS && is_own(answer)
}

/// The limit of cost of the route that the request found no room in, by its element's id.
pub(crate) fn full_element<B>(answer: &Response<B>) -> Option<Box<str>> {
    own(answer)?.full_element.clone()
}

/// Whether the gateway itself says that the request is not authorized.
pub(crate) fn is_denied<B>(answer: &Response<B>) -> bool {
    answer.status() == StatusCode::UNAUTHORIZED && is_own(answer)
}

fn is_own<B>(answer: &Response<B>) -> bool {
    own(answer).is_some()
}

/// A moment as messages write it: RFC 3339, in UTC, to the second.
pub(crate) fn moment(time: SystemTime) -> Option<String> {
    let exact = Timestamp::try_from(time).ok()?;
    let whole = Timestamp::from_second(exact.as_second()).ok()?;
    Some(whole.to_string())
}

#[cfg(test)]
mod tests;
