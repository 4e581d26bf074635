//! Adding a custom provider.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::{
    CustomProvider,
    headers::{self, Headers},
    typed::{PLACEMENTS, Typed},
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

#[derive(Template)]
#[template(path = "provider_new.html")]
struct AddPage {
    frame: Frame,
    typed: Typed,
    /// What the field of the headers holds: nothing that was typed.
    headers: String,
    has_logo: bool,
    wrong: Wrong,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    ask(&visit, answer::SHOWN, Typed::nothing(), Wrong::default())
}

fn ask(visit: &Visit, status: StatusCode, typed: Typed, wrong: Wrong) -> Result<Response, Problem> {
    let example = json!({
        "name": "Our models",
        "slug": "our-models",
        "base_url": "https://llm.example.com/v1",
        "enable": true,
    });
    let page = AddPage {
        frame: visit.frame(Section::CustomProviders),
        typed,
        headers: String::new(),
        has_logo: false,
        wrong,
        by_hand: ByHand::new(
            "keyward providers create our-models --base-url https://llm.example.com/v1 --name \"Our models\""
                .to_owned(),
            To::new("custom_provider_create").curl(&visit.account(), Some(&example)),
        ),
    };
    answer::page(status, &page)
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let typed = Typed::of(&visit.form);
    let headers = match headers::read(&visit.form, "")? {
        Ok(headers) => headers,
        Err(line) => {
            let wrong = Wrong::at(headers::FIELD, &line.to_string());
            return ask(&visit, answer::MISTYPED, typed, wrong);
        }
    };
    let (to, body) = (To::new("custom_provider_create"), typed.body());
    let made = match headers {
        Headers::None | Headers::AsStored => visit.change::<CustomProvider>(to, &body).await,
        Headers::Object(object) => {
            let headers = (headers::FIELD, &object);
            visit.change_with_text(to, &body, headers).await
        }
    };
    match made {
        Ok(answer) => answer::see(&format!("{}?done=added", answer.result.path())),
        Err(problem) => {
            let (status, wrong) = (problem.status(), Wrong::of(&problem));
            ask(&visit, status, typed, wrong)
        }
    }
}
