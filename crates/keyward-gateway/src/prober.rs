//! Asks a provider about a key: sends the probe of the catalogue with it, and tells what the answer says.
//!
//! Over the gateway's dialler with its guard, and by the forwarder, which injects a credential at its own destination and
//! nowhere else. No redirect is followed. Nothing of an answer is kept or logged but its status and what it says of the key.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use keyward_forward::{
    AcceptEncoding, CdnLoop, Endpoint, Forwarder, Offer, ResponseBody, Rules, Scrubber, StripList,
    Target,
};
use keyward_providers::{ErrorClass, Probe, ProbeOutcome, Provider, Surface};
use keyward_registry::{CurrentValue, ProviderKey};
use keyward_secret::BoundCredential;
use keyward_vault::status::{Charge, Finding, Refusal};
use tokio::time::timeout;

use crate::{
    Gateway,
    credentials::{Unusable, bound},
};

/// How long a probe may take, connecting and all.
const LONGEST: Duration = Duration::from_secs(10);
/// So much of an answer is read.
const MOST_BYTES: usize = 8 * 1024;
/// Probes of one origin at the same time; further ones wait.
const MOST_CONNECTIONS: usize = 16;

/// Sends probes. Cheap to share by reference; each probe has a connection of its own, and none is kept.
///
/// It has no limit of its own: how often a key may be asked about is for its caller to keep.
pub struct Prober {
    gateway: Arc<Gateway>,
    forwarder: Forwarder<Empty<Bytes>>,
    longest: Duration,
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probed {
    /// What the answer says of the key; [unclear](ProbeOutcome::Unclear) where there was none.
    pub outcome: ProbeOutcome,
    /// What the answer refuses; none where it refuses nothing, and where there was none.
    pub class: Option<ErrorClass>,
    /// The answer's status; none where there was no answer.
    pub status: Option<StatusCode>,
    /// Why there is no answer that says anything, in words for people. Holds no secret.
    pub problem: Option<String>,
    /// When it was sent.
    pub asked: SystemTime,
    /// How long it took.
    pub took: Duration,
}

impl Probed {
    /// The same, as the vault's rules about a key's status want it.
    #[must_use]
    pub fn finding(&self) -> Finding {
        match self.outcome {
            ProbeOutcome::Live => Finding::Good,
            ProbeOutcome::Unclear(_) => Finding::Unclear,
            ProbeOutcome::Dead(class) => {
                let charge = match class {
                    ErrorClass::Expired => Charge::Expired,
                    _ => Charge::Rejected,
                };
                let code = self.status.map_or(0, |status| status.as_u16());
                Finding::Bad(Refusal::new(charge, code))
            }
        }
    }
}

/// What an answer said, before the time is told.
struct Said {
    outcome: ProbeOutcome,
    class: Option<ErrorClass>,
    status: Option<StatusCode>,
    problem: Option<String>,
}

impl Said {
    fn nothing(class: ErrorClass, problem: impl Into<String>) -> Self {
        Self {
            outcome: ProbeOutcome::Unclear(class),
            class: None,
            status: None,
            problem: Some(problem.into()),
        }
    }
}

impl Prober {
    /// One that reaches providers as `gateway` does.
    #[must_use]
    pub fn new(gateway: &Arc<Gateway>) -> Self {
        let config = keyward_forward::Config {
            // A connection is for one question: nothing is kept, and nothing shared with requests.
            offer: Offer::Http1,
            max_idle_per_origin: 0,
            max_connections_per_origin: MOST_CONNECTIONS,
            ..gateway.config().forward.clone()
        };
        Self {
            forwarder: Forwarder::new(Arc::clone(gateway.dial()), config),
            gateway: Arc::clone(gateway),
            longest: LONGEST,
        }
    }

    /// With another limit than 10 s on how long a probe may take.
    #[must_use]
    pub const fn with_longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Asks `provider` about `credential`, which is bound to where it may go. Nothing is sent where the provider has no
    /// [probe](Provider::probe), nor to an origin that the credential is not bound to.
    pub async fn probe(&self, provider: &Provider, credential: &BoundCredential) -> Probed {
        let (asked, begun) = (now(), Instant::now());
        let said = match provider.probe() {
            None => Said::nothing(
                ErrorClass::Unknown,
                "no request is known that proves a key of this provider",
            ),
            Some(probe) => {
                let asking = self.ask(provider, probe, credential);
                // Boxed because it is rare and large.
                timeout(self.longest, Box::pin(asking))
                    .await
                    .unwrap_or_else(|_elapsed| {
                        let seconds = self.longest.as_secs();
                        let problem =
                            format!("the provider gave no whole answer within {seconds} s");
                        Said::nothing(ErrorClass::ProviderFault, problem)
                    })
            }
        };
        let took = begun.elapsed();
        tracing::debug!(
            provider = provider.slug(),
            outcome = ?said.outcome,
            status = said.status.map(|status| status.as_u16()),
            problem = said.problem.as_deref(),
            ?took,
            "a key was asked about"
        );
        Probed {
            outcome: said.outcome,
            class: said.class,
            status: said.status,
            problem: said.problem,
            asked,
            took,
        }
    }

