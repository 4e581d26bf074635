//! One gateway, and how applications reach it.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use keyward_auth::{ManagePlace, Permission};
use keyward_providers::{Language, snippet};
use serde_json::Value;

use super::{Gateway, find, keys_of, may_change, settings::Stores, tokens_of, told};
use crate::{
    dashboard::{
        answer,
        keys::{Key, add::may_add, list::STATUSES},
        providers::Providers,
        routes::list::routes_of,
        view::{ByHand, Code, Frame, Section},
        visit::{To, Visit},
    },
    envelope::Problem,
};

/// One language of the snippets.
struct Tab {
    id: String,
    name: &'static str,
    code: Code,
}

#[derive(Template)]
#[template(path = "gateway.html")]
struct GatewayPage {
    frame: Frame,
    now: SystemTime,
    gateway: Gateway,
    keys: Vec<Key>,
    total: usize,
    /// The provider that the snippets are for.
    provider: String,
    providers: Providers,
    url: String,
    tabs: Vec<Tab>,
    told: Option<String>,
    /// How many keys have each status.
    counts: Vec<(&'static str, usize)>,
    /// How many dynamic routes there are.
    routes: usize,
    /// How many gateway tokens are good here. None: the token may not see them.
    tokens: Option<usize>,
    /// What the secrets store is called that the keys come from. None: every store.
    store: Option<String>,
    may_change: bool,
    may_add: bool,
    may_make_token: bool,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let gateway = find(&visit).await?;
    let answer = visit
        .get::<Vec<Key>>(keys_of(&gateway.id).with_number("per_page", 100))
        .await?;
    let (keys, total) = (answer.result, answer.result_info.total_count);
    let providers = Providers::load(&visit).await?;
    let asked = providers.find(visit.query("provider"));
    let first = keys.first().map(|key| key.provider_slug.clone());
    let provider = asked.map(|choice| choice.slug.clone()).or(first);
    let provider = provider.unwrap_or_else(|| "openai".to_owned());
    let to = To::new("gateway_url")
        .at("gateway", &gateway.id)
        .at("id", &provider);
    let url: String = visit.get(to).await?.result;
    let page = GatewayPage {
        frame: visit.frame(Section::Gateways),
        now: visit.now,
        tabs: tabs(&visit, &provider, &url),
        told: told(&visit),
        counts: counts(&visit, &gateway.id).await?,
        routes: routes(&visit, &gateway.id).await?,
        tokens: tokens_of(&visit, &gateway.id).await?,
        store: store(&visit, &gateway).await?,
        may_change: may_change(&visit, &gateway),
        may_add: may_add(&visit),
        may_make_token: visit.may(Permission::AccountApiTokensWrite, ManagePlace::Token),
        by_hand: ByHand::new(
            format!("keyward snippet {provider} --gateway {}", gateway.id),
            To::new("gateway_url")
                .at("gateway", &gateway.id)
                .at("id", &provider)
                .curl(&visit.account(), None),
        ),
        gateway,
        keys,
        total,
        provider,
        providers,
        url,
    };
    answer::page(answer::SHOWN, &page)
}

async fn counts(visit: &Visit, gateway: &str) -> Result<Vec<(&'static str, usize)>, Problem> {
    let mut counts = Vec::with_capacity(STATUSES.len());
    for status in STATUSES {
        let to = keys_of(gateway)
            .with("status", status)
            .with_number("per_page", 1);
        let answer = visit.get::<Vec<Key>>(to).await?;
        counts.push((status, answer.result_info.total_count));
    }
    Ok(counts)
}

async fn routes(visit: &Visit, gateway: &str) -> Result<usize, Problem> {
    let to = routes_of(gateway).with_number("per_page", 1);
    Ok(visit.get::<Value>(to).await?.result_info.total_count)
}

async fn store(visit: &Visit, gateway: &Gateway) -> Result<Option<String>, Problem> {
    let Some(id) = &gateway.store_id else {
        return Ok(None);
    };
    let stores = Stores::load(visit, id).await?.0;
    let found = stores.into_iter().find(|store| store.id == *id);
    Ok(found.map(|store| store.name))
}

/// The snippets that are known for the provider.
fn tabs(visit: &Visit, provider: &str, url: &str) -> Vec<Tab> {
    let registry = &visit.shared().surroundings.registry;
    let Some(provider) = registry.catalogue().find(provider) else {
        return Vec::new();
    };
    let languages = [
        (Language::Curl, "curl"),
        (Language::Python, "Python"),
        (Language::TypeScript, "TypeScript"),
    ];
    let tab = |(language, name): (Language, &'static str)| {
        let id = format!("snippet-{}", language.name());
        Some(Tab {
            code: Code {
                id: format!("{id}-text"),
                label: name,
                text: snippet(provider, language, url)?.trim_end().to_owned(),
                is_line: false,
            },
            id,
            name,
        })
    };
    languages.into_iter().filter_map(tab).collect()
}
