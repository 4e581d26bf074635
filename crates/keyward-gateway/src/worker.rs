//! One worker: what it keeps between requests, and how it answers one.

mod bodies;
mod by_body;
mod models;
mod prepare;
mod rates;
mod spend;
mod usage;
mod walk;
mod ways;
mod weigh;

use std::{
    convert::Infallible,
    net::IpAddr,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body::Body;
use keyward_forward::{BoxError, Forwarder, Handshake, Shared, Switch};
use keyward_registry::{Registry, SnapshotReader};

use self::{
    by_body::Read,
    prepare::Prepared,
    weigh::{Again, Asker, News},
};
use crate::{
    Gateway,
    body::{self, AnswerBody},
    counters::Counters,
    credentials::Credentials,
    customs::Customs,
    cut::{Requests, Watch},
    explain::Known,
    in_flight::{Places, RequestSlot},
    log::{LogQueue, Noted, Telling},
    replay::Replayable,
    request::{self, Part, Plan, Sender, Stop, Turn},
    request_id::{Ids, RequestId},
    respond::Refusal,
    traffic::{Keyless, Series, Tally, UnderWay},
    upgrade,
};

/// One worker: its view of the registry, its opened credentials, its upstream connections. Answers requests whose
/// bodies are `B`.
#[derive(Debug)]
pub(crate) struct Worker<B> {
    gateway: Arc<Gateway>,
    /// Held while a request is decided, never over an await. This worker's requests take
    /// it, and the recorder once a second.
    state: Mutex<State>,
    forwarder: Forwarder<Replayable<B>>,
    counters: Arc<Counters>,
    tally: Arc<Tally>,
    log: Arc<LogQueue>,
    requests: Arc<Requests>,
    places: Arc<Places>,
}

/// What deciding needs to change.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) reader: SnapshotReader,
    pub(crate) credentials: Credentials,
    pub(crate) customs: Customs,
    pub(crate) trace: Trace,
    /// The series of requests without a stored key.
    pub(crate) keyless: Keyless,
    /// What the request that was decided last counts under, also where it was refused. None where its sender may not
    /// do what it asks for.
    pub(crate) counted: Option<Series>,
    /// What the log is told of it, where it counts.
    pub(crate) noted: Noted,
    /// Where its draws are: each is the next of a sequence whose members look random.
    draws: u64,
}

/// What was decided of a request.
struct Decided {
    decided: Result<Plan, Stop>,
    /// What it counts under.
    counted: Option<Series>,
    noted: Noted,
    draw: u64,
    /// Which picture of the registry it was decided by.
    generation: u64,
}

/// Whether deciding notes last uses, and counts tokens that do not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    Left,
    /// For a request that is asked about and not sent.
    None,
}

impl State {
    /// With nothing opened yet.
    pub(crate) fn new(registry: &Registry, trace: Trace) -> Self {
        Self {
            reader: registry.reader(),
            credentials: Credentials::default(),
            customs: Customs::default(),
            trace,
            keyless: Keyless::default(),
            counted: None,
            noted: Noted::default(),
            draws: first_draw(),
        }
    }

    /// A number by which a key is drawn.
    pub(crate) const fn next_draw(&mut self) -> u64 {
        self.draws = self.draws.wrapping_add(1);
        self.draws
    }

    /// Lets go of what was kept of another picture.
    pub(crate) fn forget(&mut self) {
        let (snapshot, _is_new) = self.reader.current();
        self.credentials.retain(snapshot);
        self.customs.retain(snapshot);
        self.keyless.clear();
    }
}

