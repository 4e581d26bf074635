//! The versions of a route, who saved each and why, and when which was deployed.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use serde::Deserialize;

use super::{Deployment, Route, Version, detail, find, may_change, told};
use crate::{
    dashboard::{
        answer,
        audit::Line,
        pager::Pager,
        view::{ByHand, Frame, Section},
        visit::{Answer, Visit},
    },
    envelope::Problem,
};

/// A version's answer holds all of its elements.
const PER_PAGE: usize = 20;
/// How many lines of the audit log are looked through for who did it.
const LINES: usize = 1_000;

/// One page of the list, as answers carry it.
#[derive(Debug, Deserialize)]
struct Versions {
    versions: Vec<Version>,
}

/// One page of the list, as answers carry it.
#[derive(Debug, Deserialize)]
struct Deployments {
    deployments: Vec<Deployment>,
}

struct Row {
    version: Version,
    who: Option<String>,
}

struct Past {
    deployment: Deployment,
    /// None: the version is not among those that are shown.
    number: Option<u32>,
    who: Option<String>,
}

#[derive(Template)]
#[template(path = "route_versions.html")]
struct VersionsPage {
    frame: Frame,
    now: SystemTime,
    told: Option<String>,
    route: Route,
    rows: Vec<Row>,
    pager: Pager,
    past: Vec<Past>,
    may_change: bool,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let route = find(&visit).await?;
    let page: usize = visit.query("page").parse().unwrap_or(1).max(1);
    let listed = list(&visit, &route, (page, PER_PAGE)).await?;
    let last_saved = match page {
        1 => listed.result.versions.first().map(|version| version.number),
        _ => newest(&visit, &route).await?.map(|version| version.number),
    };
    let to = route.to("route_deployment_list");
    let to = to.with_number("per_page", PER_PAGE);
    let deployments = visit.get::<Deployments>(to).await?.result.deployments;
    let lines = detail::lines(&visit, &route, LINES).await?;
    let lines = lines.unwrap_or_default();
    let savers = Authors::of(&lines, "route_version.create", last_saved);
    let last_deployed = deployments.first().map(|deployment| deployment.number);
    let deployers = Authors::of(&lines, "route_deployment.create", last_deployed);
    let known = listed.result.versions.iter().chain(&route.version);
    let numbers: Vec<_> = known
        .map(|version| (version.version_id.clone(), version.number))
        .collect();
    let past = deployments.into_iter().map(|deployment| Past {
        number: numbers
            .iter()
            .find(|(id, _)| *id == deployment.version_id)
            .map(|(_, number)| *number),
        who: deployers.find(deployment.number),
        deployment,
    });
    let past = past.collect();
    let rows = listed.result.versions.into_iter().map(|version| Row {
        who: savers.find(version.number),
        version,
    });
    let page = VersionsPage {
        frame: visit.frame(Section::Gateways),
        now: visit.now,
        told: told(&visit),
        rows: rows.collect(),
        pager: Pager::new(&route.path_to("versions"), &[], &listed.result_info),
        past,
        may_change: may_change(&visit, &route.gateway_id),
        by_hand: route.by_hand(
            &visit,
            ("versions", ""),
            &route.to("route_version_list"),
            None,
        ),
        route,
    };
    answer::page(answer::SHOWN, &page)
}

async fn list(
    visit: &Visit,
    route: &Route,
    (page, per_page): (usize, usize),
) -> Result<Answer<Versions>, Problem> {
    let to = route.to("route_version_list");
    let to = to.with_number("page", page);
    visit.get(to.with_number("per_page", per_page)).await
}

/// The newest version.
pub(super) async fn newest(visit: &Visit, route: &Route) -> Result<Option<Version>, Problem> {
    let newest = list(visit, route, (1, 1)).await?.result.versions;
    Ok(newest.into_iter().next())
}

/// Who did something, by the number of what came of it: each number is one line of the audit log. Nobody, where there are
/// more lines or fewer than numbers: a line that is missing would say of all before it that somebody else did it.
struct Authors {
    /// The newest first.
    names: Vec<String>,
}

impl Authors {
    /// A route that is made is its first version and its first deployment.
    fn of(lines: &[Line], action: &str, newest: Option<u32>) -> Self {
        let lines = lines.iter().filter(|line| line.result() == "done");
        let lines = lines.filter(|line| line.what() == action || line.what() == "route.create");
        let mut names: Vec<_> = lines.map(Line::who).collect();
        if newest.and_then(|newest| usize::try_from(newest).ok()) != Some(names.len()) {
            names.clear();
        }
        Self { names }
    }

    fn find(&self, number: u32) -> Option<String> {
        let behind = self
            .names
            .len()
            .checked_sub(usize::try_from(number).ok()?)?;
        self.names.get(behind).cloned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Authors, Line};

    fn line(what: &str, who: &str, result: &str) -> Line {
        let line = json!({
            "id": "1",
            "action": {"description": what, "time": null},
            "actor": {"id": who, "ip_address": null, "token_id": null},
            "resource": {"id": "r", "type": "route"},
            "keyward": {"result": result, "times": 1},
        });
        serde_json::from_value(line).unwrap()
    }

    #[test]
    fn nobody_is_named_where_a_line_is_missing_or_there_is_one_too_many() {
        let lines = [
            line("route_version.create", "three", "done"),
            line("route_version.create", "refused", "denied"),
            line("route_deployment.create", "other", "done"),
            line("route_version.create", "two", "done"),
            line("route.create", "one", "done"),
        ];
        let who = |newest, number| {
            let authors = Authors::of(&lines, "route_version.create", newest);
            authors.find(number)
        };
        let named = [1, 2, 3, 4, 0].map(|number| who(Some(3), number));
        let named = named.each_ref().map(Option::as_deref);
        assert_eq!(named, [Some("one"), Some("two"), Some("three"), None, None]);
        for newest in [None, Some(2), Some(4)] {
            assert_eq!((who(newest, 1), who(newest, 2)), (None, None));
        }
    }
}
