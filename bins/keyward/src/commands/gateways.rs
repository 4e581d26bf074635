//! `keyward gateways …`.

use http::Method;
use serde_json::{Value, json};

use crate::{
    args::GatewaysCommand,
    client::{self, Client, GATEWAYS, gateway_path, keys_path, text},
    confirm::confirm,
    failure::Failure,
    output::Output,
};

pub(crate) async fn run(command: GatewaysCommand) -> Result<(), Failure> {
    match command {
        GatewaysCommand::Create {
            id,
            no_authentication,
            connect,
        } => {
            let client = Client::connect(&connect).await?;
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
        GatewaysCommand::Update { id, set, connect } => {
            let client = Client::connect(&connect).await?;
            let path = gateway_path(&id);
            let mut gateway = client.send(Method::GET, &path, None).await?;
            let names: Vec<_> = set.iter().map(|(name, _)| name.clone()).collect();
            if let Some(settings) = gateway.as_object_mut() {
                settings.extend(set);
            }
            let updated = client
                .send(Method::PUT, &path, client::json(&gateway))
                .await?;
            let sentence = format!("changed {} of gateway {id}", names.join(", "));
            Output::new(connect.json).done(sentence, &updated)
        }
        GatewaysCommand::Delete {
            id,
            confirm: asked,
            connect,
        } => {
            let client = Client::connect(&connect).await?;
            let keys = client.list(&keys_path(&id)).await?;
            let hit = match keys.len() {
                0 => "no provider keys".to_owned(),
                1 => "its provider key".to_owned(),
                count => format!("its {count} provider keys"),
            };
            let output = Output::new(connect.json);
            let what = format!("gateway {id} and {hit}{}", told(&keys));
            if !confirm(&asked, output, &what, id.as_str())? {
                return Ok(());
            }
            let deleted = client
                .send(Method::DELETE, &gateway_path(&id), None)
                .await?;
            output.done(format_args!("deleted gateway {id} and {hit}"), &deleted)
        }
    }
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
    members
        .map(|(name, value)| (name.as_str(), shown(value)))
        .collect()
}
