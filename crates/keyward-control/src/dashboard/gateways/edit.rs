//! Changing the settings of a gateway.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value};

use super::{
    Gateway, find,
    settings::{Stores, Typed},
};
use crate::{
    api::gateways::ANSWER_FIELDS,
    dashboard::{
        answer,
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
        wrong::Wrong,
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "gateway_edit.html")]
struct EditPage {
    frame: Frame,
    gateway: Gateway,
    typed: Typed,
    wrong: Wrong,
    stores: Stores,
    by_hand: ByHand,
}

pub(super) const CHANGED: &str =
    "The gateway was changed after this form was opened. Open it again to see how it stands now.";

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let gateway = find(&visit).await?;
    let typed = Typed::of(&gateway);
    ask(&visit, answer::SHOWN, gateway, typed, Wrong::default()).await
}

async fn ask(
    visit: &Visit,
    status: StatusCode,
    gateway: Gateway,
    typed: Typed,
    wrong: Wrong,
) -> Result<Response, Problem> {
    let call = To::new("gateway_update").at("gateway", &gateway.id);
    let example = body(visit, &gateway.id, &Typed::of(&gateway)).await?;
    let page = EditPage {
        frame: visit.frame(Section::Gateways),
        stores: Stores::load(visit, &typed.store_id).await?,
        typed,
        wrong,
        by_hand: ByHand::new(
            format!(
                "keyward gateways update {} --set stored_keys_only=true",
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
    let typed = Typed::of_form(&visit);
    let body = body(&visit, &gateway.id, &typed).await?;
    let to = To::new("gateway_update")
        .at("gateway", &gateway.id)
        .with("if_revision", &typed.revision);
    match visit.change::<Gateway>(to, &body).await {
        Ok(_) => answer::see(&format!("{}?done=changed", gateway.path())),
        Err(problem) => {
            let wrong = match problem.is_changed_meanwhile() {
                true => Wrong::at("revision", CHANGED),
                false => Wrong::of(&problem),
            };
            ask(&visit, problem.status(), gateway, typed, wrong).await
        }
    }
}

/// The whole gateway as it is, with what was typed in its place: a change replaces everything.
async fn body(visit: &Visit, gateway: &str, typed: &Typed) -> Result<Value, Problem> {
    let mut body = whole(visit, gateway).await?;
    typed.put(&mut body);
    Ok(Value::Object(body))
}

/// The whole gateway as it is, as a change must carry it.
pub(super) async fn whole(visit: &Visit, gateway: &str) -> Result<Map<String, Value>, Problem> {
    let to = To::new("gateway_show").at("gateway", gateway);
    let mut body: Map<String, Value> = visit.get(to).await?.result;
    // What is not set, and what answers alone carry.
    body.retain(|name, value| !value.is_null() && !ANSWER_FIELDS.contains(&name.as_str()));
    Ok(body)
}
