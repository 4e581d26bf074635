//! An answer that speaks of the stored key: judged, reported, and where it proves that the provider did nothing, the
//! request is sent again with another value.

use std::{net::IpAddr, pin::pin, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body::Body;
use keyward_auth::{RunAsk, decide_run};
use keyward_forward::{BoxError, ResponseBody};
use keyward_registry::KeyStatus;
use keyward_vault::status::Refusal as KeyRefusal;

use super::{Worker, now};
use crate::{
    body::AnswerBody,
    credentials::{Injected, StoredValue},
    cut::{Revoked, Used, Watch},
    evidence::{Evidence, Front, Judged, Said, judge, words},
    explain::Known,
    in_flight::RequestSlot,
    log::Spending,
    pool::limit,
    replay::{Hold, Replayable, Room},
    request::{Others, Plan, Sender, Stop},
    respond::Refusal,
};

/// What is needed to send a request again.
pub(super) struct Again<B> {
    method: Method,
    /// As they were before they were rewritten.
    headers: HeaderMap,
    hold: Option<Hold<B>>,
    others: Box<Others>,
}

impl<B> Again<B> {
    /// Has the request's body remembered.
    pub(super) fn of(
        request: &mut Request<Replayable<B>>,
        others: Box<Others>,
        room: &Arc<Room>,
    ) -> Box<Self> {
        Box::new(Self {
            others,
            method: request.method().clone(),
            headers: request.headers().clone(),
            hold: request.body_mut().hold(room),
        })
    }

    /// What the request is sent with next after such an answer.
    fn next(&mut self, said: Judged, may: impl Fn(&Injected) -> bool) -> Option<Arc<Injected>> {
        loop {
            let other = self.others.next(said)?;
            if may(&other) {
                return Some(other);
            }
        }
    }

    /// The request as it came, where all of its body can be had.
    fn request(&mut self) -> Option<Request<Replayable<B>>> {
        let (body, hold) = self.hold.take()?.recover()?;
        self.hold = Some(hold);
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        request.headers_mut().clone_from(&self.headers);
        Some(request)
    }
}

/// What is known of a request whose answer is weighed.
pub(super) struct News<'a, B> {
    pub(super) again: Option<Box<Again<B>>>,
    /// The request's path.
    pub(super) path: &'a str,
    /// When it was decided.
    pub(super) asked: SystemTime,
    pub(super) cuts_seen: u64,
    pub(super) asker: Asker,
    /// What is reserved for it.
    pub(super) spending: Option<&'a mut Spending>,
    /// The request's number among those that were refused.
    number: Option<u64>,
}

/// Who sends a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker {
    /// Who holds a token of the registry's, from this address.
    Client(IpAddr),
    /// Whoever runs the gateway, who knows the token.
    Operator,
}

impl Asker {
    pub(super) const fn of(known: Option<&Arc<Known>>, source: IpAddr) -> Self {
        match known {
            Some(_) => Self::Operator,
            None => Self::Client(source),
        }
    }
}

impl<'a, B> News<'a, B> {
    pub(super) fn new(
        again: Option<Box<Again<B>>>,
        path: &'a str,
        asked: SystemTime,
        cuts_seen: u64,
        asker: Asker,
        spending: Option<&'a mut Spending>,
    ) -> Self {
        Self {
            again,
            path,
            asked,
            cuts_seen,
            asker,
            spending,
            number: None,
        }
    }
}

