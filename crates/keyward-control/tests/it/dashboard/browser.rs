//! A browser as far as pages need one: it keeps cookies, and fills in forms that a page has.

use std::{cell::RefCell, collections::BTreeMap};

use axum::body::Body;
use http::{HeaderMap, Method, Request, header::SET_COOKIE};
use http_body_util::BodyExt;
use keyward_control::Peer;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tower::ServiceExt;

use crate::support::{CANARY, Harness, peer};

pub(crate) const HOST: &str = "127.0.0.1:8788";

pub(crate) struct Browser<'a> {
    harness: &'a Harness,
    cookies: RefCell<BTreeMap<String, String>>,
    /// What the forms of the last page prove themselves with.
    csrf: RefCell<String>,
}

/// A page.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(harness: &'a Harness) -> Self {
        Self {
            harness,
            cookies: RefCell::default(),
            csrf: RefCell::default(),
        }
    }

    /// Signed in with the harness' own token.
    pub(crate) async fn signed_in(harness: &'a Harness) -> Self {
        Self::signed_in_as(harness, &harness.admin).await
    }

    pub(crate) async fn signed_in_as(harness: &'a Harness, token: &str) -> Self {
        let browser = Self::new(harness);
        let page = browser.sign_in(token).await;
        assert_eq!(page.to(), "/", "{}", page.text);
        browser
    }

    pub(crate) async fn sign_in(&self, token: &str) -> Page {
        self.get("/sign-in").await;
        self.post("/sign-in", &[("token", token)]).await
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        self.send(self.request(Method::GET, path), Body::empty())
            .await
    }

    /// Sends a form of the last page.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let csrf = self.csrf();
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend(fields);
        let request = self
            .request(Method::POST, path)
            .header("origin", format!("http://{HOST}"))
            .header("sec-fetch-site", "same-origin");
        self.send(request, Body::from(encode(&all))).await
    }

    pub(crate) fn csrf(&self) -> String {
        self.csrf.borrow().clone()
    }

    pub(crate) fn cookie(&self) -> String {
        let cookies = self.cookies.borrow();
        let pairs = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", HOST)
            .extension(Peer(peer()));
        match self.cookie() {
            none if none.is_empty() => request,
            cookie => request.header("cookie", cookie),
        }
    }

    pub(crate) async fn send(&self, request: http::request::Builder, body: Body) -> Page {
        let request = request.body(body).unwrap();
        let response = self.harness.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(!text.contains(CANARY), "a page holds a secret: {text}");
        for header in parts.headers.get_all(SET_COOKIE) {
            let header = header.to_str().unwrap();
            let (name, rest) = header.split_once('=').unwrap();
            let (value, _) = rest.split_once(';').unwrap();
            let mut cookies = self.cookies.borrow_mut();
            match value {
                "" => drop(cookies.remove(name)),
                value => drop(cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        let page = Page {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text,
        };
        if let Some(csrf) = page.csrf() {
            *self.csrf.borrow_mut() = csrf;
        }
        page
    }
}

impl Page {
    /// Where the browser is sent.
    #[track_caller]
    pub(crate) fn to(&self) -> &str {
        assert_eq!(self.status, 303, "{}", self.text);
        self.headers["location"].to_str().unwrap()
    }

    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> &Self {
        assert!(self.text.contains(text), "{text} is not in\n{}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn lacks(&self, text: &str) -> &Self {
        assert!(!self.text.contains(text), "{text} is in\n{}", self.text);
        self
    }

    /// The value of a hidden field.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> String {
        let start = format!(r#"name="{name}" value=""#);
        let (_, rest) = self.text.split_once(&start).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }

    fn csrf(&self) -> Option<String> {
        let (_, rest) = self.text.split_once(r#"name="csrf" value=""#)?;
        Some(rest.split_once('"')?.0.to_owned())
    }
}

pub(crate) fn encode(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| {
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        format!("{name}={value}")
    });
    pairs.collect::<Vec<_>>().join("&")
}
