//! `…/routes/{id}/explain`: which way a request would take. Ours, beside the reference.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use keyward_registry::{Refusal, Registry, Route, RouteVersionId, RouteVersionRecord};
use keyward_routes::{Facts, Graph, Metadata, Visit};
use serde::Serialize;
use utoipa::ToSchema;

use super::{find, versions};
use crate::{
    api::explain::read_header,
    call::Call,
    envelope::{Problem, Reply},
    object::{Object, Shape},
};

/// The header in which a request says of itself what a route may ask for.
const METADATA: HeaderName = HeaderName::from_static("cf-aig-metadata");

/// The way of a request through a route.
#[derive(Serialize, ToSchema)]
#[schema(as = RouteExplanation)]
pub(crate) struct ExplainedBody<'a> {
    /// The version whose way it is; null for elements that are not saved.
    version_id: Option<String>,
    /// Which of the route's versions that is.
    number: Option<u32>,
    /// The elements in the order in which they are tried.
    #[schema(value_type = Vec<VisitBody>)]
    way: &'a [Visit],
}

/// One element on the way.
#[derive(ToSchema)]
#[schema(as = RouteVisit)]
#[expect(dead_code, reason = "this type describes what is written elsewhere")]
struct VisitBody {
    element: String,
    r#type: String,
    /// What must have happened for the request to come here; left out on the first choice.
    #[schema(required = false)]
    when: String,
    /// Why it takes the outputs that it takes.
    why: String,
    outputs: Vec<OutputBody>,
    #[schema(required = false)]
    provider: String,
    #[schema(required = false)]
    model: String,
}

/// An output that the request takes, or may take.
#[derive(ToSchema)]
#[schema(as = RouteOutput)]
#[expect(dead_code, reason = "this type describes what is written elsewhere")]
struct OutputBody {
    name: String,
    /// The element that it leads to; left out where the route ends.
    #[schema(required = false)]
    to: String,
    /// What it depends on; left out where the request takes it for certain.
    #[schema(required = false)]
    when: String,
    /// How many of all requests take it, of a percentage's output.
    #[schema(required = false)]
    chance: String,
}

/// Whose elements are asked about.
enum Which {
    /// Those that are deployed.
    Deployed,
    /// Those of a version.
    Version(RouteVersionId),
    /// Those that are not saved, as JSON.
    Draft(String),
}

/// The request that is asked about. Values of headers may be secrets: nothing tells them.
struct Asked {
    headers: HeaderMap,
    metadata: Metadata,
    /// As JSON.
    body: Option<String>,
    /// Where chance falls. Without it every output of a percentage is followed.
    draw: Option<u64>,
}

/// Sends, counts and keeps nothing; of a version that is not deployed the store is asked.
pub(crate) async fn explain(mut call: Call) -> Result<Reply, Problem> {
    let route = find(&call)?;
    let shape = Shape {
        known: &["version_id"],
        skipped: &[],
        secrets: &["headers"],
    };
    let texts = &["body", "metadata", "elements", "draw"];
    let mut body = call.take_body_with_texts(shape, texts)?;
    let which = which(&mut body)?;
    let asked = asked(&mut body)?;
    let (version, graph) = read(&call.registry, &route, which).await?;
    let facts = Facts::new(&asked.headers, &asked.metadata);
    let facts = match &asked.body {
        Some(body) => facts.with_body(body.as_bytes()),
        None => facts,
    };
    let explanation = graph.explain(facts, asked.draw);
    let told = ExplainedBody {
        version_id: version.as_ref().map(|version| version.id.to_string()),
        number: version.as_ref().map(|version| version.number),
        way: explanation.way(),
    };
    Reply::with_remarks(&told, graph.warnings().iter().map(ToString::to_string))
}

/// The elements that are asked about; of a draft there is no version.
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

fn which(body: &mut Object) -> Result<Which, Problem> {
    let version = body.find("version_id");
    match (version, body.find_text("elements")) {
        (None, None) => Ok(Which::Deployed),
        (None, Some(elements)) => Ok(Which::Draft(elements)),
        (Some(version), None) => {
            let id = version.text(versions::MAX_ID)?;
            Ok(Which::Version(versions::parse_id(&id)?))
        }
        (Some(version), Some(_)) => {
            Err(version.refuse("stands beside `elements`; send one of the two"))
        }
    }
}

fn asked(body: &mut Object) -> Result<Asked, Problem> {
    let path = body.path("headers");
    let mut headers = HeaderMap::new();
    for (index, (name, value)) in body.secret_members("headers")?.iter().enumerate() {
        let (name, value) = read_header(name.as_bytes(), value, &path.index(index))?;
        headers.append(name, value);
    }
    let given = object(body, "metadata")?;
    let metadata = match (&given, headers.get(&METADATA)) {
        (Some(_), Some(_)) => {
            let reason = "stands beside the header `cf-aig-metadata`; send one of the two";
            return Err(Problem::invalid(&body.path("metadata"), reason));
        }
        (Some(given), None) => Metadata::parse(given.as_bytes()),
        (None, Some(header)) => Metadata::parse(header.as_bytes()),
        (None, None) => Metadata::default(),
    };
    Ok(Asked {
        headers,
        metadata,
        body: object(body, "body")?,
        draw: draw(body)?,
    })
}

/// A JSON object as it was written.
fn object(body: &mut Object, name: &'static str) -> Result<Option<String>, Problem> {
    match body.find_text(name) {
        Some(text) if !text.starts_with('{') => {
            Err(Problem::invalid(&body.path(name), "must be an object"))
        }
        text => Ok(text),
    }
}

/// A part of the whole, as a number that is evenly spread over all that there are.
fn draw(body: &mut Object) -> Result<Option<u64>, Problem> {
    let Some(text) = body.find_text("draw") else {
        return Ok(None);
    };
    let part = text.parse::<f64>().ok();
    let part = part.filter(|part| (0.0..1.0).contains(part));
    let part = part.ok_or_else(|| {
        Problem::invalid(&body.path("draw"), "must be a number from 0 to below 1")
    })?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "below 1, and not below 0"
    )]
    let draw = (part * 2_f64.powi(64)) as u64;
    Ok(Some(draw))
}
