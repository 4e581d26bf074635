//! Making a token. Its text is in the answer to the form, and nowhere after it.

use std::time::{Duration, SystemTime};

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use keyward_auth::Reason;
use keyward_providers::Class;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Text, Token, family::Family, made, permissions::Choices};
use crate::{
    dashboard::{
        answer,
        gateways::Gateways,
        providers::Providers,
        view::{ByHand, Frame},
        visit::{To, Visit},
        when::typed_moment,
        wrong::Wrong,
    },
    envelope::Problem,
    moment,
};

/// What was typed.
#[derive(Default)]
struct Typed {
    name: String,
    permissions: Vec<String>,
    gateways: Vec<String>,
    providers: Vec<String>,
    /// Separated by blanks or commas, as the networks are.
    aliases: String,
    classes: Vec<String>,
    /// Patterns, separated as the aliases are.
    models: String,
    networks: String,
    not_networks: String,
    not_before: String,
    expires: String,
    /// An end of its own, in the place of `expires`.
    ends: String,
}

impl Typed {
    fn of_form(visit: &Visit) -> Self {
        let form = &visit.form;
        let text = |name| form.text(name).to_owned();
        let texts = |name| form.texts(name).map(str::to_owned).collect();
        Self {
            name: text("name"),
            permissions: texts("permission"),
            gateways: texts("gateway"),
            providers: texts("provider"),
            aliases: text("alias"),
            classes: texts("class"),
            models: text("model"),
            networks: text("network"),
            not_networks: text("not_network"),
            not_before: text("not_before"),
            expires: text("expires_in"),
            ends: text("expires_on"),
        }
    }

    /// Whether anything is set that stands folded away.
    fn has_limits(&self) -> bool {
        let texts = [
            &self.aliases,
            &self.models,
            &self.networks,
            &self.not_networks,
            &self.not_before,
            &self.ends,
        ];
        !self.classes.is_empty() || texts.iter().any(|text| !text.is_empty())
    }

    /// Whether a choice of several is ticked.
    fn has(list: &[String], value: &str) -> bool {
        list.iter().any(|ticked| ticked == value)
    }
}

/// A choice of several.
struct Picks<'a> {
    title: &'static str,
    name: &'static str,
    choices: Vec<(&'a str, &'a str)>,
    ticked: &'a [String],
}

impl<'a> Picks<'a> {
    fn of_gateways(gateways: &'a Gateways, ticked: &'a [String]) -> Self {
        let ids = gateways.0.iter().map(String::as_str);
        Self {
            title: "Gateways",
            name: "gateway",
            choices: ids.map(|id| (id, id)).collect(),
            ticked,
        }
        .with_every_ticked()
    }

    fn of_providers(providers: &'a Providers, ticked: &'a [String]) -> Self {
        let usable = providers.usable();
        Self {
            title: "Providers",
            name: "provider",
            choices: usable
                .map(|choice| (choice.slug.as_str(), choice.name.as_str()))
                .collect(),
            ticked,
        }
        .with_every_ticked()
    }

    /// What is ticked is always there to be seen: a form without it would be one for everything.
    fn with_every_ticked(mut self) -> Self {
        for value in self.ticked {
            if !self.choices.iter().any(|(known, _)| known == value) {
                self.choices.push((value, value));
            }
        }
        self
    }

    fn is_ticked(&self, value: &str) -> bool {
        Typed::has(self.ticked, value)
    }
}

/// After how many days a token ends.
const LASTS: [(&str, &str, u64); 3] = [
    ("30d", "in 30 days", 30),
    ("90d", "in 90 days", 90),
    ("365d", "in a year", 365),
];

/// When the token ends that makes it.
const WITH_THIS: &str = "own";

/// The fields that stand folded away.
const FOLDED: [&str; 6] = [
    "alias",
    "class",
    "network",
    "not_network",
    "not_before",
    "expires_on",
];

#[derive(Template)]
#[template(path = "tokens_new.html")]
struct AddPage {
    frame: Frame,
    family: Family,
    typed: Typed,
    wrong: Wrong,
    choices: Option<Choices>,
    providers: Providers,
    gateways: Gateways,
    /// Whether the token that is signed in has an end.
    may_end_with_this: bool,
    by_hand: ByHand,
}

impl AddPage {
    fn is_unfolded(&self) -> bool {
        self.typed.has_limits() || FOLDED.iter().any(|field| self.wrong.is_at(field))
    }
}

/// What the classes of endpoints hold, in words.
const CLASSES: [(Class, &str); 13] = [
    (Class::Inference, "chat, completions, responses, reranking"),
    (Class::Embeddings, "vectors from text or images"),
    (Class::Models, "lists of models and voices"),
    (Class::Files, "stored files, vector stores, caches"),
    (Class::Batch, "jobs that are answered later"),
    (Class::Realtime, "WebSocket and WebRTC"),
    (Class::Images, "images made or changed"),
    (Class::Audio, "speech and sound"),
    (Class::Video, "video made or changed"),
    (Class::FineTuning, "training"),
    (Class::Agents, "assistants, threads, conversations"),
    (Class::Account, "billing, members, keys"),
    (Class::Other, "everything that is not known"),
];

pub(crate) async fn show(visit: Visit, family: Family) -> Result<Response, Problem> {
    let gateway = Some(visit.query("gateway")).filter(|id| !id.is_empty());
    let typed = Typed {
        gateways: gateway.map(str::to_owned).into_iter().collect(),
        expires: "90d".to_owned(),
        ..Typed::default()
    };
    ask(&visit, family, answer::SHOWN, typed, Wrong::default()).await
}