impl<B> Worker<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        counters: Arc<Counters>,
        tally: Arc<Tally>,
        log: Arc<LogQueue>,
        upstreams: Shared<Replayable<B>>,
    ) -> Self {
        let forward = gateway.config().forward.clone();
        Self {
            state: Mutex::new(State::new(gateway.registry(), Trace::Left)),
            forwarder: Forwarder::sharing(Arc::clone(gateway.dial()), forward, upstreams),
            counters,
            tally,
            log,
            requests: gateway.cuts().worker(),
            places: gateway.in_flight().worker(),
            gateway,
        }
    }

    /// Lets go of what is outdated, where no request comes that would: the old picture, values that were
    /// replaced or deleted, connections that are unused for too long.
    pub(crate) fn tidy(&self) {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let (_snapshot, is_new) = state.reader.current();
            if is_new {
                state.forget();
            }
        }
        self.forwarder.sweep();
    }

    /// Answers one request from `source`, which is `known`'s where that is given. Never fails; a result all the same,
    /// because that is what a service gives, and a future around this one would copy the request and its answer once
    /// more.
    pub(crate) async fn answer(
        self: Arc<Self>,
        mut request: Request<Replayable<B>>,
        source: IpAddr,
        known: Option<Arc<Known>>,
        turn: Turn,
    ) -> Result<Response<AnswerBody>, Infallible> {
        let begun = Instant::now();
        let handshake = match upgrade::take(&mut request) {
            Ok(handshake) => handshake,
            Err(refusal) => return Ok(refuse(refusal, &Ids::undecided(request.headers()))),
        };
        // Before anything is decided: what is cut from here on concerns this request too.
        let cuts_seen = self.requests.cuts_made();
        // Taken out whole, so that the gateway's part of the path stays at hand without a copy.
        let uri = std::mem::take(request.uri_mut());
        let asked = now();
        let sender = Sender::of(source, known.as_ref().map(|known| &known.token), &turn);
        let asker = Asker::of(known.as_ref(), source);
        let first = self.decide(&request, &uri, handshake.as_deref(), sender, asked);
        let ids = Ids::new(RequestId::of(asked, first.draw), request.headers());
        let mut read = None;
        let (mut decided, mut counted) = match first.decided {
            // What is made of it counts, and not it.
            Err(Stop::Goes(way)) => {
                return Ok(self.go(request, uri, *way, source, ids).await);
            }
            // Boxed because it is rare and large.
            Err(Stop::Read(why)) => {
                let why = (sender, why);
                Box::pin(self.decide_by_body(&mut request, &uri, why, &mut read)).await
            }
            decided => (decided.map_err(Stop::refusal), first.counted),
        };
        // Before it is counted: what finds no place is not sent.
        let slot = decided.iter().find_map(|_plan| self.places.begin_request());
        let length = request.body().size_hint().exact();
        let mut prepared = Prepared::nothing(cuts_seen);
        if slot.is_some() && self.has_to_prepare(&decided, first.noted, request.headers()) {
            let sender = Read::behind(read.as_ref(), sender);
            let prior = (first.noted, first.generation, sender, asker);
            let decided = (&mut decided, &mut counted);
            // Boxed because few gateways and keys have a limit or a budget, and few streams have to be asked.
            prepared = Box::pin(self.prepare(decided, (&mut request, &uri), prior)).await;
        }
        let cuts_seen = prepared.cuts_seen;
        let sent = (request.headers(), &uri, length);
        let with = (&mut prepared, begun, &turn.part());
        let mut under_way = self.begin((counted, first.noted), &ids, sent, with);
        if let Some(known) = known {
            known.note(&self.gateway, decided.as_ref(), &request, &uri, source);
        }
        let (mut plan, slot) = match (decided, slot) {
            (Ok(plan), Some(slot)) => (plan, slot),
            (decided, _) => {
                let refusal = decided.err().unwrap_or(Refusal::Busy);
                return Ok(under_way.refused(refusal, &ids));
            }
        };
        let used = std::mem::take(&mut plan.used);
        let watch = self.requests.watch(used, cuts_seen);
        let path = uri.path();
        let forwarded = match handshake {
            // Not a future of its own, into which the request would be copied.
            None => {
                let mut watch = watch;
                let again = plan
                    .others
                    .take()
                    .map(|others| Again::of(&mut request, others, self.gateway.replay_room()));
                let injected = plan.injected.as_deref();
                let rules = plan.rules(&self.gateway, injected, request.headers_mut(), path);
                let forwarding = pin!(self.forwarder.forward(request, plan.target.clone(), rules));
                match watch.unless_revoked(forwarding).await {
                    Ok(Ok(response)) if !self.is_news(&plan, injected, &response, asked) => {
                        Ok(response.map(|body| AnswerBody::forwarded(body, watch, slot)))
                    }
                    // Boxed because it is rare and large.
                    Ok(Ok(response)) => {
                        let held = under_way.spending();
                        let news = News::new(again, path, asked, cuts_seen, asker, held);
                        Box::pin(self.weigh(response, &plan, news, watch, slot)).await
                    }
                    Ok(Err(error)) => Err(Refusal::from_forward(&error)),
                    Err(revoked) => Err(Refusal::from(revoked)),
                }
            }
            // Boxed because it is rare and large.
            Some(handshake) => {
                let news = News::new(None, path, asked, cuts_seen, asker, None);
                Box::pin(self.upgrade(request, *handshake, &plan, news, watch, slot)).await
            }
        };
        Ok(self.ended(forwarded, under_way, (&plan, prepared.is_asked), &ids))
    }

    /// Takes a request that has begun, with what it counts under and what is reserved for it.
    fn begin(
        &self,
        (counted, noted): (Option<Series>, Noted),
        ids: &Ids,
        sent: (&HeaderMap, &Uri, Option<u64>),
        (prepared, begun, part): (&mut Prepared, Instant, &Part),
    ) -> UnderWay<'_> {
        let telling = counted.as_ref().map(|counted| {
            let of = (&self.log, counted, ids, noted);
            let with = (prepared.spending.take(), prepared.bodies.take());
            Telling::of(of, sent, (begun, part), with)
        });
        self.tally.begin(counted, telling, begun, part.until)
    }

    /// Notes what became of a request that was sent.
    #[inline]
    fn ended(
        &self,
        forwarded: Result<Response<AnswerBody>, Refusal>,
        mut under_way: UnderWay<'_>,
        (plan, is_asked): (&Plan, bool),
        ids: &Ids,
    ) -> Response<AnswerBody> {
        match forwarded {
            Ok(mut response) => {
                let room = self.gateway.replay_room();
                if let Some(telling) = under_way.answered(&response, plan.usage, room) {
                    response.body_mut().tell(telling);
                }
                let status = response.status();
                self.counters.answered(plan.provider.index, status);
                ids.put(response.headers_mut());
                body::without_extra_chunk(response, is_asked)
            }
            Err(refusal) => under_way.refused(refusal, ids),
        }
    }

    /// What would become of a request now, without a trace.
    fn decide_again(
        &self,
        request: &Request<Replayable<B>>,
        uri: &Uri,
        sender: Sender<'_>,
    ) -> Result<Plan, Stop> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let trace = std::mem::replace(&mut state.trace, Trace::None);
        let decided = request::decide(&self.gateway, &mut state, request, uri, None, sender, now());
        state.trace = trace;
        decided
    }

    /// What becomes of a request, and what it counts under.
    fn decide(
        &self,
        request: &Request<Replayable<B>>,
        uri: &Uri,
        handshake: Option<&Handshake>,
        sender: Sender<'_>,
        asked: SystemTime,
    ) -> Decided {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let decided = request::decide(
            &self.gateway,
            &mut state,
            request,
            uri,
            handshake,
            sender,
            asked,
        );
        Decided {
            decided,
            counted: state.counted.take(),
            noted: state.noted,
            draw: state.next_draw(),
            generation: state.reader.generation(),
        }
    }

    /// Passes a WebSocket handshake on, and runs the tunnel if the provider switches.
    async fn upgrade(
        &self,
        mut request: Request<Replayable<B>>,
        mut handshake: Handshake,
        plan: &Plan,
        news: News<'_, B>,
        mut watch: Watch,
        slot: RequestSlot,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let client = hyper::upgrade::on(&mut request);
        let offers = plan.offers.as_deref();
        if let Some(offers) = offers {
            handshake.retain_protocols(|place| offers.keeps(place));
        }
        let injected = plan.injected.as_deref();
        let rules = plan.rules(&self.gateway, injected, request.headers_mut(), news.path);
        let target = plan.target.clone();
        let switching = pin!(self.forwarder.upgrade(request, &handshake, target, rules));
        let switch = watch
            .unless_revoked(switching)
            .await?
            .map_err(|error| Refusal::from_forward(&error))?;
        match switch {
            Switch::Declined(response) if self.is_news(plan, injected, &response, news.asked) => {
                self.weigh(response, plan, news, watch, slot).await
            }
            Switch::Declined(response) => {
                Ok(response.map(|body| AnswerBody::forwarded(body, watch, slot)))
            }
            Switch::Switched(mut response, tunnel) => {
                if let Some(offers) = offers {
                    offers.choose(response.headers_mut());
                }
                let slug = plan.provider.provider.slug();
                let label = self.gateway.providers().label(slug);
                let label = label.unwrap_or_default().to_owned();
                // Its connection is tracked by the drain, and it is cut with the runtime.
                drop(tokio::spawn(upgrade::run(
                    client, tunnel, label, watch, slot,
                )));
                Ok(response.map(|()| AnswerBody::Own(None)))
            }
        }
    }
}

/// Where a worker's draws begin. Not a secret: without randomness, all begin at the same place.
fn first_draw() -> u64 {
    getrandom::u64().unwrap_or_default()
}

pub(crate) fn refuse(refusal: Refusal, ids: &Ids) -> Response<AnswerBody> {
    let (status, code) = refusal.status();
    metrics::counter!("keyward_refused_total", "code" => code.to_string()).increment(1);
    tracing::debug!(request = %ids.request, code, %status, %refusal, "answered by the gateway");
    refusal
        .into_response(ids)
        .map(|bytes| AnswerBody::Own(Some(bytes)))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the shell of the request path: the one place where it reads the clock"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
