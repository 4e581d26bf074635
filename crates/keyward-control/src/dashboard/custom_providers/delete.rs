//! Deleting a custom provider with its keys, once its slug is typed.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use serde_json::Value;

use super::{CustomProvider, find, keys};
use crate::{
    dashboard::{
        answer,
        keys::Key,
        view::{ByHand, Frame, Section},
        visit::Visit,
        wrong::Wrong,
    },
    envelope::Problem,
};

/// How many keys the page names.
const KEYS: usize = 20;

#[derive(Template)]
#[template(path = "provider_delete.html")]
struct DeletePage {
    frame: Frame,
    now: SystemTime,
    provider: CustomProvider,
    keys: Vec<Key>,
    total: usize,
    typed: String,
    wrong: Wrong,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let provider = find(&visit).await?;
    let page = page(&visit, provider, Wrong::default()).await?;
    answer::page(answer::SHOWN, &page)
}

async fn page(
    visit: &Visit,
    provider: CustomProvider,
    wrong: Wrong,
) -> Result<DeletePage, Problem> {
    let keys = keys(visit, &provider, KEYS).await?;
    Ok(DeletePage {
        frame: visit.frame(Section::CustomProviders),
        now: visit.now,
        keys: keys.result,
        total: keys.result_info.total_count,
        typed: visit.form.text("typed").to_owned(),
        wrong,
        by_hand: ByHand::new(
            format!("keyward providers delete {}", provider.slug),
            provider
                .to("custom_provider_delete")
                .curl(&visit.account(), None),
        ),
        provider,
    })
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let provider = find(&visit).await?;
    if visit.form.text("typed") != provider.slug {
        let wrong = Wrong::at("typed", "that is not its slug, and nothing was deleted");
        let page = page(&visit, provider, wrong).await?;
        return answer::page(answer::MISTYPED, &page);
    }
    let now = if visit.form.is_set("now") { "true" } else { "" };
    let to = provider.to("custom_provider_delete").with("now", now);
    let deleted = visit.change::<CustomProvider>(to, &Value::Null).await?;
    let under_way = deleted.result.under_way.query();
    answer::see(&format!("/providers?done=deleted{under_way}"))
}
