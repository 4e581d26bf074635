//! Revoking a token, once its id is typed.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use serde_json::Value;

use super::{Token, family::Family, find};
use crate::{
    dashboard::{
        answer, sign_in,
        view::{ByHand, Frame},
        visit::{To, Visit},
        wrong::Wrong,
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "token_revoke.html")]
struct RevokePage {
    frame: Frame,
    now: SystemTime,
    family: Family,
    token: Token,
    /// Whether it is the one that is signed in.
    is_own: bool,
    typed: String,
    wrong: Wrong,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit, family: Family) -> Result<Response, Problem> {
    let token = find(&visit, family).await?;
    answer::page(answer::SHOWN, &page(&visit, token, Wrong::default()))
}

fn page(visit: &Visit, token: Token, wrong: Wrong) -> RevokePage {
    let call = To::new("token_delete").at("id", &token.id);
    RevokePage {
        frame: visit.frame(token.family().section()),
        family: token.family(),
        is_own: token.id == visit.token_id(),
        now: visit.now,
        typed: visit.form.text("typed").to_owned(),
        wrong,
        by_hand: ByHand::new(
            format!("keyward tokens revoke {}", token.id),
            call.curl(&visit.account(), None),
        ),
        token,
    }
}

pub(crate) async fn save(visit: Visit, family: Family) -> Result<Response, Problem> {
    let token = find(&visit, family).await?;
    if visit.form.text("typed") != token.id {
        let wrong = Wrong::at("typed", "that is not its id, and nothing was revoked");
        let page = page(&visit, token, wrong);
        return answer::page(answer::MISTYPED, &page);
    }
    let to = To::new("token_delete").at("id", &token.id);
    let to = to.with("now", if visit.form.is_set("now") { "true" } else { "" });
    visit.change::<Value>(to, &Value::Null).await?;
    if token.id == visit.token_id() {
        return answer::see(sign_in::PATH);
    }
    answer::see(&format!("{}?done=revoked", family.path()))
}
