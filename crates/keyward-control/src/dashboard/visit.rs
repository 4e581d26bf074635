//! One request by somebody who is signed in: what a page gets to work with.
//!
//! A page is a client of the table of routes, inside the process. It reads and changes through them alone, as the API
//! token that its session names, so that it can do nothing that the token cannot.

use std::{future::Future, pin::Pin, sync::Arc, time::SystemTime};

use axum::response::Response;
use http::Method;
use keyward_auth::{ManagePlace, Permission, Permissions, Scope};
use keyward_secret::AccountId;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::{Value, json};

use super::{
    form::Form,
    nonce::{Digest, Nonce},
    view::{Frame, Section},
};
use crate::{
    ask::{Ask, Content},
    call::Parameters,
    caller::Caller,
    control::Shared,
    envelope::{Problem, Reply},
    erased::Buffer,
    route::{Route, routes},
};

/// What of a query is written as its bytes: everything that an address, a shell or curl could take for something else.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b':')
    .remove(b',');

/// What a page returns.
pub(crate) type Outcome = Pin<Box<dyn Future<Output = Result<Response, Problem>> + Send>>;

/// One request by somebody who is signed in. Of a `POST` the form is known to be ours.
pub(crate) struct Visit {
    pub(super) shared: Arc<Shared>,
    pub(super) caller: Caller,
    pub(super) csrf: Arc<Nonce>,
    pub(super) origin: String,
    /// The digest of the cookie that the session is known by.
    pub(super) cookie: Digest,
    pub(super) parameters: Parameters,
    pub(super) query: Vec<(String, String)>,
    pub(crate) form: Form,
    /// The one time at which everything about this request is decided.
    pub(crate) now: SystemTime,
}

/// A call of a route: which, where, and what is asked of a list.
pub(crate) struct To<'a> {
    route: &'static str,
    parameters: Vec<(&'static str, &'a str)>,
    query: Vec<(&'static str, String)>,
}

/// What a route answered.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer<T> {
    /// Of dynamic routes it stands under other names, as in the reference.
    #[serde(alias = "data", alias = "route")]
    pub(crate) result: T,
    #[serde(default)]
    pub(crate) result_info: Info,
}

/// How a list goes on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Info {
    pub(crate) page: usize,
    pub(crate) per_page: usize,
    pub(crate) count: usize,
    pub(crate) total_count: usize,
    pub(crate) total_pages: usize,
    pub(crate) cursor: Option<String>,
}

impl<'a> To<'a> {
    pub(crate) fn new(route: &'static str) -> Self {
        Self {
            route,
            parameters: Vec::new(),
            query: Vec::new(),
        }
    }

    /// With an open part of the path.
    pub(crate) fn at(mut self, name: &'static str, value: &'a str) -> Self {
        self.parameters.push((name, value));
        self
    }

    /// With a parameter of the query, unless it is empty.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        if !value.is_empty() {
            self.query.push((name, value.to_owned()));
        }
        self
    }

    /// With a number in the query.
    pub(crate) fn with_number(self, name: &'static str, number: usize) -> Self {
        self.with(name, &number.to_string())
    }

    fn route(&self) -> Result<&'static Route, Problem> {
        let found = routes().find(|route| route.name == self.route);
        found.ok_or_else(Problem::no_route)
    }

    /// The same call with curl, for people to paste. `body` is what to send; a secret stands there as a word.
    pub(crate) fn curl(&self, account: &str, body: Option<&Value>) -> String {
        let Ok(route) = self.route() else {
            return String::new();
        };
        let mut path = route.path.replace("{account}", account);
        for (name, value) in &self.parameters {
            path = path.replace(&format!("{{{name}}}"), value);
        }
        let query = self.query.iter();
        let query: Vec<_> = query
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, QUERY)))
            .collect();
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        let method = match route.method {
            Method::GET => String::new(),
            ref method => format!(" -X {method}"),
        };
        // Names and ids of others stand in it: a quote must not end what the shell takes as text.
        let quoted = |body: &Value| body.to_string().replace('\'', r"'\''");
        let body = body.map_or_else(String::new, |body| format!(" \\\n  -d '{}'", quoted(body)));
        format!(
            "curl{method} \"$KEYWARD_CONTROL_URL{path}\" \\\n  -H \"Authorization: Bearer $(cat \"$KEYWARD_API_TOKEN_FILE\")\"{body}"
        )
    }
}

