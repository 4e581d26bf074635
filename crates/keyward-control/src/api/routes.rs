//! Dynamic routes of a gateway: `…/gateways/{gateway}/routes` (wire-spec §4.4).
//!
//! Answers are as inconsistent as the reference's: lists stand in `data`, what was renamed in `route`, all else in
//! `result`. Ours beside the reference: `…/explain`, `number`, `comment`, `result_info`, and remarks in `messages` on what is allowed
//! and looks odd.
//!
//! `data` is the text that was saved, to the byte; `elements` are the same in the API's one spelling. Names, comments and
//! elements are text of whoever wrote them: they leave here inside JSON, marked `nosniff`, and nowhere else.

mod deployments;
mod elements;
mod explain;
mod request;
mod versions;

use std::sync::Arc;

use keyward_registry::{NewRoute as Making, Registry, Route, RouteId};
use keyward_routes::RouteName;
use keyward_secret::AccountId;
use serde::Serialize;
use utoipa::ToSchema;

use self::{
    deployments::{DeploymentBody, in_force},
    elements::Elements,
    versions::VersionBody,
};
pub(crate) use self::{
    deployments::{DeploymentsBody, deploy, list_deployments},
    explain::{ExplainedBody, explain},
    request::{NewDeployment, NewRoute, NewVersion, Question, Rename},
    versions::{SavedVersionBody, VersionsBody, create_version, list_versions, show_version},
};
use crate::{
    call::Call,
    envelope::{Problem, Reply},
    moment,
    object::{Field, Object, Shape},
    page::Page,
};

/// What only answers carry, and a client may send back.
const ANSWER_FIELDS: &[&str] = &[
    "id",
    "account_tag",
    "gateway_id",
    "created_at",
    "modified_at",
    "deployment",
    "version",
];

/// A route as answers carry it, alone.
#[derive(Serialize, ToSchema)]
#[schema(as = RouteAlone)]
pub(crate) struct Body {
    id: String,
    account_tag: String,
    gateway_id: String,
    /// Its name behind `dynamic/` in a request's `model`.
    name: String,
    /// RFC 3339.
    created_at: Option<String>,
    /// When it was last renamed or deployed, RFC 3339.
    modified_at: Option<String>,
    /// Those of the deployed version.
    #[schema(schema_with = elements::schema)]
    elements: Elements,
}

/// A route as answers carry it, with what is deployed.
#[derive(Serialize, ToSchema)]
#[schema(as = Route)]
pub(crate) struct RouteBody {
    #[serde(flatten)]
    route: Body,
    /// The deployment that is in force; null where its row is missing.
    deployment: Option<DeploymentBody>,
    /// The version that is deployed; null where its row is missing.
    version: Option<VersionBody>,
}

/// One page of a gateway's routes, by name.
#[derive(Serialize, ToSchema)]
#[schema(as = Routes)]
pub(crate) struct RoutesBody {
    routes: Vec<RouteBody>,
    #[serde(flatten)]
    order: Ordered,
}

/// How a list in `data` is ordered and cut.
#[derive(Serialize, ToSchema)]
#[schema(as = Ordered)]
struct Ordered {
    order_by: &'static str,
    /// `asc` or `desc`.
    order_by_direction: &'static str,
    page: usize,
    per_page: usize,
}

impl Ordered {
    fn new(order_by: &'static str, order_by_direction: &'static str, page: Page) -> Self {
        let info = page.info(0, 0);
        Self {
            order_by,
            order_by_direction,
            page: info.page,
            per_page: info.per_page,
        }
    }
}

impl Body {
    fn new(route: &Route) -> Self {
        let record = &route.record;
        Self {
            id: record.id.to_string(),
            account_tag: record.account.to_string(),
            gateway_id: record.gateway.to_string(),
            name: record.name.to_string(),
            created_at: moment::format(record.created_at),
            modified_at: moment::format(record.modified_at),
            elements: Elements::deployed(route),
        }
    }
}

impl RouteBody {
    async fn read(call: &Call, route: &Route) -> Result<Self, Problem> {
        let is_valid = route.graph().is_some();
        let version = route.deployed();
        Ok(Self {
            route: Body::new(route),
            deployment: in_force(call, route).await?,
            version: version.map(|version| VersionBody::new(version, route, is_valid)),
        })
    }
}

