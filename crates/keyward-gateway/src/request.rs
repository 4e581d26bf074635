//! The way of one request, up to the point where it goes out. No I/O, no clock: `now` is an argument.
//!
//! Address, caller, may they, credential, target. What comes after (rewrite, forward, answer) is the
//! forwarder's.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header::EXPECT};
use keyward_auth::{Decision, Entry, Failure, Kind, RunAsk, decide_run};
use keyward_forward::{Handshake, Target};
use keyward_providers::{Class, Provider, Route, Support};
use keyward_registry::{
    Alias, CustomProvider, CustomSlug, Gateway as GatewayView, KeyStatus, OpenHeadersError,
    ProviderKey, Snapshot,
};
use keyward_secret::SecretBytes;

use crate::{
    Gateway, GatewayAddress,
    address::check_query,
    caller::{Caller, Keys, OwnKey, Presented, QueryCut, cut_query, holds_token},
    credentials::{Injected, Unusable},
    customs::Prepared,
    cut::Used,
    gateway::ProviderEntry,
    head::{Field, Head},
    loops::Came,
    respond::Refusal,
    subprotocols::{self, Offer},
    upgrade::Offers,
    worker::State,
};

/// How many aliases an error names at most: there may be thousands.
const SHOWN_ALIASES: usize = 100;

/// What is to be done with a request that may go on.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) provider: Arc<ProviderEntry>,
    pub(crate) target: Target,
    /// What is injected: the stored key, unless the client's own goes through, and a custom provider's headers.
    pub(crate) injected: Option<Arc<Injected>>,
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
}

/// Decides what happens to a request. What a WebSocket handshake took out of it is not in its headers any more.
pub(crate) fn decide<B>(
    gateway: &Gateway,
    state: &mut State,
    request: &Request<B>,
    uri: &Uri,
    handshake: Option<&Handshake>,
    source: IpAddr,
    now: SystemTime,
) -> Result<Plan, Refusal> {
    check_method(request.method())?;
    let head = &Head::of(request.headers());
    check_host(head.host, uri, request.version())?;
    if head.has_expect {
        check_expectation(request)?;
    }
    if head.has_cdn_loop {
        match gateway.loop_mark().came(request.headers()) {
            Came::First => {}
            Came::Again => return Err(Refusal::Loop),
            Came::Malformed => return Err(Refusal::LoopHeader),
        }
    }
    let address = GatewayAddress::parse(uri.path())
        .and_then(|address| check_query(uri.query()).map(|()| address))
        .map_err(|error| Refusal::Path(error.to_string()))?;
    let (snapshot, is_new) = state.reader.current();
    if is_new {
        state.credentials.retain(snapshot);
        state.customs.retain(snapshot);
    }
    let step = Step {
        snapshot: &Arc::clone(snapshot),
        headers: request.headers(),
        head,
        uri,
        address,
        handshake,
        source,
        now,
    };
    match gateway.providers().find(address.provider) {
        Some(entry) => step.decide(gateway, state, request.method(), entry, None),
        None => match step.custom_provider() {
            Some(view) => step.decide_custom(gateway, state, request.method(), view),
            None => Err(step.unknown_provider(gateway)),
        },
    }
}

fn check_method(method: &Method) -> Result<(), Refusal> {
    // TRACE would show the injected credential; CONNECT asks for a tunnel.
    if *method == Method::TRACE || *method == Method::CONNECT {
        return Err(Refusal::Method {
            method: method.to_string(),
        });
    }
    Ok(())
}

/// The one expectation there is (RFC 9110 §10.1.1). hyper says `100 Continue` when the body is first read, which
/// is after everything here; over HTTP/1.0 there are no expectations.
fn check_expectation<B>(request: &Request<B>) -> Result<(), Refusal> {
    let met = |value: &HeaderValue| {
        value
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"100-continue")
    };
    if request.version() == Version::HTTP_10 || request.headers().get_all(EXPECT).iter().all(met) {
        return Ok(());
    }
    Err(Refusal::Expectation)
}

