//! Storing a provider key.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use keyward_auth::{ManagePlace, Permission};
use serde_json::{Map, Value, json};

use super::Key;
use crate::{
    dashboard::{
        answer,
        gateways::Gateways,
        providers::Providers,
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
        when::typed_moment,
        wrong::Wrong,
    },
    envelope::Problem,
};

/// What was typed: kept when the form is shown again, all but the key.
struct Typed {
    provider: String,
    gateway: String,
    alias: String,
    description: String,
    expires: String,
    is_default: bool,
    /// Whether the provider is asked first.
    verify: bool,
}

#[derive(Template)]
#[template(path = "keys_new.html")]
struct AddPage {
    frame: Frame,
    typed: Typed,
    wrong: Wrong,
    providers: Providers,
    gateways: Gateways,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let gateway = match visit.query("gateway") {
        "" => "default",
        gateway => gateway,
    };
    let typed = Typed {
        provider: visit.query("provider").to_owned(),
        gateway: gateway.to_owned(),
        alias: "default".to_owned(),
        description: String::new(),
        expires: String::new(),
        is_default: false,
        verify: true,
    };
    ask(&visit, answer::SHOWN, typed, Wrong::default()).await
}

async fn ask(
    visit: &Visit,
    status: StatusCode,
    typed: Typed,
    wrong: Wrong,
) -> Result<Response, Problem> {
    let providers = Providers::load(visit).await?;
    let example = json!({"provider_slug": "openai", "alias": "default", "secret": "…"});
    let call = To::new("provider_key_create").at("gateway", "default");
    let page = AddPage {
        frame: visit.frame(Section::Keys),
        gateways: Gateways::load(visit).await?,
        by_hand: ByHand::new(
            "keyward keys add openai".to_owned(),
            call.curl(&visit.account(), Some(&example)),
        ),
        providers,
        typed,
        wrong,
    };
    answer::page(status, &page)
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let text = |name| visit.form.text(name).to_owned();
    let typed = Typed {
        provider: text("provider_slug"),
        gateway: text("gateway"),
        alias: text("alias"),
        description: text("description"),
        expires: text("expires_on"),
        is_default: visit.form.is_set("default_config"),
        verify: visit.form.is_set("verify"),
    };
    if typed.provider.is_empty() {
        let wrong = Wrong::at("provider_slug", "choose the provider that the key is from");
        return ask(&visit, answer::MISTYPED, typed, wrong).await;
    }
    let to = To::new("provider_key_create").at("gateway", &typed.gateway);
    let stored = visit
        .change_with_secret::<Key>(to, &body(&typed), "secret")
        .await;
    match stored {
        Ok(answer) => {
            let key = answer.result;
            let providers = Providers::load(&visit).await?;
            let done = match (typed.verify, providers.is_provable(&key.provider_slug)) {
                (true, true) => "proven",
                (true, false) => "unproven",
                (false, _) => "stored",
            };
            answer::see(&format!("{}?done={done}", key.path()))
        }
        Err(problem) => {
            let (status, wrong) = (problem.status(), Wrong::of(&problem));
            ask(&visit, status, typed, wrong).await
        }
    }
}

fn body(typed: &Typed) -> Value {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    put("provider_slug", json!(typed.provider));
    put("description", json!(typed.description));
    if !typed.alias.is_empty() {
        put("alias", json!(typed.alias));
    }
    if typed.is_default {
        put("default_config", json!(true));
    }
    if typed.verify {
        put("verify", json!(true));
    }
    if !typed.expires.is_empty() {
        put("expires_on", json!(typed_moment(&typed.expires)));
    }
    Value::Object(body)
}

/// Whether the token may store a key anywhere.
pub(crate) fn may_add(visit: &Visit) -> bool {
    visit.may(Permission::SecretsStoreWrite, ManagePlace::Token)
}
