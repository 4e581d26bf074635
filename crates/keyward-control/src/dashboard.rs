//! The dashboard: pages for people, written on the server. Reading and every form work without JavaScript.
//!
//! - A page can do nothing that an API token cannot: it reads and changes through the table of routes alone
//!   ([`visit`]), as the token that its session names.
//! - Every `POST` passes, in this order: `Origin` and `Sec-Fetch-Site`, the session, the form's own token.
//! - A cookie is good for pages alone; the REST API takes none.
//!
//! One page per file. What they look like: `templates/`, `assets/`.

mod answer;
mod assets;
mod audit;
mod cookie;
mod custom_providers;
mod error;
mod form;
mod gateways;
mod keys;
mod links;
mod logs;
mod marked;
mod nonce;
mod origin;
mod overview;
mod pager;
mod playground;
mod providers;
mod routes;
mod secrets;
mod sessions;
mod settings;
mod sign_in;
mod stores;
mod tokens;
mod traffic;
mod under_way;
mod view;
mod visit;
mod when;
mod wrong;

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use axum::{
    Router,
    extract::{FromRequestParts, Query, RawPathParams, Request, State},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{MethodFilter, get, on, post},
};
use http::{HeaderName, Method};
use keyward_auth::{Kind, TokenId};
use keyward_secret::SecretBytes;

use self::{
    assets::Assets,
    cookie::Cookies,
    error::Fault,
    form::Form,
    links::Links,
    nonce::{Digest, Nonce},
    sessions::{Session, Sessions, Who},
    tokens::family,
    visit::{Outcome, Visit},
};
use crate::{
    Config, Peer, body,
    call::Parameters,
    caller::Caller,
    control::{Shared, read_clock},
    envelope::Problem,
};

/// What htmx adds to its requests: all of ours refresh a page by themselves.
const REFRESHES: HeaderName = HeaderName::from_static("hx-request");

/// What the dashboard keeps between requests.
pub(crate) struct Dashboard {
    assets: Arc<Assets>,
    cookies: Cookies,
    has_tls: bool,
    /// Whether nobody on the way can read what is sent.
    is_private: bool,
    sessions: Mutex<Sessions>,
    links: Mutex<Links>,
}

impl Dashboard {
    pub(crate) fn new(config: &Config) -> Self {
        let has_tls = config.listen.tls.is_some();
        // Nothing that must stay secret: it keeps programs on other ports of loopback from using the name by chance.
        let suffix = RandomState::new().hash_one("cookie") & 0xFFFF_FFFF;
        Self {
            assets: Arc::new(Assets::new()),
            cookies: Cookies::new(has_tls, &format!("{suffix:08x}")),
            has_tls,
            is_private: has_tls || config.is_loopback,
            sessions: Mutex::default(),
            links: Mutex::default(),
        }
    }

    /// Signs somebody in: the text for the cookie.
    fn begin(&self, who: Who, now: SystemTime) -> Result<Nonce, Problem> {
        let generate = || Nonce::generate().map_err(|error| Problem::internal("sign in", &error));
        let (cookie, csrf) = (generate()?, generate()?);
        let session = Session::new(who, csrf, now);
        lock(&self.sessions).begin(cookie.digest(), session, now);
        Ok(cookie)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes links that sign a browser in to the dashboard: each once, within 10 minutes.
///
/// Cloning shares them. They live in memory and end with the process; of more than 16 the oldest goes.
#[derive(Clone)]
pub struct SignInLinks(Arc<Shared>);

impl SignInLinks {
    pub(crate) fn new(shared: &Arc<Shared>) -> Option<Self> {
        let is_open = shared.config().dashboard && shared.dashboard.is_private;
        is_open.then(|| Self(Arc::clone(shared)))
    }

    /// The path of a new link, to be put behind the control plane's URL: `/sign-in/…`. Whoever has it first may do
    /// what the API token may. `None`: there is no API token of this id, or the system has no random bytes.
    #[must_use]
    pub fn make(&self, token: TokenId, now: SystemTime) -> Option<SecretBytes> {
        let snapshot = self.0.surroundings.registry.snapshot();
        let record = &snapshot.tokens().find_by_id(token)?.record;
        if record.kind != Kind::Api {
            return None;
        }
        let who = Who {
            token,
            text: record.digest,
        };
        let code = Nonce::generate().ok()?;
        lock(&self.0.dashboard.links).add(code.digest(), who, now);
        Some(code.into_path("/sign-in/"))
    }
}

impl std::fmt::Debug for SignInLinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignInLinks").finish_non_exhaustive()
    }
}

