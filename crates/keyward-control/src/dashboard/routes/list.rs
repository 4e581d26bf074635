//! The dynamic routes of a gateway.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use serde::Deserialize;

use super::{Route, may_change, told};
use crate::{
    dashboard::{
        answer,
        pager::Pager,
        view::{ByHand, Frame, Section},
        visit::{Answer, To, Visit},
    },
    envelope::Problem,
};

/// The store is asked for the deployment of each.
const PER_PAGE: usize = 20;
/// How many models of a route are named.
const MODELS: usize = 4;

/// One page of the list, as answers carry it.
#[derive(Debug, Deserialize)]
pub(crate) struct Routes {
    pub(crate) routes: Vec<Route>,
}

/// A route, and what its graph holds.
struct Row {
    route: Route,
    elements: usize,
    models: Vec<String>,
    more_models: usize,
}

impl Row {
    fn new(route: Route) -> Self {
        let sketch = route.sketch();
        let models = sketch
            .as_ref()
            .map_or_else(Vec::new, |sketch| sketch.models());
        Self {
            elements: sketch.as_ref().map_or(0, |sketch| sketch.elements.len()),
            more_models: models.len().saturating_sub(MODELS),
            models: models
                .iter()
                .take(MODELS)
                .map(ToString::to_string)
                .collect(),
            route,
        }
    }
}

#[derive(Template)]
#[template(path = "routes.html")]
struct RoutesPage<'a> {
    frame: Frame,
    now: SystemTime,
    gateway: &'a str,
    told: Option<String>,
    rows: Vec<Row>,
    pager: Pager,
    may_change: bool,
    by_hand: ByHand,
}

/// The call that lists the routes of a gateway.
pub(crate) fn routes_of(gateway: &str) -> To<'_> {
    To::new("route_list").at("gateway", gateway)
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let gateway = visit.parameter("gateway");
    let page: usize = visit.query("page").parse().unwrap_or(1).max(1);
    let to = routes_of(gateway)
        .with_number("page", page)
        .with_number("per_page", PER_PAGE);
    let answer: Answer<Routes> = visit.get(to).await?;
    let path = format!("/gateways/{gateway}/routes");
    if answer.result.routes.is_empty() && answer.result_info.total_count > 0 {
        // Past the end: what stood there was deleted.
        return answer::see(&path);
    }
    let page = RoutesPage {
        frame: visit.frame(Section::Gateways),
        now: visit.now,
        told: told(&visit),
        rows: answer.result.routes.into_iter().map(Row::new).collect(),
        pager: Pager::new(&path, &[], &answer.result_info),
        may_change: may_change(&visit, gateway),
        by_hand: ByHand::new(
            format!("keyward routes list --gateway {gateway}"),
            routes_of(gateway).curl(&visit.account(), None),
        ),
        gateway,
    };
    answer::page(answer::SHOWN, &page)
}
