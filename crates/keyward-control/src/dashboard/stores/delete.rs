//! Deleting a secrets store with what stands in it, once its name is typed.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::{Store, find};
use crate::{
    dashboard::{
        answer,
        secrets::{Changed, Secret},
        view::{ByHand, Frame, Section},
        visit::Visit,
        wrong::Wrong,
    },
    envelope::Problem,
};

/// How many secrets the page names.
const SECRETS: usize = 20;

#[derive(Template)]
#[template(path = "store_delete.html")]
struct DeletePage {
    frame: Frame,
    now: SystemTime,
    store: Store,
    secrets: Vec<Secret>,
    total: usize,
    typed: String,
    wrong: Wrong,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let store = find(&visit).await?;
    ask(&visit, answer::SHOWN, store, Wrong::default()).await
}

async fn ask(
    visit: &Visit,
    status: StatusCode,
    store: Store,
    wrong: Wrong,
) -> Result<Response, Problem> {
    let to = store.to("secret_list").with_number("per_page", SECRETS);
    let secrets = visit.get::<Vec<Secret>>(to).await?;
    let call = store.to("secrets_store_delete").with("force", "true");
    let page = DeletePage {
        frame: visit.frame(Section::Secrets),
        now: visit.now,
        secrets: secrets.result,
        total: secrets.result_info.total_count,
        typed: visit.form.text("typed").to_owned(),
        wrong,
        by_hand: ByHand::call(call.curl(&visit.account(), None)),
        store,
    };
    answer::page(status, &page)
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let store = find(&visit).await?;
    if visit.form.text("typed") != store.name {
        let wrong = Wrong::at("typed", "that is not its name, and nothing was deleted");
        return ask(&visit, answer::MISTYPED, store, wrong).await;
    }
    let set = |name| if visit.form.is_set(name) { "true" } else { "" };
    // Secrets go with it where the page told of some: one that was stored since is not deleted unseen.
    let to = store
        .to("secrets_store_delete")
        .with("force", set("force"))
        .with("now", set("now"));
    match visit.change::<Changed>(to, &Value::Null).await {
        Ok(answer) => {
            let under_way = answer.result.under_way.query();
            answer::see(&format!("/secrets?done=deleted{under_way}"))
        }
        Err(problem) if problem.is_conflict() => {
            ask(&visit, problem.status(), store, Wrong::of(&problem)).await
        }
        Err(problem) => Err(problem),
    }
}
