//! One route: what is deployed, as a picture and in words.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use keyward_auth::{ManagePlace, Permission};

use super::{
    Route,
    drawing::{Drawing, Marks},
    editor::{Row, rows},
    find, may_change, told,
};
use crate::{
    api::routes::remarks,
    dashboard::{
        answer,
        audit::Line,
        marked::Marked,
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
    },
    envelope::Problem,
};

/// How many lines of the audit log the page shows.
const LINES: usize = 20;

#[derive(Template)]
#[template(path = "route.html")]
struct RoutePage {
    frame: Frame,
    now: SystemTime,
    told: Option<String>,
    route: Route,
    /// None: it is too large to be drawn, or no version is there.
    drawing: Option<Drawing>,
    rows: Vec<Row>,
    /// What the deployed version looks odd for.
    warnings: Vec<Odd>,
    may_change: bool,
    /// None: the token may not read the audit log.
    lines: Option<Vec<Line>>,
    by_hand: ByHand,
}

/// Something that is allowed and looks odd.
struct Odd(String);

impl Odd {
    fn told(&self) -> Marked<'_> {
        Marked(&self.0)
    }
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let route = find(&visit).await?;
    let sketch = route.sketch();
    let page = RoutePage {
        frame: visit.frame(Section::Gateways),
        now: visit.now,
        told: told(&visit),
        drawing: sketch
            .as_ref()
            .map(|sketch| Drawing::new(&route.name, sketch, &Marks::default())),
        rows: rows(sketch),
        warnings: warnings(&visit, &route),
        may_change: may_change(&visit, &route.gateway_id),
        lines: lines(&visit, &route, LINES).await?,
        by_hand: route.by_hand(&visit, ("show", ""), &route.to("route_show"), None),
        route,
    };
    answer::page(answer::SHOWN, &page)
}

fn warnings(visit: &Visit, route: &Route) -> Vec<Odd> {
    let Some(version) = &route.version else {
        return Vec::new();
    };
    let (registry, account) = (&visit.shared().surroundings.registry, visit.account_id());
    let remarks = remarks(registry, account, &route.gateway_id, &version.data);
    remarks.into_iter().map(Odd).collect()
}

/// The newest lines of the audit log about a route. None: the token may not read the log.
pub(super) async fn lines(
    visit: &Visit,
    route: &Route,
    most: usize,
) -> Result<Option<Vec<Line>>, Problem> {
    if !visit.may(Permission::AuditLogRead, ManagePlace::Account) {
        return Ok(None);
    }
    let to = To::new("audit_list")
        .with("resource_type", "route")
        .with("resource_id", &route.id)
        .with_number("limit", most);
    Ok(Some(visit.get(to).await?.result))
}
