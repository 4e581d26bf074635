//! Gateways, and how applications reach them.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use keyward_auth::{ManagePlace, Permission, Scope};
use keyward_providers::{Language, snippet};
use serde::Deserialize;

use super::{
    answer,
    keys::{Key, add::may_add},
    pager::Pager,
    providers::Providers,
    view::{ByHand, Code, Frame, Section},
    visit::{To, Visit},
    when::When,
};
use crate::envelope::Problem;

/// A gateway as answers carry it.
#[derive(Debug, Deserialize)]
pub(crate) struct Gateway {
    pub(crate) id: String,
    is_default: bool,
    authentication: bool,
    byok_only: bool,
    stored_keys_only: bool,
    created_at: Option<String>,
}

impl Gateway {
    fn created(&self, now: SystemTime) -> Option<When> {
        When::new(self.created_at.as_deref()?, now)
    }
}

/// The ids of gateways, for drop-downs.
#[derive(Debug)]
pub(crate) struct Gateways(pub(crate) Vec<String>);

/// More than anybody picks from a drop-down.
const MOST_PAGES: usize = 5;

impl Gateways {
    /// Those that the token can see.
    pub(crate) async fn load(visit: &Visit) -> Result<Self, Problem> {
        if !visit.may(Permission::AiGatewayRead, ManagePlace::Account) {
            return Ok(Self(match visit.gateways() {
                Scope::All => Vec::new(),
                Scope::Only(names) => names.iter().map(ToString::to_string).collect(),
            }));
        }
        let mut ids = Vec::new();
        for page in 1..=MOST_PAGES {
            let to = To::new("gateway_list")
                .with_number("page", page)
                .with_number("per_page", 100);
            let answer = visit.get::<Vec<Gateway>>(to).await?;
            ids.extend(answer.result.into_iter().map(|gateway| gateway.id));
            if page >= answer.result_info.total_pages {
                break;
            }
        }
        Ok(Self(ids))
    }
}

/// A gateway with the number of its keys.
struct Row {
    gateway: Gateway,
    keys: usize,
}

#[derive(Template)]
#[template(path = "gateways.html")]
struct GatewaysPage {
    frame: Frame,
    now: SystemTime,
    rows: Vec<Row>,
    pager: Pager,
    by_hand: ByHand,
}

pub(crate) async fn list(visit: Visit) -> Result<Response, Problem> {
    let page: usize = visit.query("page").parse().unwrap_or(1).max(1);
    let to = To::new("gateway_list")
        .with_number("page", page)
        .with_number("per_page", 20);
    let answer = visit.get::<Vec<Gateway>>(to).await?;
    let mut rows = Vec::with_capacity(answer.result.len());
    for gateway in answer.result {
        let to = keys_of(&gateway.id).with_number("per_page", 1);
        let keys = visit.get::<Vec<Key>>(to).await?.result_info.total_count;
        rows.push(Row { gateway, keys });
    }
    let page = GatewaysPage {
        frame: visit.frame(Section::Gateways),
        now: visit.now,
        rows,
        pager: Pager::new("/gateways", &[], &answer.result_info),
        by_hand: ByHand::new(
            "keyward gateways list".to_owned(),
            To::new("gateway_list").curl(&visit.account(), None),
        ),
    };
    answer::page(answer::SHOWN, &page)
}

fn keys_of(gateway: &str) -> To<'_> {
    To::new("provider_keys_list").with("gateway_id", gateway)
}

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
    may_add: bool,
    may_make_token: bool,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let id = visit.parameter("gateway").to_owned();
    let to = To::new("gateway_show").at("gateway", &id);
    let gateway: Gateway = visit.get(to).await?.result;
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
