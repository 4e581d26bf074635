//! The v4 envelope: the only place that knows its shape, its codes and the statuses of the control plane.
//!
//! Shapes and codes: wire-spec §4.0.

mod refusal;
mod reply;
pub(crate) mod schema;

use std::{borrow::Cow, error::Error, fmt, time::Duration};

use axum::response::{IntoResponse, Response};
use http::{
    HeaderValue, StatusCode,
    header::{CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE},
};
use keyward_auth::{Permission, Reason};
use keyward_providers::ParseBaseUrlError;
use keyward_registry::{AuditResult, Refusal};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::reply::{CursorInfo, Reply, ResultInfo};
use self::reply::{Envelope, RESULT, json};
use crate::erased::Buffer;

/// No route has this method and path.
const NO_ROUTE: u32 = 7000;
/// A field, or what it refers to, is not acceptable.
const INVALID: u32 = 7001;
/// What the path names does not exist.
const NOT_FOUND: u32 = 7002;
/// Of secrets stores: a field is not acceptable, or what the request names does not exist (wire-spec §4.8).
const STORE_INVALID: u32 = 1001;
/// Of secrets stores: it exists already, or there are too many (wire-spec §4.8).
const STORE_CONFLICT: u32 = 1003;
/// Of custom providers: the base URL, the slug that is taken, and none there (wire-spec §4.6).
const CUSTOM_BASE_URL: u32 = 1002;
const CUSTOM_EXISTS: u32 = 1003;
const CUSTOM_NOT_FOUND: u32 = 1004;
/// Of dynamic routes: the name is taken, or there is no such route or version (wire-spec §4.4).
const ROUTE: u32 = 7005;
/// The account does not exist, or is not the caller's.
const NO_ACCOUNT: u32 = 7003;
/// Not authenticated, or not allowed. Also the code of a token's verification.
const AUTHENTICATION: u32 = 10000;
/// We failed. The code is ours.
const FAILED: u32 = 10001;
/// The token asks for more than it may in this time. The code is ours.
const TOO_MANY: u32 = 10002;
/// What a provider said of a key that is, or was to be, stored. The code is ours.
const VERIFICATION: u32 = 10003;

/// Why a request was not carried out.
#[derive(Serialize, ToSchema)]
#[schema(as = Fault)]
struct Told<'a> {
    /// What kind of fault it is.
    code: u32,
    /// What is wrong and, where it is not plain, what to do.
    message: &'a str,
    /// The field that is not acceptable.
    #[serde(skip_serializing_if = "<[Step]>::is_empty")]
    path: &'a [Step],
}

/// One step on the way to a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Step {
    #[schema(value_type = String)]
    Name(Cow<'static, str>),
    Index(usize),
}

/// Where a field stands, such as `["body","policies",0,"effect"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldPath(Vec<Step>);

impl FieldPath {
    /// The request's body.
    pub(crate) fn body() -> Self {
        Self(vec![Step::Name("body".into())])
    }

    /// The request's query.
    pub(crate) fn query() -> Self {
        Self(vec![Step::Name("query".into())])
    }

    pub(crate) fn name(&self, name: impl Into<Cow<'static, str>>) -> Self {
        self.with(Step::Name(name.into()))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for FieldPath {
    /// The path as people write it, without where it begins: `policies[0].effect`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate().skip(1) {
            match step {
                Step::Name(name) if at == 1 => f.write_str(name)?,
                Step::Name(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Why a request was not carried out, as the client may read it.
#[derive(Debug)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Debug)]
struct Inner {
    status: StatusCode,
    code: u32,
    message: Cow<'static, str>,
    path: Vec<Step>,
    /// What else is wrong, each with its place. Of the same code.
    others: Vec<(String, Vec<Step>)>,
    /// Which bound of the caller's own token was left. Not told: the message has it.
    beyond: Option<Reason>,
    /// When the same may be asked for again.
    wait: Option<Duration>,
}

impl Problem {
    fn new(status: StatusCode, code: u32, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            status,
            code,
            message: message.into(),
            path: Vec::new(),
            others: Vec::new(),
            beyond: None,
            wait: None,
        }))
    }

    /// No token, several, an unknown one, one of the other plane, one that is not in force: all look alike.
    pub(crate) fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            AUTHENTICATION,
            "Authentication error: send an API token that is in force as `Authorization: Bearer …`",
        )
    }

