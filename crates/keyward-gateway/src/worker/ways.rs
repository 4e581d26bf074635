//! Requests that do not go straight to the provider that their path names, or not only once.
//!
//! Each request that is made here is answered by [`Worker::answer`] like one that a client sent, so that every rule holds
//! for it: nothing of address, token, credential or headers is decided here.

use std::{future::Future, net::IpAddr, pin::Pin, sync::Arc, time::Instant};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version,
    header::{CONTENT_ENCODING, HOST},
};
use http_body::Body;
use keyward_forward::BoxError;
use keyward_providers::Provider;
use keyward_registry::CustomSlug;
use keyward_routes::{JsonBody, check_encoding, may_be_repeated};
use tokio::time::{sleep, timeout};

use super::{Worker, by_body::not_whole, now, refuse};
use crate::{
    body::AnswerBody,
    handling::Handling,
    pool::limit,
    replay::{Replayable, Whole},
    request::{Part, Turn, shown},
    request_id::Ids,
    respond::{Refusal, is_denied, stands},
    rules::Rule,
    ways::{self, COMPAT, Form, Named, To, Way},
};

const ALIAS: HeaderName = HeaderName::from_static("cf-aig-byok-alias");

/// What a model is asked for.
pub(super) struct Asked<'a> {
    pub(super) provider: &'a str,
    pub(super) model: &'a str,
    pub(super) form: Form,
    pub(super) handling: Handling,
    /// How many were asked before.
    pub(super) step: usize,
    /// The limits of cost that were passed on the way to it.
    pub(super) budgets: Option<Arc<[Rule]>>,
}

/// A request that can be sent any number of times.
#[derive(Clone)]
pub(super) struct Sending {
    pub(super) method: Method,
    version: Version,
    uri: Uri,
    pub(super) headers: HeaderMap,
    body: Whole,
    part: Part,
}

