//! Deleting a gateway with its provider keys, once its id is typed.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use serde_json::Value;

use super::{Gateway, find, keys_of, tokens_of};
use crate::{
    dashboard::{
        answer,
        keys::Key,
        traffic::{self, LastHour},
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
        wrong::Wrong,
    },
    envelope::Problem,
};

/// How many keys are named.
const NAMED: usize = 10;

#[derive(Template)]
#[template(path = "gateway_delete.html")]
struct DeletePage {
    frame: Frame,
    now: SystemTime,
    gateway: Gateway,
    keys: Vec<Key>,
    total: usize,
    /// How many requests there were of late. None: the token may not see it.
    last_hour: Option<LastHour>,
    /// How many gateway tokens are good for it. None: the token may not see them.
    tokens: Option<usize>,
    typed: String,
    wrong: Wrong,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let gateway = find(&visit).await?;
    let page = page(&visit, gateway, Wrong::default()).await?;
    answer::page(answer::SHOWN, &page)
}

async fn page(visit: &Visit, gateway: Gateway, wrong: Wrong) -> Result<DeletePage, Problem> {
    let to = keys_of(&gateway.id).with_number("per_page", NAMED);
    let answer = visit.get::<Vec<Key>>(to).await?;
    let of_gateway = traffic::asked().with("gateway_id", &gateway.id);
    let call = To::new("gateway_delete").at("gateway", &gateway.id);
    Ok(DeletePage {
        frame: visit.frame(Section::Gateways),
        now: visit.now,
        keys: answer.result,
        total: answer.result_info.total_count,
        last_hour: traffic::last_hour(visit, of_gateway).await?,
        tokens: tokens_of(visit, &gateway.id).await?,
        typed: visit.form.text("typed").to_owned(),
        wrong,
        by_hand: ByHand::new(
            format!("keyward gateways delete {}", gateway.id),
            call.curl(&visit.account(), None),
        ),
        gateway,
    })
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let gateway = find(&visit).await?;
    if visit.form.text("typed") != gateway.id {
        let wrong = Wrong::at("typed", "that is not its id, and nothing was deleted");
        let page = page(&visit, gateway, wrong).await?;
        return answer::page(answer::MISTYPED, &page);
    }
    let to = To::new("gateway_delete").at("gateway", &gateway.id);
    visit.change::<Value>(to, &Value::Null).await?;
    answer::see("/gateways?done=deleted")
}
