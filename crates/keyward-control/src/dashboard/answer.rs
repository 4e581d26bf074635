//! What the dashboard answers with, and the header fields that every page has.

use askama::Template;
use axum::{body::Body, response::Response};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, LOCATION, SET_COOKIE},
};

use crate::{envelope::Problem, erased::Buffer};

/// Nothing but what is ours is loaded, sent to or run, and no page is shown inside another.
///
/// `Referrer-Policy` is not `no-referrer`: under that one browsers send `Origin: null` with our own forms (Fetch
/// standard, "append a request Origin header"). `same-origin` tells other sites as little.
const FIELDS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), clipboard-read=(), clipboard-write=(self), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// Where htmx leads the browser.
const LEAVE_FOR: HeaderName = HeaderName::from_static("hx-redirect");

/// What makes htmx load the whole page anew.
const LOAD_ANEW: HeaderName = HeaderName::from_static("hx-refresh");

/// Of a page that was asked for.
pub(crate) const SHOWN: StatusCode = StatusCode::OK;
/// Of a form that is shown again, since something in it is not acceptable.
pub(crate) const MISTYPED: StatusCode = StatusCode::BAD_REQUEST;
/// Of what nobody may do who is not signed in, or not from here.
pub(crate) const REFUSED: StatusCode = StatusCode::FORBIDDEN;

/// Puts the header fields of a page onto an answer.
pub(crate) fn protect(headers: &mut HeaderMap) {
    for (name, value) in FIELDS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
}

/// A page. It is written into memory that is erased: it may show a token once.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Result<Response, Problem> {
    let mut buffer = Buffer::with_capacity(16 * 1024);
    Template::write_into(template, &mut buffer)
        .map_err(|error| Problem::internal("write a page", &error))?;
    let mut response = Response::new(Body::from(buffer.into_bytes()));
    *response.status_mut() = status;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    Ok(response)
}

/// On to another page, which the browser gets with `GET`.
pub(crate) fn see(path: &str) -> Result<Response, Problem> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let location = HeaderValue::try_from(path);
    let location = location.map_err(|error| Problem::internal("lead to a page", &error))?;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// Away from a page that refreshes itself. No redirect: the browser would follow it before htmx sees the answer, and
/// put the page to sign in where a part of this one stood.
pub(crate) fn leave_for(path: &'static str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = REFUSED;
    let place = HeaderValue::from_static(path);
    response.headers_mut().insert(LEAVE_FOR, place);
    response
}

/// The answer to a page that refreshes a part of itself, and is to load itself anew.
pub(crate) fn load_anew(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(LOAD_ANEW, HeaderValue::from_static("true"));
    response
}

/// The answer with a cookie.
pub(crate) fn with_cookie(
    mut response: Response,
    cookie: Result<HeaderValue, http::header::InvalidHeaderValue>,
) -> Result<Response, Problem> {
    let cookie = cookie.map_err(|error| Problem::internal("write a cookie", &error))?;
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}
