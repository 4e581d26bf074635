//! Replacing the value of a provider key.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::{Key, find, rotation::Rotation};
use crate::{
    dashboard::{
        answer,
        providers::Providers,
        view::{ByHand, Frame, Section},
        visit::Visit,
        wrong::Wrong,
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "rotate.html")]
struct RotatePage {
    frame: Frame,
    key: Key,
    providers: Providers,
    typed: Typed,
    wrong: Wrong,
    by_hand: ByHand,
}

/// What was chosen: kept when the form is shown again.
struct Typed {
    overlap: String,
    verify: bool,
    now: bool,
}

/// For how long the old value can be kept: what is sent, and what is shown.
const OVERLAPS: [(&str, &str); 5] = [
    ("0", "not at all"),
    ("600", "10 minutes"),
    ("3600", "1 hour"),
    ("86400", "1 day"),
    ("604800", "7 days"),
];

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let (key, providers) = find(&visit).await?;
    let typed = Typed {
        overlap: "600".to_owned(),
        verify: true,
        now: false,
    };
    let known = (key, providers);
    ask(&visit, answer::SHOWN, known, typed, Wrong::default())
}

fn ask(
    visit: &Visit,
    status: StatusCode,
    (key, providers): (Key, Providers),
    typed: Typed,
    wrong: Wrong,
) -> Result<Response, Problem> {
    let example = json!({"secret": "…", "overlap_seconds": 600});
    let call = key
        .to("provider_key_rotate_begin")
        .curl(&visit.account(), Some(&example));
    let page = RotatePage {
        frame: visit.frame(Section::Keys),
        by_hand: ByHand::new(format!("keyward keys rotate {}", key.options()), call),
        key,
        providers,
        typed,
        wrong,
    };
    answer::page(status, &page)
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let (key, providers) = find(&visit).await?;
    let typed = Typed {
        overlap: visit.form.text("overlap").to_owned(),
        verify: visit.form.is_set("verify"),
        now: visit.form.is_set("now"),
    };
    let saved = match typed.now {
        true => replace(&visit, &key).await,
        false => begin(&visit, &key, &providers, &typed).await,
    };
    match saved {
        Ok(place) => answer::see(&place),
        Err(problem) => {
            let (status, wrong) = (problem.status(), Wrong::of(&problem));
            ask(&visit, status, (key, providers), typed, wrong)
        }
    }
}

/// At once, with no way back.
async fn replace(visit: &Visit, key: &Key) -> Result<String, Problem> {
    let to = key.to("provider_key_rotate").with("now", "true");
    let nothing = json!({});
    let replaced = visit.change_with_secret::<Key>(to, &nothing, "secret");
    let key = replaced.await?.result;
    let cut = key.under_way.query();
    Ok(format!("{}?done=rotated{cut}", key.path()))
}

async fn begin(
    visit: &Visit,
    key: &Key,
    providers: &Providers,
    typed: &Typed,
) -> Result<String, Problem> {
    let to = key.to("provider_key_rotate_begin");
    let mut body = json!({"verify": typed.verify && providers.is_provable(&key.provider_slug)});
    if let (Ok(overlap), Some(fields)) = (typed.overlap.parse::<u64>(), body.as_object_mut()) {
        fields.insert("overlap_seconds".to_owned(), overlap.into());
    }
    visit
        .change_with_secret::<Rotation>(to, &body, "secret")
        .await?;
    Ok(format!("{}?done=rotating", key.path()))
}
