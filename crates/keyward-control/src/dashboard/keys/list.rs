//! Provider keys, grouped by provider.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;

use super::{Key, add::may_add, told};
use crate::{
    dashboard::{
        answer,
        gateways::Gateways,
        pager::Pager,
        providers::Providers,
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
    },
    envelope::Problem,
};

const PER_PAGE: usize = 50;
pub(crate) const STATUSES: [&str; 4] = ["active", "disabled", "expired", "invalid"];

/// The keys of one provider that stand on the page.
struct Group {
    slug: String,
    name: String,
    letter: String,
    keys: Vec<Key>,
}

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage<'a> {
    frame: Frame,
    now: SystemTime,
    told: Option<String>,
    filter: Filter<'a>,
    providers: Providers,
    gateways: Gateways,
    groups: Vec<Group>,
    pager: Pager,
    may_add: bool,
    by_hand: ByHand,
}

/// What the page is narrowed to.
struct Filter<'a> {
    q: &'a str,
    provider: &'a str,
    status: &'a str,
    gateway: &'a str,
}

impl Filter<'_> {
    fn is_set(&self) -> bool {
        let all = [self.q, self.provider, self.status, self.gateway];
        all.iter().any(|text| !text.is_empty())
    }
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let status = STATUSES
        .iter()
        .find(|known| **known == visit.query("status"));
    let filter = Filter {
        q: visit.query("q"),
        provider: visit.query("provider"),
        status: status.copied().unwrap_or_default(),
        gateway: visit.query("gateway"),
    };
    let page: usize = visit.query("page").parse().unwrap_or(1).max(1);
    let to = To::new("provider_keys_list")
        .with_number("page", page)
        .with_number("per_page", PER_PAGE)
        .with("search", filter.q)
        .with("provider_slug", filter.provider)
        .with("status", filter.status)
        .with("gateway_id", filter.gateway);
    let answer = visit.get::<Vec<Key>>(to).await?;
    if answer.result.is_empty() && answer.result_info.total_count > 0 {
        // Past the end: what stood there was deleted.
        return answer::see("/keys");
    }
    let providers = Providers::load(&visit).await?;
    let gateways = Gateways::load(&visit).await?;
    let kept = [
        ("q", filter.q),
        ("provider", filter.provider),
        ("status", filter.status),
        ("gateway", filter.gateway),
    ];
    let pager = Pager::new("/keys", &kept, &answer.result_info);
    let command = match providers.find(filter.provider) {
        Some(known) => format!("keyward keys list --provider {}", known.slug),
        None => "keyward keys list".to_owned(),
    };
    let by_hand = ByHand::new(
        command,
        To::new("provider_keys_list").curl(&visit.account(), None),
    );
    let page = KeysPage {
        frame: visit.frame(Section::Keys),
        now: visit.now,
        told: told(&visit),
        groups: group(answer.result, &providers),
        filter,
        providers,
        gateways,
        pager,
        may_add: may_add(&visit),
        by_hand,
    };
    answer::page(answer::SHOWN, &page)
}

/// Keys come sorted by provider; neighbours of one provider make a group.
fn group(keys: Vec<Key>, providers: &Providers) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for key in keys {
        match groups.last_mut() {
            Some(group) if group.slug == key.provider_slug => group.keys.push(key),
            _ => {
                let known = providers.find(&key.provider_slug);
                groups.push(Group {
                    slug: key.provider_slug.clone(),
                    name: providers.name(&key.provider_slug).to_owned(),
                    letter: known.map_or_else(|| "?".to_owned(), |known| known.letter()),
                    keys: vec![key],
                });
            }
        }
    }
    groups
}
