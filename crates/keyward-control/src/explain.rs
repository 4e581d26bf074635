//! The seam to the data plane: what it would do with a request. Neither plane knows the other, so whoever runs both
//! in one process joins them by [`Explain`].

use std::{net::IpAddr, time::SystemTime};

use http::{Request, Uri};
use keyward_auth::TokenId;
use keyward_registry::ProviderKeyId;
use keyward_secret::AccountId;
use serde::Serialize;
use utoipa::ToSchema;

/// Tells what the data plane would do with a request, over the same registry.
pub trait Explain: Send + Sync {
    /// The account and the gateway that a request to `target` would be for; none where it addresses nothing. The
    /// gateway's name is as the path has it, which may be anything, also a secret: it is compared, and not repeated.
    fn address(&self, target: &Uri) -> Option<(AccountId, String)>;

    /// Explains `request`, as if it came from `source` at `now`: method, path with query, and headers, whose values may
    /// be secrets. Must answer at once, send nothing, note no use, and give nothing back of a secret.
    fn explain(&self, request: Request<()>, source: IpAddr, now: SystemTime) -> Explanation;
}

/// What the data plane would do with a request. Holds no secret.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The request's path and query, with `***` for what may be a token or a key.
    pub target: String,
    /// What the path addresses; none where it addresses nothing.
    pub address: Option<Address>,
    /// What stands in the places of a gateway token.
    pub token: Token,
    /// What would become of the request.
    pub outcome: Outcome,
}

/// What a request's path addresses.
#[derive(Clone, Debug)]
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
#[expect(clippy::exhaustive_enums, reason = "each has a name in the API")]
pub enum Token {
    /// Nothing that claims to be a token.
    Absent,
    /// Something that is no token, or several different ones.
    Malformed,
    /// A token that the addressed account does not have.
    Unknown,
    /// This one.
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
    /// It would go to several providers or where its body says, which is not followed.
    NotFollowed(NotFollowed),
    /// The data plane would answer it by itself.
    Refused(Refused),
}

/// A way in that names no provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each has a name in the API")]
pub enum NotFollowed {
    /// To the provider and model that the body names, or along a route.
    Unified,
    /// To the gateway's providers, for their lists of models.
    Models,
    /// To several providers in turn.
    Universal,
    /// By a path of the REST API for inference. Neither token nor gateway were looked at.
    Inference,
}

/// How a request would go on.
#[derive(Clone, Debug)]
pub struct Forwarded {
    /// The provider's slug.
    pub provider: String,
    /// Where it would go.
    pub destination: Destination,
    /// Whose credential it would carry.
    pub credential: Credential,
    /// Whether the provider is one of the account's own.
    pub is_custom: bool,
    /// Whether it is a WebSocket handshake.
    pub is_handshake: bool,
    /// What would become of its headers.
    pub headers: Headers,
    /// What would become of the answer.
    pub answer: Answer,
}

/// Whose credential a request would carry.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "each has a name in the API")]
pub enum Credential {
    /// A stored key.
    Stored {
        /// The provider key.
        key: ProviderKeyId,
        /// Whether the request names its alias. Otherwise it is the one that needs no name.
        is_asked_for: bool,
    },
    /// The client's own, where it stands.
    Client,
    /// The client's own, moved into the header in which the provider takes one.
    ClientMoved,
    /// The stored headers of a custom provider alone.
    ProviderHeaders,
}

/// Where a request would go.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ExplainedDestination)]
pub struct Destination {
    /// The origin, such as `https://api.openai.com`.
    pub origin: String,
    /// The path and query there, with `***` for what may be a key.
    pub target: String,
}

/// What would become of a request's headers, by name.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ExplainedHeaders)]
pub struct Headers {
    /// Their values would not go on.
    pub dropped: Vec<String>,
    /// The gateway would set them.
    pub set: Vec<SetHeader>,
    /// They would go on as they are.
    pub kept: Vec<String>,
}

/// A header that the gateway would set.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ExplainedHeader)]
pub struct SetHeader {
    /// Its name.
    pub name: String,
    /// Its value; null where it is or may be secret.
    pub value: Option<String>,
}

/// What would become of the answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ExplainedAnswer)]
pub struct Answer {
    /// Names of headers that would be cut from it; `*` stands for any ending.
    pub cut: Vec<String>,
    /// Whether a compressed answer may come, in which a stored credential would not be masked.
    pub may_be_compressed: bool,
}

/// How the data plane would answer by itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ExplainedRefusal)]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// The code, as docs/errors.md lists it; null where the answer has no body.
    pub code: Option<u16>,
    /// What the client would read; empty where the answer has no body.
    pub message: String,
    /// Why, where the client is not told.
    pub reason: Option<String>,
    /// What mends it, as far as a command does.
    pub help: Option<String>,
}
