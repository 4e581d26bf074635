//! One token: everything about it but its text.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use keyward_auth::{ManagePlace, Permission};

use super::{Token, family::Family, find};
use crate::{
    dashboard::{
        answer,
        view::{ByHand, Frame},
        visit::{To, Visit},
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "token.html")]
struct TokenPage {
    frame: Frame,
    now: SystemTime,
    family: Family,
    token: Token,
    /// Whether it is the one that is signed in.
    is_own: bool,
    may_change: bool,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit, family: Family) -> Result<Response, Problem> {
    let token = find(&visit, family).await?;
    let call = To::new("token_show").at("id", &token.id);
    let page = TokenPage {
        frame: visit.frame(family.section()),
        family,
        is_own: token.id == visit.token_id(),
        now: visit.now,
        may_change: visit.may(Permission::AccountApiTokensWrite, ManagePlace::Token),
        by_hand: ByHand::new(
            format!("keyward tokens show {}", token.id),
            call.curl(&visit.account(), None),
        ),
        token,
    };
    answer::page(answer::SHOWN, &page)
}
