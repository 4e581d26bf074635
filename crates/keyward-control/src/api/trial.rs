//! `…/keyward/try`: sends one message through a gateway, and shows what became of it. Ours, beside the reference.
//!
//! An API token never holds Run. Who may make a token with Run, by Account API Tokens Write, may send as much as that
//! token could: the data plane decides by the widest grant that the caller could hand out, and by nothing else.

mod request;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use http::{
    HeaderMap, Request,
    header::{CONTENT_ENCODING, HeaderValue},
};
use keyward_auth::{Entry, Kind, LastUsed, ManagePlace, Permission, TokenRecord, widest_run};
use keyward_providers::{MessageApi, MessageFormat, Provider, Support, message_api};
use keyward_registry::{Alias, CustomSlug, GatewayId, ProviderSlug};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

pub(crate) use self::request::Question;
use super::explain;
use crate::{
    call::Call,
    envelope::{FieldPath, Problem, Reply},
    explain::{Forwarded, Outcome},
    object::{Field, Shape},
    openapi::choice,
    trial::{Trial, Tried},
};

/// Characters of a message. A guess: longer ones are no trial.
const MAX_MESSAGE: usize = 8192;
/// Characters of a model's name. A guess.
const MAX_MODEL: usize = 128;
/// Bytes of an answer's body that are shown.
const MAX_BODY: usize = 64 * 1024;
/// For how long an answer is waited for: a person waits before the page.
const PATIENCE: Duration = Duration::from_secs(60);
/// What Anthropic's format asks for: enough for a sentence or two.
const MAX_TOKENS: u32 = 256;

/// What became of a request.
#[derive(Serialize, ToSchema)]
#[schema(as = Trial)]
pub(crate) struct Body<'a> {
    /// What was decided: as `explain` tells it, where the caller may ask for that.
    explanation: Option<explain::Body<'a>>,
    /// What went upstream; null where nothing did, and where `explanation` does not tell.
    request: Option<SentBody>,
    /// Null where none came in time.
    answer: Option<AnswerBody>,
    /// How long the answer took, in milliseconds.
    duration_ms: u64,
}

/// A request as it goes upstream.
#[derive(Serialize, ToSchema)]
#[schema(as = TrialSent)]
struct SentBody {
    method: String,
    url: String,
    headers: Vec<HeaderBody>,
    body: String,
}

/// One header.
#[derive(Serialize, ToSchema)]
#[schema(as = TrialHeader)]
struct HeaderBody {
    name: String,
    /// Null where it is or may be secret.
    value: Option<String>,
}

/// An answer.
#[derive(Serialize, ToSchema)]
#[schema(as = TrialAnswer)]
struct AnswerBody {
    /// `provider`, or `gateway` where it answered by itself.
    #[schema(schema_with = sources)]
    from: &'static str,
    status: u16,
    headers: Vec<HeaderBody>,
    /// The first 65,536 bytes, as text. Null where it is compressed: in such a one a stored key is not masked.
    body: Option<String>,
    /// Whether the body goes on behind what is shown.
    is_cut: bool,
    /// Whether the answer broke off.
    is_broken: bool,
}

fn sources() -> utoipa::openapi::Schema {
    choice(["provider", "gateway"])
}

/// What is asked for, with what it names looked up.
struct Asked {
    gateway: GatewayId,
    provider: Arc<Provider>,
    api: MessageApi,
    alias: Option<Alias>,
    message: String,
    model: String,
}

pub(crate) async fn send(mut call: Call) -> Result<Reply, Problem> {
    let asked = Asked::read(&mut call)?;
    let Some(data_plane) = call.config.trial.clone() else {
        return Err(Problem::no_route());
    };
    let source = call.caller.source().unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let trial = Trial {
        request: asked.request(&call)?,
        source,
        token: token(&call)?,
    };
    let sent = trial.request.clone();
    let start = tokio::time::Instant::now();
    let tried = tokio::time::timeout(PATIENCE, data_plane.send(trial, MAX_BODY)).await;
    let duration = start.elapsed();
    answer(&call, &asked, source, &sent, tried.ok(), duration)
}

/// Who sends the request: the caller's own token, by the widest grant with Run that it could hand out.
fn token(call: &Call) -> Result<Arc<Entry>, Problem> {
    let entry = call.caller.entry();
    let grant =
        widest_run(&entry.record.grant, call.now).map_err(|_reason| Problem::forbidden())?;
    Ok(Arc::new(Entry {
        record: TokenRecord {
            kind: Kind::Gateway,
            grant,
            ..entry.record.clone()
        },
        last_used: LastUsed::default(),
    }))
}

