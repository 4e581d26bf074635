//! `keyward keys update`: what can be changed of a provider key without a new value.

use http::Method;
use keyward_auth::Permission;
use serde_json::{Map, Value, json};

use super::{Target, Told, find, path_of};
use crate::{
    args::keys::UpdateKey,
    client::{self, Client, text},
    commands::routes::read_json,
    dry_run::{self, Plan},
    failure::Failure,
    output::Output,
};

pub(super) async fn run(args: &UpdateKey) -> Result<(), Failure> {
    let client = Client::connect_to_change(&args.connect, args.dry_run).await?;
    let name = &Target::new(&client, &args.name)?;
    let key = find(&client, name).await?;
    let changes = Value::Object(changes(args)?);
    let output = Output::new(args.connect.json);
    if args.dry_run.is_wanted {
        dry_run::check_rights(&client, &[Permission::SecretsStoreWrite]).await?;
        dry_run::check_end(&text(&changes, "expires_on"), "--expires-on")?;
        let mut after = key.clone();
        if let (Some(after), Some(changes)) = (after.as_object_mut(), changes.as_object()) {
            after.extend(changes.clone());
        }
        return Plan::new(format!("change {}", Told(name)))
            .facts(dry_run::changes(&key, &after))
            .tell(output);
    }
    let path = path_of(name, &key);
    let body = client::json(&changes);
    let changed = client.send(Method::PATCH, &path, body).await?;
    output.done(format_args!("changed {}", Told(name)), &changed)
}

fn changes(args: &UpdateKey) -> Result<Map<String, Value>, Failure> {
    let mut changes = Map::new();
    let mut set = |name: &str, value: Value| drop(changes.insert(name.to_owned(), value));
    if let Some(description) = &args.description {
        set("description", description.as_str().into());
    }
    if let Some(moment) = args.expires_on {
        set("expires_on", moment.to_string().into());
    }
    if args.never_expires {
        set("expires_on", Value::Null);
    }
    if let Some(action) = args.expires_action {
        set("expires_action", action.as_str().into());
    }
    if let Some(requests) = args.rate_limit {
        set("rate_limit", requests.get().into());
    }
    if let Some(period) = args.rate_limit_period {
        set("rate_limit_period", period.as_secs().into());
    }
    if args.no_rate_limit {
        set("rate_limit", Value::Null);
    }
    if let Some(path) = &args.spend_limits_file {
        set("spend_limits", json!(read_json(path)?));
    }
    if args.no_spend_limits {
        set("spend_limits", Value::Null);
    }
    Ok(changes)
}
