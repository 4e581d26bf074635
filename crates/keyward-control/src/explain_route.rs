//! Which way a request would take through a dynamic route: asked by REST and by a page.

use std::sync::Arc;

use http::HeaderMap;
use keyward_registry::{Refusal, Registry, Route, RouteVersionId, RouteVersionRecord};
use keyward_routes::{Explanation, Facts, Graph, Metadata};

use crate::envelope::Problem;

/// Whose elements are asked about.
#[derive(Clone, Debug)]
pub(crate) enum Which {
    /// Those that are deployed.
    Deployed,
    /// Those of a version.
    Version(RouteVersionId),
    /// Those that are not saved, as JSON.
    Draft(String),
}

/// The request that is asked about. Values of headers may be secrets: nothing tells them.
pub(crate) struct Question {
    pub(crate) headers: HeaderMap,
    pub(crate) metadata: Metadata,
    /// The body, as JSON.
    pub(crate) body: Option<String>,
    /// Where chance falls. Without it every output of a percentage is followed.
    pub(crate) draw: Option<u64>,
}

/// A way, and the version whose it is; of a draft none.
pub(crate) struct Explained {
    pub(crate) version: Option<RouteVersionRecord>,
    pub(crate) explanation: Explanation,
    /// What is allowed in a draft and looks odd.
    pub(crate) remarks: Vec<String>,
}

/// Explains the way of a request through a route. Sends, counts and keeps nothing; of a version that is not deployed the
/// store is asked.
///
/// # Errors
///
/// No such version, elements that are no route, or the store's failure.
pub(crate) async fn explain(
    registry: &Registry,
    route: &Route,
    which: Which,
    question: &Question,
) -> Result<Explained, Problem> {
    let (version, graph) = read(registry, route, which).await?;
    let facts = Facts::new(&question.headers, &question.metadata);
    let facts = match &question.body {
        Some(body) => facts.with_body(body.as_bytes()),
        None => facts,
    };
    Ok(Explained {
        version,
        explanation: graph.explain(facts, question.draw),
        remarks: graph.warnings().iter().map(ToString::to_string).collect(),
    })
}

async fn read(
    registry: &Registry,
    route: &Route,
    which: Which,
) -> Result<(Option<RouteVersionRecord>, Arc<Graph>), Problem> {
    let record = &route.record;
    let id = match which {
        Which::Draft(elements) => {
            let gateway = record.gateway.as_str();
            let graph = registry.parse_route(record.account, gateway, &elements)?;
            return Ok((None, Arc::new(graph)));
        }
        Which::Deployed => record.deployed,
        Which::Version(id) => id,
    };
    let version = match route.deployed().filter(|deployed| deployed.id == id) {
        Some(deployed) => Some(deployed.clone()),
        None => {
            let store = registry.store();
            store
                .find_route_version(record.account, record.id, id)
                .await?
        }
    };
    let version = version.ok_or_else(|| Problem::route_version_not_found(&id.to_string()))?;
    let graph = match route.graph().filter(|_compiled| id == record.deployed) {
        Some(graph) => Arc::clone(graph),
        None => Arc::new(version.compile().map_err(Refusal::RouteElements)?),
    };
    Ok((Some(version), graph))
}
