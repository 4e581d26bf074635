//! Dynamic routes of a gateway: what their pages share.

pub(crate) mod add;
pub(crate) mod delete;
pub(crate) mod deploy;
pub(crate) mod detail;
mod diff;
mod drawing;
pub(crate) mod edit;
mod editor;
pub(crate) mod explain;
mod graph;
mod layout;
pub(crate) mod list;
pub(crate) mod rename;
pub(crate) mod version;
pub(crate) mod versions;

use std::time::SystemTime;

use keyward_auth::{ManagePlace, Permission};
use serde::Deserialize;
use serde_json::Value;

use self::graph::Sketch;
use super::{
    view::ByHand,
    visit::{To, Visit},
    when::When,
};
use crate::envelope::Problem;

/// A route as answers carry it. Its texts are those of whoever wrote them.
#[derive(Debug, Deserialize)]
pub(crate) struct Route {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) gateway_id: String,
    created_at: Option<String>,
    modified_at: Option<String>,
    elements: Value,
    deployment: Option<Deployment>,
    version: Option<Version>,
}

/// A version of a route's elements, as answers carry it.
#[derive(Debug, Deserialize)]
pub(crate) struct Version {
    version_id: String,
    number: u32,
    /// `true` or `false`, as a text.
    active: String,
    created_at: Option<String>,
    /// The elements as they were saved.
    data: String,
    is_valid: bool,
    comment: Option<String>,
}

/// That a version was deployed, as answers carry it.
#[derive(Debug, Deserialize)]
pub(crate) struct Deployment {
    version_id: String,
    number: u32,
    created_at: Option<String>,
    comment: Option<String>,
}

impl Route {
    pub(crate) fn path(&self) -> String {
        format!("/gateways/{}/routes/{}", self.gateway_id, self.id)
    }

    /// A page of the route.
    pub(crate) fn path_to(&self, page: &str) -> String {
        format!("{}/{page}", self.path())
    }

    /// What is deployed, as it is drawn and listed.
    fn sketch(&self) -> Option<Sketch> {
        Sketch::of(&self.elements)
    }

    /// The elements that are deployed, as they are edited.
    fn text(&self) -> String {
        match &self.version {
            Some(version) => version.text(),
            None => pretty(&self.elements.to_string()),
        }
    }

    /// Whether a version is older than the one that is deployed.
    fn is_past(&self, version: &Version) -> bool {
        let deployed = self.version.as_ref();
        deployed.is_some_and(|deployed| version.number < deployed.number)
    }

    fn deployed(&self, now: SystemTime) -> Option<When> {
        When::new(self.deployment.as_ref()?.created_at.as_deref()?, now)
    }

    fn created(&self, now: SystemTime) -> Option<When> {
        When::new(self.created_at.as_deref()?, now)
    }

    fn modified(&self, now: SystemTime) -> Option<When> {
        When::new(self.modified_at.as_deref()?, now)
    }

    /// The call of the REST API for this route.
    fn to(&self, route: &'static str) -> To<'_> {
        let to = To::new(route).at("gateway", &self.gateway_id);
        to.at("id", &self.id)
    }

    /// How the same is done by hand: with a verb of `keyward routes` and what stands behind the name, or by a call.
    fn by_hand(
        &self,
        visit: &Visit,
        (verb, rest): (&str, &str),
        to: &To<'_>,
        body: Option<&Value>,
    ) -> ByHand {
        let (name, gateway) = (&self.name, &self.gateway_id);
        ByHand::new(
            format!("keyward routes {verb} {name}{rest} --gateway {gateway}"),
            to.curl(&visit.account(), body),
        )
    }

    /// The page of one of its versions.
    fn version_path(&self, id: &str) -> String {
        self.path_to(&format!("versions/{id}"))
    }
}

impl Version {
    fn is_deployed(&self) -> bool {
        self.active == "true"
    }

    fn created(&self, now: SystemTime) -> Option<When> {
        When::new(self.created_at.as_deref()?, now)
    }

    /// Its elements as they are edited.
    fn text(&self) -> String {
        match self.data.contains('\n') {
            true => self.data.clone(),
            false => pretty(&self.data),
        }
    }

    /// The same on lines that do not depend on who wrote it, to be compared.
    fn lines(&self) -> String {
        pretty(&self.data)
    }
}

impl Deployment {
    fn created(&self, now: SystemTime) -> Option<When> {
        When::new(self.created_at.as_deref()?, now)
    }
}

/// JSON on lines of its own; what is none stays as it is.
fn pretty(text: &str) -> String {
    let value = serde_json::from_str::<Value>(text);
    let lines = value.and_then(|value| serde_json::to_string_pretty(&value));
    lines.unwrap_or_else(|_no_json| text.to_owned())
}

/// The route that the page's path names.
async fn find(visit: &Visit) -> Result<Route, Problem> {
    let to = To::new("route_show")
        .at("gateway", visit.parameter("gateway"))
        .at("id", visit.parameter("id"));
    Ok(visit.get(to).await?.result)
}

/// The version that the page's path names.
async fn find_version(visit: &Visit, route: &Route) -> Result<Version, Problem> {
    version(visit, route, visit.parameter("version")).await
}

async fn version(visit: &Visit, route: &Route, id: &str) -> Result<Version, Problem> {
    let to = route.to("route_version_show").at("version", id);
    Ok(visit.get(to).await?.result)
}

/// Whether the token may make, change, deploy and delete routes of a gateway.
fn may_change(visit: &Visit, gateway: &str) -> bool {
    visit.may(Permission::AiGatewayWrite, ManagePlace::Gateway(gateway))
}

/// Whether something that was typed is refused, so that the form is shown again: there is no page beside a form that
/// nobody may send, or of what is not there.
fn is_of_the_form(problem: &Problem) -> bool {
    !matches!(problem.status().as_u16(), 401 | 403 | 404 | 500..)
}

/// What a page says of what was just done.
fn told(visit: &Visit) -> Option<String> {
    let done = match visit.query("done") {
        "made" => "The route is made, and its first version is deployed.",
        "saved" => "The version is saved. It is not deployed yet.",
        "undeployed" => "The version is saved, and could not be deployed. Try again.",
        "deployed" => "The version is deployed. Requests that start now take it.",
        "renamed" => "The route has another name. Requests for the old one are refused.",
        "deleted" => "The route is deleted. Requests for it are refused.",
        _ => return None,
    };
    Some(done.to_owned())
}