impl Visit {
    /// An open part of the page's own path.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.find(name).unwrap_or_default()
    }

    /// A parameter of the page's own query; empty where it is not there.
    pub(crate) fn query(&self, name: &str) -> &str {
        let found = self.query.iter().rev().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.trim())
    }

    pub(crate) fn account(&self) -> String {
        self.caller.grant().account.to_string()
    }

    pub(crate) fn account_id(&self) -> AccountId {
        self.caller.grant().account
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Whether the token may use `permission` at `place`: pages show only what would not be refused.
    pub(crate) fn may(&self, permission: Permission, place: ManagePlace<'_>) -> bool {
        let account = self.caller.grant().account;
        self.caller.may(account, permission, place, self.now)
    }

    /// The id of the token that is signed in.
    pub(crate) fn token_id(&self) -> String {
        self.caller.entry().record.id.to_string()
    }

    /// Until when that token is good.
    pub(crate) fn token_end(&self) -> Option<SystemTime> {
        self.caller.grant().expires_at
    }

    /// What that token may do.
    pub(crate) fn permissions(&self) -> Permissions {
        self.caller.grant().permissions
    }

    /// The control plane's address as the browser reached it: one of those that the server is known by.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The gateways that the token is for.
    pub(crate) fn gateways(&self) -> &Scope {
        &self.caller.grant().gateways
    }

    pub(crate) fn frame(&self, section: Section) -> Frame {
        Frame {
            assets: Arc::clone(&self.shared.dashboard.assets),
            section,
            csrf: Arc::clone(&self.csrf),
            account: self.account(),
            token: self.caller.entry().record.name.clone(),
            version: self.shared.config().version.clone(),
        }
    }

    /// Reads.
    pub(crate) async fn get<T: DeserializeOwned>(&self, to: To<'_>) -> Result<Answer<T>, Problem> {
        self.send(to, Buffer::default()).await
    }

    /// Changes.
    pub(crate) async fn change<T: DeserializeOwned>(
        &self,
        to: To<'_>,
        body: &Value,
    ) -> Result<Answer<T>, Problem> {
        let mut buffer = Buffer::with_capacity(256);
        serde_json::to_writer(&mut buffer, body)
            .map_err(|error| Problem::internal("write a request", &error))?;
        self.send(to, buffer).await
    }

    /// Changes, with JSON that somebody wrote as fields of the body, to the byte. What is no JSON goes as null: it must not
    /// end its field, and the route refuses that where it matters.
    pub(crate) async fn change_with_json<T: DeserializeOwned>(
        &self,
        to: To<'_>,
        body: &Value,
        fields: &[(&str, &str)],
    ) -> Result<Answer<T>, Problem> {
        let mut members = body.to_string();
        members.pop();
        let room: usize = fields.iter().map(|(_, json)| json.len() + 64).sum();
        // With room for all of it nothing grows: a header may be a secret.
        let mut buffer = Buffer::with_capacity(members.len() + room + 64);
        buffer.extend(members.as_bytes());
        let mut comma = if members.len() > 1 { "," } else { "" };
        for (name, json) in fields {
            let is_json = serde_json::from_str::<IgnoredAny>(json).is_ok();
            buffer.extend(format!("{comma}{}:", json!(name)).as_bytes());
            buffer.extend(if is_json { json.as_bytes() } else { b"null" });
            comma = ",";
        }
        buffer.extend(b"}");
        self.send(to, buffer).await
    }

    /// Changes, with the secret of the form's field `name` as the body's field of that name.
    pub(crate) async fn change_with_secret<T: DeserializeOwned>(
        &self,
        to: To<'_>,
        body: &Value,
        name: &'static str,
    ) -> Result<Answer<T>, Problem> {
        let body = with_secret(body, name, self.form.secret_text(name))?;
        self.send(to, body).await
    }

    /// The same with a secret text that was made of the form.
    pub(crate) async fn change_with_text<T: DeserializeOwned>(
        &self,
        to: To<'_>,
        body: &Value,
        (name, text): (&'static str, &Buffer),
    ) -> Result<Answer<T>, Problem> {
        let text = std::str::from_utf8(text.as_slice()).unwrap_or_default();
        self.send(to, with_secret(body, name, text)?).await
    }

    /// The same where the route takes a list: of one.
    pub(crate) async fn change_list_with_secret<T: DeserializeOwned>(
        &self,
        to: To<'_>,
        body: &Value,
        name: &'static str,
    ) -> Result<Answer<T>, Problem> {
        let one = with_secret(body, name, self.form.secret_text(name))?;
        let mut list = Buffer::with_capacity(one.len() + 2);
        list.extend(b"[");
        list.extend(one.as_slice());
        list.extend(b"]");
        self.send(to, list).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        to: To<'_>,
        body: Buffer,
    ) -> Result<Answer<T>, Problem> {
        let account = self.account();
        let route = to.route()?;
        let own = [("account", account.as_str())];
        let ask = Ask {
            route,
            parameters: Parameters::new(own.into_iter().chain(to.parameters)),
            query: to
                .query
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            content: Content::Here(body),
        };
        let surroundings = &self.shared.surroundings;
        let reply = ask.carry_out(surroundings, self.caller.clone(), self.now);
        read(&reply.await?)
    }
}

fn read<T: DeserializeOwned>(reply: &Reply) -> Result<T, Problem> {
    serde_json::from_slice(reply.as_slice())
        .map_err(|error| Problem::internal("read an answer", &error))
}

/// The members of `body`, and the secret beside them, written into memory that is erased.
fn with_secret(body: &Value, name: &'static str, secret: &str) -> Result<Buffer, Problem> {
    let mut members = body.to_string();
    members.pop();
    let comma = if members.len() > 1 { "," } else { "" };
    // A character takes six bytes at most, as an escape.
    let mut buffer = Buffer::with_capacity(members.len() + 6 * secret.len() + 64);
    buffer.extend(members.as_bytes());
    buffer.extend(format!("{comma}{}:", json!(name)).as_bytes());
    serde_json::to_writer(&mut buffer, secret)
        .map_err(|error| Problem::internal("write a request", &error))?;
    buffer.extend(b"}");
    Ok(buffer)
}
