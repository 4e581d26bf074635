//! From a request to a handler and back: the checks that every request passes.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::SystemTime,
};

use axum::{
    Router,
    extract::{FromRequestParts, Query, RawPathParams, Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodFilter, get, on},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS},
};
use keyward_auth::{Failure, FailureLimit, ManagePlace, Permission};
use keyward_registry::Registry;

use crate::{
    Config, Peer,
    api::health,
    ask::{Ask, Content},
    call::{Parameters, Surroundings},
    caller::Caller,
    dashboard::{self, Dashboard, SignInLinks},
    envelope::{Problem, Reply},
    host::{self, AllowedHosts, HostFault},
    openapi, refused,
    route::{Access, Route, routes},
};

/// The control plane. Cloning shares it.
#[derive(Clone)]
pub struct Control(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) surroundings: Surroundings,
    pub(crate) dashboard: Dashboard,
    hosts: AllowedHosts,
    /// The description of the API, written when it is asked for first.
    description: OnceLock<Bytes>,
    /// Locked where a token is refused, and nowhere else.
    failures: Mutex<FailureLimit>,
}

/// A route that needs a token, as [`Control::routes`] lists it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RouteDescription {
    /// The method.
    pub method: Method,
    /// The path, its open parts in braces.
    pub path: &'static str,
    /// The permission that the token needs. `None`: any API token will do, since the answer tells of nothing
    /// but the token itself or its account's name.
    pub permission: Option<Permission>,
}

impl Control {
    /// The control plane of `registry`. Does no I/O.
    #[must_use]
    pub fn new(registry: Arc<Registry>, config: Config) -> Self {
        Self(Arc::new(Shared {
            hosts: AllowedHosts::new(&config.allowed_hosts),
            dashboard: Dashboard::new(&config),
            description: OnceLock::new(),
            failures: Mutex::default(),
            surroundings: Surroundings {
                registry,
                config: Arc::new(config),
                verifier: Arc::default(),
            },
        }))
    }

    /// Every route that needs a token.
    pub fn routes() -> impl Iterator<Item = RouteDescription> {
        routes().map(|route| RouteDescription {
            method: route.method.clone(),
            path: route.path,
            permission: match route.access {
                Access::Permission(permission, _) => Some(permission),
                Access::Verify | Access::AnyToken => None,
            },
        })
    }

    /// Every page of the dashboard, by method and path.
    pub fn pages() -> impl Iterator<Item = (Method, &'static str)> {
        dashboard::pages()
    }

    /// What makes links that sign a browser in. `None` where nobody can sign in: there is no dashboard, or the
    /// listener takes plain HTTP from other machines.
    #[must_use]
    pub fn sign_in_links(&self) -> Option<SignInLinks> {
        SignInLinks::new(&self.0)
    }

    /// The control plane as an axum router, for a host with an accept loop of its own, which puts a [`Peer`]
    /// into the extensions of each request.
    pub fn router(&self) -> Router {
        let mut router = Router::new()
            .route(
                "/healthz",
                get(async |State(shared): State<Arc<Shared>>| health::live(shared.config())),
            )
            .route(
                "/readyz",
                get(async |State(shared): State<Arc<Shared>>| health::ready(shared.config())),
            )
            .route("/metrics", get(metrics))
            .route(openapi::PATH, get(description));
        for route in routes() {
            let handler = move |State(shared): State<Arc<Shared>>, request: Request| {
                respond(route, shared, request)
            };
            // Every method in the table has a filter; one without would have no route, and answer 405.
            if let Ok(filter) = MethodFilter::try_from(route.method.clone()) {
                router = router.route(route.path, on(filter, handler));
            }
        }
        router = router
            .fallback(async || Problem::no_route())
            .method_not_allowed_fallback(async || Problem::no_method())
            .layer(from_fn(refuse_pages));
        if self.config().dashboard {
            router = router.merge(dashboard::router());
        }
        router
            .layer(from_fn_with_state(Arc::clone(&self.0), guard))
            .with_state(Arc::clone(&self.0))
    }
}

