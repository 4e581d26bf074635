//! Deleting a secret, once its name is typed.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::{Changed, Secret, find};
use crate::{
    dashboard::{
        answer,
        stores::Store,
        view::{ByHand, Frame, Section},
        visit::Visit,
        wrong::Wrong,
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "secret_delete.html")]
struct DeletePage {
    frame: Frame,
    now: SystemTime,
    secret: Secret,
    store: Store,
    typed: String,
    wrong: Wrong,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let (secret, store) = find(&visit).await?;
    ask(&visit, answer::SHOWN, (secret, store), Wrong::default())
}

fn ask(
    visit: &Visit,
    status: StatusCode,
    (secret, store): (Secret, Store),
    wrong: Wrong,
) -> Result<Response, Problem> {
    let page = DeletePage {
        frame: visit.frame(Section::Secrets),
        now: visit.now,
        typed: visit.form.text("typed").to_owned(),
        wrong,
        by_hand: ByHand::new(
            format!("keyward secrets delete {} {}", secret.name, store.option()),
            secret.to("secret_delete").curl(&visit.account(), None),
        ),
        secret,
        store,
    };
    answer::page(status, &page)
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let (secret, store) = find(&visit).await?;
    if visit.form.text("typed") != secret.name {
        let wrong = Wrong::at("typed", "that is not its name, and nothing was deleted");
        return ask(&visit, answer::MISTYPED, (secret, store), wrong);
    }
    let now = if visit.form.is_set("now") { "true" } else { "" };
    let to = secret.to("secret_delete").with("now", now);
    let deleted = visit.change::<Changed>(to, &Value::Null).await?.result;
    let (path, under_way) = (store.path(), deleted.under_way.query());
    answer::see(&format!("{path}?done=deleted{under_way}"))
}