impl Asked {
    fn read(call: &mut Call) -> Result<Self, Problem> {
        let mut body = call.take_body(Shape {
            known: &["gateway", "provider", "message", "model", "alias"],
            skipped: &[],
            secrets: &[],
        })?;
        let gateway = body.require("gateway")?.parsed(GatewayId::parse)?;
        let provider_path = body.path("provider");
        let slug = body.require("provider")?.parsed(ProviderSlug::parse)?;
        let message = body.require("message").and_then(message)?;
        let model_path = body.path("model");
        let model = body.find("model").map(model).transpose()?;
        let alias = body
            .find("alias")
            .map(|alias| alias.parsed(Alias::parse))
            .transpose()?;

        let snapshot = call.snapshot();
        let built_in = call.registry.catalogue().find(slug.as_str()).cloned();
        let place = ManagePlace::ProviderKey {
            gateway: gateway.as_str(),
            provider: built_in
                .as_ref()
                .map_or(slug.as_str(), |known| known.slug()),
            alias: alias.as_ref().map_or(Alias::DEFAULT, Alias::as_str),
        };
        // Before anything is told of what there is.
        call.require(Permission::AccountApiTokensWrite, place)?;
        if snapshot.gateway(call.account, gateway.as_str()).is_none() {
            return Err(Problem::gateway_not_found(gateway.as_str()));
        }
        let custom = || {
            let bare = slug.as_str().strip_prefix(CustomSlug::PREFIX)?;
            let found = snapshot.custom_provider(call.account, bare)?;
            Some(Arc::clone(&found.provider))
        };
        let provider = built_in.or_else(custom).ok_or_else(|| {
            Problem::invalid(
                &provider_path,
                "is neither built in nor one of the account's own",
            )
        })?;
        let api = message_api_of(&provider, &provider_path)?;
        let model = model.or(api.model.map(str::to_owned)).ok_or_else(|| {
            let reason = "is required: no model of this provider is known";
            Problem::invalid(&model_path, reason)
        })?;
        Ok(Self {
            gateway,
            provider,
            api,
            alias,
            message,
            model,
        })
    }

    /// The request as an application would send it, but for the token.
    fn request(&self, call: &Call) -> Result<Request<Vec<u8>>, Problem> {
        let Self {
            gateway,
            provider,
            api,
            ..
        } = self;
        let (account, slug, rest) = (call.account, provider.slug(), api.path(&self.model));
        let mut request = Request::post(format!("/v1/{account}/{gateway}/{slug}/{rest}"))
            .header("host", "keyward")
            .header("accept", "application/json")
            // In a compressed answer a stored key would not be masked.
            .header("accept-encoding", "identity")
            .header("content-type", "application/json")
            .header("user-agent", format!("keyward/{}", call.config.version));
        for (name, value) in api.headers() {
            request = request.header(*name, *value);
        }
        if let Some(alias) = &self.alias {
            request = request.header("cf-aig-byok-alias", alias.as_str());
        }
        request
            .body(self.body().to_string().into_bytes())
            .map_err(|error| Problem::internal("write a request", &error))
    }

    fn body(&self) -> Value {
        let Self { message, model, .. } = self;
        match self.api.format {
            MessageFormat::ChatCompletions => json!({
                "model": model,
                "messages": [{"role": "user", "content": message}],
            }),
            MessageFormat::AnthropicMessages => json!({
                "model": model,
                "max_tokens": MAX_TOKENS,
                "messages": [{"role": "user", "content": message}],
            }),
            MessageFormat::GenerateContent => json!({"contents": [{"parts": [{"text": message}]}]}),
        }
    }

    fn place(&self) -> ManagePlace<'_> {
        ManagePlace::ProviderKey {
            gateway: self.gateway.as_str(),
            provider: self.provider.slug(),
            alias: self.alias.as_ref().map_or(Alias::DEFAULT, Alias::as_str),
        }
    }
}

fn message(field: Field) -> Result<String, Problem> {
    let path = field.path().clone();
    let text = field.lines(MAX_MESSAGE)?;
    if text.trim().is_empty() {
        return Err(Problem::invalid(&path, "cannot be empty"));
    }
    Ok(text)
}

