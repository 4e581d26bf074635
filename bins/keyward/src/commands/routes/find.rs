//! Routes by their names and versions by theirs: the REST API knows both by ids.

use http::Method;
use keyward_registry::GatewayId;
use keyward_routes::RouteName;
use serde_json::Value;

use crate::{
    args::routes::{VersionName, WhichRoute},
    client::{Client, routes_path, text},
    failure::Failure,
};

/// As many digits of an id as people compare.
const SHORT: usize = 8;

/// A route that there is.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) name: RouteName,
    pub(super) gateway: GatewayId,
    pub(super) id: String,
    path: String,
}

impl Route {
    pub(super) async fn find(client: &Client, which: &WhichRoute) -> Result<Self, Failure> {
        let gateway = client.gateway(which.gateway.named.as_ref())?;
        let name = which.route.clone();
        let routes = all(client, &gateway).await?;
        let found = routes
            .iter()
            .find(|route| text(route, "name") == name.as_str());
        let found = found.ok_or_else(|| {
            Failure::new(format!("gateway {gateway} has no route {name}")).help(format!(
                "`keyward routes list --gateway {gateway}` shows those that it has"
            ))
        })?;
        let id = text(found, "id");
        let path = format!("{}/{id}", routes_path(&gateway));
        Ok(Self {
            name,
            gateway,
            id,
            path,
        })
    }

    /// Its path, below the account.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Its versions, the newest first.
    pub(super) async fn versions(&self, client: &Client) -> Result<Vec<Value>, Failure> {
        let path = format!("{}/versions", self.path);
        client.list_at(&path, "/data/versions").await
    }

    /// One of its versions with its elements.
    pub(super) async fn version(&self, client: &Client, listed: &Value) -> Result<Value, Failure> {
        let id = text(listed, "version_id");
        let path = format!("{}/versions/{id}", self.path);
        client.send(Method::GET, &path, None).await
    }

    /// Its deployments, the newest first: that one is in force.
    pub(super) async fn deployments(&self, client: &Client) -> Result<Vec<Value>, Failure> {
        let path = format!("{}/deployments", self.path);
        client.list_at(&path, "/data/deployments").await
    }
}

/// The routes of a gateway.
pub(crate) async fn all(client: &Client, gateway: &GatewayId) -> Result<Vec<Value>, Failure> {
    client.list_at(&routes_path(gateway), "/data/routes").await
}

/// The version that is meant, among those of the route.
pub(super) fn pick<'a>(
    route: &Route,
    versions: &'a [Value],
    name: &VersionName,
) -> Result<&'a Value, Failure> {
    let by = |is_it: &dyn Fn(&Value) -> bool| -> Vec<&'a Value> {
        versions.iter().filter(|version| is_it(version)).collect()
    };
    let (told, found) = match name {
        VersionName::Deployed => ("that is deployed".to_owned(), by(&is_deployed)),
        VersionName::Newest => ("at all".to_owned(), versions.first().into_iter().collect()),
        VersionName::Number(number) => {
            let is_it = |version: &Value| number_of(version) == Some(u64::from(*number));
            (number.to_string(), by(&is_it))
        }
        VersionName::Id(begun) => {
            let is_it = |version: &Value| text(version, "version_id").starts_with(begun.as_str());
            (begun.clone(), by(&is_it))
        }
    };
    let Route { name, gateway, .. } = route;
    match found.as_slice() {
        &[one] => Ok(one),
        [] => Err(Failure::new(format!("route {name} has no version {told}"))),
        several => Err(Failure::new(format!(
            "{} versions of route {name} begin with {told}",
            several.len()
        ))),
    }
    .map_err(|failure| {
        failure.help(format!(
            "`keyward routes versions {name} --gateway {gateway}` shows those that are kept"
        ))
    })
}

/// Whether requests follow it. The API says so in a text.
pub(super) fn is_deployed(version: &Value) -> bool {
    text(version, "active") == "true"
}

/// Which of the route's versions it is, from 1.
fn number_of(version: &Value) -> Option<u64> {
    version.get("number").and_then(Value::as_u64)
}

/// A version as people name it.
pub(super) fn label(version: &Value) -> String {
    let id = text(version, "version_id");
    match number_of(version) {
        Some(number) => number.to_string(),
        None => short(&id).to_owned(),
    }
}

/// The beginning of an id.
pub(super) fn short(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}

/// The elements of an answer, as they were saved.
pub(super) fn elements_of(answer: &Value) -> String {
    match answer.get("data") {
        Some(Value::String(elements)) => elements.clone(),
        _ => text(answer, "elements"),
    }
}
