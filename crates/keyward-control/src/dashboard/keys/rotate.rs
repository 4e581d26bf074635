//! Replacing the value of a provider key.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::{Key, find};
use crate::{
    dashboard::{
        answer,
        providers::Providers,
        view::{ByHand, Frame, Section},
        visit::Visit,
        wrong::Wrong,
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "rotate.html")]
struct RotatePage {
    frame: Frame,
    key: Key,
    providers: Providers,
    wrong: Wrong,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let (key, providers) = find(&visit).await?;
    ask(&visit, answer::SHOWN, key, providers, Wrong::default())
}

fn ask(
    visit: &Visit,
    status: StatusCode,
    key: Key,
    providers: Providers,
    wrong: Wrong,
) -> Result<Response, Problem> {
    let example = json!({"secret": "…"});
    let call = key
        .to("provider_key_rotate")
        .curl(&visit.account(), Some(&example));
    let page = RotatePage {
        frame: visit.frame(Section::Keys),
        by_hand: ByHand::new(format!("keyward keys rotate {}", key.options()), call),
        key,
        providers,
        wrong,
    };
    answer::page(status, &page)
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let (key, providers) = find(&visit).await?;
    let to = key.to("provider_key_rotate");
    let to = to.with("now", if visit.form.is_set("now") { "true" } else { "" });
    match visit
        .change_with_secret::<Key>(to, &json!({}), "secret")
        .await
    {
        Ok(answer) => {
            let key = answer.result;
            answer::see(&format!(
                "{}?done=rotated{}",
                key.path(),
                key.under_way.query()
            ))
        }
        Err(problem) => {
            let (status, wrong) = (problem.status(), Wrong::of(&problem));
            ask(&visit, status, key, providers, wrong)
        }
    }
}
