//! Switching a provider key off and on.

use axum::response::Response;
use serde_json::json;

use super::{Key, To, Visit};
use crate::{dashboard::answer, envelope::Problem};

pub(crate) async fn disable(visit: Visit) -> Result<Response, Problem> {
    set(&visit, Switch::Off).await
}

pub(crate) async fn enable(visit: Visit) -> Result<Response, Problem> {
    set(&visit, Switch::On).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Switch {
    On,
    Off,
}

async fn set(visit: &Visit, switch: Switch) -> Result<Response, Problem> {
    let to = To::new("provider_key_edit")
        .at("gateway", visit.parameter("gateway"))
        .at("id", visit.parameter("id"));
    let body = json!({ "enabled": switch == Switch::On });
    let key = visit.change::<Key>(to, &body).await?.result;
    let done = match switch {
        Switch::On => "enabled",
        Switch::Off => "disabled",
    };
    answer::see(&format!(
        "{}?done={done}{}",
        key.path(),
        key.under_way.query()
    ))
}