    /// The token is good, and not for this.
    pub(crate) fn forbidden() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            AUTHENTICATION,
            "Authentication error: the token may not do this; `keyward status` says what it may do",
        )
    }

    /// The token may do the rest, and not this one thing.
    pub(crate) fn may_not_weaken(path: &FieldPath, needed: Permission) -> Self {
        let needed = needed.name();
        let message = format!(
            "{path}: protects the gateway; to weaken it, a token needs `{needed}` for the gateway too"
        );
        Self::new(StatusCode::FORBIDDEN, AUTHENTICATION, message).at(path)
    }

    pub(crate) fn no_account() -> Self {
        let message = "Could not route to the account, perhaps your object identifier is invalid? `/client/v4/accounts` lists the token's";
        Self::new(StatusCode::NOT_FOUND, NO_ACCOUNT, message)
    }

    pub(crate) fn no_route() -> Self {
        let message = "No route for that URI; `/client/v4/openapi.json` describes those there are";
        Self::new(StatusCode::NOT_FOUND, NO_ROUTE, message)
    }

    pub(crate) fn no_method() -> Self {
        let message =
            "This method is not allowed for that URI; the header `Allow` lists those that are";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, NO_ROUTE, message)
    }

    pub(crate) fn malformed_host() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            NO_ROUTE,
            "The request must name one host; send one `Host`",
        )
    }

    pub(crate) fn host_not_allowed() -> Self {
        let message = "The control plane is not reached by this host name; add the name to `[control] allowed_hosts` if it is yours";
        Self::new(StatusCode::MISDIRECTED_REQUEST, NO_ROUTE, message)
    }

    pub(crate) fn from_a_page() -> Self {
        let message = "Web pages may not change anything here: the request carries `Origin` or a cross-site `Sec-Fetch-Site`; send it from a program, without them";
        Self::new(StatusCode::FORBIDDEN, AUTHENTICATION, message)
    }

    pub(crate) fn gateway_not_found(id: &str) -> Self {
        Refusal::GatewayNotFound(Self::shown(id)).into()
    }

    pub(crate) fn key_not_found(id: &str) -> Self {
        Refusal::ProviderKeyNotFound(Self::shown(id)).into()
    }

    pub(crate) fn route_not_found(id: &str) -> Self {
        Refusal::RouteNotFound(Self::shown(id)).into()
    }

    pub(crate) fn route_version_not_found(id: &str) -> Self {
        Refusal::RouteVersionNotFound(Self::shown(id)).into()
    }

    pub(crate) fn log_not_found(id: &str) -> Self {
        let id = Self::shown(id);
        let message = format!(
            "there is no entry {id:?} in the gateway's log; `…/logs` lists those there are"
        );
        Self::new(StatusCode::NOT_FOUND, NOT_FOUND, message)
    }

    pub(crate) fn no_log_body(id: &str) -> Self {
        let id = Self::shown(id);
        let message = format!("the body of {id:?} is not kept; docs/logs.md says what is");
        Self::new(StatusCode::NOT_FOUND, NOT_FOUND, message)
    }

    pub(crate) fn no_rotation() -> Self {
        Refusal::RotationNotFound.into()
    }

    pub(crate) fn token_not_found(id: &str) -> Self {
        Refusal::TokenNotFound(Self::shown(id)).into()
    }

    /// A field is not acceptable. `reason` never quotes what may be a secret.
    pub(crate) fn invalid(path: &FieldPath, reason: impl fmt::Display) -> Self {
        let message = format!("{path}: {reason}");
        Self::new(StatusCode::BAD_REQUEST, INVALID, message).at(path)
    }

    /// The base URL of a custom provider is not acceptable.
    pub(crate) fn custom_base_url(path: &FieldPath, error: &ParseBaseUrlError) -> Self {
        let message = format!("{path} {error}");
        Self::new(StatusCode::BAD_REQUEST, CUSTOM_BASE_URL, message).at(path)
    }

    /// What was to be changed is not any more what the client read. No 409, which clients of Cloudflare repeat
    /// (wire-spec §4.0).
    pub(crate) fn changed_meanwhile(parameter: &'static str) -> Self {
        let path = FieldPath::query().name(parameter);
        let message = format!(
            "{path}: it was changed after it was read; read it again, and repeat the change if it is still wanted"
        );
        Self::new(StatusCode::PRECONDITION_FAILED, INVALID, message).at(&path)
    }

    /// The body as a whole is not acceptable.
    pub(crate) fn invalid_body(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID, reason).at(&FieldPath::body())
    }

    /// The provider refuses the value of a field, or says nothing certain of it: nothing was stored.
    pub(crate) fn not_verified(path: &FieldPath, reason: &str, is_refused: bool) -> Self {
        let (status, message) = match is_refused {
            true => (
                StatusCode::BAD_REQUEST,
                format!(
                    "{path}: the provider refuses it, and nothing was stored: {reason}; correct it, or make a new key at the provider"
                ),
            ),
            false => (
                StatusCode::FAILED_DEPENDENCY,
                format!(
                    "{path}: it could not be verified, and nothing was stored: {reason}; try again later, or send it without `verify` to store it unverified"
                ),
            ),
        };
        Self::new(status, VERIFICATION, message).at(path)
    }

    /// The token has asked about as many keys as it may for now.
    pub(crate) fn too_many_verifications(wait: Duration) -> Self {
        let seconds = wait.as_secs().saturating_add(1);
        let message = format!(
            "This token has had as many keys verified as it may within a minute; try again in {seconds} s"
        );
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, TOO_MANY, message);
        problem.0.wait = Some(wait);
        problem
    }

    /// The same fault with the code that it has where secrets and their stores are concerned.
    pub(crate) fn of_secrets_store(mut self) -> Self {
        if matches!(self.0.code, INVALID | NOT_FOUND) {
            self.0.code = STORE_INVALID;
        }
        self
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("the body is larger than {limit} bytes; send less at once");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, INVALID, message)
    }

    pub(crate) fn too_slow(limit: Duration) -> Self {
        let message = format!(
            "the body did not arrive within {} s; send it faster",
            limit.as_secs()
        );
        Self::new(StatusCode::REQUEST_TIMEOUT, INVALID, message)
    }

    /// We failed: logged here with its causes, told without them.
    pub(crate) fn internal(attempted: &'static str, error: &(dyn Error + 'static)) -> Self {
        tracing::error!(attempted, error = %Chain(error), "a request to the control plane failed");
        let message = "Keyward could not carry this out; its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, FAILED, message)
    }

    fn unavailable(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = %Chain(error), "the store did not answer the control plane");
        let message = "The store does not answer now; try again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, FAILED, message)
    }

    fn at(mut self, path: &FieldPath) -> Self {
        self.0.path.clone_from(&path.0);
        self
    }

    /// What the audit log tells of it; none where it is no matter of who asked.
    pub(crate) fn audit_result(&self) -> Option<AuditResult> {
        match (self.0.status, self.0.code) {
            (StatusCode::UNAUTHORIZED, _) => Some(AuditResult::Unauthenticated),
            (StatusCode::FORBIDDEN, _) | (_, NO_ACCOUNT) => Some(AuditResult::Denied),
            _ => None,
        }
    }

    /// Whether what is asked for is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        self.status() == StatusCode::NOT_FOUND
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Whether what is there stands in the way.
    pub(crate) fn is_conflict(&self) -> bool {
        self.0.status == StatusCode::CONFLICT
    }

    /// Whether what was to be changed is not any more what the client read.
    pub(crate) fn is_changed_meanwhile(&self) -> bool {
        self.0.status == StatusCode::PRECONDITION_FAILED
    }

    /// What is wrong, as the client may read it.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// What is wrong, without the name of the field, where a page shows it beside that.
    pub(crate) fn reason(&self) -> &str {
        let path = FieldPath(self.0.path.clone()).to_string();
        let rest = self.message().strip_prefix(path.as_str());
        let rest = rest.and_then(|rest| rest.strip_prefix(": "));
        rest.filter(|_| !path.is_empty()).unwrap_or(self.message())
    }

    /// The names on the way to the field that is not acceptable.
    pub(crate) fn steps(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.path.iter().filter_map(|step| match step {
            Step::Name(name) => Some(name.as_ref()),
            Step::Index(_) => None,
        })
    }

    /// Which bound of the caller's own token would be left by what is asked for.
    pub(crate) fn beyond(&self) -> Option<Reason> {
        self.0.beyond
    }

    /// The field of the body that is not acceptable; of a body that is a list, the field of an item.
    pub(crate) fn field(&self) -> Option<&str> {
        match self.0.path.as_slice() {
            [Step::Name(place), Step::Name(field), ..]
            | [Step::Name(place), Step::Index(_), Step::Name(field), ..]
                if place == "body" =>
            {
                Some(field)
            }
            _ => None,
        }
    }
}