/// A page of somebody who is signed in.
struct Page {
    method: Method,
    path: &'static str,
    handler: fn(Visit) -> Outcome,
}

const fn reads(path: &'static str, handler: fn(Visit) -> Outcome) -> Page {
    Page {
        method: Method::GET,
        path,
        handler,
    }
}

const fn changes(path: &'static str, handler: fn(Visit) -> Outcome) -> Page {
    Page {
        method: Method::POST,
        path,
        handler,
    }
}

static PAGES: &[Page] = &[
    reads("/", |visit| Box::pin(overview::show(visit))),
    reads("/keys", |visit| Box::pin(keys::list::show(visit))),
    reads("/keys/new", |visit| Box::pin(keys::add::show(visit))),
    changes("/keys/new", |visit| Box::pin(keys::add::save(visit))),
    reads("/keys/{gateway}/{id}", |visit| {
        Box::pin(keys::detail::show(visit))
    }),
    reads("/keys/{gateway}/{id}/rotate", |visit| {
        Box::pin(keys::rotate::show(visit))
    }),
    changes("/keys/{gateway}/{id}/rotate", |visit| {
        Box::pin(keys::rotate::save(visit))
    }),
    changes("/keys/{gateway}/{id}/roll-back", |visit| {
        Box::pin(keys::rotation::roll_back(visit))
    }),
    changes("/keys/{gateway}/{id}/destroy-old", |visit| {
        Box::pin(keys::rotation::destroy_old(visit))
    }),
    changes("/keys/{gateway}/{id}/verify", |visit| {
        Box::pin(keys::verify::save(visit))
    }),
    changes("/keys/{gateway}/{id}/disable", |visit| {
        Box::pin(keys::enable::disable(visit))
    }),
    changes("/keys/{gateway}/{id}/enable", |visit| {
        Box::pin(keys::enable::enable(visit))
    }),
    reads("/keys/{gateway}/{id}/delete", |visit| {
        Box::pin(keys::delete::show(visit))
    }),
    changes("/keys/{gateway}/{id}/delete", |visit| {
        Box::pin(keys::delete::save(visit))
    }),
    reads("/gateways", |visit| Box::pin(gateways::list::show(visit))),
    reads(gateways::add::PATH, |visit| {
        Box::pin(gateways::add::show(visit))
    }),
    changes(gateways::add::PATH, |visit| {
        Box::pin(gateways::add::save(visit))
    }),
    reads("/gateways/{gateway}", |visit| {
        Box::pin(gateways::detail::show(visit))
    }),
    reads("/gateways/{gateway}/edit", |visit| {
        Box::pin(gateways::edit::show(visit))
    }),
    changes("/gateways/{gateway}/edit", |visit| {
        Box::pin(gateways::edit::save(visit))
    }),
    reads("/gateways/{gateway}/pool", |visit| {
        Box::pin(gateways::pool::show(visit))
    }),
    changes("/gateways/{gateway}/pool", |visit| {
        Box::pin(gateways::pool::save(visit))
    }),
    reads("/gateways/{gateway}/spend", |visit| {
        Box::pin(gateways::spend::show(visit))
    }),
    changes("/gateways/{gateway}/spend", |visit| {
        Box::pin(gateways::spend::save(visit))
    }),
    reads("/gateways/{gateway}/delete", |visit| {
        Box::pin(gateways::delete::show(visit))
    }),
    changes("/gateways/{gateway}/delete", |visit| {
        Box::pin(gateways::delete::save(visit))
    }),
    reads("/logs", |visit| Box::pin(logs::pick::show(visit))),
    reads("/gateways/{gateway}/logs", |visit| {
        Box::pin(logs::list::show(visit))
    }),
    reads("/gateways/{gateway}/logs/plots", |visit| {
        Box::pin(logs::plots::show(visit))
    }),
    reads("/gateways/{gateway}/logs/export.csv", |visit| {
        Box::pin(logs::export::send(visit, logs::export::Format::Csv))
    }),
    reads("/gateways/{gateway}/logs/export.json", |visit| {
        Box::pin(logs::export::send(visit, logs::export::Format::Json))
    }),
    reads("/gateways/{gateway}/logs/{id}", |visit| {
        Box::pin(logs::detail::show(visit))
    }),
    reads("/gateways/{gateway}/routes", |visit| {
        Box::pin(routes::list::show(visit))
    }),
    reads("/gateways/{gateway}/routes/new", |visit| {
        Box::pin(routes::add::show(visit))
    }),
    changes("/gateways/{gateway}/routes/new", |visit| {
        Box::pin(routes::add::save(visit))
    }),
    reads("/gateways/{gateway}/routes/{id}", |visit| {
        Box::pin(routes::detail::show(visit))
    }),
    reads("/gateways/{gateway}/routes/{id}/edit", |visit| {
        Box::pin(routes::edit::show(visit))
    }),
    changes("/gateways/{gateway}/routes/{id}/edit", |visit| {
        Box::pin(routes::edit::save(visit))
    }),
    reads("/gateways/{gateway}/routes/{id}/explain", |visit| {
        Box::pin(routes::explain::show(visit))
    }),
    changes("/gateways/{gateway}/routes/{id}/explain", |visit| {
        Box::pin(routes::explain::tell(visit))
    }),
    reads("/gateways/{gateway}/routes/{id}/versions", |visit| {
        Box::pin(routes::versions::show(visit))
    }),
    reads("/gateways/{gateway}/routes/{id}/compare", |visit| {
        Box::pin(routes::version::compare(visit))
    }),
    reads(
        "/gateways/{gateway}/routes/{id}/versions/{version}",
        |visit| Box::pin(routes::version::show(visit)),
    ),
    reads(
        "/gateways/{gateway}/routes/{id}/versions/{version}/deploy",
        |visit| Box::pin(routes::deploy::show(visit)),
    ),
    changes(
        "/gateways/{gateway}/routes/{id}/versions/{version}/deploy",
        |visit| Box::pin(routes::deploy::save(visit)),
    ),
    reads("/gateways/{gateway}/routes/{id}/rename", |visit| {
        Box::pin(routes::rename::show(visit))
    }),
    changes("/gateways/{gateway}/routes/{id}/rename", |visit| {
        Box::pin(routes::rename::save(visit))
    }),
    reads("/gateways/{gateway}/routes/{id}/delete", |visit| {
        Box::pin(routes::delete::show(visit))
    }),
    changes("/gateways/{gateway}/routes/{id}/delete", |visit| {
        Box::pin(routes::delete::save(visit))
    }),
    reads("/tokens", |visit| {
        Box::pin(tokens::list::show(visit, family::GATEWAY))
    }),
    reads("/tokens/new", |visit| {
        Box::pin(tokens::add::show(visit, family::GATEWAY))
    }),
    changes("/tokens/new", |visit| {
        Box::pin(tokens::add::save(visit, family::GATEWAY))
    }),
    reads("/tokens/{id}", |visit| {
        Box::pin(tokens::detail::show(visit, family::GATEWAY))
    }),
    reads("/tokens/{id}/roll", |visit| {
        Box::pin(tokens::roll::show(visit, family::GATEWAY))
    }),
    changes("/tokens/{id}/roll", |visit| {
        Box::pin(tokens::roll::save(visit, family::GATEWAY))
    }),
    reads("/tokens/{id}/revoke", |visit| {
        Box::pin(tokens::revoke::show(visit, family::GATEWAY))
    }),
    changes("/tokens/{id}/revoke", |visit| {
        Box::pin(tokens::revoke::save(visit, family::GATEWAY))
    }),
    reads("/api-tokens", |visit| {
        Box::pin(tokens::list::show(visit, family::API))
    }),
    reads("/api-tokens/new", |visit| {
        Box::pin(tokens::add::show(visit, family::API))
    }),
    changes("/api-tokens/new", |visit| {
        Box::pin(tokens::add::save(visit, family::API))
    }),
    reads("/api-tokens/{id}", |visit| {
        Box::pin(tokens::detail::show(visit, family::API))
    }),
    reads("/api-tokens/{id}/roll", |visit| {
        Box::pin(tokens::roll::show(visit, family::API))
    }),
    changes("/api-tokens/{id}/roll", |visit| {
        Box::pin(tokens::roll::save(visit, family::API))
    }),
    reads("/api-tokens/{id}/revoke", |visit| {
        Box::pin(tokens::revoke::show(visit, family::API))
    }),
    changes("/api-tokens/{id}/revoke", |visit| {
        Box::pin(tokens::revoke::save(visit, family::API))
    }),
    reads("/secrets", |visit| Box::pin(stores::list::show(visit))),
    reads("/secrets/new", |visit| Box::pin(stores::add::show(visit))),
    changes("/secrets/new", |visit| Box::pin(stores::add::save(visit))),
    reads("/secrets/{store}", |visit| {
        Box::pin(stores::detail::show(visit))
    }),
    reads("/secrets/{store}/delete", |visit| {
        Box::pin(stores::delete::show(visit))
    }),
    changes("/secrets/{store}/delete", |visit| {
        Box::pin(stores::delete::save(visit))
    }),
    reads("/secrets/{store}/new", |visit| {
        Box::pin(secrets::add::show(visit))
    }),
    changes("/secrets/{store}/new", |visit| {
        Box::pin(secrets::add::save(visit))
    }),
    reads("/secrets/{store}/{id}", |visit| {
        Box::pin(secrets::detail::show(visit))
    }),
    reads("/secrets/{store}/{id}/edit", |visit| {
        Box::pin(secrets::edit::show(visit))
    }),
    changes("/secrets/{store}/{id}/edit", |visit| {
        Box::pin(secrets::edit::save(visit))
    }),
    reads("/secrets/{store}/{id}/duplicate", |visit| {
        Box::pin(secrets::duplicate::show(visit))
    }),
    changes("/secrets/{store}/{id}/duplicate", |visit| {
        Box::pin(secrets::duplicate::save(visit))
    }),
    reads("/secrets/{store}/{id}/delete", |visit| {
        Box::pin(secrets::delete::show(visit))
    }),
    changes("/secrets/{store}/{id}/delete", |visit| {
        Box::pin(secrets::delete::save(visit))
    }),
    reads("/providers", |visit| {
        Box::pin(custom_providers::list::show(visit))
    }),
    reads("/providers/new", |visit| {
        Box::pin(custom_providers::add::show(visit))
    }),
    changes("/providers/new", |visit| {
        Box::pin(custom_providers::add::save(visit))
    }),
    reads("/providers/{id}", |visit| {
        Box::pin(custom_providers::detail::show(visit))
    }),
    reads("/providers/{id}/edit", |visit| {
        Box::pin(custom_providers::edit::show(visit))
    }),
    changes("/providers/{id}/edit", |visit| {
        Box::pin(custom_providers::edit::save(visit))
    }),
    reads("/providers/{id}/delete", |visit| {
        Box::pin(custom_providers::delete::show(visit))
    }),
    changes("/providers/{id}/delete", |visit| {
        Box::pin(custom_providers::delete::save(visit))
    }),
    reads("/playground", |visit| Box::pin(playground::show(visit))),
    changes("/playground", |visit| Box::pin(playground::send(visit))),
    reads("/audit", |visit| Box::pin(audit::show(visit))),
    reads("/settings", |visit| Box::pin(settings::show(visit))),
    changes("/sign-out", |visit| Box::pin(sign_in::leave(visit))),
];

