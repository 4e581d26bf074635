//! Deleting a provider key, once its name is typed.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;

use super::{Key, find};
use crate::{
    dashboard::{
        answer,
        providers::Providers,
        traffic::{self, LastHour},
        view::{ByHand, Frame, Section},
        visit::Visit,
        wrong::Wrong,
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "delete.html")]
struct DeletePage {
    frame: Frame,
    now: SystemTime,
    key: Key,
    providers: Providers,
    /// How many requests there were of late. None: the token may not see it.
    last_hour: Option<LastHour>,
    typed: String,
    wrong: Wrong,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let (key, providers) = find(&visit).await?;
    let page = page(&visit, key, providers, Wrong::default()).await?;
    answer::page(answer::SHOWN, &page)
}

async fn page(
    visit: &Visit,
    key: Key,
    providers: Providers,
    wrong: Wrong,
) -> Result<DeletePage, Problem> {
    let of_key = traffic::asked().with("provider_key_id", &key.id);
    Ok(DeletePage {
        last_hour: traffic::last_hour(visit, of_key).await?,
        frame: visit.frame(Section::Keys),
        now: visit.now,
        typed: visit.form.text("typed").to_owned(),
        by_hand: ByHand::new(
            format!("keyward keys delete {}", key.options()),
            key.to("provider_key_delete").curl(&visit.account(), None),
        ),
        key,
        providers,
        wrong,
    })
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let (key, providers) = find(&visit).await?;
    if visit.form.text("typed") != key.name() {
        let wrong = Wrong::at("typed", "that is not its name, and nothing was deleted");
        let page = page(&visit, key, providers, wrong).await?;
        return answer::page(answer::MISTYPED, &page);
    }
    let to = key.to("provider_key_delete");
    let to = to.with("now", if visit.form.is_set("now") { "true" } else { "" });
    let deleted = visit
        .change::<Key>(to, &serde_json::Value::Null)
        .await?
        .result;
    answer::see(&format!("/keys?done=deleted{}", deleted.under_way.query()))
}
