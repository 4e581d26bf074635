//! Making a gateway token. Its text is in the answer to the form, and nowhere after it.

use std::time::{Duration, SystemTime};

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Text, Token};
use crate::{
    dashboard::{
        answer,
        gateways::Gateways,
        providers::Providers,
        view::{ByHand, Code, Frame, Section},
        visit::{To, Visit},
        wrong::Wrong,
    },
    envelope::Problem,
    moment,
};

/// What was typed.
#[derive(Default)]
struct Typed {
    name: String,
    gateway: String,
    provider: String,
    expires: String,
}

/// After how many days a token ends.
const LASTS: [(&str, &str, u64); 3] = [
    ("30d", "in 30 days", 30),
    ("90d", "in 90 days", 90),
    ("365d", "in a year", 365),
];

#[derive(Template)]
#[template(path = "tokens_new.html")]
struct AddPage {
    frame: Frame,
    typed: Typed,
    wrong: Wrong,
    providers: Providers,
    gateways: Gateways,
    by_hand: ByHand,
}

/// The page that shows a token's text, once.
#[derive(Template)]
#[template(path = "token_made.html")]
struct MadePage {
    frame: Frame,
    now: SystemTime,
    token: Token,
    text: Text,
    test: Code,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let typed = Typed {
        gateway: visit.query("gateway").to_owned(),
        expires: "90d".to_owned(),
        ..Typed::default()
    };
    ask(&visit, answer::SHOWN, typed, Wrong::default()).await
}

async fn ask(
    visit: &Visit,
    status: StatusCode,
    typed: Typed,
    wrong: Wrong,
) -> Result<Response, Problem> {
    let example = Typed {
        name: "my-app".to_owned(),
        ..Typed::default()
    };
    let example = body(&visit.account(), &example, visit.now);
    let page = AddPage {
        frame: visit.frame(Section::Tokens),
        typed,
        wrong,
        providers: Providers::load(visit).await?,
        gateways: Gateways::load(visit).await?,
        by_hand: ByHand::new(
            "keyward tokens create my-app".to_owned(),
            To::new("token_create").curl(&visit.account(), Some(&example)),
        ),
    };
    answer::page(status, &page)
}

/// What of the answer is read: the id, and the text straight into memory that is erased.
#[derive(Deserialize)]
struct Made {
    id: String,
    value: Text,
}

pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let text = |name| visit.form.text(name).to_owned();
    let typed = Typed {
        name: text("name"),
        gateway: text("gateway"),
        provider: text("provider"),
        expires: text("expires_on"),
    };
    let body = body(&visit.account(), &typed, visit.now);
    match visit.change::<Made>(To::new("token_create"), &body).await {
        Ok(answer) => made(&visit, &answer.result.id, answer.result.value).await,
        Err(problem) => {
            let (status, wrong) = (problem.status(), Wrong::of(&problem));
            ask(&visit, status, typed, wrong).await
        }
    }
}

/// The page that shows the text, once.
pub(super) async fn made(visit: &Visit, id: &str, text: Text) -> Result<Response, Problem> {
    let token: Token = visit.get(To::new("token_show").at("id", id)).await?.result;
    let gateway = token
        .gateways()
        .first()
        .map_or("default", |id| *id)
        .to_owned();
    let base = visit
        .shared()
        .config()
        .gateway_url
        .trim_end_matches('/')
        .to_owned();
    let account = visit.account();
    let line = format!(
        "read -rs TOKEN && curl {base}/v1/{account}/{gateway}/openai/models -H \"Authorization: Bearer $TOKEN\""
    );
    let page = MadePage {
        frame: visit.frame(Section::Tokens),
        now: visit.now,
        token,
        text,
        test: Code {
            id: "test".to_owned(),
            label: "Test",
            text: line,
            is_line: true,
        },
    };
    answer::page(answer::SHOWN, &page)
}

fn body(account: &str, typed: &Typed, now: SystemTime) -> Value {
    let resource = match typed.gateway.as_str() {
        "" => format!("com.cloudflare.api.account.{account}"),
        gateway => format!("com.cloudflare.api.account.{account}.ai-gateway.{gateway}"),
    };
    let narrowing = match typed.provider.as_str() {
        "" => json!("*"),
        provider => json!({"providers": [provider]}),
    };
    let mut body = json!({
        "name": typed.name,
        "policies": [{
            "effect": "allow",
            "resources": {resource: narrowing},
            "permission_groups": [{"name": "AI Gateway Run"}],
        }],
    });
    let lasts = LASTS.iter().find(|(name, ..)| *name == typed.expires);
    let end =
        lasts.and_then(|(.., days)| now.checked_add(Duration::from_secs(days * 24 * 60 * 60)));
    if let (Some(end), Some(members)) = (end.and_then(moment::format), body.as_object_mut()) {
        members.insert("expires_on".to_owned(), json!(end));
    }
    body
}