pub(crate) async fn list(call: Call) -> Result<Reply, Problem> {
    let page = Page::of(&call)?;
    let snapshot = call.snapshot();
    let gateway = snapshot
        .gateway(call.account, call.gateway())
        .ok_or_else(|| Problem::gateway_not_found(call.gateway()))?;
    let routes: Vec<_> = gateway.routes().collect();
    let (found, info) =
        page.cut_in_order(routes, |one, other| one.record.name.cmp(&other.record.name));
    let mut routes = Vec::with_capacity(found.len());
    for route in found {
        routes.push(RouteBody::read(&call, route).await?);
    }
    let order = Ordered::new("name", "asc", page);
    Reply::data(&RoutesBody { routes, order }, info)
}

pub(crate) async fn show(call: Call) -> Result<Reply, Problem> {
    let route = find(&call)?;
    Reply::new(&RouteBody::read(&call, &route).await?)
}

pub(crate) async fn create(mut call: Call) -> Result<Reply, Problem> {
    let shape = Shape {
        known: &["name", "comment"],
        skipped: ANSWER_FIELDS,
        secrets: &[],
    };
    let mut body = call.take_body_with_texts(shape, &["elements"])?;
    // The gateway is in the registry: one that has no such id is none.
    let snapshot = call.snapshot();
    let gateway = snapshot
        .gateway(call.account, call.gateway())
        .ok_or_else(|| Problem::gateway_not_found(call.gateway()))?;
    let new = Making {
        account: call.account,
        gateway: gateway.record().id.clone(),
        name: body.require("name").and_then(name)?,
        elements: body.require_text("elements")?,
        comment: comment(&mut body)?,
    };
    let made = call.registry.create_route(new, call.actor(), call.now);
    let route = made.await?;
    let remarks = route.deployed().map_or_else(Vec::new, |version| {
        remarks(
            &call.registry,
            call.account,
            call.gateway(),
            &version.elements,
        )
    });
    Reply::with_remarks(&RouteBody::read(&call, &route).await?, remarks)
}

pub(crate) async fn rename(mut call: Call) -> Result<Reply, Problem> {
    let id = find(&call)?.record.id;
    let shape = Shape {
        known: &["name"],
        skipped: ANSWER_FIELDS,
        secrets: &[],
    };
    let name = call.take_body(shape)?.require("name").and_then(name)?;
    let place = (call.account, call.gateway());
    let renamed = call
        .registry
        .rename_route(place, id, name, call.actor(), call.now);
    let route = renamed.await?;
    Reply::route(&RouteBody::read(&call, &route).await?)
}

pub(crate) async fn delete(call: Call) -> Result<Reply, Problem> {
    let id = find(&call)?.record.id;
    let place = (call.account, call.gateway());
    let deleted = call
        .registry
        .delete_route(place, id, call.actor(), call.now);
    Reply::new(&Body::new(&*deleted.await?))
}

/// The route of the path.
fn find(call: &Call) -> Result<Arc<Route>, Problem> {
    let snapshot = call.snapshot();
    if snapshot.gateway(call.account, call.gateway()).is_none() {
        return Err(Problem::gateway_not_found(call.gateway()));
    }
    RouteId::parse(call.id())
        .ok()
        .and_then(|id| snapshot.route(call.account, id))
        .filter(|route| route.record.gateway.as_str() == call.gateway())
        .cloned()
        .ok_or_else(|| Problem::route_not_found(call.id()))
}

fn name(field: Field) -> Result<RouteName, Problem> {
    field.parsed(RouteName::parse)
}

/// Longer than any comment that is taken: the registry counts bytes.
const MAX_COMMENT: usize = 100_000;

fn comment(body: &mut Object) -> Result<Option<String>, Problem> {
    body.find("comment")
        .map(|field| field.lines(MAX_COMMENT))
        .transpose()
}

/// What is allowed in elements and looks odd, as it is now: a provider may have lost its key since they were saved.
pub(crate) fn remarks(
    registry: &Registry,
    account: AccountId,
    gateway: &str,
    elements: &str,
) -> Vec<String> {
    let parsed = registry.parse_route(account, gateway, elements);
    let warnings = parsed.iter().flat_map(|graph| graph.warnings());
    warnings.map(ToString::to_string).collect()
}