/// Every page, by method and path.
pub(crate) fn pages() -> impl Iterator<Item = (Method, &'static str)> {
    let open = [
        (Method::GET, sign_in::PATH),
        (Method::POST, sign_in::PATH),
        (Method::GET, sign_in::LINK),
    ];
    let pages = PAGES.iter().map(|page| (page.method.clone(), page.path));
    open.into_iter().chain(pages)
}

/// The pages and what they load.
pub(crate) fn router() -> Router<Arc<Shared>> {
    let mut router = Router::new()
        .route(sign_in::PATH, get(sign_in::show))
        .route(sign_in::PATH, post(sign_in::enter))
        .route(sign_in::LINK, get(sign_in::show_link))
        .route("/assets/{digest}/{name}", get(asset));
    for page in PAGES {
        let handler = move |State(shared): State<Arc<Shared>>, request: Request| {
            respond(page, shared, request)
        };
        // Both methods of the table have a filter.
        if let Ok(filter) = MethodFilter::try_from(page.method.clone()) {
            router = router.route(page.path, on(filter, handler));
        }
    }
    router
        .method_not_allowed_fallback(async |State(shared): State<Arc<Shared>>| {
            error::respond(&shared, &Fault::Problem(Problem::no_method()))
        })
        .layer(from_fn(protect))
}

