//! The way of one request, up to the point where it goes out. No I/O, no clock: `now` is an argument.
//!
//! Address, caller, may they, credential, target. What every request must be is in `well_formed.rs`, who sends it and
//! what they may in `access.rs`, which model they ask for in `model.rs`, what is stored for it in `stored.rs`, how it is rewritten in `rules.rs`. What comes
//! after (rewrite, forward, answer) is the forwarder's.

mod access;
mod model;
mod others;
mod pooled;
mod rules;
mod stored;
mod ways;
mod well_formed;

use std::{
    error::Error,
    net::IpAddr,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, Method, Request, Uri};
use keyward_auth::{Entry, LastUsed};
use keyward_forward::{Handshake, Target};
use keyward_providers::{Class, Provider, Route, Support, Surface, UsageShape};
use keyward_registry::{CustomProvider, CustomSlug, Snapshot, StoredKeyRefused};
use keyward_routes::SpendLimits;
use keyward_secret::SecretBytes;

use self::{
    access::Entered,
    model::Wanted,
    stored::{Asked, Behind, Stored},
    well_formed::{check_expectation, check_host, check_method},
};
pub(crate) use self::{
    access::shown,
    model::{PlannedModel, ReadFor, Seen},
    others::Others,
    stored::has_budgets,
};
use crate::{
    Config, Gateway, GatewayAddress,
    address::check_query,
    caller::{Caller, Keys, OwnKey, QueryCut, cut_query},
    credentials::Injected,
    customs::Prepared,
    cut::Used,
    gateway::ProviderEntry,
    head::Head,
    limits::Due,
    log::Noted,
    loops::Came,
    respond::Refusal,
    rules::Rule,
    traffic::Series,
    upgrade::Offers,
    ways::{COMPAT, To, Unaddressed, Way},
    worker::{State, Trace},
};

/// What is to be done with a request that may go on.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) provider: Arc<ProviderEntry>,
    pub(crate) target: Target,
    /// What is injected: the stored key, unless the client's own goes through, and a custom provider's headers.
    pub(crate) injected: Option<Arc<Injected>>,
    /// What it is sent with instead, if the provider does not take that.
    pub(crate) others: Option<Box<Others>>,
    /// Whether it was drawn from a pool.
    pub(crate) is_pooled: bool,
    pub(crate) class: Class,
    /// In which way the answer says what it took.
    pub(crate) usage: Option<UsageShape>,
    /// Whether a stream says so only where it is asked to.
    pub(crate) asks_for_usage: bool,
    /// Whether the endpoint is one where only a good credential has a success.
    pub(crate) proves: bool,
    /// Whether the client is told of a refused stored key in our words.
    pub(crate) explains: bool,
    /// Whether the client's own key goes through in the header that it came in.
    pub(crate) keeps_own_key: bool,
    /// How many bytes of the target's path stand before the rest.
    pub(crate) prefix: usize,
    /// How many bytes of the request's path stand for them.
    pub(crate) mount: usize,
    /// What becomes of the sub-protocols that a WebSocket handshake offers.
    pub(crate) offers: Option<Box<Offers>>,
    /// Whether a token of ours is left in the request's headers.
    pub(crate) has_stray_token: bool,
    /// What is cut with it.
    pub(crate) used: Used,
    /// The model that it is permitted for.
    pub(crate) model: PlannedModel,
    /// The gateway's rate limit, in which it is counted before it is sent.
    pub(crate) rate_limit: Option<Due>,
    /// Whether a key that it may be sent with has a limit of its own.
    pub(crate) has_limited_key: bool,
    /// What it may cost is to be reserved in these.
    pub(crate) budgets: Budgeted,
}

/// Which budgets there are for a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budgeted {
    /// Whether there are any. Then its body is read.
    pub(crate) is_any: bool,
    /// Whether a key that it may be sent with has some.
    pub(crate) is_key: bool,
    /// Those that are limits of the route, where there are some.
    pub(crate) of_route: Option<Arc<[Rule]>>,
}

