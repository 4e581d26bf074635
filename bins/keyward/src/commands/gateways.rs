//! `keyward gateways …`.

use http::Method;
use keyward_auth::Permission;
use keyward_registry::{GatewayId, Pool, ProviderSlug, Refusal};
use serde_json::{Value, json};

use crate::{
    args::{Confirm, Connect, GatewaysCommand},
    client::{self, Client, GATEWAYS, gateway_path, keys_path, text},
    commands::{routes::read_json, traffic},
    confirm::confirm,
    dry_run::{self, Plan},
    failure::Failure,
    first::GATEWAY,
    output::Output,
};

pub(crate) async fn run(command: GatewaysCommand) -> Result<(), Failure> {
    match command {
        GatewaysCommand::Create {
            id,
            no_authentication,
            dry_run,
            connect,
        } => {
            let client = Client::connect_to_change(&connect, dry_run).await?;
            if dry_run.is_wanted {
                let plan = plan_to_create(&client, &id, no_authentication).await?;
                return plan.tell(Output::new(connect.json));
            }
            let body = json!({
                "id": id.as_str(),
                "authentication": !no_authentication,
                "cache_invalidate_on_update": false,
                "cache_ttl": 0,
                "collect_logs": true,
                "rate_limiting_interval": 0,
                "rate_limiting_limit": 0,
            });
            let made = client
                .send(Method::POST, GATEWAYS, client::json(&body))
                .await?;
            let sentence =
                format!("made gateway {id}\nnext: keyward keys add openai --gateway {id}");
            Output::new(connect.json).done(sentence, &made)
        }
        GatewaysCommand::List { connect } => {
            let client = Client::connect(&connect).await?;
            let gateways = client.list(GATEWAYS).await?;
            let rows: Vec<_> = gateways.iter().map(row).collect();
            let columns = ["id", "authentication", "default", "created"];
            Output::new(connect.json).list(&columns, &rows, &gateways)
        }
        GatewaysCommand::Show { id, connect } => {
            let client = Client::connect(&connect).await?;
            let gateway = client.send(Method::GET, &gateway_path(&id), None).await?;
            Output::new(connect.json).fields(&fields(&gateway), &gateway)
        }
        GatewaysCommand::Update {
            id,
            mut set,
            pool,
            no_pool,
            spend_limits_file,
            dry_run,
            connect,
        } => {
            // Read first: what is no JSON changes nothing.
            let limits = spend_limits_file.as_deref().map(read_json).transpose()?;
            let client = Client::connect_to_change(&connect, dry_run).await?;
            let gateway = client.send(Method::GET, &gateway_path(&id), None).await?;
            let gateway = written(gateway);
            if !(pool.is_empty() && no_pool.is_empty()) {
                set.push(("pools".to_owned(), pools(&gateway, &pool, &no_pool)));
            }
            if let Some(limits) = limits {
                set.push(("spend_limits".to_owned(), json!(limits)));
            }
            let output = Output::new(connect.json);
            if dry_run.is_wanted {
                let plan = plan_to_update(&client, &id, &gateway, set).await?;
                return plan.tell(output);
            }
            update(&client, &id, gateway, set, output).await
        }
        GatewaysCommand::Delete {
            id,
            confirm,
            connect,
        } => delete(&id, &confirm, &connect).await,
    }
}

/// The gateway's pools with these in the place of those for the same providers, and without those that go.
fn pools(gateway: &Value, wanted: &[Pool], gone: &[ProviderSlug]) -> Value {
    let is_replaced = |known: &Value| {
        let provider = text(known, "provider");
        let is_its = |slug: &ProviderSlug| slug.as_str() == provider;
        wanted.iter().any(|pool| is_its(pool.provider())) || gone.iter().any(is_its)
    };
    let known = gateway.get("pools").and_then(Value::as_array);
    let kept = known
        .into_iter()
        .flatten()
        .filter(|pool| !is_replaced(pool));
    let wanted = wanted.iter().map(|pool| json!(pool));
    kept.cloned().chain(wanted).collect()
}

/// The gateway as it is written down: its pools without what only answers tell.
fn written(mut gateway: Value) -> Value {
    let pools = gateway.get_mut("pools").and_then(Value::as_array_mut);
    let members = pools.into_iter().flatten().filter_map(|pool| {
        let members = pool.get_mut("members")?;
        members.as_array_mut()
    });
    for member in members.flatten().filter_map(Value::as_object_mut) {
        member.retain(|name, _| matches!(name.as_str(), "alias" | "weight"));
    }
    gateway
}

/// A pool in a line: `openai weighted: team-a 3 active, team-b 1 missing`.
fn pool_line(pool: &Value) -> String {
    let members = pool.get("members").and_then(Value::as_array);
    let member = |member: &Value| {
        let weight = member.get("weight").map(Value::to_string);
        format!(
            "{} {} {}",
            text(member, "alias"),
            weight.unwrap_or_default(),
            text(member, "status")
        )
    };
    let members: Vec<_> = members.into_iter().flatten().map(member).collect();
    format!(
        "{} {}: {}",
        text(pool, "provider"),
        text(pool, "strategy"),
        members.join(", ")
    )
}