async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    answer::protect(response.headers_mut());
    response
}

async fn asset(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let found = shared
        .dashboard
        .assets
        .find(request.uri().path(), request.headers());
    found.unwrap_or_else(|| Problem::no_route().into_response())
}

async fn respond(page: &'static Page, shared: Arc<Shared>, request: Request) -> Response {
    let refreshes = request.headers().contains_key(REFRESHES);
    let outcome = match visit(page, &shared, request).await {
        Ok(visit) => (page.handler)(visit).await.map_err(Fault::Problem),
        Err(fault) => Err(fault),
    };
    outcome.unwrap_or_else(|fault| match fault {
        Fault::ToSignIn if refreshes => answer::leave_for(sign_in::PATH),
        fault => error::respond(&shared, &fault),
    })
}

/// Decides whether somebody is signed in, and of a form whether it is ours.
async fn visit(
    page: &'static Page,
    shared: &Arc<Shared>,
    request: Request,
) -> Result<Visit, Fault> {
    let now = read_clock();
    let dashboard = &shared.dashboard;
    let (mut parts, content) = request.into_parts();
    let parameters = RawPathParams::from_request_parts(&mut parts, &()).await;
    let parameters = parameters.map_err(|_not_utf8| Problem::no_route())?;
    let parameters = Parameters::new(&parameters);
    let Ok(Query(query)) = Query::try_from_uri(&parts.uri) else {
        return Err(Problem::no_route().into());
    };
    let changes = page.method != Method::GET;
    if changes && !origin::is_own(&parts.headers, &parts.uri, dashboard.has_tls) {
        return Err(Fault::Foreign);
    }
    let cookie = dashboard.cookies.session(&parts.headers);
    let is_use = !parts.headers.contains_key(REFRESHES);
    let peer: Option<Peer> = parts.extensions.get().copied();
    let signed_in = cookie.and_then(|cookie| find(shared, cookie, is_use, peer, now));
    let Some((session, caller)) = signed_in else {
        return Err(if changes {
            Fault::SignedOut
        } else {
            Fault::ToSignIn
        });
    };
    let mut form = Form::default();
    if changes {
        let body = body::read(content).await?;
        form = Form::parse(body.as_slice()).ok_or(Fault::Foreign)?;
        let is_ours = form
            .secret("csrf")
            .is_some_and(|csrf| session.csrf.is(csrf));
        if !is_ours {
            return Err(Fault::Foreign);
        }
    }
    Ok(Visit {
        shared: Arc::clone(shared),
        caller,
        csrf: session.csrf,
        origin: origin::of_request(&parts.headers, &parts.uri, dashboard.has_tls)
            .unwrap_or_default(),
        cookie: cookie.unwrap_or_default(),
        parameters,
        query,
        form,
        now,
    })
}

/// The session of a cookie, and the holder of its token if that is in force and may be used from where the request
/// comes from. Otherwise the session is over.
fn find(
    shared: &Shared,
    cookie: Digest,
    is_use: bool,
    peer: Option<Peer>,
    now: SystemTime,
) -> Option<(Session, Caller)> {
    let session = lock(&shared.dashboard.sessions).find(&cookie, is_use, now)?;
    let caller = holder(shared, &session.who, peer, now);
    if caller.is_none() {
        lock(&shared.dashboard.sessions).end(&cookie);
    }
    Some((session, caller?))
}

/// The holder of the API token, if that is in force and may be used from where the request comes from. With the old
/// text of a token that was rolled there is none, even while the APIs still take it: a session would outlast it.
fn holder(shared: &Shared, who: &Who, peer: Option<Peer>, now: SystemTime) -> Option<Caller> {
    let snapshot = shared.surroundings.registry.snapshot();
    let caller = Caller::known(&snapshot, who.token, &who.text, peer)?;
    caller.in_force(now).ok()
}
