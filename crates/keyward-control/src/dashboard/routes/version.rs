//! One version of a route: what it looks like, and what is different from another one.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;

use super::{
    Route, Version,
    diff::Diff,
    drawing::{Drawing, Marks},
    editor::{Row, rows},
    find, find_version,
    graph::Sketch,
    may_change, told, version, versions,
};
use crate::{
    dashboard::{
        answer,
        view::{ByHand, Frame, Section},
        visit::Visit,
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "route_version.html")]
struct VersionPage {
    frame: Frame,
    now: SystemTime,
    told: Option<String>,
    route: Route,
    version: Version,
    drawing: Option<Drawing>,
    rows: Vec<Row>,
    /// The number of the version that it is compared with, and what is different. None: with none.
    compared: Option<(u32, Diff)>,
    may_change: bool,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let route = find(&visit).await?;
    let shown = find_version(&visit, &route).await?;
    let compared = against_deployed(&route, &shown);
    page(&visit, route, shown, compared)
}

/// What is different between two versions that were picked from the list; what changed last where none was.
pub(crate) async fn compare(visit: Visit) -> Result<Response, Problem> {
    let route = find(&visit).await?;
    let shown = match visit.query("to") {
        "" => versions::newest(&visit, &route).await?,
        id => Some(version(&visit, &route, id).await?),
    };
    let shown = shown.ok_or_else(Problem::no_route)?;
    let compared = match visit.query("from") {
        "" => against_deployed(&route, &shown),
        id => {
            let from = version(&visit, &route, id).await?;
            Some((from.number, Diff::between(&from.lines(), &shown.lines())))
        }
    };
    page(&visit, route, shown, compared)
}

fn page(
    visit: &Visit,
    route: Route,
    version: Version,
    compared: Option<(u32, Diff)>,
) -> Result<Response, Problem> {
    let sketch = Sketch::read(&version.data);
    let call = route
        .to("route_version_show")
        .at("version", &version.version_id);
    let page = VersionPage {
        frame: visit.frame(Section::Gateways),
        now: visit.now,
        told: told(visit),
        drawing: sketch
            .as_ref()
            .map(|sketch| Drawing::new(&route.name, sketch, &Marks::default())),
        rows: rows(sketch),
        compared,
        may_change: may_change(visit, &route.gateway_id),
        by_hand: route.by_hand(
            visit,
            ("show", &format!(" --version {}", version.number)),
            &call,
            None,
        ),
        version,
        route,
    };
    answer::page(answer::SHOWN, &page)
}

/// What a version would change. None: it is the one that is deployed, or none is there.
pub(super) fn against_deployed(route: &Route, version: &Version) -> Option<(u32, Diff)> {
    let deployed = route.version.as_ref()?;
    if deployed.version_id == version.version_id {
        return None;
    }
    let diff = Diff::between(&deployed.lines(), &version.lines());
    Some((deployed.number, diff))
}
