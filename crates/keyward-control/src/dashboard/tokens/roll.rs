//! Giving a gateway token a new text, shown once.

use askama::Template;
use axum::response::Response;
use serde_json::json;

use super::{Text, Token, add, find};
use crate::{
    dashboard::{
        answer,
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
    },
    envelope::Problem,
};

/// For how long the old text may stay good, in seconds.
const OVERLAPS: [(&str, &str); 4] = [
    ("0", "not at all"),
    ("600", "10 minutes"),
    ("3600", "1 hour"),
    ("86400", "1 day"),
];

#[derive(Template)]
#[template(path = "token_roll.html")]
struct RollPage {
    frame: Frame,
    token: Token,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let token = find(&visit).await?;
    let example = json!({"overlap_seconds": 600});
    let call = To::new("token_roll").at("id", &token.id);
    let page = RollPage {
        frame: visit.frame(Section::Tokens),
        by_hand: ByHand::new(
            format!("keyward tokens roll {} --overlap 10m", token.id),
            call.curl(&visit.account(), Some(&example)),
        ),
        token,
    };
    answer::page(answer::SHOWN, &page)
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let token = find(&visit).await?;
    let overlap = visit
        .form
        .text("overlap")
        .parse::<u64>()
        .unwrap_or_default();
    let to = To::new("token_roll").at("id", &token.id);
    let body = json!({"overlap_seconds": overlap});
    let text = visit.change::<Text>(to, &body).await?.result;
    add::made(&visit, &token.id, text).await
}