impl<B> Worker<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Whether an answer has to be looked at before its client gets it: it may be a refusal of the stored key.
    /// Reports a success where that is news.
    pub(super) fn is_news(
        &self,
        plan: &Plan,
        injected: Option<&Injected>,
        answer: &Response<ResponseBody>,
        asked: SystemTime,
    ) -> bool {
        let Some(stored) = injected.and_then(|injected| injected.stored.as_ref()) else {
            return false;
        };
        let (status, health) = (answer.status(), &stored.health);
        if status.is_success() {
            if plan.proves {
                health.note_funds();
            }
            if plan.is_pooled
                && let Some(until) = limit::used_up_until(answer.headers(), asked)
            {
                health.limit(until, asked);
            }
            if plan.proves && health.is_watched() {
                self.report(plan, stored, Said::Accepted, asked);
            }
        }
        status.is_client_error()
    }

    /// Judges an answer, and gives it to the client, or what another value brings, or our own words.
    pub(super) async fn weigh(
        &self,
        mut response: Response<ResponseBody>,
        plan: &Plan,
        mut news: News<'_, B>,
        mut watch: Watch,
        slot: RequestSlot,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let mut injected = plan.injected.clone();
        loop {
            let (head, mut body) = response.into_parts();
            let front = watch.unless_revoked(pin!(Front::read(&mut body))).await?;
            let provider = &plan.provider.provider;
            let said = judge(provider, head.status, &head.headers, &front.bytes());
            let stored = injected
                .as_deref()
                .and_then(|injected| injected.stored.as_ref());
            if let Some(stored) = stored {
                self.note(plan, stored, said, &head.headers, &mut news);
            }
            // Where something else may speak, its word that it did nothing is not believed.
            let again = news.again.as_mut();
            let again = again.filter(|_| provider.answers_count());
            let may = |other: &Injected| self.may_start(plan, other, watch.used(), news.asker);
            let again = match again {
                None => None,
                Some(again) => {
                    let spending = news.spending.as_deref_mut();
                    let before = (said, injected.as_deref());
                    self.next(again, plan, before, spending, may).await
                }
            };
            let Some((other, request)) = again else {
                return match said {
                    Judged::Refused(refusal) if plan.explains => {
                        Err(self.refused(plan, stored, refusal))
                    }
                    _ => {
                        let answer = AnswerBody::behind(front, body, watch, slot);
                        Ok(Response::from_parts(head, answer))
                    }
                };
            };
            // What is left of the answer is not read: the connection closes, unless that was all.
            drop((front, body));
            metrics::counter!("keyward_requests_repeated_total").increment(1);
            news.asked = now();
            (response, watch) = self.send(request, plan, &other, &news, watch).await?;
            injected = Some(other);
            if !self.is_news(plan, injected.as_deref(), &response, news.asked) {
                return Ok(response.map(|body| AnswerBody::forwarded(body, watch, slot)));
            }
        }
    }

    /// The request once more, and what it is sent with then: a key that is within its limits. Another value of the key that
    /// it was sent with before is counted already.
    async fn next(
        &self,
        again: &mut Again<B>,
        plan: &Plan,
        (said, before): (Judged, Option<&Injected>),
        mut spending: Option<&mut Spending>,
        may: impl Fn(&Injected) -> bool,
    ) -> Option<(Arc<Injected>, Request<Replayable<B>>)> {
        let key_of = |injected: &Injected| injected.stored.as_ref().map(|stored| stored.of.id);
        loop {
            let other = again.next(said, &may)?;
            // Before it is counted: what cannot be sent again is not.
            let request = again.request()?;
            let is_counted = before.and_then(key_of) == key_of(&other);
            let spending = spending.as_deref_mut();
            let headers = &again.headers;
            let is_let = is_counted || self.lets_again(plan, &other, headers, spending).await;
            // That may have taken a while.
            if is_let && may(&other) {
                return Some((other, request));
            }
        }
    }

    /// Sends a request once more, with another value.
    async fn send(
        &self,
        mut request: Request<Replayable<B>>,
        plan: &Plan,
        injected: &Injected,
        news: &News<'_, B>,
        watch: Watch,
    ) -> Result<(Response<ResponseBody>, Watch), Refusal> {
        // What cuts the new value cuts the request from here on, and what cuts the old one no more.
        let mut used = watch.into_used();
        used.key = injected.use_of_key();
        self.touch(injected, news.asked);
        let mut watch = self.requests.watch(used, news.cuts_seen);
        let headers = request.headers_mut();
        let rules = plan.rules(&self.gateway, Some(injected), headers, news.path);
        let target = plan.target.clone();
        let forwarding = pin!(self.forwarder.forward(request, target, rules));
        let forwarded = watch.unless_revoked(forwarding).await?;
        let response = forwarded.map_err(|error| Refusal::from_forward(&error))?;
        Ok((response, watch))
    }

    /// Whether a request may begin with this value now: what was decided when it came may be revoked since.
    fn may_start(&self, plan: &Plan, injected: &Injected, used: &Used, asker: Asker) -> bool {
        let snapshot = self.gateway.registry().snapshot();
        let stored = injected.stored.as_ref();
        let found = stored.and_then(|stored| Some((stored.of, stored.key(&snapshot)?)));
        let Some((of, key)) = found else {
            return false;
        };
        let (record, now) = (&key.record, now());
        let is_current = injected.is_value(key.current.as_ref());
        let is_there = record.secret == of.secret
            && (injected.is_value(key.previous())
                || is_current && record.status == KeyStatus::Active);
        let may_be_used = record.disabled_at.is_none() && !record.is_stopped_by_date(now);
        let is_let = match asker {
            Asker::Operator => true,
            Asker::Client(source) => {
                let token = used.token.and_then(|id| snapshot.tokens().find_by_id(id));
                let ask = RunAsk {
                    account: record.account,
                    gateway: record.gateway.as_str(),
                    provider: record.provider.as_str(),
                    alias: Some(record.alias.as_str()),
                    class: plan.class.bit(),
                    model: plan.model.asked_again(),
                    source,
                };
                token.is_some_and(|token| {
                    let token = &token.record;
                    decide_run(token.kind, &token.grant, &ask, now).is_allow()
                })
            }
        };
        is_there && may_be_used && is_let
    }

    /// Whether a request that waited for its body may begin: what was decided when it came may be revoked or replaced since.
    /// Where its key has another value by now, or its custom provider another place or other headers, it is sent with those.
    pub(super) fn still_may(
        &self,
        plan: &mut Plan,
        (request, uri): (&Request<Replayable<B>>, &Uri),
        (sender, asker): (Sender<'_>, Asker),
    ) -> Result<(), Refusal> {
        let again = self.decide_again(request, uri, sender);
        let again = again.map_err(Stop::refusal)?;
        let key = plan.used.key.map(|key| key.id);
        let is_key_good = match plan.injected.as_deref() {
            Some(injected) if key.is_some() => self.may_start(plan, injected, &plan.used, asker),
            _ => true,
        };
        // A custom provider may have another place or other headers since.
        if is_key_good && plan.used.custom.is_none() {
            return Ok(());
        }
        let of_key = |key| {
            let first = again.injected.as_ref();
            let first = first.filter(|injected| injected.key() == Some(key));
            first
                .or_else(|| again.others.as_ref()?.of_key(key))
                .cloned()
        };
        plan.injected = match key {
            None => again.injected,
            Some(key) => Some(of_key(key).ok_or(Refusal::from(Revoked::Key))?),
        };
        let injected = plan.injected.as_deref();
        plan.used.key = injected.and_then(Injected::use_of_key);
        plan.used.custom = again.used.custom;
        (plan.target, plan.prefix, plan.mount) = (again.target, again.prefix, again.mount);
        Ok(())
    }

    /// Notes that a key is used that was not the first choice.
    fn touch(&self, injected: &Injected, now: SystemTime) {
        let snapshot = self.gateway.registry().snapshot();
        let stored = injected.stored.as_ref();
        if let Some(key) = stored.and_then(|stored| stored.key(&snapshot)) {
            key.last_used.touch_at(now);
        }
    }

    /// Takes note of what an answer says of the key that the request was sent with.
    fn note(
        &self,
        plan: &Plan,
        stored: &StoredValue,
        said: Judged,
        headers: &HeaderMap,
        news: &mut News<'_, B>,
    ) {
        match said {
            Judged::Refused(refusal) => {
                let said = Said::Refused {
                    refusal,
                    request: *news
                        .number
                        .get_or_insert_with(|| self.gateway.evidence().next_request()),
                    proves: plan.proves,
                };
                self.report(plan, stored, said, news.asked);
            }
            Judged::Limited(wait) => {
                let now = now();
                let told = wait.map(|wait| now + wait.min(limit::LONGEST));
                let until = told.unwrap_or_else(|| limit::limited_until(headers, now));
                stored.health.limit(until, now);
            }
            Judged::OutOfFunds => stored.health.note_no_funds(now()),
            Judged::Nothing => {}
        }
    }

    fn report(&self, plan: &Plan, stored: &StoredValue, said: Said, asked: SystemTime) {
        if plan.provider.provider.answers_count() {
            self.gateway.evidence().report(Evidence {
                value: stored.health.id(),
                key: stored.of.id,
                said,
                asked,
                at: now(),
            });
        }
    }

    /// What the client is told of a stored key that the provider refuses.
    fn refused(&self, plan: &Plan, stored: Option<&StoredValue>, refusal: KeyRefusal) -> Refusal {
        let snapshot = self.gateway.registry().snapshot();
        let key = stored.and_then(|stored| stored.key(&snapshot));
        let (gateway, alias) = key.map_or_else(Default::default, |key| {
            (key.record.gateway.to_string(), key.record.alias.to_string())
        });
        Refusal::KeyRefused {
            gateway,
            provider: plan.provider.provider.slug().to_owned(),
            alias,
            reason: words(refusal),
        }
    }
}