async fn update(
    client: &Client,
    id: &GatewayId,
    mut gateway: Value,
    set: Vec<(String, Value)>,
    output: Output,
) -> Result<(), Failure> {
    let path = gateway_path(id);
    let names: Vec<_> = set.iter().map(|(name, _)| name.clone()).collect();
    if let Some(settings) = gateway.as_object_mut() {
        settings.extend(set);
    }
    // A PUT replaces everything: not what somebody else changed since it was read.
    let path = match text(&gateway, "revision").as_str() {
        "" => path,
        revision => format!("{path}?if_revision={revision}"),
    };
    let updated = client
        .send(Method::PUT, &path, client::json(&gateway))
        .await?;
    let sentence = format!("changed {} of gateway {id}", names.join(", "));
    output.done(sentence, &updated)
}

async fn delete(id: &GatewayId, asked: &Confirm, connect: &Connect) -> Result<(), Failure> {
    let client = Client::connect_to_change(connect, asked.dry_run).await?;
    dry_run::check_rights(&client, &[Permission::AiGatewayWrite]).await?;
    let keys = client.list(&keys_path(id)).await?;
    let hit = match keys.len() {
        0 => "no provider keys".to_owned(),
        1 => "its provider key".to_owned(),
        count => format!("its {count} provider keys"),
    };
    let output = Output::new(connect.json);
    let requests = traffic::last_hour(&client, &format!("gateway_id={id}")).await;
    let requests = requests.map_or_else(String::new, |requests| format!(", {requests}"));
    let what = format!("gateway {id} and {hit}{}{requests}", told(&keys));
    if !confirm(asked, output, &what, id.as_str())? {
        return Ok(());
    }
    let deleted = client.send(Method::DELETE, &gateway_path(id), None).await?;
    output.done(format_args!("deleted gateway {id} and {hit}"), &deleted)
}

async fn plan_to_create(
    client: &Client,
    id: &GatewayId,
    no_authentication: bool,
) -> Result<Plan, Failure> {
    dry_run::check_rights(client, &[Permission::AiGatewayWrite]).await?;
    let taken = Refusal::GatewayExists(id.to_string()).to_string();
    let plan = Plan::new(format!("make gateway {id}"))
        .needs_none(
            client,
            GATEWAYS,
            |gateway| text(gateway, "id") == id.as_str(),
            taken,
        )
        .await?;
    if id.as_str() == GATEWAY {
        return Err(dry_run::refused(format!(
            "the gateway `{GATEWAY}` is made by `keyward dev` and `keyward vault init`, never by a request"
        )));
    }
    Ok(match no_authentication {
        true => plan
            .fact("requests without a gateway token would pass, with their own provider key only"),
        false => plan,
    })
}

async fn plan_to_update(
    client: &Client,
    id: &GatewayId,
    gateway: &Value,
    set: Vec<(String, Value)>,
) -> Result<Plan, Failure> {
    dry_run::check_rights(client, &[Permission::AiGatewayWrite]).await?;
    let unknown = set
        .iter()
        .find(|(name, _)| gateway.get(name.as_str()).is_none());
    let unknown =
        unknown.map(|(name, _)| format!("whether there is a setting `{name}`: it is not set now"));
    let plan = Plan::new(format!("change gateway {id}"))
        .facts(dry_run::changes(gateway, &set.into_iter().collect()))
        .unchecked("whether the values are in range, and whether this weakens what protects");
    Ok(match unknown {
        Some(unknown) => plan.unchecked(unknown),
        None => plan,
    })
}

/// Which keys go with a gateway, and when one of them was last used.
fn told(keys: &[Value]) -> String {
    let names: Vec<_> = keys
        .iter()
        .map(|key| format!("{}/{}", text(key, "provider_slug"), text(key, "alias")))
        .collect();
    let used = keys.iter().map(|key| text(key, "last_used_at")).max();
    match used {
        None => String::new(),
        Some(used) if used.is_empty() => format!(" ({}; never used)", names.join(", ")),
        // All moments are UTC and of one form, so the greatest text is the latest.
        Some(used) => format!(" ({}; last used {used})", names.join(", ")),
    }
}

fn row(gateway: &Value) -> Vec<String> {
    let is = |name: &str| gateway.get(name).and_then(Value::as_bool) == Some(true);
    vec![
        text(gateway, "id"),
        (if is("authentication") { "on" } else { "off" }).to_owned(),
        (if is("is_default") { "yes" } else { "no" }).to_owned(),
        text(gateway, "created_at"),
    ]
}

/// Every field that the control plane tells of; a setting that is not there is empty.
fn fields(gateway: &Value) -> Vec<(&str, String)> {
    let members = gateway.as_object().into_iter().flatten();
    let shown = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let shown = |name: &str, value: &Value| match (name, value) {
        ("pools", Value::Array(pools)) => {
            let lines: Vec<_> = pools.iter().map(pool_line).collect();
            lines.join("; ")
        }
        _ => shown(value),
    };
    members
        .map(|(name, value)| (name.as_str(), shown(name, value)))
        .collect()
}
