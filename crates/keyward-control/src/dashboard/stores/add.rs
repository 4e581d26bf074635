//! Making a secrets store.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::Store;
use crate::{
    dashboard::{
        answer,
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
        wrong::Wrong,
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "store_new.html")]
struct AddPage<'a> {
    frame: Frame,
    name: &'a str,
    wrong: Wrong,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    ask(&visit, answer::SHOWN, Wrong::default())
}

fn ask(visit: &Visit, status: StatusCode, wrong: Wrong) -> Result<Response, Problem> {
    let example = json!({"name": "team-a"});
    let page = AddPage {
        frame: visit.frame(Section::Secrets),
        name: visit.form.text("name"),
        wrong,
        by_hand: ByHand::call(
            To::new("secrets_store_create").curl(&visit.account(), Some(&example)),
        ),
    };
    answer::page(status, &page)
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let body = json!({"name": visit.form.text("name")});
    match visit
        .change::<Store>(To::new("secrets_store_create"), &body)
        .await
    {
        Ok(answer) => answer::see(&format!("{}?done=made", answer.result.path())),
        Err(problem) => ask(&visit, problem.status(), Wrong::of(&problem)),
    }
}
