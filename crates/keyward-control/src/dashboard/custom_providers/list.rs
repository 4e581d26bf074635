//! The account's own providers.

use askama::Template;
use axum::response::Response;

use super::{CustomProvider, may_change, told};
use crate::{
    dashboard::{
        answer,
        pager::Pager,
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "providers.html")]
struct ProvidersPage<'a> {
    frame: Frame,
    told: Option<String>,
    search: &'a str,
    providers: Vec<CustomProvider>,
    pager: Pager,
    may_change: bool,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let page: usize = visit.query("page").parse().unwrap_or(1).max(1);
    let search = visit.query("q");
    let to = To::new("custom_provider_list")
        .with_number("page", page)
        .with_number("per_page", 50)
        .with("search", search);
    let answer = visit.get::<Vec<CustomProvider>>(to).await?;
    if answer.result.is_empty() && answer.result_info.total_count > 0 {
        // Past the end: what stood there was deleted.
        return answer::see("/providers");
    }
    let page = ProvidersPage {
        frame: visit.frame(Section::CustomProviders),
        told: told(&visit),
        search,
        providers: answer.result,
        pager: Pager::new("/providers", &[("q", search)], &answer.result_info),
        may_change: may_change(&visit),
        by_hand: ByHand::new(
            "keyward providers list".to_owned(),
            To::new("custom_provider_list").curl(&visit.account(), None),
        ),
    };
    answer::page(answer::SHOWN, &page)
}
