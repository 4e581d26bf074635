//! The playground: sends one message through a gateway, and shows how the request was rewritten and what came back.
//! Nothing of it is kept, and nothing of it stands in a URL.

use std::fmt::Write as _;

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use keyward_auth::{ManagePlace, Permission};
use keyward_providers::message_api;
use keyward_registry::{GatewayId, ProviderSlug};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    answer,
    gateways::Gateways,
    keys::Key,
    providers::{Choice, Providers},
    view::{ByHand, Code, Frame, Section},
    visit::{To, Visit},
    wrong::Wrong,
};
use crate::envelope::Problem;

/// What stands in the field before anything is typed.
const MESSAGE: &str = "Say hello in one word.";

/// What was typed.
struct Typed {
    gateway: String,
    provider: String,
    alias: String,
    model: String,
    message: String,
}

/// What became of a request, as the route tells it.
#[derive(Deserialize)]
struct Tried {
    explanation: Option<Explanation>,
    request: Option<Sent>,
    answer: Option<Came>,
    duration_ms: u64,
}

#[derive(Deserialize)]
struct Explanation {
    credential: Option<Credential>,
    destination: Option<Destination>,
    headers: Option<Headers>,
    refusal: Option<Refusal>,
}

#[derive(Deserialize)]
struct Credential {
    from: String,
    asked_for: bool,
    key: Option<Key>,
}

#[derive(Deserialize)]
struct Destination {
    origin: String,
}

#[derive(Deserialize)]
struct Headers {
    dropped: Vec<String>,
    set: Vec<Header>,
}

#[derive(Deserialize)]
struct Refusal {
    code: Option<u16>,
    message: String,
    reason: Option<String>,
    help: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: Option<String>,
}

#[derive(Deserialize)]
struct Sent {
    method: String,
    url: String,
    headers: Vec<Header>,
    body: String,
}

#[derive(Deserialize)]
struct Came {
    from: String,
    status: u16,
    headers: Vec<Header>,
    body: Option<String>,
    is_cut: bool,
    is_broken: bool,
}

/// What the page shows of it.
struct Shown {
    tried: Tried,
    /// The request as it went upstream.
    request: Option<Code>,
    /// Status, headers and body of the answer.
    answer: Option<Code>,
}

#[derive(Template)]
#[template(path = "playground.html")]
struct PlaygroundPage {
    frame: Frame,
    may_send: bool,
    typed: Typed,
    wrong: Wrong,
    gateways: Gateways,
    /// Those with a key that can be used come first.
    with_key: Vec<Choice>,
    others: Vec<Choice>,
    /// The model that is asked where none is typed.
    model: Option<&'static str>,
    shown: Option<Shown>,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let or = |name: &str, default: &str| match visit.query(name) {
        "" => default.to_owned(),
        text => text.to_owned(),
    };
    let typed = Typed {
        gateway: or("gateway", "default"),
        provider: or("provider", ""),
        alias: or("alias", ""),
        model: String::new(),
        message: MESSAGE.to_owned(),
    };
    ask(&visit, answer::SHOWN, typed, Wrong::default(), None).await
}

async fn ask(
    visit: &Visit,
    status: StatusCode,
    mut typed: Typed,
    wrong: Wrong,
    tried: Option<Tried>,
) -> Result<Response, Problem> {
    let keyed = providers_with_key(visit).await?;
    let known = Providers::load(visit).await?.0.into_iter();
    let known = known.filter(|choice| choice.refused.is_none() && takes_messages(visit, choice));
    let (with_key, others): (Vec<_>, Vec<_>) =
        known.partition(|choice| keyed.contains(&choice.slug));
    if typed.provider.is_empty() {
        let first = with_key.iter().chain(&others).next();
        typed.provider = first.map_or_else(String::new, |choice| choice.slug.clone());
    }
    let page = PlaygroundPage {
        frame: visit.frame(Section::Playground),
        may_send: visit.may(Permission::AccountApiTokensWrite, ManagePlace::Token),
        by_hand: ByHand::new(
            command(&typed),
            To::new("request_try").curl(&visit.account(), Some(&body(&typed))),
        ),
        model: default_model(visit, &typed.provider),
        gateways: Gateways::load(visit).await?,
        with_key,
        others,
        typed,
        wrong,
        shown: tried.map(Shown::new),
    };
    answer::page(status, &page)
}

