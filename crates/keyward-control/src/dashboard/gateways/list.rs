//! The gateways of the account.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;

use super::{Gateway, add, keys_of, may_make, told};
use crate::{
    dashboard::{
        answer,
        keys::Key,
        pager::Pager,
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
    },
    envelope::Problem,
};

/// A gateway with the number of its keys.
struct Row {
    gateway: Gateway,
    keys: usize,
}

#[derive(Template)]
#[template(path = "gateways.html")]
struct GatewaysPage {
    frame: Frame,
    now: SystemTime,
    rows: Vec<Row>,
    pager: Pager,
    told: Option<String>,
    may_make: bool,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let page: usize = visit.query("page").parse().unwrap_or(1).max(1);
    let to = To::new("gateway_list")
        .with_number("page", page)
        .with_number("per_page", 20);
    let answer = visit.get::<Vec<Gateway>>(to).await?;
    let mut rows = Vec::with_capacity(answer.result.len());
    for gateway in answer.result {
        let to = keys_of(&gateway.id).with_number("per_page", 1);
        let keys = visit.get::<Vec<Key>>(to).await?.result_info.total_count;
        rows.push(Row { gateway, keys });
    }
    let page = GatewaysPage {
        frame: visit.frame(Section::Gateways),
        now: visit.now,
        rows,
        pager: Pager::new("/gateways", &[], &answer.result_info),
        told: told(&visit),
        may_make: may_make(&visit),
        by_hand: ByHand::new(
            "keyward gateways list".to_owned(),
            To::new("gateway_list").curl(&visit.account(), None),
        ),
    };
    answer::page(answer::SHOWN, &page)
}