impl Problem {
    /// An id of a path, to be repeated in a message: not where a token stands in its place.
    pub(crate) fn shown(id: &str) -> String {
        if id.len() > 64 || keyward_auth::is_ours(id.as_bytes()) {
            return "?".to_owned();
        }
        id.to_owned()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Inner {
            status,
            code,
            message,
            path,
            others,
            beyond: _,
            wait,
        } = *self.0;
        let first = (&*message, &*path);
        let others = others
            .iter()
            .map(|(message, path)| (message.as_str(), path.as_slice()));
        let told = |(message, path)| Told {
            code,
            message,
            path,
        };
        let faults: Vec<_> = [first].into_iter().chain(others).map(told).collect();
        let envelope = Envelope {
            success: false,
            errors: &faults,
            messages: &[],
            place: RESULT,
            result: Some(None::<()>),
            result_info: None::<ResultInfo>,
        };
        let mut buffer = Buffer::with_capacity(512);
        if let Err(error) = serde_json::to_writer(&mut buffer, &envelope) {
            tracing::error!(%error, "an error could not be written");
        }
        let mut response = json(buffer);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            // What is left of the body is not read, so the connection cannot carry another request.
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        if let Some(wait) = wait {
            let seconds = wait.as_secs().saturating_add(1);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// An error with its causes, on one line.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
