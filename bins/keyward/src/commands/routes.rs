//! `keyward routes …`.

mod check;
mod explain;
mod file;
mod find;
mod told;
mod versions;

use http::Method;
use keyward_auth::Permission;
use keyward_registry::Refusal;
use keyward_routes::RouteName;
use serde_json::{Value, json};

pub(super) use self::file::read_json;
pub(crate) use self::find::all;
use self::{
    file::GraphFile,
    find::{Route, elements_of, pick},
};
use crate::{
    args::{
        Confirm, Connect, DryRun, InGateway,
        routes::{ChangeRoute, RoutesCommand, VersionName, WhichRoute},
    },
    client::{self, Client, routes_path, text},
    confirm::confirm,
    dry_run::{self, Plan},
    failure::Failure,
    output::Output,
};

pub(crate) async fn run(command: RoutesCommand) -> Result<(), Failure> {
    match command {
        RoutesCommand::List { gateway, connect } => list(&gateway, &connect).await,
        RoutesCommand::Show {
            which,
            version,
            connect,
        } => show(&which, version.as_ref(), &connect).await,
        RoutesCommand::Create { from_file, change } => {
            create(&change, &GraphFile::read(&from_file)?).await
        }
        RoutesCommand::Rename {
            which,
            new,
            dry_run,
            connect,
        } => rename(&which, &new, dry_run, &connect).await,
        RoutesCommand::Delete {
            which,
            confirm,
            connect,
        } => delete(&which, &confirm, &connect).await,
        RoutesCommand::Versions { which, connect } => versions::list(&which, &connect).await,
        RoutesCommand::Save {
            from_file,
            deploy,
            change,
        } => versions::save(&change, &GraphFile::read(&from_file)?, deploy).await,
        RoutesCommand::Deploy { change, version } => versions::deploy(&change, &version).await,
        RoutesCommand::RollBack(change) => versions::roll_back(&change).await,
        RoutesCommand::Deployments { which, connect } => {
            versions::deployments(&which, &connect).await
        }
        RoutesCommand::Diff {
            which,
            from,
            to,
            connect,
        } => versions::diff(&which, (&from, &to), &connect).await,
        RoutesCommand::Check { from_file, json } => check::run(&from_file, json),
        RoutesCommand::Explain(args) => explain::run(&args).await,
    }
}

async fn list(gateway: &InGateway, connect: &Connect) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let gateway = client.gateway(gateway.named.as_ref())?;
    let mut routes = all(&client, &gateway).await?;
    routes.sort_by_cached_key(|route| text(route, "name"));
    let row = |route: &Value| {
        let deployment = route.get("deployment").unwrap_or(&Value::Null);
        let version = route.get("version").unwrap_or(&Value::Null);
        vec![
            text(route, "name"),
            find::label(version),
            text(deployment, "created_at"),
            text(route, "modified_at"),
        ]
    };
    let rows: Vec<_> = routes.iter().map(row).collect();
    let columns = ["name", "version", "deployed at", "modified at"];
    Output::new(connect.json).list(&columns, &rows, &routes)
}

async fn show(
    which: &WhichRoute,
    version: Option<&VersionName>,
    connect: &Connect,
) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let route = Route::find(&client, which).await?;
    let versions = route.versions(&client).await?;
    let version = pick(&route, &versions, version.unwrap_or(&VersionName::Deployed))?;
    let shown = route.version(&client, version).await?;
    let deployed = match find::is_deployed(version) {
        true => "yes",
        false => "no",
    };
    let mut fields = vec![
        ("name", route.name.to_string()),
        ("gateway", route.gateway.to_string()),
        ("id", route.id.clone()),
        ("version", find::label(version)),
        ("deployed", deployed.to_owned()),
        ("saved at", text(version, "created_at")),
        ("comment", text(version, "comment")),
    ];
    let elements = elements_of(&shown);
    fields.extend(
        told::elements(&elements)
            .into_iter()
            .map(|line| ("element", line)),
    );
    Output::new(connect.json).fields(&fields, &shown)
}