impl Sending {
    pub(super) fn request<B>(&self) -> Request<Replayable<B>> {
        let mut request = Request::new(Replayable::Whole(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.version_mut() = self.version;
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().clone_from(&self.headers);
        request
    }

    /// The same without keys of the client's own: which provider they are for is not told.
    pub(super) fn without_own_keys(&self) -> Self {
        Self {
            headers: ways::without_own_keys(self.headers.clone()),
            ..self.clone()
        }
    }

    /// A request for a list, which is asked of several providers: without a body and keys of the client's own.
    pub(super) fn for_list(&self) -> Self {
        Self {
            headers: ways::for_reading(ways::without_own_keys(self.headers.clone())),
            body: self.body.with(Bytes::new()),
            ..self.clone()
        }
    }

    /// The same for another place.
    pub(super) fn again_to(&self, uri: Uri) -> Self {
        Self {
            uri,
            ..self.clone()
        }
    }

    /// The same headers with a body that is sent to another place.
    fn to(&self, uri: Uri, body: Whole) -> Self {
        Self {
            method: Method::POST,
            uri,
            headers: ways::for_json(self.headers.clone()),
            body,
            version: self.version,
            part: self.part.clone(),
        }
    }

    /// The same as one of several, where it is not one already.
    fn at_step(mut self, step: usize) -> Self {
        self.part.step = self.part.step.or(u32::try_from(step).ok());
        self
    }
}

impl<B> Worker<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Answers a request that goes another way. Its address was taken out of it.
    pub(super) fn go(
        self: Arc<Self>,
        mut request: Request<Replayable<B>>,
        uri: Uri,
        way: Way,
        source: IpAddr,
        ids: Ids,
    ) -> Pin<Box<dyn Future<Output = Response<AnswerBody>> + Send>> {
        Box::pin(async move {
            let body = match self.whole(&mut request).await {
                Ok(body) => body,
                Err(error) => return refuse(not_whole(&error), &ids),
            };
            if let Some(due) = way.rate_limit
                && let Err(refusal) = self.gateway.rate_limits().settle(due, now()).await
            {
                return refuse(refusal, &ids);
            }
            let (head, _sent) = request.into_parts();
            let mut headers = head.headers;
            ids.pass_on(&mut headers);
            // HTTP/2 has it in the address, which a request that is made of this one does not have.
            if !headers.contains_key(HOST)
                && let Some(authority) = uri.authority()
                && let Ok(host) = HeaderValue::from_str(authority.as_str())
            {
                headers.insert(HOST, host);
            }
            let sending = Sending {
                method: head.method,
                version: head.version,
                uri,
                headers,
                body,
                part: Part::default(),
            };
            let answered = match way.to {
                To::Provider => Ok(self.attempts(&sending, way.handling, source).await),
                To::Unified => self.unified(&sending, &way, Form::Chat, source).await,
                To::Models => self.models(&sending, &way, source).await,
                To::Universal => self.universal(&sending, &way, source).await,
                To::Inference(form) => {
                    let mut sending = sending;
                    // There, a key has no other alias than the default one (wire-spec §3.2).
                    let default = HeaderValue::from_static("default");
                    sending.headers.insert(ALIAS, default);
                    self.unified(&sending, &way, form, source).await
                }
            };
            match answered {
                Ok(mut response) => {
                    ids.put_around(response.headers_mut());
                    response
                }
                Err(refusal) => refuse(refusal, &ids),
            }
        })
    }

    /// Sends a request until it is answered by something else than a failure that may pass, or there was enough of it.
    async fn attempts(
        self: &Arc<Self>,
        sending: &Sending,
        handling: Handling,
        source: IpAddr,
    ) -> Response<AnswerBody> {
        let mut made = 0;
        loop {
            let patience = handling.patience(made);
            let turn = Turn::Inner(Part {
                until: patience.map(|patience| Instant::now() + patience),
                ..sending.part.clone()
            });
            let answering = Arc::clone(self).answer(sending.request(), source, None, turn);
            let answering = Box::pin(answering);
            let response = match patience {
                None => answering.await.unwrap_or_else(|never| match never {}),
                Some(patience) => match timeout(patience, answering).await {
                    Ok(answered) => answered.unwrap_or_else(|never| match never {}),
                    Err(_elapsed) => {
                        let slow = Refusal::UpstreamSlow(format!(
                            "The provider did not begin to answer within {} ms, which is what was asked for",
                            patience.as_millis()
                        ));
                        refuse(slow, &Ids::of_part())
                    }
                },
            };
            made += 1;
            if stands(&response) || !may_be_repeated(response.status().as_u16()) {
                return response;
            }
            let told = limit::retry_after(response.headers(), now());
            let draw = getrandom::u64().unwrap_or_default();
            let Some(wait) = handling.attempts.wait(made, told, draw) else {
                return response;
            };
            // Whatever is left of it is not read.
            drop(response);
            metrics::counter!("keyward_attempts_repeated_total").increment(1);
            sleep(wait).await;
        }
    }

    /// Sends a request to the provider that its model names.
    async fn unified(
        self: &Arc<Self>,
        sending: &Sending,
        way: &Way,
        form: Form,
        source: IpAddr,
    ) -> Result<Response<AnswerBody>, Refusal> {
        if sending.method != Method::POST {
            let method = shown(sending.method.as_str());
            return Err(Refusal::Method { method });
        }
        let encoding = sending.headers.get(CONTENT_ENCODING);
        let bad = |error: keyward_routes::BodyError| Refusal::Chat(error.to_string());
        check_encoding(encoding.map(HeaderValue::as_bytes)).map_err(bad)?;
        let body = JsonBody::read(&sending.body.joined()).map_err(bad)?;
        let named = body.model().map_err(bad)?;
        let Some(named) = Named::parse(named) else {
            let problem = "`model` names no provider: write PROVIDER/MODEL, such as `openai/gpt-5`";
            return Err(Refusal::Chat(problem.to_owned()));
        };
        let (provider, model) = match named {
            Named::Route(_) if form != Form::Chat => {
                let problem = "a route takes chat completions: send it to `chat/completions`";
                return Err(Refusal::Chat(problem.to_owned()));
            }
            Named::Route(name) => return self.walk(sending, &body, name, way, source).await,
            Named::Model { provider, model } => (provider, model),
        };
        let asked = Asked {
            provider,
            model,
            form,
            handling: way.handling,
            step: 0,
            budgets: None,
        };
        self.ask(sending, &body, way, asked, source).await
    }

    /// Sends a request to a model, and says so in the answer.
    pub(super) async fn ask(
        self: &Arc<Self>,
        sending: &Sending,
        body: &JsonBody,
        way: &Way,
        asked: Asked<'_>,
        source: IpAddr,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let (slug, path) = self.place(way, asked.provider, asked.form)?;
        let uri = below(way, &slug, &path)?;
        let spliced = body.with_model(asked.model);
        let spliced = spliced.map_err(|error| Refusal::Chat(error.to_string()))?;
        let mut sending = sending
            .to(uri, sending.body.spliced(spliced))
            .at_step(asked.step);
        sending.part.is_compat = true;
        sending.part.budgets = asked.budgets;
        let mut response = self.attempts(&sending, asked.handling, source).await;
        ways::mark(
            response.headers_mut(),
            asked.step,
            Some((&slug, asked.model)),
        );
        Ok(response)
    }

    /// Sends the requests of a universal one in turn, until one succeeds.
    async fn universal(
        self: &Arc<Self>,
        sending: &Sending,
        way: &Way,
        source: IpAddr,
    ) -> Result<Response<AnswerBody>, Refusal> {
        if sending.method != Method::POST {
            let method = shown(sending.method.as_str());
            return Err(Refusal::Method { method });
        }
        let encoding = sending.headers.get(CONTENT_ENCODING);
        check_encoding(encoding.map(HeaderValue::as_bytes))
            .map_err(|error| Refusal::Entries(error.to_string()))?;
        let body = sending.body.joined();
        let entries = ways::entries(&body).map_err(Refusal::Entries)?;
        let sending = &sending.without_own_keys();
        let mut last = None;
        for (step, entry) in entries.iter().enumerate() {
            // Let go of before the next one is sent: it has a place among what is under way.
            drop(last.take());
            let mut response = match self.entry(sending, &body, (step, entry), way, source).await {
                Ok(response) => response,
                Err(refusal) => refuse(refusal, &Ids::of_part()),
            };
            ways::mark(response.headers_mut(), step, None);
            let status = response.status();
            let is_over = !status.is_client_error() && !status.is_server_error();
            // The token is the same for every entry.
            if is_over || is_denied(&response) {
                return Ok(response);
            }
            last = Some(response);
        }
        last.ok_or_else(|| Refusal::Entries("there is no entry".to_owned()))
    }

    async fn entry(
        self: &Arc<Self>,
        sending: &Sending,
        all: &Bytes,
        (step, entry): (usize, &ways::UniversalEntry<'_>),
        way: &Way,
        source: IpAddr,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let query = all.slice_ref(entry.query.get().as_bytes());
        let body = sending.body.with(query);
        let endpoint = entry.endpoint.as_ref();
        let uri = below(way, &entry.provider, endpoint)?;
        let mut made = sending.to(uri, body).at_step(step);
        for (name, value) in &entry.headers {
            made.headers.insert(name, value.clone());
        }
        let handling = way.handling.with_headers(&entry.headers)?;
        if entry.provider == COMPAT {
            if To::below_compat(endpoint) != Some(To::Unified) {
                return Err(Refusal::CompatPath);
            }
            let way = Way {
                to: To::Unified,
                handling,
                rate_limit: None,
                token: way.token.clone(),
                account: way.account,
                gateway: way.gateway.clone(),
            };
            return self.unified(&made, &way, Form::Chat, source).await;
        }
        Ok(self.attempts(&made, handling, source).await)
    }

    /// Under which slug a provider is, and at which path it takes a request of this form.
    pub(super) fn place(
        &self,
        way: &Way,
        provider: &str,
        form: Form,
    ) -> Result<(String, String), Refusal> {
        let path_of = |provider: &Provider| {
            let path = match form {
                Form::Chat => provider.compat().map(|compat| compat.chat().to_owned()),
                Form::Responses => takes(provider, "v1/responses"),
                Form::Messages => takes(provider, "v1/messages"),
            };
            let slug = provider.slug().to_owned();
            match path {
                Some(path) => Ok((slug, path)),
                None => Err(Refusal::ProviderRefused {
                    reason: "it has no endpoint of this form. Use its own paths below its slug."
                        .to_owned(),
                    provider: slug,
                }),
            }
        };
        if let Some(entry) = self.gateway.providers().find(provider) {
            return path_of(&entry.provider);
        }
        let snapshot = self.gateway.registry().snapshot();
        let custom = provider
            .strip_prefix(CustomSlug::PREFIX)
            .and_then(|slug| snapshot.custom_provider(way.account, slug));
        match custom {
            Some(custom) => path_of(&custom.provider),
            None => Err(Refusal::ProviderUnknown {
                provider: shown(provider),
            }),
        }
    }
}

/// The path, where the provider takes inferences there.
fn takes(provider: &Provider, path: &str) -> Option<String> {
    let route = provider
        .route(&Method::POST, path, &HeaderMap::new())
        .ok()?;
    (route.class == keyward_providers::Class::Inference).then(|| path.to_owned())
}

/// The address of a provider's endpoint. What is wrong with it is told where every address is parsed.
pub(super) fn below(way: &Way, provider: &str, endpoint: &str) -> Result<Uri, Refusal> {
    let is_name = provider
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if provider.is_empty() || !is_name {
        return Err(Refusal::ProviderUnknown {
            provider: shown(provider),
        });
    }
    let target = format!("/v1/{}/{}/{provider}/{endpoint}", way.account, way.gateway);
    let uri = Uri::try_from(target);
    uri.ok()
        .filter(|uri| uri.authority().is_none())
        .ok_or_else(|| Refusal::Entries("`provider` and `endpoint` make no path".to_owned()))
}
