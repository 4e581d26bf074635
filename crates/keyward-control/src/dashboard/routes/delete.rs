//! Deleting a route with its versions, once its name is typed.

use askama::Template;
use axum::response::Response;
use serde_json::Value;

use super::{Route, find};
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
#[template(path = "route_delete.html")]
struct DeletePage {
    frame: Frame,
    route: Route,
    typed: String,
    wrong: Wrong,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let route = find(&visit).await?;
    answer::page(answer::SHOWN, &page(&visit, route, Wrong::default()))
}

fn page(visit: &Visit, route: Route, wrong: Wrong) -> DeletePage {
    DeletePage {
        frame: visit.frame(Section::Gateways),
        typed: visit.form.text("typed").to_owned(),
        wrong,
        by_hand: route.by_hand(visit, ("delete", ""), &route.to("route_delete"), None),
        route,
    }
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let route = find(&visit).await?;
    if visit.form.text("typed") != route.name {
        let wrong = Wrong::at("typed", "that is not its name, and nothing was deleted");
        return answer::page(answer::MISTYPED, &page(&visit, route, wrong));
    }
    let to = route.to("route_delete");
    visit.change::<Value>(to, &Value::Null).await?;
    answer::see(&format!(
        "/gateways/{}/routes?done=deleted",
        route.gateway_id
    ))
}
