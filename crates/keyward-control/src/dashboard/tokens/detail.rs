//! One gateway token: everything about it but its text.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use keyward_auth::{ManagePlace, Permission};

use super::{Token, find};
use crate::{
    dashboard::{
        answer,
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "token.html")]
struct TokenPage {
    frame: Frame,
    now: SystemTime,
    token: Token,
    may_change: bool,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let token = find(&visit).await?;
    let call = To::new("token_show").at("id", &token.id);
    let page = TokenPage {
        frame: visit.frame(Section::Tokens),
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
