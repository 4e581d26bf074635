//! `…/keyward/explain`: what the data plane would do with a request. Ours, beside the reference.
//!
//! A read, although it has a body: the request that is asked about may hold a token or a key, which may not stand in a
//! URL. Nothing of it is repeated but names.

mod request;

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use keyward_auth::{Entry, ManagePlace, Permission};
use keyward_secret::SecretBytes;
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

pub(crate) use self::request::Question;
use super::{provider_configs, tokens};
use crate::{
    call::Call,
    envelope::{FieldPath, Problem, Reply},
    explain::{
        Answer, Credential, Destination, Explanation, Headers, NotFollowed, Outcome, Refused, Token,
    },
    object::{Object, Shape},
    openapi::{choice, choice_or_null},
};

/// No method is longer.
const MAX_METHOD: usize = 32;

/// What the data plane would do with a request.
#[derive(Serialize, ToSchema)]
#[schema(as = Explanation)]
pub(crate) struct Body<'a> {
    /// `forwarded`, `refused`, or `not_followed` of a request that goes to several providers or where its body says: then what
    /// is told has been decided, and nothing else.
    #[schema(schema_with = verdicts)]
    verdict: &'static str,
    /// `unified`, `models`, `universal` or `inference`, of a request that is not followed; of the last neither token nor
    /// gateway are looked at. Else null.
    #[schema(schema_with = ways)]
    way: Option<&'static str>,
    /// The request's path and query, with `***` for what may be a token or a key.
    target: String,
    /// Where it is taken to come from.
    source: String,
    /// Where applications reach the data plane.
    gateway_url: String,
    /// The gateway that the path names.
    gateway: Option<String>,
    /// The provider: its slug where the request goes on, else as the path names it.
    provider: Option<String>,
    /// `known`, `unknown`, `malformed` or `absent`.
    #[schema(schema_with = token_states)]
    token_state: &'static str,
    /// The token, where the account has it and the caller may see it: with `Account API Tokens Read`, and scopes that hold
    /// the token's.
    token: Option<tokens::Body<'a>>,
    /// What the request would carry; null where it is refused.
    credential: Option<CredentialBody>,
    /// Null where the request is refused, and for a custom provider unless the caller may read those.
    destination: Option<Destination>,
    /// Whether it is a WebSocket handshake that goes on.
    websocket: bool,
    /// Null where `destination` is.
    headers: Option<Headers>,
    /// How many headers the gateway would set; null where the request is refused.
    headers_set: Option<usize>,
    answer: Option<Answer>,
    /// Null where the request goes on.
    refusal: Option<Refused>,
}

/// Whose credential a request would carry.
#[derive(Serialize, ToSchema)]
#[schema(as = ExplainedCredential)]
struct CredentialBody {
    /// `stored_key`; `request`, the client's own where it stands; `request_moved`, the client's own in another place; or
    /// `provider_headers`, the stored headers of a custom provider alone.
    #[schema(schema_with = credentials)]
    from: &'static str,
    /// Whether the request names the alias of the stored key. Otherwise it is the one that needs no name.
    asked_for: bool,
    /// The stored key.
    key: Option<provider_configs::Body>,
}

fn verdicts() -> utoipa::openapi::Schema {
    choice(["forwarded", "refused", "not_followed"])
}

fn ways() -> utoipa::openapi::Schema {
    choice_or_null(["unified", "models", "universal", "inference"])
}

fn token_states() -> utoipa::openapi::Schema {
    choice(["known", "unknown", "malformed", "absent"])
}

fn credentials() -> utoipa::openapi::Schema {
    choice(["stored_key", "request", "request_moved", "provider_headers"])
}

pub(crate) fn explain(mut call: Call) -> Result<Reply, Problem> {
    let mut body = call.take_body(Shape {
        known: &["method", "source"],
        skipped: &[],
        secrets: &["target", "headers"],
    })?;
    let request = read_request(&mut body)?;
    let source = match body.find("source") {
        Some(field) => field.parsed(parse_source)?,
        None => call.caller.source().unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
    };
    let Some(data_plane) = &call.config.explain else {
        return Err(Problem::no_route());
    };
    // Before anything is decided, opened or compared.
    if let Some((account, gateway)) = data_plane.address(request.uri()) {
        if account != call.account {
            return Err(Problem::no_account());
        }
        call.require(Permission::AiGatewayRead, ManagePlace::Gateway(&gateway))?;
    }
    let explained = data_plane.explain(request, source, call.now);
    tell(&call, source, explained, |body| Reply::new(&body))
}

fn parse_source(text: &str) -> Result<IpAddr, &'static str> {
    let source: IpAddr = text.parse().map_err(|_error| "must be an IP address")?;
    Ok(source.to_canonical())
}

/// The request that is asked about, as the data plane's server would read it.
fn read_request(body: &mut Object) -> Result<Request<()>, Problem> {
    let method = body.require("method")?;
    let path = method.path().clone();
    let method = Method::from_bytes(method.text(MAX_METHOD)?.as_bytes())
        .map_err(|_error| Problem::invalid(&path, "is no HTTP method"))?;
    let path = body.path("target");
    let target = body.require_secret("target")?;
    if !target.expose().starts_with(b"/") {
        return Err(Problem::invalid(&path, "must begin with `/`"));
    }
    let target = Uri::from_maybe_shared(erased(target.expose())).map_err(|_error| {
        Problem::invalid(
            &path,
            "must be a path, with a query if need be, as a URL has it",
        )
    })?;
    let path = body.path("headers");
    let mut request = Request::new(());
    for (index, pair) in body.secret_pairs("headers")?.iter().enumerate() {
        let [name, value] = pair;
        let (name, value) = read_header(name.expose(), value, &path.index(index))?;
        request.headers_mut().append(name, value);
    }
    *request.method_mut() = method;
    *request.uri_mut() = target;
    Ok(request)
}