impl Plan {
    /// Whether it must be counted before it is sent, or something reserved for it.
    pub(crate) const fn is_limited(&self) -> bool {
        self.rate_limit.is_some() || self.has_limited_key || self.budgets.is_any
    }

    /// Whether something is to be done before it is sent that takes its body, or time.
    pub(crate) fn has_to_prepare(&self, config: &Config, is_told: impl FnOnce() -> bool) -> bool {
        let is_read = self.asks_for_usage && config.asks_for_usage || config.log_body_bytes > 0;
        self.is_limited() || is_read && is_told()
    }

    /// What it counts under, where it is sent with a stored key.
    pub(crate) fn series(&self) -> Option<Series> {
        let stored = self.injected.as_ref()?.stored.as_ref()?;
        Some(stored.series.clone())
    }
}

/// Where a request comes from, and who sends it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender<'a> {
    pub(crate) source: IpAddr,
    /// The token, where it is known to whoever runs the gateway and stands nowhere in the request. What it may do is
    /// decided as of every other.
    pub(crate) known: Option<&'a Arc<Entry>>,
    /// What is known of the body, where that was read because it was [to be](Stop::Read).
    pub(crate) seen: Seen<'a>,
    pub(crate) turn: &'a Turn,
}

/// Who made a request.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    /// A client. It may go another way than straight to the provider.
    Client,
    /// The gateway, on such a way.
    Inner(Part),
}

/// What a request that the gateway makes is of the one that it is made for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    /// Until when an answer is waited for.
    pub(crate) until: Option<Instant>,
    /// How many entries or models were asked before, where it is one of those.
    pub(crate) step: Option<u32>,
    /// Whether a body in OpenAI's form says where it goes.
    pub(crate) is_compat: bool,
    /// The limits of cost that it has passed on its way through a route, where there are some.
    pub(crate) budgets: Option<Arc<[Rule]>>,
}

impl Turn {
    /// What it is of another request; nothing of a client's own.
    pub(crate) fn part(&self) -> Part {
        match self {
            Self::Client => Part::default(),
            Self::Inner(part) => part.clone(),
        }
    }

    /// The limits of cost that it has passed on its way through a route, where there are some.
    const fn budgets(&self) -> Option<&Arc<[Rule]>> {
        match self {
            Self::Client => None,
            Self::Inner(part) => part.budgets.as_ref(),
        }
    }
}

impl<'a> Sender<'a> {
    /// Whether it may go another way. Not where whoever runs the gateway knows the token: that is not looked up again.
    const fn may_go(&self) -> bool {
        matches!(self.turn, Turn::Client) && self.known.is_none()
    }

    /// Of a request whose body was not looked at.
    pub(crate) const fn of(source: IpAddr, known: Option<&'a Arc<Entry>>, turn: &'a Turn) -> Self {
        Self {
            source,
            known,
            seen: Seen::Unread,
            turn,
        }
    }
}

/// Why there is no plan for a request.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It is answered by the gateway.
    Refused(Refusal),
    /// It goes another way than straight to the provider that its path names, once.
    Goes(Box<Way>),
    /// Its body is to be read, and the request decided again.
    Read(ReadFor),
}

