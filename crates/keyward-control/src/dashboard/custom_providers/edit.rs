//! Changing a custom provider. What is not different is not sent.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    CustomProvider, find,
    headers::{self, Headers},
    keys,
    typed::{PLACEMENTS, Typed},
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
#[template(path = "provider_edit.html")]
struct EditPage {
    frame: Frame,
    provider: CustomProvider,
    typed: Typed,
    headers: String,
    has_logo: bool,
    /// How many keys are stored for it.
    keys: usize,
    wrong: Wrong,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let provider = find(&visit).await?;
    let typed = Typed::stored(&provider);
    ask(&visit, answer::SHOWN, provider, typed, Wrong::default()).await
}

async fn ask(
    visit: &Visit,
    status: StatusCode,
    provider: CustomProvider,
    typed: Typed,
    wrong: Wrong,
) -> Result<Response, Problem> {
    let keys = keys(visit, &provider, 1).await?.result_info.total_count;
    let example = json!({"base_url": "https://llm.example.com/v2"});
    let call = provider.to("custom_provider_edit");
    let page = EditPage {
        frame: visit.frame(Section::CustomProviders),
        by_hand: ByHand::new(
            format!(
                "keyward providers update {} --base-url https://llm.example.com/v2",
                provider.slug
            ),
            call.curl(&visit.account(), Some(&example)),
        ),
        headers: headers::lines(&provider.masked_headers()),
        has_logo: provider.logo.is_some(),
        provider,
        typed,
        keys,
        wrong,
    };
    answer::page(status, &page)
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let provider = find(&visit).await?;
    let typed = Typed::of(&visit.form);
    let stored = headers::lines(&provider.masked_headers());
    let headers = match headers::read(&visit.form, &stored)? {
        Ok(headers) => headers,
        Err(line) => {
            let wrong = Wrong::at(headers::FIELD, &line.to_string());
            return ask(&visit, answer::MISTYPED, provider, typed, wrong).await;
        }
    };
    let mut changes = typed.changes(&provider);
    if matches!(headers, Headers::None) && !stored.is_empty() {
        changes.insert(headers::FIELD.to_owned(), Value::Null);
    }
    let object = match headers {
        Headers::Object(object) => Some(object),
        Headers::None | Headers::AsStored => None,
    };
    if changes.is_empty() && object.is_none() {
        return answer::see(&format!("{}?done=same", provider.path()));
    }
    let now = if visit.form.is_set("now") { "true" } else { "" };
    let to = provider.to("custom_provider_edit").with("now", now);
    let body = Value::Object(changes);
    let changed = match &object {
        None => visit.change::<CustomProvider>(to, &body).await,
        Some(object) => {
            visit
                .change_with_text(to, &body, (headers::FIELD, object))
                .await
        }
    };
    match changed {
        Ok(answer) => {
            let changed = answer.result;
            let done = match changed.origin() == provider.origin() {
                true => "changed",
                false => "moved",
            };
            let (path, under_way) = (changed.path(), changed.under_way.query());
            answer::see(&format!("{path}?done={done}{under_way}"))
        }
        Err(problem) => {
            let (status, wrong) = (problem.status(), Wrong::of(&problem));
            ask(&visit, status, provider, typed, wrong).await
        }
    }
}
