//! Making a route.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::{
    Route,
    editor::{self, Editor},
    is_of_the_form,
};
use crate::{
    dashboard::{
        answer,
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
        wrong::Wrong,
    },
    envelope::Problem,
};

/// What the form begins with: a model, and another one where that fails.
const EXAMPLE: &str = r#"[
  {"id": "start", "type": "start", "outputs": {"next": {"elementId": "first"}}},
  {"id": "first", "type": "model",
   "properties": {"provider": "openai", "model": "gpt-5", "timeout": 20000, "retries": 1},
   "outputs": {"success": {"elementId": "end"}, "fallback": {"elementId": "second"}}},
  {"id": "second", "type": "model",
   "properties": {"provider": "groq", "model": "llama-3.1-8b-instant"},
   "outputs": {"success": {"elementId": "end"}}},
  {"id": "end", "type": "end", "outputs": {}}
]"#;

#[derive(Template)]
#[template(path = "route_new.html")]
struct AddPage<'a> {
    frame: Frame,
    gateway: &'a str,
    name: &'a str,
    editor: Editor,
    wrong: Wrong,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    // The page is of a gateway that there is.
    let gateway = visit.parameter("gateway");
    visit
        .get::<serde_json::Value>(To::new("gateway_show").at("gateway", gateway))
        .await?;
    let editor = Editor::stored("", EXAMPLE.to_owned());
    ask(&visit, answer::SHOWN, editor, Wrong::default())
}

fn ask(
    visit: &Visit,
    status: StatusCode,
    editor: Editor,
    wrong: Wrong,
) -> Result<Response, Problem> {
    let gateway = visit.parameter("gateway");
    let example = json!({
        "name": "support",
        "elements": serde_json::from_str::<serde_json::Value>(EXAMPLE).unwrap_or_default(),
    });
    let call = To::new("route_create").at("gateway", gateway);
    let page = AddPage {
        frame: visit.frame(Section::Gateways),
        gateway,
        name: visit.form.text("name"),
        wrong: editor.told(wrong),
        editor,
        by_hand: ByHand::new(
            format!("keyward routes create support --gateway {gateway} --from-file graph.json"),
            call.curl(&visit.account(), Some(&example)),
        ),
    };
    answer::page(status, &page)
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let to = To::new("route_create").at("gateway", visit.parameter("gateway"));
    let mut body = editor::noted(&visit);
    body.insert("name".to_owned(), json!(visit.form.text("name")));
    let text = editor::typed(&visit);
    let body = body.into();
    let fields = [(editor::FIELD, text.as_str())];
    match visit.change_with_json::<Route>(to, &body, &fields).await {
        Ok(answer) => answer::see(&format!("{}?done=made", answer.result.path())),
        Err(problem) if !is_of_the_form(&problem) => Err(problem),
        Err(problem) => {
            let (status, wrong) = (problem.status(), Wrong::of(&problem));
            let editor = Editor::refused(&visit, visit.form.text("name"));
            ask(&visit, status, editor, wrong)
        }
    }
}