impl Stop {
    /// What a request is answered with that stops here, also where its body is not read.
    pub(crate) fn refusal(self) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal,
            Self::Read(_) | Self::Goes(_) => {
                Refusal::ModelUnread("it stands in a body that is not read".to_owned())
            }
        }
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Decides what happens to a request. What a WebSocket handshake took out of it is not in its headers any more.
pub(crate) fn decide<B>(
    gateway: &Gateway,
    state: &mut State,
    request: &Request<B>,
    uri: &Uri,
    handshake: Option<&Handshake>,
    sender: Sender<'_>,
    now: SystemTime,
) -> Result<Plan, Stop> {
    check_method(request.method())?;
    let head = &Head::of(request.headers());
    check_host(head.host, uri, request.version())?;
    if head.has_expect {
        check_expectation(request)?;
    }
    if head.has_cdn_loop {
        match gateway.loop_mark().came(request.headers()) {
            Came::First => {}
            Came::Again => return Err(Refusal::Loop.into()),
            Came::Malformed => return Err(Refusal::LoopHeader.into()),
        }
    }
    let parsed = GatewayAddress::parse(uri.path())
        .and_then(|address| check_query(uri.query()).map(|()| address));
    state.counted = None;
    let (snapshot, is_new) = state.reader.current();
    let snapshot = &Arc::clone(snapshot);
    if is_new {
        state.forget();
    }
    let step = |address| Step {
        snapshot,
        headers: request.headers(),
        head,
        uri,
        address,
        handshake,
        sender,
        now,
        trace: state.trace,
        method: request.method(),
    };
    let address = match parsed {
        Ok(address) => address,
        Err(error) => {
            let Some(unaddressed) = unaddressed(uri, handshake, sender) else {
                return Err(Refusal::Path(error.to_string()).into());
            };
            let address = unaddressed.address(request.headers())?;
            return Err(step(address).other_way(gateway, unaddressed.to));
        }
    };
    let step = step(address);
    match gateway.providers().find(address.provider) {
        Some(entry) => {
            let entered = step.enter(gateway, Some(&entry.provider))?;
            step.decide(gateway, state, entry, None, entered)
        }
        None => match custom_provider(step.snapshot, &step.address) {
            Some(view) => step.decide_custom(gateway, state, view),
            None if address.provider == COMPAT && sender.may_go() => {
                let to = To::below_compat(address.rest).filter(|_| handshake.is_none());
                Err(match to {
                    Some(to) => step.other_way(gateway, to),
                    None => step.entered_or(gateway, Refusal::CompatPath),
                })
            }
            None => Err(step.unknown_provider(gateway).into()),
        },
    }
}

/// A path of another shape than a provider's, which a client may ask for.
fn unaddressed<'a>(
    uri: &'a Uri,
    handshake: Option<&Handshake>,
    sender: Sender<'_>,
) -> Option<Unaddressed<'a>> {
    match (handshake, sender.may_go()) {
        (None, true) => Unaddressed::parse(uri.path()),
        _ => None,
    }
}

/// What the steps share.
struct Step<'a> {
    snapshot: &'a Snapshot,
    headers: &'a HeaderMap,
    head: &'a Head<'a>,
    uri: &'a Uri,
    address: GatewayAddress<'a>,
    handshake: Option<&'a Handshake>,
    sender: Sender<'a>,
    now: SystemTime,
    trace: Trace,
    method: &'a Method,
}

impl<'a> Step<'a> {
    /// Whether only a good credential has a success with such a request.
    fn proves(&self, route: &Route<'_>) -> bool {
        route.class.proves_credential() && *self.method == Method::POST
    }

    /// Notes a use, where deciding leaves a trace.
    fn touch(&self, last_used: &LastUsed) {
        if self.trace == Trace::Left {
            last_used.touch(seconds(self.now));
        }
    }

