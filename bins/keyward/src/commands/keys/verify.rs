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
    let count = |outcome| {
        let found = told.iter().filter(|told| text(told, "outcome") == outcome);
        found.count()
    };
    match (count("refused"), count("unclear"), told.len()) {
        (0, 0, _) => Ok(()),
        (1, _, 1) => Err(Failure::found("the provider does not take the key").help(
            "the reason above says why; `keyward keys rotate PROVIDER` gives it a new value",
        )),
        (0, _, 1) => Err(
            Failure::found("it is not known whether the provider takes the key")
                .help("the reason above says why; nothing speaks against the key: ask again later"),
        ),
        (0, unclear, all) => Err(Failure::found(format!(
            "of {unclear} of {all} keys it is not known whether their provider takes them"
        ))
        .help("each reason above says why; nothing speaks against the keys: ask again later")),
        (refused, unclear, all) => {
            let unknown = match unclear {
                0 => String::new(),
                unclear => format!(", and of {unclear} it is not known"),
            };
            Err(Failure::found(format!(
                "{refused} of {all} keys are refused by their provider{unknown}"
            ))
            .help(
                "each reason above says why; `keyward keys rotate PROVIDER` gives one a new value",
            ))
        }
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
