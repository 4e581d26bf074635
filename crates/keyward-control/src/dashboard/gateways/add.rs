//! Making a gateway.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    Gateway,
    settings::{Stores, Typed},
};
use crate::{
    dashboard::{
        answer,
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
        wrong::Wrong,
    },
    envelope::Problem,
};

/// Where it is. Below `/gateways/` it would stand in the place of a gateway of that name.
pub(crate) const PATH: &str = "/new-gateway";

#[derive(Template)]
#[template(path = "gateway_new.html")]
struct AddPage {
    frame: Frame,
    typed: Typed,
    wrong: Wrong,
    stores: Stores,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let typed = Typed::of_a_new_one();
    ask(&visit, answer::SHOWN, typed, Wrong::default()).await
}

async fn ask(
    visit: &Visit,
    status: StatusCode,
    typed: Typed,
    wrong: Wrong,
) -> Result<Response, Problem> {
    let example = Typed {
        id: "production".to_owned(),
        ..Typed::of_a_new_one()
    };
    let page = AddPage {
        frame: visit.frame(Section::Gateways),
        stores: Stores::load(visit, &typed.store_id).await?,
        typed,
        wrong,
        by_hand: ByHand::new(
            "keyward gateways create production".to_owned(),
            To::new("gateway_create").curl(&visit.account(), Some(&body(&example))),
        ),
    };
    answer::page(status, &page)
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let typed = Typed::of_form(&visit);
    let body = body(&typed);
    let to = To::new("gateway_create");
    match visit.change::<Gateway>(to, &body).await {
        Ok(answer) => answer::see(&format!("{}?done=made", answer.result.path())),
        Err(problem) => {
            let (status, wrong) = (problem.status(), Wrong::of(&problem));
            ask(&visit, status, typed, wrong).await
        }
    }
}

fn body(typed: &Typed) -> Value {
    let mut body = Map::new();
    body.insert("id".to_owned(), json!(typed.id));
    typed.put(&mut body);
    // What a request must name, and the form does not ask.
    body.insert("cache_invalidate_on_update".to_owned(), json!(false));
    body.insert("rate_limiting_interval".to_owned(), json!(0));
    body.insert("rate_limiting_limit".to_owned(), json!(0));
    Value::Object(body)
}