    /// Asks about `value`, one of the values of `key`. Where it does not open for the provider's origin, nothing is sent,
    /// and the [problem](Probed::problem) says why.
    pub async fn probe_stored(&self, key: &ProviderKey, value: &CurrentValue) -> Probed {
        let slug = key.record.provider.as_str();
        let opened = match self.gateway.registry().catalogue().find(slug) {
            Some(provider) => self
                .open(provider, key, value)
                .map(|credential| (provider, credential)),
            None => Err("no request is known that proves a key of this provider".to_owned()),
        };
        match opened {
            Ok((provider, credential)) => self.probe(provider, &credential).await,
            Err(problem) => Probed {
                outcome: ProbeOutcome::Unclear(ErrorClass::Unknown),
                class: None,
                status: None,
                problem: Some(problem),
                asked: now(),
                took: Duration::ZERO,
            },
        }
    }

    fn open(
        &self,
        provider: &Provider,
        key: &ProviderKey,
        value: &CurrentValue,
    ) -> Result<BoundCredential, String> {
        let upstream = provider.upstreams().first();
        let origin = upstream.ok_or("it has no origin")?.origin();
        let vault = self.gateway.registry().vault();
        bound(vault, key, value, provider, origin, Surface::Own).map_err(|unusable| match unusable {
            Unusable::Elsewhere { sealed_for } => format!(
                "the key is sealed for {sealed_for}, and the provider is at {origin} now; enter the key again"
            ),
            Unusable::Damaged => "the stored value does not open; enter the key again".to_owned(),
        })
    }

    async fn ask(&self, provider: &Provider, probe: &Probe, credential: &BoundCredential) -> Said {
        let nothing =
            |error: &dyn fmt::Display| Said::nothing(ErrorClass::ProviderFault, error.to_string());
        let Some(upstream) = provider.upstreams().first() else {
            return Said::nothing(ErrorClass::Unknown, "the provider has no origin");
        };
        let endpoint = match Endpoint::new(upstream.origin().clone()) {
            Ok(endpoint) => Arc::new(endpoint),
            Err(error) => return nothing(&error),
        };
        let target = match Target::join(endpoint, upstream.base_path(), probe.path(), None) {
            Ok(target) => target,
            Err(error) => return nothing(&error),
        };
        let mut request = Request::new(Empty::new());
        request.method_mut().clone_from(probe.method());
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, USER_AGENT);
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        headers.extend(probe.headers().clone());
        let strip = StripList::default();
        let scrubber = Arc::new(Scrubber::new(credential));
        let mut rules = Rules::new(&strip).with_credential(credential, &scrubber);
        // As for requests: where the operator named the origin, this gateway may stand there.
        if provider.is_overridden() {
            rules.cdn_loop = CdnLoop::Send(self.gateway.loop_mark().value());
            rules.accept_encoding = AcceptEncoding::Identity;
        }
        let answer = match self.forwarder.forward(request, target, rules).await {
            Ok(answer) => answer,
            Err(error) => {
                let problem = match error.is_retryable() || error.is_timeout() {
                    true => format!("the provider is not reachable: {error}"),
                    false => format!("the provider gave no answer that can be read: {error}"),
                };
                return Said::nothing(ErrorClass::ProviderFault, problem);
            }
        };
        let (head, body) = answer.into_parts();
        match read(body).await {
            Ok(body) => {
                let judge = || provider.judge(head.status, &head.headers, &body).class;
                Said {
                    outcome: provider.judge_probe(head.status, &head.headers, &body),
                    class: (!head.status.is_success()).then(judge),
                    status: Some(head.status),
                    problem: None,
                }
            }
            Err(error) => Said {
                status: Some(head.status),
                ..nothing(&error)
            },
        }
    }
}

/// The beginning of a body. What is left of it is not waited for: its connection closes.
async fn read(mut body: ResponseBody) -> Result<Vec<u8>, keyward_forward::BodyError> {
    let mut read = Vec::new();
    while read.len() < MOST_BYTES
        && let Some(frame) = body.frame().await
    {
        if let Ok(data) = frame?.into_data() {
            let room = MOST_BYTES - read.len();
            read.extend_from_slice(data.get(..room).unwrap_or(&data));
        }
    }
    Ok(read)
}

/// What requests of our own say that they come from. Without it, some providers' front doors turn one away.
pub(crate) const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("keyward/", env!("CARGO_PKG_VERSION")));

#[expect(
    clippy::disallowed_methods,
    reason = "the shell of a probe: when it was sent is told with what it found"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

impl fmt::Debug for Prober {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prober")
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}
