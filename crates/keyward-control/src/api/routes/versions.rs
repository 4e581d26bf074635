//! Versions of a route: what its elements were, whether deployed or not.

use keyward_registry::{KEPT_VERSIONS, Route, RouteVersionId, RouteVersionRecord};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Ordered, comment,
    elements::{self, Elements},
    find, remarks,
};
use crate::{
    call::Call,
    envelope::{Problem, Reply},
    moment,
    object::Shape,
    openapi::choice,
    page::Page,
};

/// What only answers carry, and a client may send back.
const ANSWER_FIELDS: &[&str] = &[
    "id",
    "account_tag",
    "gateway_id",
    "name",
    "created_at",
    "modified_at",
    "version_id",
    "number",
    "active",
    "data",
    "is_valid",
];

/// No id is longer.
pub(super) const MAX_ID: usize = 256;

/// A version of a route as answers carry it.
#[derive(Serialize, ToSchema)]
#[schema(as = RouteVersion)]
pub(crate) struct VersionBody {
    version_id: String,
    /// Which of the route's versions it is, from 1.
    number: u32,
    /// Whether it is deployed: `true` or `false`, as a text.
    #[schema(schema_with = truths)]
    active: &'static str,
    /// RFC 3339.
    created_at: Option<String>,
    /// The elements as they were saved: JSON as a text.
    data: String,
    /// Whether this release takes the elements, so that it can be deployed.
    is_valid: bool,
    comment: Option<String>,
}

/// A version, with the route it belongs to.
#[derive(Serialize, ToSchema)]
#[schema(as = SavedRouteVersion)]
pub(crate) struct SavedVersionBody {
    /// The route's.
    id: String,
    account_tag: String,
    gateway_id: String,
    /// The route's.
    name: String,
    /// When the route was last renamed or deployed, RFC 3339.
    modified_at: Option<String>,
    #[schema(schema_with = elements::schema)]
    elements: Elements,
    #[serde(flatten)]
    version: VersionBody,
}

/// One page of a route's versions, the newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = RouteVersions)]
pub(crate) struct VersionsBody {
    versions: Vec<VersionBody>,
    #[serde(flatten)]
    order: Ordered,
}

fn truths() -> utoipa::openapi::Schema {
    choice(["true", "false"])
}

impl VersionBody {
    pub(super) fn new(version: &RouteVersionRecord, route: &Route, is_valid: bool) -> Self {
        let is_deployed = version.id == route.record.deployed;
        Self {
            version_id: version.id.to_string(),
            number: version.number,
            active: if is_deployed { "true" } else { "false" },
            created_at: moment::format(version.created_at),
            data: version.elements.to_string(),
            is_valid,
            comment: version.comment.clone(),
        }
    }
}

impl SavedVersionBody {
    fn new(version: &RouteVersionRecord, route: &Route) -> Self {
        let compiled = version.compile();
        let record = &route.record;
        Self {
            id: record.id.to_string(),
            account_tag: record.account.to_string(),
            gateway_id: record.gateway.to_string(),
            name: record.name.to_string(),
            modified_at: moment::format(record.modified_at),
            version: VersionBody::new(version, route, compiled.is_ok()),
            elements: compiled.map_or_else(
                |_refused| Elements::saved(version),
                |graph| Elements::of(&graph),
            ),
        }
    }
}

/// How many versions of a route are kept: the newest, and the deployed one.
fn count_kept(route: &Route) -> usize {
    let newest = route.record.versions.min(KEPT_VERSIONS);
    let kept_from = route.record.versions.saturating_sub(KEPT_VERSIONS);
    let older = route
        .deployed()
        .filter(|deployed| deployed.number <= kept_from);
    usize::try_from(newest).unwrap_or(usize::MAX) + usize::from(older.is_some())
}

pub(crate) async fn list_versions(call: Call) -> Result<Reply, Problem> {
    let page = Page::of(&call)?;
    let route = find(&call)?;
    let store = call.registry.store();
    let found = store.route_versions(call.account, route.record.id, page.part());
    let found = found.await?;
    let mut versions = Vec::with_capacity(found.len());
    for version in &found {
        let is_valid = version.compile().is_ok();
        versions.push(VersionBody::new(version, &route, is_valid));
        // A graph with many patterns takes a while; others have their turn.
        tokio::task::yield_now().await;
    }
    let info = page.info(versions.len(), count_kept(&route));
    let order = Ordered::new("created_at", "desc", page);
    Reply::data(&VersionsBody { versions, order }, info)
}

pub(crate) async fn show_version(call: Call) -> Result<Reply, Problem> {
    let route = find(&call)?;
    let id = parse_id(call.version())?;
    let found = call
        .registry
        .store()
        .find_route_version(call.account, route.record.id, id);
    let version = found
        .await?
        .ok_or_else(|| Problem::route_version_not_found(call.version()))?;
    Reply::new(&SavedVersionBody::new(&version, &route))
}

pub(crate) async fn create_version(mut call: Call) -> Result<Reply, Problem> {
    let route = find(&call)?;
    let shape = Shape {
        known: &["comment"],
        skipped: ANSWER_FIELDS,
        secrets: &[],
    };
    let mut body = call.take_body_with_texts(shape, &["elements"])?;
    let saved = (body.require_text("elements")?, comment(&mut body)?);
    let place = (call.account, call.gateway());
    let id = route.record.id;
    let made = call
        .registry
        .create_route_version(place, id, saved, call.actor(), call.now);
    let version = made.await?;
    let remarks = remarks(
        &call.registry,
        call.account,
        call.gateway(),
        &version.elements,
    );
    Reply::with_remarks(&SavedVersionBody::new(&version, &route), remarks)
}

/// The version that a path or a body names.
pub(super) fn parse_id(id: &str) -> Result<RouteVersionId, Problem> {
    RouteVersionId::parse(id).map_err(|_malformed| Problem::route_version_not_found(id))
}