pub(crate) async fn send(visit: Visit) -> Result<Response, Problem> {
    let text = |name| visit.form.text(name).to_owned();
    let typed = Typed {
        gateway: text("gateway"),
        provider: text("provider"),
        alias: text("alias"),
        model: text("model"),
        message: visit.form.text("message").replace("\r\n", "\n"),
    };
    let to = To::new("request_try");
    match visit.change::<Tried>(to, &body(&typed)).await {
        Ok(tried) => {
            ask(
                &visit,
                answer::SHOWN,
                typed,
                Wrong::default(),
                Some(tried.result),
            )
            .await
        }
        // There is no page beside this one that would say more.
        Err(problem) if matches!(problem.status().as_u16(), 401 | 403) => Err(problem),
        Err(problem) => {
            let (status, wrong) = (problem.status(), Wrong::of(&problem));
            ask(&visit, status, typed, wrong, None).await
        }
    }
}

fn body(typed: &Typed) -> Value {
    let fields = [
        ("gateway", &typed.gateway),
        ("provider", &typed.provider),
        ("alias", &typed.alias),
        ("model", &typed.model),
        ("message", &typed.message),
    ];
    let given = fields.into_iter().filter(|(_, text)| !text.is_empty());
    let given = given.map(|(name, text)| (name.to_owned(), json!(text)));
    Value::Object(given.collect::<Map<_, _>>())
}

/// The providers that a key is stored for which can be used.
async fn providers_with_key(visit: &Visit) -> Result<Vec<String>, Problem> {
    if !visit.may(Permission::AiGatewayRead, ManagePlace::Token) {
        return Ok(Vec::new());
    }
    let to = To::new("provider_keys_list")
        .with("status", "active")
        .with_number("per_page", 100);
    let keys = visit.get::<Vec<Key>>(to).await?.result;
    let mut slugs: Vec<_> = keys.into_iter().map(|key| key.provider_slug).collect();
    slugs.dedup();
    Ok(slugs)
}

fn takes_messages(visit: &Visit, choice: &Choice) -> bool {
    let catalogue = visit.shared().surroundings.registry.catalogue();
    // One that is not in the catalogue is the account's own.
    let known = catalogue.find(&choice.slug);
    known.is_none_or(|provider| message_api(provider).is_some())
}

fn default_model(visit: &Visit, provider: &str) -> Option<&'static str> {
    let catalogue = visit.shared().surroundings.registry.catalogue();
    message_api(catalogue.find(provider)?)?.model
}

impl Shown {
    fn new(tried: Tried) -> Self {
        let code = |id: &str, label, text| Code {
            id: id.to_owned(),
            label,
            text,
            is_line: true,
        };
        Self {
            request: tried
                .request
                .as_ref()
                .map(|sent| code("sent", "Request as it went upstream", sent.text())),
            answer: tried
                .answer
                .as_ref()
                .map(|came| code("came", "Answer", came.text())),
            tried,
        }
    }
}

impl Sent {
    fn text(&self) -> String {
        let head = format!("{} {}\n", self.method, self.url);
        format!("{head}{}\n{}", lines(&self.headers), self.body)
    }
}

impl Came {
    fn text(&self) -> String {
        let body = self.body.as_deref();
        format!(
            "{}\n{}\n{}",
            self.status,
            lines(&self.headers),
            body.unwrap_or_default()
        )
    }

    fn badge(&self) -> &'static str {
        if self.status < 400 { "done" } else { "failed" }
    }
}

fn lines(headers: &[Header]) -> String {
    let mut text = String::new();
    for Header { name, value } in headers {
        // Writing into a text does not fail.
        let _never = writeln!(text, "{name}: {}", value.as_deref().unwrap_or("••••"));
    }
    text
}

impl Credential {
    /// Why this key and no other.
    fn why(&self) -> &'static str {
        match (self.from.as_str(), self.asked_for) {
            ("stored_key", true) => "the request names its alias",
            ("stored_key", false) => {
                "the request names no alias, and this is the one that needs no name"
            }
            ("provider_headers", _) => "no key is stored for it; its own headers are sent alone",
            _ => "the request carries its own",
        }
    }
}

/// The command for people to paste. Whoever made the link to the page may have chosen the words: none that is no id.
fn command(typed: &Typed) -> String {
    let provider =
        ProviderSlug::parse(&typed.provider).map_or("openai".to_owned(), |slug| slug.to_string());
    let gateway =
        GatewayId::parse(&typed.gateway).map_or("default".to_owned(), |id| id.to_string());
    format!("keyward snippet {provider} --gateway {gateway}")
}
