//! Deploying a version, also an older one, once it is seen what that changes.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::{
    Route, Version, diff::Diff, edit, editor, find, find_version, is_of_the_form,
    version::against_deployed,
};
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
#[template(path = "route_deploy.html")]
struct DeployPage {
    frame: Frame,
    route: Route,
    version: Version,
    /// The number of the version that is deployed, and what is different. None: there is none, or it is this one.
    compared: Option<(u32, Diff)>,
    comment: String,
    wrong: Wrong,
    by_hand: ByHand,
}

impl DeployPage {
    /// Whether a newer version is deployed.
    fn is_back(&self) -> bool {
        self.route.is_past(&self.version)
    }
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let route = find(&visit).await?;
    let version = find_version(&visit, &route).await?;
    ask(&visit, answer::SHOWN, route, version, Wrong::default())
}

fn ask(
    visit: &Visit,
    status: StatusCode,
    route: Route,
    version: Version,
    wrong: Wrong,
) -> Result<Response, Problem> {
    let example = json!({"version_id": version.version_id});
    let page = DeployPage {
        frame: visit.frame(Section::Gateways),
        compared: against_deployed(&route, &version),
        comment: editor::comment(visit),
        wrong,
        by_hand: route.by_hand(
            visit,
            ("deploy", &format!(" {}", version.number)),
            &route.to("route_deployment_create"),
            Some(&example),
        ),
        version,
        route,
    };
    answer::page(status, &page)
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let route = find(&visit).await?;
    let version = find_version(&visit, &route).await?;
    match edit::deploy(&visit, &route, &version.version_id).await {
        Ok(()) => answer::see(&format!("{}?done=deployed", route.path())),
        Err(problem) if !is_of_the_form(&problem) => Err(problem),
        Err(problem) => {
            let (status, wrong) = (problem.status(), Wrong::of(&problem));
            ask(&visit, status, route, version, wrong)
        }
    }
}
