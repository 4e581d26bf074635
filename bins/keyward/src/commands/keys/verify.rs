//! `keyward keys verify`: whether providers take the stored keys.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::{
    client::{Client, text},
    commands::keys::at,
    failure::Failure,
    output::Output,
};

/// What the control plane calls it where a token has had as many keys verified as it may for now.
const TOO_MANY: &str = "[10002]";
/// How long to wait then, and how often.
const PAUSE: Duration = Duration::from_secs(5);
const MOST_PAUSES: u32 = 13;

const COLUMNS: [&str; 5] = ["gateway", "provider", "alias", "outcome", "reason"];

/// Asks about each key, one after the other.
pub(super) async fn run(client: &Client, keys: &[Value], output: Output) -> Result<(), Failure> {
    let mut told = Vec::with_capacity(keys.len());
    for key in keys {
        told.push(ask(client, key).await?);
    }
    let rows: Vec<_> = told.iter().map(row).collect();
    output.list(&COLUMNS, &rows, &told)?;
    let is_proven = |told: &&Value| matches!(text(told, "outcome").as_str(), "works" | "no_probe");
    match told.iter().filter(|told| !is_proven(told)).count() {
        0 => Ok(()),
        1 if told.len() == 1 => Err(Failure::found("the provider does not take the key").help(
            "the reason above says why; `keyward keys rotate PROVIDER` gives it a new value",
        )),
        failed => Err(Failure::found(format!(
            "{failed} of {} keys are not taken by their provider",
            told.len()
        ))
        .help("each reason above says why; `keyward keys rotate PROVIDER` gives one a new value")),
    }
}

async fn ask(client: &Client, key: &Value) -> Result<Value, Failure> {
    let path = format!("{}/verify", at(key)?);
    for _ in 0..MOST_PAUSES {
        match client.send(Method::POST, &path, None).await {
            Err(failure) if failure.what().ends_with(TOO_MANY) => {
                tokio::time::sleep(PAUSE).await;
            }
            answered => return answered,
        }
    }
    client.send(Method::POST, &path, None).await
}

fn row(told: &Value) -> Vec<String> {
    ["gateway_id", "provider_slug", "alias", "outcome", "reason"]
        .map(|name| text(told, name))
        .to_vec()
}
