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
        GatewaysCommand::Delete {
            id,
            confirm: asked,
            connect,
        } => {
            let client = Client::connect(&connect).await?;
            let keys = client.list(&keys_path(&id)).await?.len();
            let keys = match keys {
                0 => "no provider keys".to_owned(),
                1 => "its provider key".to_owned(),
                count => format!("its {count} provider keys"),
            };
            confirm(&asked, &format!("gateway {id} and {keys}"), id.as_str())?;
            let deleted = client
                .send(Method::DELETE, &gateway_path(&id), None)
                .await?;
            Output::new(connect.json)
                .done(format_args!("deleted gateway {id} and {keys}"), &deleted)
        }
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