/// A header as a request would carry it.
pub(super) fn read_header(
    name: &[u8],
    value: &SecretBytes,
    path: &FieldPath,
) -> Result<(HeaderName, HeaderValue), Problem> {
    let name = HeaderName::from_bytes(name)
        .map_err(|_error| Problem::invalid(path, "has a name that no header has"))?;
    let mut value = HeaderValue::from_maybe_shared(erased(value.expose().trim_ascii()))
        .map_err(|_error| Problem::invalid(path, "has a value that no header has"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// A copy that is erased with its last holder.
fn erased(bytes: &[u8]) -> Bytes {
    Bytes::from_owner(Zeroizing::new(bytes.to_vec()))
}

/// Why a token is refused, for who may not see the token: one text for all reasons.
const TOKEN_REFUSED: &str = "the token may not do this";
const TOKEN_REFUSED_HELP: &str =
    "who holds `Account API Tokens Read`, and scopes that hold the token's, is told why";

/// What of an explanation the caller may be told.
pub(super) fn tell(
    call: &Call,
    source: IpAddr,
    explained: Explanation,
    reply: impl FnOnce(Body<'_>) -> Result<Reply, Problem>,
) -> Result<Reply, Problem> {
    let snapshot = call.snapshot();
    let (token_state, known) = match explained.token {
        Token::Absent => ("absent", None),
        Token::Malformed => ("malformed", None),
        Token::Unknown => ("unknown", None),
        Token::Known(id) => match snapshot.tokens().find_by_id(id) {
            Some(entry) => ("known", Some(entry)),
            // Deleted meanwhile.
            None => ("unknown", None),
        },
    };
    let seen = known.filter(|entry| may_see(call, entry));
    let (gateway, provider) = match explained.address {
        Some(address) => {
            let provider = Some(address.provider).filter(|provider| !provider.is_empty());
            (Some(address.gateway), provider)
        }
        None => (None, None),
    };
    let body = Body {
        verdict: "refused",
        way: None,
        target: explained.target,
        source: source.to_string(),
        gateway_url: call.config.gateway_url.clone(),
        gateway,
        provider,
        token_state,
        token: seen.map(|entry| tokens::Body::new(&entry.record, entry.last_used.get(), call.now)),
        credential: None,
        destination: None,
        websocket: false,
        headers: None,
        headers_set: None,
        answer: None,
        refusal: None,
    };
    reply(match explained.outcome {
        Outcome::Refused(refused) => Body {
            refusal: Some(match (explained.token, seen) {
                (Token::Known(_), None) => refused.without_reason(),
                _ => refused,
            }),
            ..body
        },
        Outcome::NotFollowed(not_followed) => Body {
            verdict: "not_followed",
            way: Some(match not_followed {
                NotFollowed::Unified => "unified",
                NotFollowed::Models => "models",
                NotFollowed::Universal => "universal",
                NotFollowed::Inference => "inference",
            }),
            ..body
        },
        Outcome::Forwarded(forwarded) => {
            // Where a custom provider is, and what its stored headers are called, is the account's.
            let is_told =
                !forwarded.is_custom || call.may(Permission::AiGatewayRead, ManagePlace::Account);
            Body {
                verdict: "forwarded",
                provider: Some(forwarded.provider),
                credential: Some(CredentialBody::new(call, &forwarded.credential)),
                destination: Some(forwarded.destination).filter(|_there| is_told),
                websocket: forwarded.is_handshake,
                headers_set: Some(forwarded.headers.set.len()),
                headers: Some(forwarded.headers).filter(|_there| is_told),
                answer: Some(forwarded.answer),
                ..body
            }
        }
    })
}

/// Whether the caller is shown the token itself: as by `tokens/{id}`.
fn may_see(call: &Call, entry: &Entry) -> bool {
    call.may(Permission::AccountApiTokensRead, ManagePlace::Token)
        && call.caller.covers_scope_of(&entry.record.grant)
}

impl Refused {
    /// Says nothing of the token: a reason is there where the client is told 401 alone.
    fn without_reason(self) -> Self {
        match self.reason {
            None => self,
            Some(_) => Self {
                reason: Some(TOKEN_REFUSED.to_owned()),
                help: Some(TOKEN_REFUSED_HELP.to_owned()),
                ..self
            },
        }
    }
}

impl CredentialBody {
    fn new(call: &Call, credential: &Credential) -> Self {
        let without_key = |from| Self {
            from,
            asked_for: false,
            key: None,
        };
        match credential {
            Credential::Stored { key, is_asked_for } => {
                let snapshot = call.snapshot();
                let key = snapshot.provider_key(call.account, *key);
                Self {
                    from: "stored_key",
                    asked_for: *is_asked_for,
                    key: key.map(|key| provider_configs::Body::new(call, key)),
                }
            }
            Credential::Client => without_key("request"),
            Credential::ClientMoved => without_key("request_moved"),
            Credential::ProviderHeaders => without_key("provider_headers"),
        }
    }
}