/// Exactly one `Host` that is one, and no other authority in the target (RFC 9112 §3.2). On HTTP/2 `:authority`
/// takes its place, or stands beside it and says the same (RFC 9113 §8.3.1).
fn check_host(host: Field<'_>, uri: &Uri, version: Version) -> Result<(), Refusal> {
    let host = match host {
        Field::Absent => None,
        Field::Once(host) => Some(host),
        Field::Repeated => return Err(Refusal::Host),
    };
    let is_one = match (host, uri.authority()) {
        (Some(host), Some(authority)) => host
            .as_bytes()
            .eq_ignore_ascii_case(authority.as_str().as_bytes()),
        (Some(_host), None) => true,
        (None, authority) => version == Version::HTTP_2 && authority.is_some(),
    };
    let named = host.map(HeaderValue::as_bytes);
    let named = named.or_else(|| Some(uri.authority()?.as_str().as_bytes()));
    if is_one && named.is_some_and(is_host) {
        Ok(())
    } else {
        Err(Refusal::Host)
    }
}

/// Whether a value could be a host with or without a port. Which one is of no interest here; what looks like user
/// information, a path or a list is a value that somebody else would read in another way.
fn is_host(value: &[u8]) -> bool {
    let ends_host = |byte: &u8| matches!(byte, b'@' | b'/' | b'\\' | b'?' | b'#' | b',');
    !value.is_empty()
        && value
            .iter()
            .all(|byte| byte.is_ascii_graphic() && !ends_host(byte))
}

/// What the steps share.
struct Step<'a> {
    snapshot: &'a Snapshot,
    headers: &'a HeaderMap,
    head: &'a Head<'a>,
    uri: &'a Uri,
    address: GatewayAddress<'a>,
    handshake: Option<&'a Handshake>,
    source: IpAddr,
    now: SystemTime,
}

impl<'a> Step<'a> {
    fn decide(
        &self,
        gateway: &Gateway,
        state: &mut State,
        method: &Method,
        entry: &Arc<ProviderEntry>,
        custom: Option<&Prepared>,
    ) -> Result<Plan, Refusal> {
        let provider = entry.provider.as_ref();
        let offers = self.offers(Some(provider));
        let query = self.uri.query();
        let caller = Caller::find(
            self.head,
            self.headers,
            query,
            Some(provider),
            offers.as_deref(),
        );
        let token = self.verify(gateway, &caller)?;
        let view = self.gateway(token)?;
        if let Support::Refused { reason } = provider.support() {
            return Err(Refusal::ProviderRefused {
                provider: provider.slug().to_owned(),
                reason: reason.to_string(),
            });
        }
        let route = provider
            .route(method, self.address.rest, self.headers)
            .map_err(|error| Refusal::Target(error.to_string()))?;
        if self.handshake.is_some() && route.class != Class::Realtime {
            return Err(Refusal::Upgrade(
                "the provider's endpoint is none that takes WebSockets",
            ));
        }
        let injected = match caller.own_key {
            OwnKey::Repeated => return Err(Refusal::CredentialRepeated),
            OwnKey::Present => {
                self.allow_own_key(view, token, entry, route.class)?;
                match (caller.loose_key, custom) {
                    (Some(key), _) => Some(loose_key(provider, key)?),
                    (None, Some(custom)) => self.headers(token, custom)?.cloned(),
                    (None, None) => None,
                }
            }
            OwnKey::Absent => {
                Some(self.stored(gateway, state, view, token, entry, custom, &route)?)
            }
        };
        if let Some(token) = token {
            token.last_used.touch(seconds(self.now));
        }
        let plan = self.plan(entry, &route, &caller, injected)?;
        Ok(Plan {
            used: Used {
                token: token.map(|token| token.record.id),
                key: plan.injected.as_ref().and_then(|injected| injected.of),
            },
            offers: self
                .handshake
                .zip(offers)
                .map(|(handshake, offers)| Box::new(Offers::new(handshake, &offers))),
            ..plan
        })
    }

