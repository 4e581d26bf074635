//! The tokens of one kind.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use keyward_auth::{ManagePlace, Permission};

use super::{Token, family::Family};
use crate::{
    dashboard::{
        answer,
        pager::Pager,
        view::{ByHand, Frame},
        visit::{To, Visit},
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    frame: Frame,
    now: SystemTime,
    family: Family,
    /// The id of the token that is signed in.
    own: String,
    is_revoked: bool,
    tokens: Vec<Token>,
    /// Only those that are good for this gateway; empty: all.
    gateway: String,
    pager: Pager,
    may_change: bool,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit, family: Family) -> Result<Response, Problem> {
    let page: usize = visit.query("page").parse().unwrap_or(1).max(1);
    let gateway = visit.query("gateway").to_owned();
    let to = To::new("token_list")
        .with("kind", family.kind())
        .with("gateway_id", &gateway)
        .with("direction", "desc")
        .with_number("page", page)
        .with_number("per_page", 50);
    let answer = visit.get::<Vec<Token>>(to).await?;
    if answer.result.is_empty() && answer.result_info.total_count > 0 {
        // Past the end: what stood there was revoked.
        return answer::see(family.path());
    }
    let page = TokensPage {
        frame: visit.frame(family.section()),
        now: visit.now,
        family,
        own: visit.token_id(),
        is_revoked: visit.query("done") == "revoked",
        tokens: answer.result,
        pager: Pager::new(family.path(), &[("gateway", &gateway)], &answer.result_info),
        gateway,
        may_change: visit.may(Permission::AccountApiTokensWrite, ManagePlace::Token),
        by_hand: ByHand::new(
            "keyward tokens list".to_owned(),
            To::new("token_list")
                .with("kind", family.kind())
                .curl(&visit.account(), None),
        ),
    };
    answer::page(answer::SHOWN, &page)
}