async fn create(change: &ChangeRoute, file: &GraphFile) -> Result<(), Failure> {
    let ChangeRoute {
        which,
        comment,
        dry_run,
        connect,
    } = change;
    let name = &which.route;
    let elements = file.elements()?;
    let client = Client::connect_to_change(connect, *dry_run).await?;
    let gateway = client.gateway(which.gateway.named.as_ref())?;
    let output = Output::new(connect.json);
    if dry_run.is_wanted {
        dry_run::check_rights(&client, &[Permission::AiGatewayWrite]).await?;
        free(&client, which, name).await?;
        let plan = Plan::new(format!("make route {name} in gateway {gateway}"));
        return check::plan(plan, &client, &gateway, file)
            .await?
            .fact("its first version would be deployed at once")
            .tell(output);
    }
    let comment = comment.as_ref().map(|comment| ("comment", json!(comment)));
    let fields = [("name", json!(name.as_str()))].into_iter().chain(comment);
    let body = file::body(fields, elements);
    let path = routes_path(&gateway);
    let made = client.send_told(Method::POST, &path, Some(body)).await;
    let (made, remarks) = made.map_err(|failure| failure.at_field("elements", file.name()))?;
    told::remarks(&remarks);
    let sentence = format!(
        "made route {name} in gateway {gateway}, and deployed its first version\nnext: send requests with the model dynamic/{name}"
    );
    output.done(sentence, &made)
}

async fn rename(
    which: &WhichRoute,
    new: &RouteName,
    dry_run: DryRun,
    connect: &Connect,
) -> Result<(), Failure> {
    let client = Client::connect_to_change(connect, dry_run).await?;
    let route = Route::find(&client, which).await?;
    let old = &route.name;
    let output = Output::new(connect.json);
    if dry_run.is_wanted {
        dry_run::check_rights(&client, &[Permission::AiGatewayWrite]).await?;
        if new != old {
            free(&client, which, new).await?;
        }
        return Plan::new(format!("rename route {old} to {new}"))
            .fact(format!(
                "requests for dynamic/{old} would be refused from then on"
            ))
            .tell(output);
    }
    let body = client::json(&json!({ "name": new.as_str() }));
    let renaming = client.send_at(Method::PATCH, route.path(), body, "/route");
    let (renamed, _) = renaming.await?;
    output.done(format_args!("renamed route {old} to {new}"), &renamed)
}

async fn delete(which: &WhichRoute, asked: &Confirm, connect: &Connect) -> Result<(), Failure> {
    let client = Client::connect_to_change(connect, asked.dry_run).await?;
    let route = Route::find(&client, which).await?;
    dry_run::check_rights(&client, &[Permission::AiGatewayWrite]).await?;
    let hit = match route.versions(&client).await?.len() {
        1 => "its version".to_owned(),
        count => format!("its {count} versions"),
    };
    let output = Output::new(connect.json);
    let Route { name, gateway, .. } = &route;
    let what = format!("route {name} of gateway {gateway} and {hit}");
    if !confirm(asked, output, &what, name.as_str())? {
        return Ok(());
    }
    let deleted = client.send(Method::DELETE, route.path(), None).await?;
    output.done(format_args!("deleted route {name} and {hit}"), &deleted)
}

/// Refuses a name that another route of the gateway has, as doing it would.
async fn free(client: &Client, which: &WhichRoute, name: &RouteName) -> Result<(), Failure> {
    let gateway = client.gateway(which.gateway.named.as_ref())?;
    let routes = all(client, &gateway).await?;
    let is_it = |route: &Value| text(route, "name") == name.as_str();
    match routes.iter().any(is_it) {
        true => Err(dry_run::refused(
            Refusal::RouteExists(name.to_string()).to_string(),
        )),
        false => Ok(()),
    }
}
