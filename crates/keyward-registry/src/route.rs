//! Dynamic routes of a gateway: the name that requests ask for, the versions that its elements had, and which of them is
//! deployed.

use std::{fmt, sync::Arc, time::SystemTime};

use keyward_routes::{Graph, GraphError, RouteName};
use keyward_secret::AccountId;

use crate::{GatewayId, RouteDeploymentId, RouteId, RouteVersionId};

/// The most routes of a gateway.
pub const MOST_ROUTES: usize = 100;
/// How many versions of a route are kept, beside the deployed one: the newest.
pub const KEPT_VERSIONS: u32 = 100;
/// How many deployments of a route are kept: the newest.
pub const KEPT_DEPLOYMENTS: u32 = 100;
/// The longest comment of a version or a deployment, in bytes.
pub const LONGEST_COMMENT: usize = 1_024;

/// A dynamic route: what requests address as `dynamic/{name}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRecord {
    /// Its public id. Kept through every change.
    pub id: RouteId,
    /// The account it belongs to.
    pub account: AccountId,
    /// The gateway it belongs to.
    pub gateway: GatewayId,
    /// Its name in the gateway.
    pub name: RouteName,
    /// The version that is deployed: whose elements requests follow.
    pub deployed: RouteVersionId,
    /// How many versions were ever made: the number of the newest. No number is used twice.
    pub versions: u32,
    /// How many deployments were ever made: the number of the newest, which is the one that is in force.
    pub deployments: u32,
    /// When it was made.
    pub created_at: SystemTime,
    /// When it was last renamed or deployed.
    pub modified_at: SystemTime,
}

/// Elements of a route as they were saved once. Never changed.
#[derive(Clone, PartialEq, Eq)]
pub struct RouteVersionRecord {
    /// Its public id.
    pub id: RouteVersionId,
    /// The account it belongs to.
    pub account: AccountId,
    /// The route it belongs to.
    pub route: RouteId,
    /// Which of the route's versions it is, from 1.
    pub number: u32,
    /// The elements: a JSON array, at most [`keyward_routes::LONGEST_ELEMENTS`] long.
    pub elements: Arc<str>,
    /// A note, at most [`LONGEST_COMMENT`] long. Text of whoever wrote it.
    pub comment: Option<String>,
    /// When it was made.
    pub created_at: SystemTime,
}

/// That a version was deployed. Never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteDeploymentRecord {
    /// Its public id.
    pub id: RouteDeploymentId,
    /// The account it belongs to.
    pub account: AccountId,
    /// The route it belongs to.
    pub route: RouteId,
    /// Which of the route's deployments it is, from 1.
    pub number: u32,
    /// The version that was deployed. It may be gone.
    pub version: RouteVersionId,
    /// A note, at most [`LONGEST_COMMENT`] long. Text of whoever wrote it.
    pub comment: Option<String>,
    /// When it was made.
    pub created_at: SystemTime,
}

/// A route as the snapshot holds it: with its deployed version, compiled.
#[derive(Clone, Debug)]
pub struct Route {
    /// The record.
    pub record: RouteRecord,
    deployed: Option<RouteVersionRecord>,
    graph: Option<Arc<Graph>>,
}

impl fmt::Debug for RouteVersionRecord {
    /// Without the elements: they are long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteVersionRecord")
            .field("id", &self.id)
            .field("route", &self.route)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl RouteVersionRecord {
    /// Compiles the elements, which were accepted when they were saved.
    ///
    /// # Errors
    ///
    /// When this release does not take them any more.
    pub fn compile(&self) -> Result<Graph, GraphError> {
        Graph::parse_stored(&self.elements)
    }
}

impl Route {
    /// A version that cannot be used leaves the route without a graph, and is reported.
    pub(crate) fn new(record: RouteRecord, deployed: Option<RouteVersionRecord>) -> Self {
        let deployed = deployed.filter(|version| {
            (version.id, version.route, version.account)
                == (record.deployed, record.id, record.account)
        });
        let compiled = deployed.as_ref().map(RouteVersionRecord::compile);
        let graph = match compiled {
            Some(Ok(graph)) => Some(Arc::new(graph)),
            Some(Err(error)) => {
                let (route, name) = (record.id, &record.name);
                tracing::error!(%route, %name, %error, "the deployed version of a route cannot be used any more, so that the route answers nothing; save its elements anew and deploy them");
                None
            }
            None => {
                let (route, name) = (record.id, &record.name);
                tracing::error!(%route, %name, "the deployed version of a route is missing, so that the route answers nothing; deploy another");
                None
            }
        };
        Self {
            record,
            deployed,
            graph,
        }
    }

    /// The deployed version. `None` where its row is missing or fails its authentication.
    #[must_use]
    pub const fn deployed(&self) -> Option<&RouteVersionRecord> {
        self.deployed.as_ref()
    }

    /// The way of requests. `None` where the deployed version is missing, or this release does not take its elements any
    /// more: then the route is not usable, which the log says.
    #[must_use]
    pub const fn graph(&self) -> Option<&Arc<Graph>> {
        self.graph.as_ref()
    }
}
