//! One secrets store, and the secrets in it.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use keyward_registry::SecretScope;

use super::{Store, find, may_change};
use crate::{
    dashboard::{
        answer,
        pager::Pager,
        secrets::{Secret, told},
        view::{ByHand, Frame, Section},
        visit::Visit,
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "store.html")]
struct StorePage<'a> {
    frame: Frame,
    now: SystemTime,
    told: Option<String>,
    store: Store,
    search: &'a str,
    scope: &'static str,
    scopes: [&'static str; 6],
    secrets: Vec<Secret>,
    pager: Pager,
    may_change: bool,
    by_hand: ByHand,
}

impl StorePage<'_> {
    fn is_narrowed(&self) -> bool {
        !self.search.is_empty() || !self.scope.is_empty()
    }
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let store = find(&visit).await?;
    let page: usize = visit.query("page").parse().unwrap_or(1).max(1);
    let scopes = SecretScope::ALL.map(SecretScope::as_str);
    let scope = scopes.iter().find(|known| **known == visit.query("scope"));
    let (search, scope) = (visit.query("q"), scope.copied().unwrap_or_default());
    let to = store
        .to("secret_list")
        .with_number("page", page)
        .with_number("per_page", 50)
        .with("search", search)
        .with("scopes", scope);
    let answer = visit.get::<Vec<Secret>>(to).await?;
    if answer.result.is_empty() && answer.result_info.total_count > 0 {
        // Past the end: what stood there was deleted.
        return answer::see(&store.path());
    }
    let kept = [("q", search), ("scope", scope)];
    let page = StorePage {
        frame: visit.frame(Section::Secrets),
        now: visit.now,
        told: told(&visit),
        search,
        scope,
        scopes,
        secrets: answer.result,
        pager: Pager::new(&store.path(), &kept, &answer.result_info),
        may_change: may_change(&visit),
        by_hand: ByHand::new(
            format!("keyward secrets list {}", store.option()),
            store.to("secret_list").curl(&visit.account(), None),
        ),
        store,
    };
    answer::page(answer::SHOWN, &page)
}