    fn decide(
        &self,
        gateway: &Gateway,
        state: &mut State,
        entry: &Arc<ProviderEntry>,
        custom: Option<&Prepared>,
        entered: Entered<'_>,
    ) -> Result<Plan, Stop> {
        state.noted = self.noted(&entered);
        self.check_handling(gateway, &entered)?;
        let provider = entry.provider.as_ref();
        let (caller, token) = (&entered.caller, entered.token);
        if let Support::Refused { reason } = provider.support() {
            return Err(Refusal::ProviderRefused {
                provider: provider.slug().to_owned(),
                reason: reason.to_string(),
            }
            .into());
        }
        let route = provider
            .route(self.method, self.address.rest, self.headers)
            .map_err(|error| Refusal::Target(error.to_string()))?;
        if self.handshake.is_some() && route.class != Class::Realtime {
            return Err(
                Refusal::Upgrade("the provider's endpoint is none that takes WebSockets").into(),
            );
        }
        // Before anything is opened, drawn or noted: all of that comes when the body is known.
        if let Some((token, why)) = self.reads_first(&entered, provider, route.class) {
            self.check(token, entry, None, route.class)?;
            return Err(Stop::Read(why));
        }
        let stored = match caller.own_key {
            OwnKey::Repeated => return Err(Refusal::CredentialRepeated.into()),
            OwnKey::Present => {
                self.allow_own_key(state, entered.view, token, entry, route.class)?;
                let injected = match (caller.loose_key, custom) {
                    (Some(key), _) => Some(loose_key(provider, route.surface, key)?),
                    (None, Some(custom)) => self.headers(token, custom)?.cloned(),
                    (None, None) => None,
                };
                injected.map(Stored::of)
            }
            OwnKey::Absent => {
                let asked = Asked {
                    gateway,
                    entry,
                    custom,
                    route: &route,
                };
                Some(self.stored(state, &entered, asked)?)
            }
        };
        if let Some(token) = token {
            self.touch(&token.last_used);
        }
        let (injected, behind) = match stored {
            Some(stored) => (Some(stored.injected), stored.behind),
            None => (None, Behind::default()),
        };
        let plan = self.plan(entry, &route, caller, injected)?;
        let model = token.map_or(PlannedModel::Any, |token| {
            self.wanted(token, provider, route.class).planned()
        });
        let told = entered.view.record().settings.stored_key_refused;
        Ok(Plan {
            model,
            rate_limit: self.rate_limit(gateway, entered.view),
            has_limited_key: behind.has_limited_key,
            budgets: self.budgets(&entered, &plan, &behind),
            others: behind.others,
            is_pooled: behind.is_pooled,
            explains: told == StoredKeyRefused::Explain,
            used: Used {
                token: token.map(|token| token.record.id),
                key: plan
                    .injected
                    .as_ref()
                    .and_then(|injected| injected.use_of_key()),
                custom: custom.map(|custom| custom.used(plan.injected.as_deref())),
            },
            offers: self
                .handshake
                .zip(entered.offers)
                .map(|(handshake, offers)| Box::new(Offers::new(handshake, &offers))),
            ..plan
        })
    }

    /// What the log is told of the request's sender and gateway.
    fn noted(&self, entered: &Entered<'_>) -> Noted {
        Noted {
            by_gateway: entered.view.record().settings.collect_logs,
            has_said: self.head.has_said,
            token: entered.token.map(|token| token.record.id),
        }
    }

    /// Which budgets there are for a request that is planned so far.
    fn budgets(&self, entered: &Entered<'_>, plan: &Plan, behind: &Behind) -> Budgeted {
        let limits = entered.view.record().settings.spend_limits.as_ref();
        let has_token_some = |token: &Arc<Entry>| {
            let limits = self.snapshot.spend_limits_of_token(token.record.id);
            limits.is_some_and(|limits| limits.is_enabled())
        };
        let of_route = self.sender.turn.budgets().cloned();
        let is_any = limits.is_some_and(SpendLimits::is_enabled)
            || entered.token.is_some_and(has_token_some)
            || behind.has_budgeted_key
            || of_route.is_some();
        Budgeted {
            is_any: is_any && self.may_cost(plan),
            is_key: behind.has_budgeted_key,
            of_route,
        }
    }

    /// Whether such a request runs a model that answers at once. What is said within a WebSocket is not read.
    fn may_cost(&self, plan: &Plan) -> bool {
        plan.usage.is_some()
            && self.handshake.is_none()
            && *self.method == Method::POST
            && match plan.class {
                Class::Inference
                | Class::Embeddings
                | Class::Images
                | Class::Audio
                | Class::Video => true,
                // Nothing is known of its endpoints.
                _ => {
                    let slug = plan.provider.provider.slug();
                    plan.class == Class::Other && slug.starts_with(CustomSlug::PREFIX)
                }
            }
    }

