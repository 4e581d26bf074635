//! One custom provider, with the keys that hang on it.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;

use super::{CustomProvider, find, keys, may_change, told};
use crate::{
    dashboard::{
        answer,
        keys::{Key, add::may_add},
        view::{ByHand, Code, Frame, Section},
        visit::Visit,
    },
    envelope::Problem,
};

/// How many keys the page shows.
const KEYS: usize = 50;

#[derive(Template)]
#[template(path = "provider.html")]
struct ProviderPage {
    frame: Frame,
    now: SystemTime,
    told: Option<String>,
    provider: CustomProvider,
    headers: Vec<(String, String)>,
    keys: Vec<Key>,
    total: usize,
    examples: Vec<Code>,
    may_change: bool,
    may_add_key: bool,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let provider = find(&visit).await?;
    let keys = keys(&visit, &provider, KEYS).await?;
    let page = ProviderPage {
        frame: visit.frame(Section::CustomProviders),
        now: visit.now,
        told: told(&visit),
        headers: provider.masked_headers(),
        total: keys.result_info.total_count,
        keys: keys.result,
        examples: examples(&provider),
        may_change: may_change(&visit),
        may_add_key: may_add(&visit),
        by_hand: ByHand::new(
            format!("keyward providers show {}", provider.slug),
            provider
                .to("custom_provider_show")
                .curl(&visit.account(), None),
        ),
        provider,
    };
    answer::page(answer::SHOWN, &page)
}

fn examples(provider: &CustomProvider) -> Vec<Code> {
    let all = [
        ("example-curl", "curl example", &provider.curl_example),
        ("example-js", "JavaScript example", &provider.js_example),
    ];
    let given = all.into_iter().filter_map(|(id, label, text)| {
        Some(Code {
            id: id.to_owned(),
            label,
            text: text.clone()?,
            is_line: false,
        })
    });
    given.collect()
}
