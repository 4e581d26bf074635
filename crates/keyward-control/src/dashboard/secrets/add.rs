//! Storing a secret.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{GATEWAY, Scopes, Secret};
use crate::{
    dashboard::{
        answer,
        stores::{self, Store},
        view::{ByHand, Frame, Section},
        visit::Visit,
        wrong::Wrong,
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "secret_new.html")]
struct AddPage<'a> {
    frame: Frame,
    store: Store,
    name: &'a str,
    comment: &'a str,
    scopes: Scopes,
    wrong: Wrong,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let store = stores::find(&visit).await?;
    let scopes = Scopes::ticked(|scope| scope == GATEWAY);
    ask(&visit, answer::SHOWN, store, scopes, Wrong::default())
}

fn ask(
    visit: &Visit,
    status: StatusCode,
    store: Store,
    scopes: Scopes,
    wrong: Wrong,
) -> Result<Response, Problem> {
    let example = json!([{"name": "default_openai_default", "value": "…", "scopes": [GATEWAY]}]);
    let page = AddPage {
        frame: visit.frame(Section::Secrets),
        name: visit.form.text("name"),
        comment: visit.form.text("comment"),
        scopes,
        wrong,
        by_hand: ByHand::new(
            format!(
                "keyward secrets create default_openai_default {}",
                store.option()
            ),
            store
                .to("secret_create")
                .curl(&visit.account(), Some(&example)),
        ),
        store,
    };
    answer::page(status, &page)
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let store = stores::find(&visit).await?;
    let scopes = Scopes::of_form(&visit.form);
    let body = json!({
        "name": visit.form.text("name"),
        "scopes": scopes.names(),
        "comment": comment(visit.form.text("comment")),
    });
    let to = store.to("secret_create");
    let stored = visit.change_list_with_secret::<Vec<Secret>>(to, &body, "value");
    match stored.await {
        Ok(answer) => {
            let path = answer
                .result
                .first()
                .map_or_else(|| store.path(), Secret::path);
            answer::see(&format!("{path}?done=stored"))
        }
        Err(problem) => {
            let (status, wrong) = (problem.status(), Wrong::of(&problem));
            ask(&visit, status, store, scopes, wrong)
        }
    }
}

/// No comment is null.
pub(super) fn comment(text: &str) -> Value {
    match text {
        "" => Value::Null,
        text => json!(text),
    }
}
