//! Signing in by an API token or by a link that is good once, and signing out.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{FromRequestParts, RawPathParams, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use keyward_auth::TokenText;
use keyward_registry::{Actor, AuditResult, RefusedAttempt};
use keyward_secret::SecretBytes;

use super::{
    answer,
    assets::Assets,
    error::{self, Fault},
    form::Form,
    holder, lock,
    nonce::{self, Nonce},
    origin,
    sessions::Who,
    visit::Visit,
};
use crate::{
    Peer, body,
    control::{Shared, read_clock},
    envelope::Problem,
};

pub(crate) const PATH: &str = "/sign-in";
pub(crate) const LINK: &str = "/sign-in/{code}";

/// The largest form of somebody who is not signed in. A token is 70 characters.
const LARGEST_FORM: usize = 4 * 1024;

/// A code is 43 characters; what is longer is none, and is not repeated in a page.
const LONGEST_CODE: usize = 64;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    assets: Arc<Assets>,
    csrf: &'a str,
    /// Of a link that is good.
    code: Option<&'a str>,
    fault: Option<&'static str>,
    /// Whether others could read along.
    is_open: bool,
}

/// The page with the field for an API token.
pub(crate) async fn show(State(shared): State<Arc<Shared>>) -> Response {
    ask(&shared, answer::SHOWN, None, None)
}

/// The page of a link: one button. Looking at it uses nothing up, since programs follow links on their own.
pub(crate) async fn show_link(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let now = read_clock();
    let (mut parts, _) = request.into_parts();
    let parameters = RawPathParams::from_request_parts(&mut parts, &()).await;
    let code = parameters.ok().and_then(|parameters| {
        let found = parameters.iter().find(|(name, _)| *name == "code");
        found.map(|(_, code)| code.to_owned())
    });
    let code = code
        .filter(|code| code.len() <= LONGEST_CODE)
        .unwrap_or_default();
    let digest = nonce::digest(code.as_bytes());
    if lock(&shared.dashboard.links).is_good(&digest, now) {
        return ask(&shared, answer::SHOWN, Some(&code), None);
    }
    shared.note_failure(parts.extensions.get().copied(), now);
    ask(&shared, answer::REFUSED, None, Some(USED_UP))
}

const USED_UP: &str = "The link is good no more: it was used, it is older than 10 minutes, or Keyward was started again. \
                       Sign in with an API token, or start `keyward dev` again for a new link.";
const UNKNOWN: &str =
    "This is no API token that may be used here. `keyward tokens list` shows those there are.";

/// Signs in.
pub(crate) async fn enter(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    match try_to_enter(&shared, request).await {
        Ok(response) => response,
        Err(Refused::Fault(fault)) => error::respond(&shared, &fault),
        Err(Refused::Again(text)) => ask(&shared, answer::REFUSED, None, Some(text)),
    }
}

enum Refused {
    Fault(Fault),
    /// The page again, with what was wrong.
    Again(&'static str),
}

impl<F: Into<Fault>> From<F> for Refused {
    fn from(fault: F) -> Self {
        Self::Fault(fault.into())
    }
}

async fn try_to_enter(shared: &Shared, request: Request) -> Result<Response, Refused> {
    let now = read_clock();
    let dashboard = &shared.dashboard;
    let (parts, content) = request.into_parts();
    if !dashboard.is_private || !origin::is_own(&parts.headers, &parts.uri, dashboard.has_tls) {
        return Err(Fault::Foreign.into());
    }
    let body = body::read_within(content, LARGEST_FORM).await?;
    let form = Form::parse(body.as_slice()).ok_or(Fault::Foreign)?;
    if !is_ours(shared, &parts.headers, &form) {
        return Err(Fault::Foreign.into());
    }
    let peer: Option<Peer> = parts.extensions.get().copied();
    let (who, refusal) = match form.secret("code") {
        Some(code) => {
            let who = lock(&dashboard.links).take(&nonce::digest(code.expose()), now);
            (who, USED_UP)
        }
        None => (form.secret("token").and_then(of_text), UNKNOWN),
    };
    let Some(who) = who.filter(|who| holder(shared, who, peer, now).is_some()) else {
        shared.note_failure(peer, now);
        shared.surroundings.registry.note_refused(RefusedAttempt {
            at: now,
            actor: Actor::Unknown {
                source: peer.map(|Peer(address)| address.ip().to_canonical()),
            },
            action: "session.create".into(),
            subject: None,
            result: AuditResult::Unauthenticated,
            times: 1,
        });
        return Err(Refused::Again(refusal));
    };
    if let Some(before) = dashboard.cookies.session(&parts.headers) {
        lock(&dashboard.sessions).end(&before);
    }
    let cookie = dashboard.begin(who, now)?;
    let response = answer::see("/")?;
    let response = answer::with_cookie(response, dashboard.cookies.set_session(&cookie))?;
    Ok(answer::with_cookie(
        response,
        dashboard.cookies.forget_before(),
    )?)
}

/// The API token that a text is of, if there is one.
fn of_text(text: &SecretBytes) -> Option<Who> {
    let text = TokenText::parse(text.expose().trim_ascii()).ok()?;
    Some(Who {
        token: text.id(),
        text: text.digest(),
    })
}

/// Whether the form was made for this browser: what stands in it stands in the browser's cookie as well.
fn is_ours(shared: &Shared, headers: &HeaderMap, form: &Form) -> bool {
    let cookie = shared.dashboard.cookies.before(headers);
    let cookie = cookie.map(SecretBytes::copy_from);
    cookie
        .zip(form.secret("csrf"))
        .is_some_and(|(cookie, field)| cookie.ct_eq(field))
}

/// The page, with a new proof that the form is ours.
fn ask(
    shared: &Shared,
    status: StatusCode,
    code: Option<&str>,
    fault: Option<&'static str>,
) -> Response {
    let write = || {
        let before = Nonce::generate().map_err(|error| Problem::internal("sign in", &error))?;
        let page = SignIn {
            assets: Arc::clone(&shared.dashboard.assets),
            csrf: before.expose(),
            code,
            fault,
            is_open: !shared.dashboard.is_private,
        };
        let response = answer::page(status, &page)?;
        answer::with_cookie(response, shared.dashboard.cookies.set_before(&before))
    };
    write().unwrap_or_else(|problem: Problem| problem.into_response())
}

/// Signs out.
pub(crate) async fn leave(visit: Visit) -> Result<Response, Problem> {
    let dashboard = &visit.shared().dashboard;
    lock(&dashboard.sessions).end(&visit.cookie);
    let response = answer::see(PATH)?;
    answer::with_cookie(response, dashboard.cookies.forget_session())
}
