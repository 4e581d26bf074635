//! Deployments of a route: which version was in force from when.

use keyward_registry::{KEPT_DEPLOYMENTS, Part, Route, RouteDeploymentRecord};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Ordered, RouteBody, comment, find, versions};
use crate::{
    call::Call,
    envelope::{Problem, Reply},
    moment,
    object::Shape,
    page::Page,
};

/// What only answers carry, and a client may send back.
const ANSWER_FIELDS: &[&str] = &["deployment_id", "number", "created_at"];

/// A deployment of a route as answers carry it.
#[derive(Serialize, ToSchema)]
#[schema(as = RouteDeployment)]
pub(crate) struct DeploymentBody {
    deployment_id: String,
    /// The version that was deployed. It may be kept no longer.
    version_id: String,
    /// Which of the route's deployments it is, from 1.
    number: u32,
    /// RFC 3339.
    created_at: Option<String>,
    comment: Option<String>,
}

/// One page of a route's deployments, the newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = RouteDeployments)]
pub(crate) struct DeploymentsBody {
    deployments: Vec<DeploymentBody>,
    #[serde(flatten)]
    order: Ordered,
}

impl DeploymentBody {
    fn new(deployment: &RouteDeploymentRecord) -> Self {
        Self {
            deployment_id: deployment.id.to_string(),
            version_id: deployment.version.to_string(),
            number: deployment.number,
            created_at: moment::format(deployment.created_at),
            comment: deployment.comment.clone(),
        }
    }
}

/// Others may have deployed meanwhile, and what is shown are the route and its deployment at one moment: so many of the
/// newest are looked through.
const LOOKED_THROUGH: u32 = 8;

/// The deployment that put in force what a route is.
pub(super) async fn in_force(
    call: &Call,
    route: &Route,
) -> Result<Option<DeploymentBody>, Problem> {
    let newest = Part {
        skipped: 0,
        most: LOOKED_THROUGH,
    };
    let store = call.registry.store();
    let found = store.route_deployments(call.account, route.record.id, newest);
    let found = found.await?;
    let is_it = |deployment: &&RouteDeploymentRecord| deployment.number == route.record.deployments;
    Ok(found.iter().find(is_it).map(DeploymentBody::new))
}

pub(crate) async fn list_deployments(call: Call) -> Result<Reply, Problem> {
    let page = Page::of(&call)?;
    let route = find(&call)?;
    let store = call.registry.store();
    let found = store.route_deployments(call.account, route.record.id, page.part());
    let deployments: Vec<_> = found.await?.iter().map(DeploymentBody::new).collect();
    let kept = route.record.deployments.min(KEPT_DEPLOYMENTS);
    let kept = usize::try_from(kept).unwrap_or(usize::MAX);
    let info = page.info(deployments.len(), kept);
    let order = Ordered::new("created_at", "desc", page);
    Reply::data(&DeploymentsBody { deployments, order }, info)
}

pub(crate) async fn deploy(mut call: Call) -> Result<Reply, Problem> {
    let id = find(&call)?.record.id;
    let mut body = call.take_body(Shape {
        known: &["version_id", "comment"],
        skipped: ANSWER_FIELDS,
        secrets: &[],
    })?;
    let version = body.require("version_id")?.text(versions::MAX_ID)?;
    let asked = (versions::parse_id(&version)?, comment(&mut body)?);
    let place = (call.account, call.gateway());
    let deployed = call
        .registry
        .deploy_route(place, id, asked, call.actor(), call.now);
    let route = deployed.await?;
    Reply::new(&RouteBody::read(&call, &route).await?)
}
