//! A case, how it is run, and what must hold.

use std::{fmt, future::Future, net::SocketAddr, pin::Pin, time::Duration};

use keyward_testing::{Behaviour, Recorded, client::Client, http2};
use memchr::memmem;

use crate::{
    ask::{Ask, Plane, Protocol},
    world::{ACCOUNT, ACTOR, World, now},
};

/// Why a case failed.
pub(crate) type Verdict = Result<(), String>;
type Running<'a> = Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;
type Check = Box<dyn Fn(&Seen) -> Verdict + Send + Sync>;
type Run = Box<dyn for<'a> Fn(&'a World, Protocol) -> Running<'a> + Send + Sync>;

/// What came back, and what reached the provider.
#[derive(Default)]
pub(crate) struct Seen {
    /// Nothing where there was no answer.
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// The HTTP/2 error of the stream or the connection.
    pub(crate) error: Option<u32>,
    pub(crate) upstream: Vec<Recorded>,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        let upstream: Vec<String> = self
            .upstream
            .iter()
            .map(|request| {
                let fields: Vec<String> = (request.headers.iter())
                    .map(|(name, value)| format!("{name}: {}", text(value)))
                    .collect();
                let Recorded {
                    method,
                    target,
                    body,
                    ..
                } = request;
                format!("{method} {target} {fields:?} {} bytes", body.len())
            })
            .collect();
        write!(
            f,
            "{:?}, error {:?}, {:?}; upstream {upstream:?}",
            self.status,
            self.error,
            text(&self.body)
        )
    }
}

impl Seen {
    /// The one whole request that reached the provider.
    pub(crate) fn only(&self) -> Option<&Recorded> {
        let mut whole = self.upstream.iter().filter(|request| !request.truncated);
        whole.next().filter(|_| self.whole() == 1)
    }

    /// How many whole requests reached the provider. One that was cut off may be recorded late, with the next case.
    pub(crate) fn whole(&self) -> usize {
        self.upstream
            .iter()
            .filter(|request| !request.truncated)
            .count()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let mut fields = self.headers.iter();
        let found = fields.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }
}

/// What must hold of a request, besides what holds of every one.
pub(crate) enum Must {
    /// An error of ours or of the protocol; nothing reaches the provider, nothing is changed.
    Refuse,
    /// One of these statuses, or a protocol error over HTTP/2; nothing reaches the provider, nothing is changed.
    RefuseWith(&'static [u16]),
    /// 200, and what the provider got was intact.
    Pass,
    /// Refused, or passed on intact: at most one request, and not one that was smuggled.
    Harmless,
    /// Anything that this accepts.
    Hold(Check),
}

enum Action {
    /// Bytes for each protocol. `None`: the protocol has no form of it.
    Send {
        http1: Option<Vec<u8>>,
        http2: Option<Vec<u8>>,
        must: Must,
        behaviour: Option<Behaviour>,
    },
    Run {
        protocols: &'static [Protocol],
        run: Run,
    },
}

/// One case of a class.
pub(crate) struct Case {
    pub(crate) class: u8,
    pub(crate) plane: Plane,
    pub(crate) name: String,
    action: Action,
}

impl Case {
    /// The same request in both protocols.
    pub(crate) fn ask(class: u8, name: impl Into<String>, ask: &Ask, must: Must) -> Self {
        let (http1, http2) = (Some(ask.http1()), Some(ask.http2()));
        Self::send(class, ask.plane, name, http1, http2, must)
    }

    /// Bytes for each protocol; of HTTP/2 those behind the preface and the settings.
    pub(crate) fn send(
        class: u8,
        plane: Plane,
        name: impl Into<String>,
        http1: Option<Vec<u8>>,
        http2: Option<Vec<u8>>,
        must: Must,
    ) -> Self {
        let action = Action::Send {
            http1,
            http2,
            must,
            behaviour: None,
        };
        Self {
            class,
            plane,
            name: name.into(),
            action,
        }
    }

