//! Saving other elements of a route as a new version, and deploying it at once.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::{
    Route, Version,
    editor::{self, Editor},
    find, is_of_the_form, version,
};
use crate::{
    dashboard::{
        answer,
        view::{ByHand, Frame, Section},
        visit::Visit,
        wrong::Wrong,
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "route_edit.html")]
struct EditPage {
    frame: Frame,
    route: Route,
    /// The version that the form begins with, where that is not the deployed one.
    from: Option<u32>,
    editor: Editor,
    wrong: Wrong,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let route = find(&visit).await?;
    let (text, from) = match visit.query("version") {
        "" => (route.text(), None),
        id => {
            let version = version(&visit, &route, id).await?;
            (version.text(), Some(version.number))
        }
    };
    let editor = Editor::stored(&route.name, text);
    ask(
        &visit,
        answer::SHOWN,
        route,
        from,
        (editor, Wrong::default()),
    )
}

fn ask(
    visit: &Visit,
    status: StatusCode,
    route: Route,
    from: Option<u32>,
    (editor, wrong): (Editor, Wrong),
) -> Result<Response, Problem> {
    let example = json!({"elements": route.elements, "comment": "why it is so"});
    let page = EditPage {
        frame: visit.frame(Section::Gateways),
        from,
        wrong: editor.told(wrong),
        editor,
        by_hand: route.by_hand(
            visit,
            ("save", " --from-file graph.json"),
            &route.to("route_version_create"),
            Some(&example),
        ),
        route,
    };
    answer::page(status, &page)
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let route = find(&visit).await?;
    let text = editor::typed(&visit);
    let noted = editor::noted(&visit).into();
    let to = route.to("route_version_create");
    let fields = [(editor::FIELD, text.as_str())];
    let saved = visit.change_with_json::<Version>(to, &noted, &fields).await;
    let version = match saved {
        Ok(answer) => answer.result,
        Err(problem) if !is_of_the_form(&problem) => return Err(problem),
        Err(problem) => {
            let (status, wrong) = (problem.status(), Wrong::of(&problem));
            let editor = Editor::refused(&visit, &route.name);
            return ask(&visit, status, route, None, (editor, wrong));
        }
    };
    if visit.form.is_set("deploy") {
        return match deploy(&visit, &route, &version.version_id).await {
            Ok(()) => answer::see(&format!("{}?done=deployed", route.path())),
            Err(_problem) => leave(&route, &version, "undeployed"),
        };
    }
    leave(&route, &version, "saved")
}

fn leave(route: &Route, version: &Version, done: &str) -> Result<Response, Problem> {
    let path = route.version_path(&version.version_id);
    answer::see(&format!("{path}?done={done}"))
}

/// Puts a version in force, with the form's comment.
pub(super) async fn deploy(visit: &Visit, route: &Route, version: &str) -> Result<(), Problem> {
    let mut body = editor::noted(visit);
    body.insert("version_id".to_owned(), json!(version));
    let to = route.to("route_deployment_create");
    visit.change::<Route>(to, &body.into()).await?;
    Ok(())
}
