//! Making, changing and removing the pool of a gateway for one provider.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Gateway, edit, find, keys_of};
use crate::{
    dashboard::{
        answer,
        keys::Key,
        providers::Providers,
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
        wrong::Wrong,
    },
    envelope::Problem,
};

/// A pool as answers carry it.
#[derive(Debug, Deserialize)]
pub(crate) struct Shown {
    pub(crate) provider: String,
    strategy: String,
    pub(crate) members: Vec<Member>,
}

/// One of its keys.
#[derive(Debug, Deserialize)]
pub(crate) struct Member {
    pub(crate) alias: String,
    pub(crate) weight: u16,
    pub(crate) key_id: Option<String>,
    pub(crate) status: String,
}

impl Shown {
    pub(crate) fn is_weighted(&self) -> bool {
        self.strategy != ORDERED
    }

    pub(crate) fn told(&self) -> &'static str {
        match self.strategy.as_str() {
            ORDERED => "the first one that is healthy",
            CONVERSATION => "by weight, a conversation stays with its key, known by how it begins",
            _ => "by weight, a conversation stays with its key",
        }
    }

    /// As the form has them.
    fn lines(&self) -> String {
        let lines: Vec<_> = self
            .members
            .iter()
            .map(|member| match self.is_weighted() {
                true => format!("{} {}", member.alias, member.weight),
                false => member.alias.clone(),
            })
            .collect();
        lines.join("\n")
    }
}

const WEIGHTED: &str = "weighted";
const ORDERED: &str = "ordered";
const CONVERSATION: &str = "conversation";

#[derive(Template)]
#[template(path = "gateway_pool.html")]
struct PoolPage {
    frame: Frame,
    gateway: Gateway,
    provider: String,
    provider_name: String,
    providers: Providers,
    /// What the settings were when the form was shown.
    revision: String,
    is_there: bool,
    strategy: String,
    /// As typed: an alias on each line, and its weight.
    members: String,
    /// The keys that there are for the provider.
    aliases: Vec<String>,
    wrong: Wrong,
    by_hand: ByHand,
}

/// What the form says, or would say.
struct Typed {
    provider: String,
    strategy: String,
    members: String,
    revision: String,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let gateway = find(&visit).await?;
    let first = gateway.pools.first().map(|pool| pool.provider.as_str());
    let provider = match visit.query("provider") {
        "" => first.unwrap_or("openai").to_owned(),
        named => named.to_owned(),
    };
    let pool = gateway.pools.iter().find(|pool| pool.provider == provider);
    if pool.is_none() && Providers::load(&visit).await?.find(&provider).is_none() {
        let registry = &visit.shared().surroundings.registry;
        return Err(registry.provider_unknown(&Problem::shown(&provider)).into());
    }
    let typed = Typed {
        strategy: pool.map_or(WEIGHTED, |pool| &pool.strategy).to_owned(),
        members: pool.map(Shown::lines).unwrap_or_default(),
        revision: gateway.revision.clone(),
        provider,
    };
    ask(&visit, answer::SHOWN, gateway, typed, Wrong::default()).await
}

async fn ask(
    visit: &Visit,
    status: StatusCode,
    gateway: Gateway,
    typed: Typed,
    wrong: Wrong,
) -> Result<Response, Problem> {
    let Typed {
        provider,
        strategy,
        members,
        revision,
    } = typed;
    let keys = keys_of(&gateway.id)
        .with("provider_slug", &provider)
        .with_number("per_page", 100);
    let keys = visit.get::<Vec<Key>>(keys).await?.result;
    let aliases: Vec<_> = keys.into_iter().map(|key| key.alias).collect();
    let example = match aliases.is_empty() {
        true => "first:3,second:1".to_owned(),
        false => aliases.join(","),
    };
    let providers = Providers::load(visit).await?;
    let body = with_pool(visit, &gateway.id, &provider, None).await?;
    let call = To::new("gateway_update").at("gateway", &gateway.id);
    let page = PoolPage {
        frame: visit.frame(Section::Gateways),
        is_there: gateway.pools.iter().any(|pool| pool.provider == provider),
        provider_name: providers.name(&provider).to_owned(),
        providers,
        revision,
        strategy,
        members,
        aliases,
        wrong,
        by_hand: ByHand::new(
            format!(
                "keyward gateways update {} --pool {provider}={example}",
                gateway.id
            ),
            call.curl(&visit.account(), Some(&body)),
        ),
        gateway,
        provider,
    };
    answer::page(status, &page)
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let gateway = find(&visit).await?;
    let form = &visit.form;
    let typed = Typed {
        provider: form.text("provider").to_owned(),
        strategy: form.text("strategy").to_owned(),
        members: form.text("members").to_owned(),
        revision: form.text("revision").to_owned(),
    };
    let is_removed = form.is_set("remove");
    let pool = (!is_removed).then(|| pool(&typed));
    let body = with_pool(&visit, &gateway.id, &typed.provider, pool).await?;
    let to = To::new("gateway_update")
        .at("gateway", &gateway.id)
        .with("if_revision", &typed.revision);
    match visit.change::<Gateway>(to, &body).await {
        Ok(_) => {
            let done = if is_removed { "unpooled" } else { "pooled" };
            answer::see(&format!("{}?done={done}#pools", gateway.path()))
        }
        Err(problem) => {
            let wrong = match problem.is_changed_meanwhile() {
                true => Wrong::at("revision", edit::CHANGED),
                false => Wrong::of(&problem),
            };
            ask(&visit, problem.status(), gateway, typed, wrong).await
        }
    }
}

/// The pool that was typed. What is no weight is left for the route to refuse.
fn pool(typed: &Typed) -> Value {
    let lines = typed.members.lines().map(str::trim);
    let member = |line: &str| {
        let (alias, weight) = line.split_once(char::is_whitespace).unwrap_or((line, "1"));
        let weight = weight.trim();
        let weight = weight
            .parse::<u64>()
            .map_or_else(|_no_number| json!(weight), |number| json!(number));
        json!({"alias": alias, "weight": weight})
    };
    let members: Vec<_> = lines.filter(|line| !line.is_empty()).map(member).collect();
    json!({
        "provider": typed.provider,
        "strategy": typed.strategy,
        "members": members,
    })
}

/// The whole gateway as it is, with this pool in the place of the provider's own.
async fn with_pool(
    visit: &Visit,
    gateway: &str,
    provider: &str,
    pool: Option<Value>,
) -> Result<Value, Problem> {
    let mut body: Map<String, Value> = edit::whole(visit, gateway).await?;
    let pools = body.get("pools").and_then(Value::as_array);
    let mut pools = pools.cloned().unwrap_or_default();
    let is_its = |known: &Value| known.get("provider").and_then(Value::as_str) == Some(provider);
    let place = pools.iter().position(is_its);
    match (place, pool) {
        (Some(place), Some(pool)) => {
            pools.splice(place..=place, [pool]);
        }
        (Some(place), None) => drop(pools.remove(place)),
        (None, Some(pool)) => pools.push(pool),
        (None, None) => {}
    }
    body.insert("pools".to_owned(), Value::Array(pools));
    Ok(Value::Object(body))
}