impl Control {
    pub(crate) fn config(&self) -> &Config {
        self.0.config()
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control")
            .field("config", self.0.config())
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn config(&self) -> &Config {
        &self.surroundings.config
    }

    /// Finds the token, and counts a request without one. A known token is found first and never counted, so
    /// that nobody behind the same address can get it refused; the answer is the same whether the source is
    /// over its limit or not.
    fn identify(
        &self,
        headers: &HeaderMap,
        peer: Option<Peer>,
        now: SystemTime,
    ) -> Result<Caller, Problem> {
        let snapshot = self.surroundings.registry.snapshot();
        Caller::identify(&snapshot, headers, peer, now)
            .inspect_err(|_unknown| self.note_failure(peer, now))
    }

    pub(crate) fn note_failure(&self, peer: Option<Peer>, now: SystemTime) {
        // What comes from nowhere that is known is one source.
        let source = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |Peer(address)| address.ip());
        let failure = {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            failures.note(source, now)
        };
        let limited = if failure.is_over() { "yes" } else { "no" };
        metrics::counter!("keyward_failed_authentications_total", "plane" => "control", "limited" => limited)
            .increment(1);
        match failure {
            Failure::Counted => {
                tracing::debug!(%source, "a request to the control plane is not authenticated")
            }
            Failure::OverAndNews => tracing::warn!(
                %source,
                "many failed authentications come from one source; for a minute no more is said of it"
            ),
            Failure::Over => {}
        }
    }
}

/// What every request passes, whatever its path, and what every answer carries.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = match check_surface(&shared, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn check_surface(shared: &Shared, request: &Request) -> Result<(), Problem> {
    // A probe reaches the address it knows by no name, and learns nothing that a web page may not know.
    let is_probe = matches!(request.uri().path(), "/healthz" | "/readyz");
    if !is_probe {
        shared
            .hosts
            .check(request.headers(), request.uri(), request.version())
            .map_err(|fault| match fault {
                HostFault::Malformed => Problem::malformed_host(),
                HostFault::NotAllowed => Problem::host_not_allowed(),
            })?;
    }
    Ok(())
}

/// Web pages may not change anything by the REST API. The dashboard knows its own.
async fn refuse_pages(request: Request, next: Next) -> Response {
    if host::is_write_from_a_page(request.method(), request.headers()) {
        return Problem::from_a_page().into_response();
    }
    next.run(request).await
}

async fn respond(route: &'static Route, shared: Arc<Shared>, request: Request) -> Response {
    let (status, response) = match run(route, &shared, request).await {
        Ok(reply) => (200, reply.into_response()),
        Err(problem) => (problem.status().as_u16(), problem.into_response()),
    };
    let labels = [
        ("route", route.name.to_owned()),
        ("status", status.to_string()),
    ];
    metrics::counter!("keyward_control_requests_total", &labels).increment(1);
    tracing::debug!(
        route = route.name,
        status,
        "a request to the control plane was answered"
    );
    response
}

async fn run(route: &'static Route, shared: &Shared, request: Request) -> Result<Reply, Problem> {
    let now = read_clock();
    let (mut parts, content) = request.into_parts();
    let parameters = RawPathParams::from_request_parts(&mut parts, &()).await;
    let parameters = parameters.map_err(|_not_utf8| Problem::no_route())?;
    let parameters = Parameters::new(&parameters);
    let peer = parts.extensions.get().copied();
    let caller = shared
        .identify(&parts.headers, peer, now)
        .inspect_err(|problem| {
            let registry = &shared.surroundings.registry;
            refused::note_unknown(registry, route, peer, &parameters, problem, now);
        })?;
    let Ok(Query(query)) = Query::try_from_uri(&parts.uri) else {
        return Err(Problem::no_route());
    };
    let ask = Ask {
        route,
        parameters,
        query,
        content: Content::Coming(content),
    };
    ask.carry_out(&shared.surroundings, caller, now).await
}

async fn metrics(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    let Some(render) = &shared.config().metrics else {
        return Err(Problem::no_route());
    };
    if !shared.config().is_loopback {
        let now = read_clock();
        let peer: Option<Peer> = request.extensions().get().copied();
        let caller = shared
            .identify(request.headers(), peer, now)?
            .in_force(now)?;
        let account = caller.grant().account;
        caller.require(
            account,
            Permission::AccountAnalyticsRead,
            ManagePlace::Account,
            now,
        )?;
    }
    Ok(health::metrics(render()))
}

/// The description of the API. It tells of no account, so that anyone may read it.
async fn description(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    if let Some(written) = shared.description.get() {
        return Ok(health::description(written.clone()));
    }
    let text = openapi::text(&shared.config().version)
        .map_err(|error| Problem::internal("describe the API", &error))?;
    let written = shared.description.get_or_init(|| text.into());
    Ok(health::description(written.clone()))
}

/// The one place where the control plane reads the clock: once per request.
#[expect(
    clippy::disallowed_methods,
    reason = "the shell of the control plane reads the clock once per request"
)]
pub(crate) fn read_clock() -> SystemTime {
    SystemTime::now()
}
