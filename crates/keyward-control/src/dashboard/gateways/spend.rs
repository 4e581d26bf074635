//! Setting what may be spent in a gateway.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use keyward_routes::{SpendLimits, SpendRule, Split};
use serde_json::Value;

use super::{Gateway, edit, find};
use crate::{
    dashboard::{
        answer,
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
        wrong::Wrong,
    },
    envelope::Problem,
};

/// What the form holds where there are no limits yet.
const EXAMPLE: &str = r#"{
  "enabled": true,
  "rules": [
    {"id": "all", "limitType": "cost", "limit": 100, "calendar": "month"}
  ]
}"#;

#[derive(Template)]
#[template(path = "gateway_spend.html")]
struct SpendPage {
    frame: Frame,
    gateway: Gateway,
    /// What the settings were when the form was shown.
    revision: String,
    /// As typed: JSON.
    limits: String,
    wrong: Wrong,
    by_hand: ByHand,
}

/// The limits of a key or a token, a rule in a line.
pub(crate) fn lines(limits: Option<&SpendLimits>) -> Vec<String> {
    let of_rule = |limits: &SpendLimits, rule: &SpendRule| {
        let budget = rule.budget();
        let off = match limits.is_enabled() && rule.is_enabled() {
            true => "",
            false => " (off)",
        };
        let (id, meant) = (rule.id(), meant(rule));
        format!(
            "{id}{off}: {} USD per {}, {meant}",
            budget.limit(),
            budget.window()
        )
    };
    let rules = limits
        .into_iter()
        .flat_map(|limits| limits.rules().iter().map(move |rule| of_rule(limits, rule)));
    rules.collect()
}

/// For which requests a rule is, in words.
pub(super) fn meant(rule: &SpendRule) -> String {
    let part = |name: &str, split: &Split| match split {
        Split::All => None,
        Split::Partition => Some(format!("each {name} by itself")),
        Split::Filter(values) => Some(format!("{name} {}", values.join(" or "))),
    };
    let of_metadata = rule.metadata().iter();
    let of_metadata = of_metadata.map(|(name, split)| part(&format!("metadata {name}"), split));
    let parts = [
        part("provider", rule.provider()),
        part("model", rule.model()),
    ];
    let parts: Vec<_> = parts.into_iter().chain(of_metadata).flatten().collect();
    match parts.is_empty() {
        true => "all requests together".to_owned(),
        false => parts.join(", "),
    }
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let gateway = find(&visit).await?;
    let limits = match &gateway.spend_limits {
        None => EXAMPLE.to_owned(),
        // Plain fields: nothing in them fails to be written.
        Some(limits) => serde_json::to_string_pretty(limits).unwrap_or_default(),
    };
    let revision = gateway.revision.clone();
    let wrong = Wrong::default();
    ask(&visit, answer::SHOWN, gateway, (limits, revision), wrong).await
}

async fn ask(
    visit: &Visit,
    status: StatusCode,
    gateway: Gateway,
    (limits, revision): (String, String),
    wrong: Wrong,
) -> Result<Response, Problem> {
    let call = To::new("gateway_update").at("gateway", &gateway.id);
    let example = with_limits(visit, &gateway.id, read(EXAMPLE)).await?;
    let page = SpendPage {
        frame: visit.frame(Section::Gateways),
        revision,
        limits,
        wrong,
        by_hand: ByHand::new(
            format!(
                "keyward gateways update {} --spend-limits-file limits.json",
                gateway.id
            ),
            call.curl(&visit.account(), Some(&example)),
        ),
        gateway,
    };
    answer::page(status, &page)
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let gateway = find(&visit).await?;
    let typed = visit.form.text("limits").to_owned();
    let revision = visit.form.text("revision").to_owned();
    let limits = match visit.form.is_set("remove") {
        true => Value::Null,
        false => read(&typed),
    };
    let body = with_limits(&visit, &gateway.id, limits).await?;
    let to = To::new("gateway_update")
        .at("gateway", &gateway.id)
        .with("if_revision", &revision);
    match visit.change::<Gateway>(to, &body).await {
        Ok(_) => answer::see(&format!("{}?done=changed#spend", gateway.path())),
        Err(problem) => {
            let wrong = match problem.is_changed_meanwhile() {
                true => Wrong::at("revision", edit::CHANGED),
                false => Wrong::of(&problem),
            };
            let typed = (typed, revision);
            ask(&visit, problem.status(), gateway, typed, wrong).await
        }
    }
}

/// What was typed. What is no JSON is left for the route to refuse.
fn read(typed: &str) -> Value {
    serde_json::from_str(typed).unwrap_or_else(|_no_json| Value::String("no JSON".to_owned()))
}

/// The whole gateway as it is, with these limits.
async fn with_limits(visit: &Visit, gateway: &str, limits: Value) -> Result<Value, Problem> {
    let mut body = edit::whole(visit, gateway).await?;
    body.insert("spend_limits".to_owned(), limits);
    Ok(Value::Object(body))
}
