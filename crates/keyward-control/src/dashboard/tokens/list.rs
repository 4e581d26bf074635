//! Gateway tokens.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use keyward_auth::{ManagePlace, Permission};

use super::Token;
use crate::{
    dashboard::{
        answer,
        pager::Pager,
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    frame: Frame,
    now: SystemTime,
    is_revoked: bool,
    tokens: Vec<Token>,
    /// Only those that are good for this gateway; empty: all.
    gateway: String,
    pager: Pager,
    may_change: bool,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let page: usize = visit.query("page").parse().unwrap_or(1).max(1);
    let gateway = visit.query("gateway").to_owned();
    let to = To::new("token_list")
        .with("kind", "gateway")
        .with("gateway_id", &gateway)
        .with("direction", "desc")
        .with_number("page", page)
        .with_number("per_page", 50);
    let answer = visit.get::<Vec<Token>>(to).await?;
    if answer.result.is_empty() && answer.result_info.total_count > 0 {
        // Past the end: what stood there was revoked.
        return answer::see("/tokens");
    }
    let page = TokensPage {
        frame: visit.frame(Section::Tokens),
        now: visit.now,
        is_revoked: visit.query("done") == "revoked",
        tokens: answer.result,
        pager: Pager::new("/tokens", &[("gateway", &gateway)], &answer.result_info),
        gateway,
        may_change: visit.may(Permission::AccountApiTokensWrite, ManagePlace::Token),
        by_hand: ByHand::new(
            "keyward tokens list".to_owned(),
            To::new("token_list").curl(&visit.account(), None),
        ),
    };
    answer::page(answer::SHOWN, &page)
}