    /// What the body is to be read for before anything else, and whose token it is.
    fn reads_first<'e>(
        &self,
        entered: &Entered<'e>,
        provider: &Provider,
        class: Class,
    ) -> Option<(&'e Arc<Entry>, ReadFor)> {
        let token = entered.token?;
        if matches!(self.wanted(token, provider, class), Wanted::InBody) {
            return Some((token, ReadFor::Model));
        }
        let is_pooled =
            entered.caller.own_key == OwnKey::Absent && self.wants_conversation(entered, provider);
        is_pooled.then_some((token, ReadFor::Conversation))
    }

    fn decide_custom(
        &self,
        gateway: &Gateway,
        state: &mut State,
        view: &Arc<CustomProvider>,
    ) -> Result<Plan, Stop> {
        // What the account has is not told to those who may not use the gateway.
        let entered = self.enter_as_user(gateway, Some(&view.provider))?;
        if !view.record.enabled {
            let slug = &view.record.slug;
            return Err(Refusal::ProviderRefused {
                provider: view.provider.slug().to_owned(),
                reason: format!(
                    "it is switched off. Switch it on with `keyward providers update {slug} --enable`."
                ),
            }
            .into());
        }
        let (vault, index) = (
            gateway.registry().vault(),
            gateway.providers().custom_index(),
        );
        let prepared = state
            .customs
            .find(vault, view, index)
            .map_err(|error| Refusal::Target(error.to_string()))?;
        let custom = Some(prepared.as_ref());
        self.decide(gateway, state, &prepared.entry, custom, entered)
    }

    fn plan(
        &self,
        entry: &Arc<ProviderEntry>,
        route: &Route<'_>,
        caller: &Caller<'_>,
        injected: Option<Arc<Injected>>,
    ) -> Result<Plan, Refusal> {
        let provider = entry.provider.as_ref();
        let endpoint = entry
            .endpoint(route.upstream)
            .ok_or_else(|| Refusal::Target("the provider has no such origin".to_owned()))?;
        let keeps_own_key = caller.own_key == OwnKey::Present && caller.loose_key.is_none();
        let keys = match keeps_own_key {
            true => Keys::Keep,
            false => Keys::Cut,
        };
        let (prefix, rest, query) = match &route.path_override {
            None => (route.prefix, self.address.rest, self.uri.query()),
            Some(target) => match target.split_once('?') {
                Some((path, query)) => ("", path, Some(query)),
                None => ("", target.as_str(), None),
            },
        };
        let cut;
        let query = match query {
            Some(query) if caller.query == QueryCut::Needed || route.path_override.is_some() => {
                cut = cut_query(query, provider, keys);
                cut.as_deref()
            }
            query => query,
        };
        let target = Target::join(Arc::clone(endpoint), prefix, rest, query)
            .map_err(|error| Refusal::Target(error.to_string()))?;
        let path = self.uri.path();
        let shown = path.len() - self.address.rest.len();
        let mount = path
            .get(..shown)
            .map_or(0, |front| front.trim_end_matches('/').len());
        Ok(Plan {
            provider: Arc::clone(entry),
            prefix: prefix.len(),
            target,
            injected,
            others: None,
            is_pooled: false,
            class: route.class,
            usage: provider.usage_shape(self.method, self.address.rest),
            asks_for_usage: self.handshake.is_none()
                && provider.answers_count()
                && provider.asks_for_usage(self.method, self.address.rest),
            proves: self.proves(route),
            explains: true,
            keeps_own_key,
            mount,
            offers: None,
            has_stray_token: self.head.has_stray_token,
            used: Used::default(),
            model: PlannedModel::Any,
            rate_limit: None,
            has_limited_key: false,
            budgets: Budgeted::default(),
        })
    }
}

/// The account's own provider of the name in the path.
pub(crate) fn custom_provider<'a>(
    snapshot: &'a Snapshot,
    address: &GatewayAddress<'_>,
) -> Option<&'a Arc<CustomProvider>> {
    let slug = address.provider.strip_prefix(CustomSlug::PREFIX)?;
    snapshot.custom_provider(address.account, slug)
}

/// The client's own key, which goes on as the header in which the provider takes one.
fn loose_key(provider: &Provider, surface: Surface, key: &[u8]) -> Result<Arc<Injected>, Refusal> {
    let secret = SecretBytes::copy_from(key);
    let credential = provider
        .bind_on(surface, secret, provider.destination().clone())
        .map_err(|error| {
            let why = error
                .source()
                .map_or_else(String::new, |why| format!(": {why}"));
            Refusal::Target(format!("{error}{why}"))
        })?;
    Ok(Arc::new(Injected::new(credential, None)))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