    /// Anything that is more than one request.
    pub(crate) fn run_on(
        class: u8,
        plane: Plane,
        name: impl Into<String>,
        protocols: &'static [Protocol],
        run: impl for<'a> Fn(&'a World, Protocol) -> Running<'a> + Send + Sync + 'static,
    ) -> Self {
        let run = Box::new(run);
        Self {
            class,
            plane,
            name: name.into(),
            action: Action::Run { protocols, run },
        }
    }

    /// How the provider behaves, once.
    pub(crate) fn when(mut self, provider: Behaviour) -> Self {
        if let Action::Send { behaviour, .. } = &mut self.action {
            *behaviour = Some(provider);
        }
        self
    }

    /// Whether there is a form of it in this protocol; none at all where no request is made.
    pub(crate) fn speaks(&self, protocol: Protocol) -> bool {
        match &self.action {
            Action::Send { http1, http2, .. } => match protocol {
                Protocol::Http1 => http1.is_some(),
                Protocol::Http2 => http2.is_some(),
            },
            Action::Run { protocols, .. } => protocols.contains(&protocol),
        }
    }

    pub(crate) async fn run(&self, world: &World, protocol: Protocol) -> Verdict {
        let (http1, http2, must, behaviour) = match &self.action {
            Action::Run { run, .. } => return run(world, protocol).await,
            Action::Send {
                http1,
                http2,
                must,
                behaviour,
            } => (http1, http2, must, behaviour),
        };
        if let Some(behaviour) = behaviour {
            world.provider.behave_once(behaviour.clone());
        }
        let addr = address(world, self.plane);
        let seen = match protocol {
            Protocol::Http1 => exchange1(world, addr, http1.as_deref().unwrap_or_default()).await,
            Protocol::Http2 => exchange2(world, addr, http2.as_deref().unwrap_or_default()).await,
        };
        world.provider.behave(Behaviour::Normal);
        let verdict = hold_always(world, &seen).and_then(|()| hold(world, must, &seen));
        forget_made(world).await;
        verdict
    }
}

pub(crate) fn address(world: &World, plane: Plane) -> SocketAddr {
    match plane {
        Plane::Data => world.data,
        Plane::Control => world.control,
    }
}

/// One request in either protocol.
pub(crate) async fn exchange(world: &World, ask: &Ask, protocol: Protocol) -> Seen {
    let addr = address(world, ask.plane);
    match protocol {
        Protocol::Http1 => exchange1(world, addr, &ask.http1()).await,
        Protocol::Http2 => exchange2(world, addr, &ask.http2()).await,
    }
}

async fn exchange1(world: &World, addr: SocketAddr, bytes: &[u8]) -> Seen {
    let client = Client::connect(addr).await.unwrap();
    let mut client = client.with_deadline(Duration::from_secs(20));
    let mut seen = Seen::default();
    // Without an answer: closed, which is a refusal as well.
    if let Ok(answer) = client.exchange(bytes).await {
        seen.status = Some(answer.status);
        seen.headers = answer.headers;
        seen.body = answer.body;
    }
    seen.upstream = world.provider.take_recorded();
    seen
}

async fn exchange2(world: &World, addr: SocketAddr, bytes: &[u8]) -> Seen {
    let connection = http2::Connection::open(addr).await.unwrap();
    let mut connection = connection.with_deadline(Duration::from_secs(20));
    // The server may have hung up before it has all of it.
    drop(connection.send(bytes).await);
    let outcome = connection.outcome(1).await;
    let error = outcome.error();
    Seen {
        status: outcome.status,
        headers: outcome.headers,
        body: outcome.body,
        error,
        upstream: world.provider.take_recorded(),
    }
}

