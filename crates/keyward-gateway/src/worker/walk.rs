//! A request's way through a route.

use std::{net::IpAddr, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{Response, header::RETRY_AFTER};
use http_body::Body;
use keyward_forward::BoxError;
use keyward_routes::{AtModel, AtRate, Facts, Graph, JsonBody, RouteName, Step};

use super::{
    Worker, now,
    ways::{Asked, Sending},
};
use crate::{
    body::AnswerBody,
    handling::Handling,
    limits::Over,
    log,
    respond::{Refusal, full_element, gist, is_denied, is_over_limit},
    rules,
    ways::{Form, Way},
};

/// What a request's way led to so far.
struct Came {
    /// The last answer that a model gave.
    answer: Option<Response<AnswerBody>>,
    /// What did not answer, in words.
    failed: Vec<String>,
    /// What it was refused for by a limit, where nothing came of it.
    over: Option<Refusal>,
    /// Of the refusals by a key's limit the one after which the client may come back first.
    limited: Option<Response<AnswerBody>>,
    /// Whether a model failed otherwise.
    is_broken: bool,
    /// How many models were asked.
    steps: usize,
}

impl<B> Worker<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Follows a request's way through the route of this name.
    pub(super) async fn walk(
        self: &Arc<Self>,
        sending: &Sending,
        body: &JsonBody,
        name: &str,
        way: &Way,
        source: IpAddr,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let graph = self.graph(way, name)?;
        let sending = &sending.without_own_keys();
        let metadata = log::metadata(&sending.headers);
        let facts = Facts::new(&sending.headers, &metadata).with_body(body.bytes());
        let draw = getrandom::u64().unwrap_or_default();
        let mut came = Came {
            answer: None,
            failed: Vec::new(),
            over: None,
            limited: None,
            is_broken: false,
            steps: 0,
        };
        let mut step = graph.begin(facts, draw);
        loop {
            step = match step {
                Step::Rate(at) => self.count(at, name, way, &mut came, now()).await?,
                Step::Model(at) => {
                    let of = (name, way);
                    match self.call(at, sending, body, of, source, &mut came).await {
                        Ok(step) => step,
                        Err(denied) => return Ok(denied),
                    }
                }
                Step::End(_) => break,
            };
        }
        let is_only_limited = !came.is_broken;
        match (came.answer, came.limited, came.over) {
            (Some(answer), ..) => Ok(answer),
            (None, Some(limited), _) if is_only_limited => Ok(limited),
            (None, None, Some(over)) if is_only_limited => Err(over),
            (None, ..) => Err(Refusal::RouteFailed {
                route: name.to_owned(),
                failed: came.failed.join(", "),
            }),
        }
    }

    fn graph(&self, way: &Way, name: &str) -> Result<Arc<Graph>, Refusal> {
        let unknown = || Refusal::RouteUnknown;
        let name = RouteName::parse(name).map_err(|_invalid| unknown())?;
        let snapshot = self.gateway.registry().snapshot();
        let gateway = snapshot
            .gateway(way.account, &way.gateway)
            .ok_or_else(unknown)?;
        let route = gateway.route(name.as_str()).ok_or_else(unknown)?;
        route.graph().cloned().ok_or(Refusal::RouteBroken)
    }

    /// Counts the request where a limit stands, and goes on. What cannot be counted and must be is refused: its fall-back is
    /// for what is over the limit.
    async fn count<'a>(
        &self,
        at: AtRate<'a>,
        name: &str,
        way: &Way,
        came: &mut Came,
        now: SystemTime,
    ) -> Result<Step<'a>, Refusal> {
        let limits = self.gateway.rate_limits();
        let due = limits.of_element((way.account, &way.gateway), name, &at);
        match limits.count([due], now).await {
            Ok(()) => Ok(at.within()),
            Err(Over { refusal, place }) if place.is_none() => Err(refusal),
            Err(Over { refusal, .. }) => {
                came.over = Some(refusal);
                Ok(at.over())
            }
        }
    }

    /// Asks a model, and goes on. A token that is refused is refused for every model.
    async fn call<'a>(
        self: &Arc<Self>,
        at: AtModel<'a>,
        sending: &Sending,
        body: &JsonBody,
        (route, way): (&str, &Way),
        source: IpAddr,
        came: &mut Came,
    ) -> Result<Step<'a>, Response<AnswerBody>> {
        let model = at.model();
        let (provider, name) = (model.provider(), model.model());
        let keys = self.gateway.rate_limits().keys();
        let asked = Asked {
            provider,
            model: name,
            form: Form::Chat,
            handling: Handling::of_model(model),
            step: came.steps,
            budgets: rules::of_route(keys, (way.account, &way.gateway), route, &at),
        };
        came.steps += 1;
        let answer = match self.ask(sending, body, way, asked, source).await {
            Ok(answer) => answer,
            Err(refusal) => {
                came.failed.push(format!("{provider}/{name}: {refusal}"));
                came.is_broken = true;
                return Ok(at.failed());
            }
        };
        let status = answer.status();
        if is_denied(&answer) {
            return Err(answer);
        }
        if status.is_success() {
            came.answer = Some(answer);
            return Ok(at.succeeded());
        }
        came.failed
            .push(format!("{provider}/{name} {}", gist(&answer)));
        let full = full_element(&answer);
        match is_over_limit(&answer) {
            true => came.limited = Some(sooner(came.limited.take(), answer)),
            false => came.is_broken = true,
        }
        Ok(match full {
            Some(element) => at.over(&element),
            None => at.failed(),
        })
    }
}

/// The answer after which a client may come back first.
fn sooner(one: Option<Response<AnswerBody>>, other: Response<AnswerBody>) -> Response<AnswerBody> {
    let seconds = |answer: &Response<AnswerBody>| {
        let told = answer.headers().get(RETRY_AFTER);
        let told = told.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        told.unwrap_or(u64::MAX)
    };
    match one {
        Some(one) if seconds(&one) <= seconds(&other) => one,
        _ => other,
    }
}
