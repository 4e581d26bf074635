//! Giving a token a new text, shown once.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::{Text, Token, family::Family, find, made};
use crate::{
    dashboard::{
        answer,
        view::{ByHand, Frame},
        visit::{To, Visit},
        wrong::Wrong,
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
    family: Family,
    token: Token,
    /// Whether it is the one that is signed in.
    is_own: bool,
    wrong: Wrong,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit, family: Family) -> Result<Response, Problem> {
    let token = find(&visit, family).await?;
    ask(&visit, answer::SHOWN, token, Wrong::default())
}

fn ask(visit: &Visit, status: StatusCode, token: Token, wrong: Wrong) -> Result<Response, Problem> {
    let example = json!({"overlap_seconds": 600});
    let call = To::new("token_roll").at("id", &token.id);
    let page = RollPage {
        frame: visit.frame(token.family().section()),
        family: token.family(),
        is_own: token.id == visit.token_id(),
        wrong,
        by_hand: ByHand::new(
            format!("keyward tokens roll {} --overlap 10m", token.id),
            call.curl(&visit.account(), Some(&example)),
        ),
        token,
    };
    answer::page(status, &page)
}

pub(crate) async fn save(visit: Visit, family: Family) -> Result<Response, Problem> {
    let token = find(&visit, family).await?;
    let overlap = visit.form.text("overlap").parse::<u64>();
    let to = To::new("token_roll").at("id", &token.id);
    let body = json!({"overlap_seconds": overlap.unwrap_or_default()});
    match visit.change::<Text>(to, &body).await {
        Ok(answer) => made::show(&visit, token, answer.result),
        // It reaches further than the one that is signed in.
        Err(problem) if problem.beyond().is_some() => {
            let (status, wrong) = (problem.status(), Wrong::of(&problem));
            ask(&visit, status, token, wrong)
        }
        Err(problem) => Err(problem),
    }
}
