//! Giving a route another name.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::{Route, find, is_of_the_form};
use crate::{
    dashboard::{
        answer,
        view::{ByHand, Frame, Section},
        visit::Visit,
        wrong::Wrong,
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "route_rename.html")]
struct RenamePage {
    frame: Frame,
    route: Route,
    name: String,
    wrong: Wrong,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let route = find(&visit).await?;
    let name = route.name.clone();
    ask(&visit, answer::SHOWN, route, name, Wrong::default())
}

fn ask(
    visit: &Visit,
    status: StatusCode,
    route: Route,
    name: String,
    wrong: Wrong,
) -> Result<Response, Problem> {
    let example = json!({"name": "support-2"});
    let page = RenamePage {
        frame: visit.frame(Section::Gateways),
        name,
        wrong,
        by_hand: route.by_hand(
            visit,
            ("rename", " support-2"),
            &route.to("route_rename"),
            Some(&example),
        ),
        route,
    };
    answer::page(status, &page)
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let route = find(&visit).await?;
    let name = visit.form.text("name").to_owned();
    let to = route.to("route_rename");
    match visit.change::<Route>(to, &json!({"name": name})).await {
        Ok(answer) => answer::see(&format!("{}?done=renamed", answer.result.path())),
        Err(problem) if !is_of_the_form(&problem) => Err(problem),
        Err(problem) => {
            let wrong = Wrong::at("name", problem.reason());
            ask(&visit, problem.status(), route, name, wrong)
        }
    }
}