/// A model's name: it may stand in a path.
fn model(field: Field) -> Result<String, Problem> {
    let path = field.path().clone();
    let text = field.text(MAX_MODEL)?;
    let may_begin = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'@';
    let may_follow = |byte: u8| may_begin(byte) || matches!(byte, b'.' | b'_' | b':' | b'/' | b'-');
    let is_name = text.bytes().next().is_some_and(may_begin) && text.bytes().all(may_follow);
    if !is_name {
        let reason = "is 1 to 128 of letters, digits, `.`, `_`, `:`, `/`, `@` and `-`, and begins with a letter, a digit or `@`";
        return Err(Problem::invalid(&path, reason));
    }
    Ok(text)
}

fn message_api_of(provider: &Provider, path: &FieldPath) -> Result<MessageApi, Problem> {
    if let Support::Refused { reason } = provider.support() {
        return Err(Problem::invalid(path, reason));
    }
    message_api(provider).ok_or_else(|| {
        let reason = "takes messages in a format that is not known here; send a request with curl";
        Problem::invalid(path, reason)
    })
}

fn answer(
    call: &Call,
    asked: &Asked,
    source: IpAddr,
    sent: &Request<Vec<u8>>,
    tried: Option<Tried>,
    duration: Duration,
) -> Result<Reply, Problem> {
    let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let Some(tried) = tried else {
        return Reply::new(&Body {
            explanation: None,
            request: None,
            answer: None,
            duration_ms,
        });
    };
    let is_refused = |outcome: &Outcome| matches!(outcome, Outcome::Refused(_));
    let by_gateway = tried.headers.get("cf-aig-error-source");
    let is_own = by_gateway.is_some_and(|by| by == HeaderValue::from_static("gateway"))
        || tried
            .explanation
            .as_ref()
            .is_some_and(|told| is_refused(&told.outcome));
    let answer = Some(AnswerBody::new(&tried, is_own));
    // As by `explain`, and no more.
    let may_read = call.may(Permission::AiGatewayRead, asked.place());
    let Some(explanation) = tried.explanation.filter(|_told| may_read) else {
        return Reply::new(&Body {
            explanation: None,
            request: None,
            answer,
            duration_ms,
        });
    };
    let request = match &explanation.outcome {
        Outcome::Forwarded(to)
            if !to.is_custom || call.may(Permission::AiGatewayRead, ManagePlace::Account) =>
        {
            Some(SentBody::new(to, sent))
        }
        Outcome::Forwarded(_) | Outcome::NotFollowed(_) | Outcome::Refused(_) => None,
    };
    explain::tell(call, source, explanation, |explanation| {
        Reply::new(&Body {
            explanation: Some(explanation),
            request,
            answer,
            duration_ms,
        })
    })
}

impl SentBody {
    /// What the gateway set, and of what the request held that which it kept: of our own making.
    fn new(to: &Forwarded, sent: &Request<Vec<u8>>) -> Self {
        let set = to.headers.set.iter().map(|set| HeaderBody {
            name: set.name.clone(),
            value: set.value.clone(),
        });
        let kept = to.headers.kept.iter().flat_map(|name| {
            let values = sent.headers().get_all(name).iter();
            values.map(|value| HeaderBody::new(name, value))
        });
        Self {
            method: sent.method().to_string(),
            url: format!("{}{}", to.destination.origin, to.destination.target),
            headers: set.chain(kept).collect(),
            body: String::from_utf8_lossy(sent.body()).into_owned(),
        }
    }
}

impl HeaderBody {
    fn new(name: &str, value: &HeaderValue) -> Self {
        Self {
            name: name.to_owned(),
            value: Some(String::from_utf8_lossy(value.as_bytes()).into_owned()),
        }
    }
}

impl AnswerBody {
    fn new(tried: &Tried, is_own: bool) -> Self {
        let headers = tried.headers.iter();
        Self {
            from: if is_own { "gateway" } else { "provider" },
            status: tried.status.as_u16(),
            headers: headers
                .map(|(name, value)| HeaderBody::new(name.as_str(), value))
                .collect(),
            body: (!is_compressed(&tried.headers))
                .then(|| String::from_utf8_lossy(&tried.body).into_owned()),
            is_cut: tried.is_cut,
            is_broken: tried.is_broken,
        }
    }
}

fn is_compressed(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}