    /// The account's own provider of this name.
    fn custom_provider(&self) -> Option<&'a Arc<CustomProvider>> {
        let slug = self.address.provider.strip_prefix(CustomSlug::PREFIX)?;
        self.snapshot.custom_provider(self.address.account, slug)
    }

    fn decide_custom(
        &self,
        gateway: &Gateway,
        state: &mut State,
        method: &Method,
        view: &Arc<CustomProvider>,
    ) -> Result<Plan, Refusal> {
        // What the account has is not told to those who may not use the gateway.
        self.may_learn(gateway, Some(&view.provider))?;
        if !view.record.enabled {
            let slug = &view.record.slug;
            return Err(Refusal::ProviderRefused {
                provider: view.provider.slug().to_owned(),
                reason: format!(
                    "it is switched off. Switch it on with `keyward providers update {slug} --enable`."
                ),
            });
        }
        let (vault, index) = (
            gateway.registry().vault(),
            gateway.providers().custom_index(),
        );
        let prepared = state
            .customs
            .find(vault, view, index)
            .map_err(|error| Refusal::Target(error.to_string()))?;
        self.decide(gateway, state, method, &prepared.entry, Some(&prepared))
    }

    /// A custom provider's headers. They may hold credentials, so they are for authenticated requests alone.
    fn headers<'p>(
        &self,
        token: Option<&Arc<Entry>>,
        custom: &'p Prepared,
    ) -> Result<Option<&'p Arc<Injected>>, Refusal> {
        let headers = match &custom.headers {
            Ok(None) => return Ok(None),
            Ok(Some(headers)) => Ok(headers),
            Err(error) => Err(error),
        };
        token.ok_or(Refusal::Unauthorized)?;
        let provider = custom.entry.provider.slug().to_owned();
        let slug = custom.slug().to_owned();
        headers.map(Some).map_err(|error| match error {
            OpenHeadersError::Elsewhere { sealed_for } => Refusal::HeadersElsewhere {
                provider,
                slug,
                sealed_for: sealed_for.clone(),
                wanted: custom.origin().to_string(),
            },
            _ => Refusal::HeadersDamaged { provider, slug },
        })
    }

    /// What is stored for this request: the key, with the headers of a custom provider. Headers alone do where
    /// the gateway has no key for it.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is another part of one decision"
    )]
    fn stored(
        &self,
        gateway: &Gateway,
        state: &mut State,
        view: &GatewayView,
        token: Option<&Arc<Entry>>,
        entry: &ProviderEntry,
        custom: Option<&Prepared>,
        route: &Route<'_>,
    ) -> Result<Arc<Injected>, Refusal> {
        if let Some(custom) = custom
            && !matches!(custom.headers, Ok(None))
            && view.keys_for(entry.provider.slug()).next().is_none()
        {
            let token = token.ok_or(Refusal::Unauthorized)?;
            self.check(token, entry, None, route.class)?;
            if let Some(headers) = self.headers(Some(token), custom)? {
                return Ok(Arc::clone(headers));
            }
        }
        let key = self.stored_key(view, token, entry, route.class)?;
        let headers = match custom {
            Some(custom) => self.headers(token, custom)?,
            None => None,
        };
        let injected = self.open(gateway, state, entry, key, route)?;
        key.last_used.touch(seconds(self.now));
        Ok(match headers {
            Some(headers) => state.customs.join(key.record.id, &injected, headers),
            None => injected,
        })
    }

    /// What each sub-protocol is, where the request is a WebSocket handshake.
    fn offers(&self, provider: Option<&Provider>) -> Option<Vec<Offer<'a>>> {
        let handshake = self.handshake?;
        Some(subprotocols::read(handshake.protocols(), provider))
    }

    /// The token, where there is one: it must be known. Whether it may is another question.
    ///
    /// A known token is found first, so that nobody behind the same address can get it refused. All else is
    /// counted, and the answer is the same whether the source is over its limit or not.
    fn verify(
        &self,
        gateway: &Gateway,
        caller: &Caller<'_>,
    ) -> Result<Option<&'a Arc<Entry>>, Refusal> {
        let unknown = match &caller.token {
            Presented::Absent => return Ok(None),
            Presented::Bad => None,
            Presented::Token(text) => {
                let entry = self.snapshot.tokens().find(&text.digest(), self.now);
                if entry.is_some() {
                    return Ok(entry);
                }
                Some(text.id())
            }
        };
        let failure = gateway.note_failure(self.source, self.now);
        let limited = if failure.is_over() { "yes" } else { "no" };
        metrics::counter!("keyward_failed_authentications_total", "plane" => "data", "limited" => limited)
            .increment(1);
        match (failure, unknown) {
            (Failure::Counted, Some(id)) => {
                tracing::debug!(token = %id, "a token is unknown or revoked");
            }
            (Failure::Counted, None) => {
                tracing::debug!("what is presented as a token is malformed, hidden, or several");
            }
            (Failure::OverAndNews, _) => tracing::warn!(
                source = %self.source,
                "many failed authentications come from one source; for a minute no more is said of it"
            ),
            (Failure::Over, _) => {}
        }
        Err(Refusal::Unauthorized)
    }

    /// The gateway. Only who holds a token that could be for it learns that there is none.
    fn gateway(&self, token: Option<&Arc<Entry>>) -> Result<&'a GatewayView, Refusal> {
        let name = self.address.gateway;
        let found = self.snapshot.gateway(self.address.account, name);
        match (found, token) {
            (Some(view), None) if view.record().settings.authentication => {
                tracing::debug!("the gateway wants a token, and none is presented");
                Err(Refusal::Unauthorized)
            }
            (Some(view), _) => Ok(view),
            (None, Some(token)) if self.could_be_for_gateway(token) => {
                Err(Refusal::GatewayUnknown {
                    gateway: shown(name),
                })
            }
            (None, _) => Err(Refusal::Unauthorized),
        }
    }

    fn could_be_for_gateway(&self, token: &Entry) -> bool {
        let grant = &token.record.grant;
        token.record.kind == Kind::Gateway
            && grant.account == self.address.account
            && grant.gateways.allows(self.address.gateway)
            && token.record.status(self.now) == keyward_auth::Status::Active
    }

    /// A provider that is not there. Who may not use the gateway learns no more than that.
    fn unknown_provider(&self, gateway: &Gateway) -> Refusal {
        let allowed = self.may_learn(gateway, None);
        allowed.err().unwrap_or_else(|| Refusal::ProviderUnknown {
            provider: shown(self.address.provider),
        })
    }

    /// Whether the request may be told which providers there are: it may use the gateway.
    fn may_learn(&self, gateway: &Gateway, provider: Option<&Provider>) -> Result<(), Refusal> {
        let offers = self.offers(provider);
        let query = self.uri.query();
        let caller = Caller::find(self.head, self.headers, query, provider, offers.as_deref());
        let token = self.verify(gateway, &caller)?;
        self.gateway(token)?;
        match token {
            Some(token) if !self.could_be_for_gateway(token) => Err(Refusal::Unauthorized),
            _ => Ok(()),
        }
    }

    fn check(
        &self,
        token: &Entry,
        entry: &ProviderEntry,
        alias: Option<&str>,
        class: Class,
    ) -> Result<(), Refusal> {
        let ask = RunAsk {
            account: self.address.account,
            gateway: self.address.gateway,
            provider: entry.provider.slug(),
            alias,
            class: class.bit(),
            source: self.source,
        };
        match decide_run(token.record.kind, &token.record.grant, &ask, self.now) {
            Decision::Allow => Ok(()),
            Decision::Deny(reason) => {
                tracing::debug!(token = %token.record.id, %reason, "a token may not do what it asks for");
                Err(Refusal::Unauthorized)
            }
        }
    }

    /// The client's own key goes through, unless the gateway takes stored keys only.
    fn allow_own_key(
        &self,
        view: &GatewayView,
        token: Option<&Arc<Entry>>,
        entry: &ProviderEntry,
        class: Class,
    ) -> Result<(), Refusal> {
        if let Some(token) = token {
            self.check(token, entry, None, class)?;
        }
        if view.record().settings.stored_keys_only {
            return Err(Refusal::OwnKeyForbidden {
                gateway: self.address.gateway.to_owned(),
            });
        }
        Ok(())
    }

    /// The stored key for this request. It is for authenticated requests alone, whatever the gateway says.
    fn stored_key<'v>(
        &self,
        view: &'v GatewayView,
        token: Option<&Arc<Entry>>,
        entry: &ProviderEntry,
        class: Class,
    ) -> Result<&'v Arc<ProviderKey>, Refusal> {
        let token = token.ok_or(Refusal::Unauthorized)?;
        let alias = self.alias()?;
        let Some(key) = view.key(entry.provider.slug(), alias) else {
            self.check(token, entry, None, class)?;
            return Err(self.no_such_key(token, entry, view, alias));
        };
        self.check(token, entry, Some(alias), class)?;
        self.check_usable(key, entry)?;
        Ok(key)
    }

    fn alias(&self) -> Result<&'a str, Refusal> {
        let refuse = |problem| Refusal::Header {
            name: "cf-aig-byok-alias",
            problem,
        };
        match self.head.alias {
            Field::Absent => Ok(Alias::DEFAULT),
            Field::Once(value) => {
                let text = value.to_str().map_err(|_bytes| refuse("is not text"))?;
                Ok(text.trim_ascii())
            }
            Field::Repeated => Err(refuse("stands in the request more than once")),
        }
    }

    /// Tells which aliases there are, of those that the token may use. An alias is ignored where the provider
    /// has no key at all (wire-spec §3.2).
    fn no_such_key(
        &self,
        token: &Entry,
        entry: &ProviderEntry,
        view: &GatewayView,
        alias: &str,
    ) -> Refusal {
        let gateway = self.address.gateway.to_owned();
        let provider = entry.provider.slug().to_owned();
        let allowed = &token.record.grant.aliases;
        let mut keys = view.keys_for(&provider).peekable();
        let has_none = keys.peek().is_none();
        let names: Vec<_> = keys
            .map(|key| key.record.alias.as_str())
            .filter(|name| allowed.allows(name))
            .take(SHOWN_ALIASES)
            .map(|name| format!("'{name}'"))
            .collect();
        // What is no alias is not repeated: it may be anything.
        let alias =
            Alias::parse(alias).map_or_else(|_invalid| "?".to_owned(), |alias| alias.to_string());
        if has_none {
            Refusal::KeyMissing { gateway, provider }
        } else {
            Refusal::AliasUnknown {
                gateway,
                provider,
                alias,
                configured: names.join(", "),
            }
        }
    }

    fn check_usable(&self, key: &ProviderKey, entry: &ProviderEntry) -> Result<(), Refusal> {
        let record = &key.record;
        if record.is_usable(self.now) {
            return Ok(());
        }
        let gateway = self.address.gateway.to_owned();
        let provider = entry.provider.slug().to_owned();
        let alias = record.alias.to_string();
        if record.disabled_at.is_some() {
            return Err(Refusal::KeyDisabled {
                gateway,
                provider,
                alias,
            });
        }
        let status = match record.status {
            // Not usable and not refused by anyone: its date has passed.
            KeyStatus::Active => KeyStatus::Expired,
            status => status,
        };
        Err(Refusal::KeyNotActive {
            gateway,
            provider,
            alias,
            status: status.as_str(),
        })
    }

    fn open(
        &self,
        gateway: &Gateway,
        state: &mut State,
        entry: &ProviderEntry,
        key: &ProviderKey,
        route: &Route<'_>,
    ) -> Result<Arc<Injected>, Refusal> {
        let origin = route.upstream.origin();
        let vault = gateway.registry().vault();
        let found = state.credentials.find(vault, key, &entry.provider, origin);
        found.map_err(|unusable| {
            let gateway = self.address.gateway.to_owned();
            let provider = entry.provider.slug().to_owned();
            let alias = key.record.alias.to_string();
            match unusable {
                Unusable::Elsewhere { sealed_for } => Refusal::KeyElsewhere {
                    gateway,
                    provider,
                    alias,
                    sealed_for,
                    wanted: origin.to_string(),
                },
                Unusable::Damaged => Refusal::KeyDamaged {
                    gateway,
                    provider,
                    alias,
                },
            }
        })
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
            keeps_own_key,
            mount,
            offers: None,
            has_stray_token: self.head.has_stray_token,
            used: Used::default(),
        })
    }
}

/// The client's own key, which goes on as the header in which the provider takes one.
fn loose_key(provider: &Provider, key: &[u8]) -> Result<Arc<Injected>, Refusal> {
    let secret = SecretBytes::copy_from(key);
    let credential = provider
        .bind(secret, provider.destination().clone())
        .map_err(|error| Refusal::Target(error.to_string()))?;
    Ok(Arc::new(Injected::new(credential, None)))
}

/// A name of the path as an answer and the log may repeat it: what cannot be meant as a name may be anything,
/// also a token.
fn shown(name: &str) -> String {
    if name.len() > 64 || keyward_auth::is_ours(name.as_bytes()) || holds_token(name.as_bytes()) {
        return "?".to_owned();
    }
    name.to_owned()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
