//! Storing the value of a secret under another name.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::{Scopes, Secret, add::comment, find};
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
#[template(path = "secret_duplicate.html")]
struct DuplicatePage<'a> {
    frame: Frame,
    secret: Secret,
    store: Store,
    name: &'a str,
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
    let example = json!({"name": "prod_openai_default", "scopes": secret.scopes});
    let call = secret.to("secret_duplicate");
    let page = DuplicatePage {
        frame: visit.frame(Section::Secrets),
        by_hand: ByHand::call(call.curl(&visit.account(), Some(&example))),
        name: visit.form.text("name"),
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
    let body = json!({
        "name": visit.form.text("name"),
        "scopes": scopes.names(),
        "comment": comment(&typed),
    });
    match visit
        .change::<Secret>(secret.to("secret_duplicate"), &body)
        .await
    {
        Ok(answer) => answer::see(&format!("{}?done=copied", answer.result.path())),
        Err(problem) => {
            let (status, wrong) = (problem.status(), Wrong::of(&problem));
            ask(&visit, status, (secret, store), (typed, scopes), wrong)
        }
    }
}
