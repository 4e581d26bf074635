//! Changing a secret: its comment, its scopes, its value. What is not different is not sent.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Changed, Scopes, Secret, add::comment, find};
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
#[template(path = "secret_edit.html")]
struct EditPage {
    frame: Frame,
    secret: Secret,
    store: Store,
    comment: String,
    scopes: Scopes,
    wrong: Wrong,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let (secret, store) = find(&visit).await?;
    let typed = (secret.comment().to_owned(), Scopes::of_secret(&secret));
    ask(
        &visit,
        answer::SHOWN,
        (secret, store),
        typed,
        Wrong::default(),
    )
}

fn ask(
    visit: &Visit,
    status: StatusCode,
    (secret, store): (Secret, Store),
    (comment, scopes): (String, Scopes),
    wrong: Wrong,
) -> Result<Response, Problem> {
    let example = json!({"value": "…"});
    let page = EditPage {
        frame: visit.frame(Section::Secrets),
        by_hand: ByHand::new(
            format!(
                "keyward secrets update {} --new-value {}",
                secret.name,
                store.option()
            ),
            secret
                .to("secret_edit")
                .curl(&visit.account(), Some(&example)),
        ),
        secret,
        store,
        comment,
        scopes,
        wrong,
    };
    answer::page(status, &page)
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let (secret, store) = find(&visit).await?;
    let typed = visit.form.text("comment").to_owned();
    let scopes = Scopes::of_form(&visit.form);
    let mut changes = Map::new();
    if typed != secret.comment() {
        changes.insert("comment".to_owned(), comment(&typed));
    }
    if scopes.names() != Scopes::of_secret(&secret).names() {
        changes.insert("scopes".to_owned(), json!(scopes.names()));
    }
    let has_value = !visit.form.secret_text("value").is_empty();
    if changes.is_empty() && !has_value {
        return answer::see(&format!("{}?done=same", secret.path()));
    }
    let now = if visit.form.is_set("now") { "true" } else { "" };
    let to = secret.to("secret_edit").with("now", now);
    let body = Value::Object(changes);
    let (done, changed) = match has_value {
        true => (
            "rotated",
            visit
                .change_with_secret::<Changed>(to, &body, "value")
                .await,
        ),
        false => ("changed", visit.change::<Changed>(to, &body).await),
    };
    match changed {
        Ok(answer) => {
            let under_way = answer.result.under_way.query();
            answer::see(&format!("{}?done={done}{under_way}", secret.path()))
        }
        Err(problem) => {
            let (status, wrong) = (problem.status(), Wrong::of(&problem));
            ask(&visit, status, (secret, store), (typed, scopes), wrong)
        }
    }
}
