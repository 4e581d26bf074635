//! Versions of a route, and which of them is deployed.

use http::Method;
use keyward_auth::Permission;
use keyward_routes::Graph;
use serde_json::{Value, json};
use similar::TextDiff;

use super::{
    check,
    file::{self, GraphFile},
    find::{Route, elements_of, is_deployed, label, pick, short},
    told,
};
use crate::{
    args::{
        Connect,
        routes::{ChangeRoute, VersionName, WhichRoute},
    },
    client::{self, Client, text},
    dry_run::{self, Plan},
    failure::{Failure, OneLine},
    output::{Output, print},
};

pub(super) async fn list(which: &WhichRoute, connect: &Connect) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let versions = Route::find(&client, which).await?.versions(&client).await?;
    let row = |version: &Value| {
        let deployed = if is_deployed(version) { "deployed" } else { "" };
        vec![
            label(version),
            deployed.to_owned(),
            text(version, "created_at"),
            text(version, "comment"),
        ]
    };
    let rows: Vec<_> = versions.iter().map(row).collect();
    let columns = ["version", "state", "saved at", "comment"];
    Output::new(connect.json).list(&columns, &rows, &versions)
}

pub(super) async fn save(
    change: &ChangeRoute,
    file: &GraphFile,
    deploy: bool,
) -> Result<(), Failure> {
    let elements = file.elements()?;
    let (client, route) = find(change).await?;
    let Route { name, gateway, .. } = &route;
    let output = Output::new(change.connect.json);
    if client.is_dry_run() {
        dry_run::check_rights(&client, &[Permission::AiGatewayWrite]).await?;
        let deploying = if deploy { " and deploy it" } else { "" };
        let plan = Plan::new(format!("save a new version of route {name}{deploying}"));
        let plan = check::plan(plan, &client, gateway, file).await?;
        return plan.tell(output);
    }
    let comment = change.comment.as_ref();
    let body = file::body(comment.map(|text| ("comment", json!(text))), elements);
    let path = format!("{}/versions", route.path());
    let saved = client.send_told(Method::POST, &path, Some(body)).await;
    let (saved, remarks) = saved.map_err(|failure| failure.at_field("elements", file.name()))?;
    told::remarks(&remarks);
    let id = text(&saved, "version_id");
    let version = label(&saved);
    if !deploy {
        let sentence = format!(
            "saved version {version} of route {name}\nnext: keyward routes deploy {name} {version} --gateway {gateway}"
        );
        return output.done(sentence, &saved);
    }
    let deployed = send_deployment(&client, &route, &id, change).await;
    let deployed = deployed.map_err(|failure| {
        failure.help(format!(
            "version {version} is saved: `keyward routes deploy {name} {version} --gateway {gateway}` deploys it"
        ))
    })?;
    let sentence = format_args!("saved version {version} of route {name}, and deployed it");
    output.done(sentence, &deployed)
}

pub(super) async fn deploy(change: &ChangeRoute, version: &VersionName) -> Result<(), Failure> {
    let (client, route) = find(change).await?;
    let versions = route.versions(&client).await?;
    let version = pick(&route, &versions, version)?;
    put_in_force(&client, &route, (version, &versions), change).await
}

pub(super) async fn roll_back(change: &ChangeRoute) -> Result<(), Failure> {
    let (client, route) = find(change).await?;
    let deployments = route.deployments(&client).await?;
    let mut deployed = deployments.iter().map(|one| text(one, "version_id"));
    let current = deployed.next().unwrap_or_default();
    // The same version may have been deployed twice in a row.
    let before = deployed.find(|version| *version != current);
    let name = &route.name;
    let before = before.ok_or_else(|| {
        Failure::new(format!("route {name} had no other version deployed before")).help(format!(
            "`keyward routes versions {name}` lists its versions; `keyward routes deploy` deploys one"
        ))
    })?;
    let versions = route.versions(&client).await?;
    let version = pick(&route, &versions, &VersionName::Id(before))?;
    put_in_force(&client, &route, (version, &versions), change).await
}

