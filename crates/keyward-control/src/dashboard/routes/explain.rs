//! Which way a request would take through a route, and why. Nothing is sent, counted or kept.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value, json};

use super::{
    Route, Version,
    drawing::{Drawing, Marks},
    find,
    graph::Sketch,
    is_of_the_form, version,
};
use crate::{
    dashboard::{
        answer,
        custom_providers::headers::{self, Headers},
        view::{ByHand, Frame, Section},
        visit::Visit,
        wrong::Wrong,
    },
    envelope::Problem,
};

/// The way as the route of the API tells it.
#[derive(Debug, Deserialize)]
struct Explained {
    number: Option<u32>,
    way: Vec<Stop>,
}

/// An element on the way.
#[derive(Debug, Deserialize)]
struct Stop {
    element: String,
    #[serde(rename = "type")]
    kind: String,
    when: Option<String>,
    why: String,
    outputs: Vec<Output>,
    provider: Option<String>,
    model: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Output {
    name: String,
    to: Option<String>,
    when: Option<String>,
    chance: Option<String>,
}

/// What was typed, all but the headers: they may hold secrets.
#[derive(Default)]
struct Typed {
    version: String,
    body: String,
    metadata: String,
    draw: String,
}

#[derive(Template)]
#[template(path = "route_explain.html")]
struct ExplainPage {
    frame: Frame,
    route: Route,
    typed: Typed,
    wrong: Wrong,
    explained: Option<Explained>,
    drawing: Option<Drawing>,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let route = find(&visit).await?;
    let typed = Typed {
        version: visit.query("version").to_owned(),
        ..Typed::default()
    };
    ask(&visit, answer::SHOWN, route, typed, Err(Wrong::default())).await
}

async fn ask(
    visit: &Visit,
    status: StatusCode,
    route: Route,
    typed: Typed,
    told: Result<Explained, Wrong>,
) -> Result<Response, Problem> {
    let shown: Option<Version> = match typed.version.as_str() {
        "" => None,
        id => Some(version(visit, &route, id).await?),
    };
    let sketch = match &shown {
        Some(version) => Sketch::read(&version.data),
        None => route.sketch(),
    };
    let (explained, wrong) = match told {
        Ok(explained) => (Some(explained), Wrong::default()),
        Err(wrong) => (None, wrong),
    };
    let drawing = sketch.map(|sketch| {
        let marks = explained
            .as_ref()
            .map(|explained| marks(explained, &sketch));
        Drawing::new(&route.name, &sketch, &marks.unwrap_or_default())
    });
    let example = json!({"metadata": {"plan": "free"}, "body": {"messages": []}});
    let page = ExplainPage {
        frame: visit.frame(Section::Gateways),
        typed,
        wrong,
        explained,
        drawing,
        by_hand: route.by_hand(
            visit,
            ("explain", r#" --metadata '{"plan": "free"}'"#),
            &route.to("route_explain"),
            Some(&example),
        ),
        route,
    };
    answer::page(status, &page)
}

/// The way in the picture.
fn marks(explained: &Explained, sketch: &Sketch) -> Marks {
    let mut marks = Marks::default();
    for stop in &explained.way {
        let Some(element) = sketch.find(&stop.element) else {
            continue;
        };
        marks.way.push(element);
        let lines = stop.outputs.iter();
        let lines = lines.filter_map(|output| sketch.find_output(element, &output.name));
        marks.lines.extend(lines.map(|output| (element, output)));
    }
    marks
}

pub(crate) async fn tell(visit: Visit) -> Result<Response, Problem> {
    let route = find(&visit).await?;
    let text = |name| visit.form.text(name).replace("\r\n", "\n");
    let typed = Typed {
        version: text("version"),
        body: text("body"),
        metadata: text("metadata"),
        draw: text("draw"),
    };
    match question(&visit, &route, &typed).await? {
        Ok(explained) => ask(&visit, answer::SHOWN, route, typed, Ok(explained)).await,
        Err((status, wrong)) => ask(&visit, status, route, typed, Err(wrong)).await,
    }
}

/// Asks, or says what was typed that cannot be asked.
async fn question(
    visit: &Visit,
    route: &Route,
    typed: &Typed,
) -> Result<Result<Explained, (StatusCode, Wrong)>, Problem> {
    let mut fields = Vec::new();
    let given = [
        ("body", &typed.body),
        ("metadata", &typed.metadata),
        ("draw", &typed.draw),
    ];
    for (name, text) in given {
        if text.is_empty() {
            continue;
        }
        if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
            let wrong = Wrong::at(name, &format!("is no JSON: {error}"));
            return Ok(Err((answer::MISTYPED, wrong)));
        }
        fields.push((name, text.as_str()));
    }
    let headers = match headers::read(&visit.form, "")? {
        Ok(headers) => headers,
        Err(line) => {
            let wrong = Wrong::at(headers::FIELD, &line.to_string());
            return Ok(Err((answer::MISTYPED, wrong)));
        }
    };
    if let Headers::Object(object) = &headers {
        let object = std::str::from_utf8(object.as_slice()).unwrap_or_default();
        fields.push((headers::FIELD, object));
    }
    let mut body = Map::new();
    if !typed.version.is_empty() {
        body.insert("version_id".to_owned(), json!(typed.version));
    }
    let (to, body) = (route.to("route_explain"), Value::Object(body));
    match visit.change_with_json(to, &body, &fields).await {
        Ok(answer) => Ok(Ok(answer.result)),
        Err(problem) if !is_of_the_form(&problem) => Err(problem),
        Err(problem) => Ok(Err((problem.status(), Wrong::of(&problem)))),
    }
}