async fn ask(
    visit: &Visit,
    family: Family,
    status: StatusCode,
    typed: Typed,
    wrong: Wrong,
) -> Result<Response, Problem> {
    let (name, permissions, command) = match family.is_api() {
        true => (
            "ci",
            vec!["AI Gateway Read".to_owned()],
            "keyward tokens create ci --api --permission 'AI Gateway Read'",
        ),
        false => ("my-app", Vec::new(), "keyward tokens create my-app"),
    };
    let example = Typed {
        name: name.to_owned(),
        permissions,
        ..Typed::default()
    };
    let page = AddPage {
        frame: visit.frame(family.section()),
        family,
        typed,
        wrong,
        choices: match family.is_api() {
            true => Some(Choices::load(visit).await?),
            false => None,
        },
        providers: Providers::load(visit).await?,
        gateways: Gateways::load(visit).await?,
        may_end_with_this: visit.token_end().is_some(),
        by_hand: ByHand::new(
            command.to_owned(),
            To::new("token_create").curl(&visit.account(), Some(&body(visit, family, &example))),
        ),
    };
    answer::page(status, &page)
}

/// What of the answer is read: the id, and the text straight into memory that is erased.
#[derive(Deserialize)]
struct Made {
    id: String,
    value: Text,
}

pub(crate) async fn save(visit: Visit, family: Family) -> Result<Response, Problem> {
    let typed = Typed::of_form(&visit);
    let body = body(&visit, family, &typed);
    match visit.change::<Made>(To::new("token_create"), &body).await {
        Ok(answer) => {
            let to = To::new("token_show").at("id", &answer.result.id);
            let token: Token = visit.get(to).await?.result;
            made::show(&visit, token, answer.result.value)
        }
        Err(problem) => {
            let status = problem.status();
            let wrong = Wrong::at(field_of(&problem), problem.reason());
            ask(&visit, family, status, typed, wrong).await
        }
    }
}

/// The field of the form that what was wrong with the request came from.
fn field_of(problem: &Problem) -> &'static str {
    if let Some(bound) = problem.beyond() {
        return match bound {
            Reason::Permission => "permission",
            Reason::Gateway => "gateway",
            Reason::Provider => "provider",
            Reason::Alias => "alias",
            Reason::Class => "class",
            Reason::Model => "model",
            Reason::Network => "network",
            Reason::Lifetime => "expires_in",
            _ => "",
        };
    }
    let found = problem.steps().rev().find_map(|step| {
        Some(match step {
            "name" => "name",
            "permission_groups" => "permission",
            "providers" => "provider",
            "aliases" => "alias",
            "classes" => "class",
            "models" => "model",
            "resources" => "gateway",
            "in" => "network",
            "not_in" => "not_network",
            "not_before" => "not_before",
            "expires_on" => "expires_on",
            _ => return None,
        })
    });
    found.unwrap_or_default()
}

/// Names or networks as people type several of them.
fn split(text: &str) -> Vec<&str> {
    let parts = text.split([',', ' ', '\n', '\r', '\t']);
    parts.filter(|part| !part.is_empty()).collect()
}

fn body(visit: &Visit, family: Family, typed: &Typed) -> Value {
    let groups: Vec<_> = match family.is_api() {
        true => typed
            .permissions
            .iter()
            .map(|name| json!({"name": name}))
            .collect(),
        false => vec![json!({"name": "AI Gateway Run"})],
    };
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    put("name", json!(typed.name));
    put(
        "policies",
        json!([{
            "effect": "allow",
            "resources": resources(&visit.account(), typed),
            "permission_groups": groups,
        }]),
    );
    if let Some(condition) = condition(typed) {
        put("condition", condition);
    }
    if !typed.not_before.is_empty() {
        put("not_before", json!(typed_moment(&typed.not_before)));
    }
    if let Some(end) = end(visit, typed) {
        put("expires_on", json!(end));
    }
    Value::Object(body)
}

/// The gateways, or the account for every one, each narrowed alike.
fn resources(account: &str, typed: &Typed) -> Map<String, Value> {
    let mut narrowing = Map::new();
    let aliases = split(&typed.aliases);
    let lists = [
        ("providers", json!(typed.providers)),
        ("aliases", json!(aliases)),
        ("classes", json!(typed.classes)),
        ("models", json!(split(&typed.models))),
    ];
    for (name, list) in lists {
        if list.as_array().is_some_and(|list| !list.is_empty()) {
            narrowing.insert(name.to_owned(), list);
        }
    }
    let narrowing = match narrowing.is_empty() {
        true => json!("*"),
        false => Value::Object(narrowing),
    };
    let account = format!("com.cloudflare.api.account.{account}");
    if typed.gateways.is_empty() {
        return Map::from_iter([(account, narrowing)]);
    }
    let of = |gateway| (format!("{account}.ai-gateway.{gateway}"), narrowing.clone());
    typed.gateways.iter().map(of).collect()
}

fn condition(typed: &Typed) -> Option<Value> {
    let mut networks = Map::new();
    for (name, text) in [("in", &typed.networks), ("not_in", &typed.not_networks)] {
        let list = split(text);
        if !list.is_empty() {
            networks.insert(name.to_owned(), json!(list));
        }
    }
    (!networks.is_empty()).then(|| json!({"request_ip": networks}))
}

fn end(visit: &Visit, typed: &Typed) -> Option<String> {
    const DAY: u64 = 24 * 60 * 60;
    if !typed.ends.is_empty() {
        return Some(typed_moment(&typed.ends));
    }
    if typed.expires == WITH_THIS {
        return moment::format(visit.token_end()?);
    }
    let (.., days) = LASTS.iter().find(|(name, ..)| *name == typed.expires)?;
    let end: SystemTime = visit.now.checked_add(Duration::from_secs(days * DAY))?;
    moment::format(end)
}