async fn find(change: &ChangeRoute) -> Result<(Client, Route), Failure> {
    let client = Client::connect_to_change(&change.connect, change.dry_run).await?;
    let route = Route::find(&client, &change.which).await?;
    Ok((client, route))
}

/// Deploys a version, or says that it would.
async fn put_in_force(
    client: &Client,
    route: &Route,
    (version, versions): (&Value, &[Value]),
    change: &ChangeRoute,
) -> Result<(), Failure> {
    let output = Output::new(change.connect.json);
    let name = &route.name;
    let told = label(version);
    if client.is_dry_run() {
        dry_run::check_rights(client, &[Permission::AiGatewayWrite]).await?;
        let now = versions.iter().find(|version| is_deployed(version));
        let now = now.map_or_else(|| "none".to_owned(), label);
        return Plan::new(format!("deploy version {told} of route {name}"))
            .fact(format!("deployed now: {now}"))
            .tell(output);
    }
    let id = text(version, "version_id");
    let deployed = send_deployment(client, route, &id, change).await?;
    let sentence = format_args!("deployed version {told} of route {name}");
    output.done(sentence, &deployed)
}

async fn send_deployment(
    client: &Client,
    route: &Route,
    version: &str,
    change: &ChangeRoute,
) -> Result<Value, Failure> {
    let body = json!({ "version_id": version, "comment": change.comment });
    let path = format!("{}/deployments", route.path());
    client.send(Method::POST, &path, client::json(&body)).await
}

pub(super) async fn deployments(which: &WhichRoute, connect: &Connect) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let route = Route::find(&client, which).await?;
    let deployments = route.deployments(&client).await?;
    let versions = route.versions(&client).await?;
    let row = |(at, deployment): (usize, &Value)| {
        let id = text(deployment, "version_id");
        let version = versions
            .iter()
            .find(|version| text(version, "version_id") == id);
        let in_force = if at == 0 { "in force" } else { "" };
        vec![
            // It may be kept no longer.
            version.map_or_else(|| short(&id).to_owned(), label),
            in_force.to_owned(),
            text(deployment, "created_at"),
            text(deployment, "comment"),
        ]
    };
    let rows: Vec<_> = deployments.iter().enumerate().map(row).collect();
    let columns = ["version", "state", "deployed at", "comment"];
    Output::new(connect.json).list(&columns, &rows, &deployments)
}

pub(super) async fn diff(
    which: &WhichRoute,
    (from, to): (&VersionName, &VersionName),
    connect: &Connect,
) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let route = Route::find(&client, which).await?;
    let versions = route.versions(&client).await?;
    let [from, to] = [pick(&route, &versions, from)?, pick(&route, &versions, to)?];
    let old = lines(&elements_of(&route.version(&client, from).await?));
    let new = lines(&elements_of(&route.version(&client, to).await?));
    let name = &route.name;
    let title = |version: &Value| format!("{name} version {}", label(version));
    let differ = TextDiff::from_lines(&old, &new);
    let differ = differ
        .unified_diff()
        .header(&title(from), &title(to))
        .to_string();
    if connect.json {
        let id = |version: &Value| text(version, "version_id");
        return print(json!({ "from": id(from), "to": id(to), "diff": differ }));
    }
    match differ.trim_end() {
        "" => print("they are the same"),
        differ => {
            let lines: Vec<_> = differ
                .lines()
                .map(|line| OneLine(line).to_string())
                .collect();
            print(lines.join("\n"))
        }
    }
}

/// Elements in one spelling, a property a line.
fn lines(elements: &str) -> String {
    let canonical = match Graph::parse_stored(elements) {
        Ok(graph) => graph.to_canonical(),
        Err(_not_of_this_release) => serde_json::from_str(elements).unwrap_or_default(),
    };
    format!("{canonical:#}\n")
}
