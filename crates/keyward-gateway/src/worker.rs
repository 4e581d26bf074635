//! One worker: what it keeps between requests, and how it answers one.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use http::{Request, Response};
use hyper::body::Incoming;
use keyward_forward::{Forwarder, LocationRule, Rules};
use keyward_registry::SnapshotReader;

use crate::{
    Gateway,
    body::AnswerBody,
    caller::{self, Keys},
    counters::Counters,
    credentials::Credentials,
    request::{self, Plan},
    request_id::RequestId,
    respond::Refusal,
};

/// One worker: its view of the registry, its opened credentials, its upstream connections.
#[derive(Debug)]
pub(crate) struct Worker {
    gateway: Arc<Gateway>,
    /// Held while a request is decided, never over an await. This worker's requests take
    /// it, and the recorder once a second.
    state: Mutex<State>,
    forwarder: Forwarder<Incoming>,
    counters: Arc<Counters>,
}

/// What deciding needs to change.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) reader: SnapshotReader,
    pub(crate) credentials: Credentials,
}

impl Worker {
    pub(crate) fn new(gateway: Arc<Gateway>, counters: Arc<Counters>) -> Self {
        let forward = gateway.config().forward.clone();
        Self {
            state: Mutex::new(State {
                reader: gateway.registry().reader(),
                credentials: Credentials::default(),
            }),
            forwarder: Forwarder::new(Arc::clone(gateway.dial()), forward),
            counters,
            gateway,
        }
    }

    /// Lets go of what is outdated, where no request comes that would: the old picture, values that were
    /// replaced or deleted, connections that are unused for too long.
    pub(crate) fn tidy(&self) {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let State {
                reader,
                credentials,
            } = &mut *state;
            let (snapshot, is_new) = reader.current();
            if is_new {
                credentials.retain(snapshot);
            }
        }
        self.forwarder.sweep();
    }

    /// Answers one request from `source`.
    pub(crate) async fn answer(
        &self,
        mut request: Request<Incoming>,
        source: IpAddr,
    ) -> Response<AnswerBody> {
        // Taken out whole, so that the gateway's part of the path stays at hand without a copy.
        let uri = std::mem::take(request.uri_mut());
        let decided = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            request::decide(&self.gateway, &mut state, &request, &uri, source, now())
        };
        let plan = match decided {
            Ok(plan) => plan,
            Err(refusal) => return refuse(refusal),
        };
        match self.forward(request, &plan, uri.path()).await {
            Ok(response) => {
                self.counters
                    .answered(plan.provider.index, response.status());
                response
            }
            Err(refusal) => refuse(refusal),
        }
    }

    async fn forward(
        &self,
        mut request: Request<Incoming>,
        plan: &Plan,
        path: &str,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let rules = match &plan.injected {
            Some(injected) => {
                caller::remove_tokens(request.headers_mut(), Keys::Cut);
                Rules::new(&plan.provider.strip_all)
                    .with_credential(&injected.credential, &injected.scrubber)
            }
            None => {
                caller::remove_tokens(request.headers_mut(), Keys::Keep);
                Rules::new(&plan.provider.strip_none)
            }
        };
        let target = plan.target.clone();
        let rules = Rules {
            location: LocationRule {
                prefix: plan
                    .target
                    .path_and_query()
                    .path()
                    .get(..plan.prefix)
                    .unwrap_or_default(),
                mount: path.get(..plan.mount).unwrap_or_default(),
                allowed: &[],
            },
            ..rules
        };
        match self.forwarder.forward(request, target, rules).await {
            Ok(response) => Ok(response.map(AnswerBody::Forwarded)),
            Err(error) => Err(Refusal::from_forward(&error)),
        }
    }
}

fn refuse(refusal: Refusal) -> Response<AnswerBody> {
    let id = RequestId::make();
    let (status, code) = refusal.status();
    metrics::counter!("keyward_refused_total", "code" => code.to_string()).increment(1);
    tracing::debug!(request = %id, code, %status, %refusal, "answered by the gateway");
    refusal
        .into_response(id)
        .map(|bytes| AnswerBody::Own(Some(bytes)))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the shell of the request path: the one place where it reads the clock"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