/// What holds of every request.
pub(crate) fn hold_always(world: &World, seen: &Seen) -> Verdict {
    let fail = |what: &str| Err(format!("{what}: {seen:?}"));
    let mut answered = seen.body.clone();
    for (_, value) in &seen.headers {
        answered.extend_from_slice(value);
    }
    for secret in [&world.key, &world.token, &world.admin] {
        if memmem::find(&answered, secret.random_part().as_bytes()).is_some() {
            return fail("a secret came back");
        }
    }
    if !world.attacker.received().is_empty() {
        return fail("the attacker was asked");
    }
    let host = world.provider.addr().to_string();
    for request in &seen.upstream {
        if request.header_all("host") != [host.as_bytes()] {
            return fail("the provider got another host");
        }
        let slots = ["authorization", "x-goog-api-key", "x-api-key", "api-key"];
        let credentials: Vec<&[u8]> = (slots.iter())
            .flat_map(|slot| request.header_all(slot))
            .collect();
        let bearer = format!("Bearer {}", world.key.text());
        let own = [bearer.as_bytes(), world.key.text().as_bytes()];
        if credentials.len() != 1 || !own.contains(&credentials[0]) {
            return fail("the stored key is not there once and alone");
        }
        let framings = request.header_all("content-length").len()
            + request.header_all("transfer-encoding").len();
        if framings > 1 {
            return fail("two framings went upstream");
        }
        for (name, value) in &request.headers {
            let name = name.to_ascii_lowercase();
            let planted = memmem::find(value, b"planted").is_some();
            let token = memmem::find(value, b"kw_").is_some();
            if planted || token || name.starts_with("cf-aig") || name.starts_with("cf_aig") {
                return fail("something that must not pass went upstream");
            }
        }
        if request.target.contains("kw_") || request.target.contains("smuggled") {
            return fail("the target holds what must not pass");
        }
        if !request.target.starts_with("/v1/") && !request.target.starts_with("/v1beta/") {
            return fail("the target is none of the provider's");
        }
    }
    Ok(())
}

fn hold(world: &World, must: &Must, seen: &Seen) -> Verdict {
    let fail = |what: &str| Err(format!("{what}: {seen:?}"));
    let refused = |allowed: &dyn Fn(u16) -> bool| {
        if seen.whole() > 0 {
            return fail("it went upstream");
        }
        if is_made(world) {
            return fail("it changed something");
        }
        match seen.status {
            Some(status) if allowed(status) => Ok(()),
            None => Ok(()),
            Some(_) => fail("it was not refused"),
        }
    };
    match must {
        Must::Refuse => refused(&|status| (400..600).contains(&status) && status != 500),
        Must::RefuseWith(statuses) => refused(&|status| statuses.contains(&status)),
        Must::Pass if seen.status == Some(200) => Ok(()),
        Must::Pass => fail("it did not pass"),
        Must::Harmless if seen.whole() > 1 || is_made(world) => {
            fail("more went on than one request")
        }
        Must::Harmless
            if seen
                .status
                .is_some_and(|status| status >= 500 && status != 501 && status != 505) =>
        {
            fail("a server error")
        }
        Must::Harmless => Ok(()),
        Must::Hold(check) => check(seen),
    }
}

/// Whether the gateway of [`Ask::create`] was made.
pub(crate) fn is_made(world: &World) -> bool {
    let snapshot = world.registry.snapshot();
    ["made", "smuggled"]
        .iter()
        .any(|id| snapshot.gateway(ACCOUNT, id).is_some())
}

/// So that the next case starts from where this one did.
async fn forget_made(world: &World) {
    if is_made(world) {
        for id in ["made", "smuggled"] {
            drop(
                world
                    .registry
                    .delete_gateway(ACCOUNT, id, ACTOR, now())
                    .await,
            );
        }
    }
}

/// A check in words.
pub(crate) fn hold_that(
    what: &'static str,
    check: impl Fn(&Seen) -> bool + Send + Sync + 'static,
) -> Must {
    Must::Hold(Box::new(move |seen| match check(seen) {
        true => Ok(()),
        false => Err(format!("not: {what}: {seen:?}")),
    }))
}

/// What an async case returns.
pub(crate) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise()) }
}

pub(crate) const BOTH: &[Protocol] = &[Protocol::Http1, Protocol::Http2];
pub(crate) const HTTP2: &[Protocol] = &[Protocol::Http2];
pub(crate) const HTTP1: &[Protocol] = &[Protocol::Http1];
/// No request is made at all.
pub(crate) const NEITHER: &[Protocol] = &[];
