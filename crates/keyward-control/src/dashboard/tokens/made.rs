//! The page that shows a token's text, once.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use keyward_providers::{Language, snippet};

use super::{Text, Token, family::Family};
use crate::{
    dashboard::{
        answer,
        view::{Code, Frame},
        visit::Visit,
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "token_made.html")]
struct MadePage {
    frame: Frame,
    now: SystemTime,
    family: Family,
    token: Token,
    /// Whether it was the one that is signed in: its old text is good for no sign-in any more.
    is_own: bool,
    text: Text,
    test: Code,
}

pub(super) fn show(visit: &Visit, token: Token, text: Text) -> Result<Response, Problem> {
    let family = token.family();
    let (line, is_line) = match family.is_api() {
        true => (test_api(visit), true),
        false => test_gateway(visit, &token),
    };
    let page = MadePage {
        frame: visit.frame(family.section()),
        now: visit.now,
        family,
        is_own: token.id == visit.token_id(),
        token,
        text,
        test: Code {
            id: "test".to_owned(),
            label: "Test",
            text: line,
            is_line,
        },
    };
    answer::page(answer::SHOWN, &page)
}

fn test_api(visit: &Visit) -> String {
    format!(
        "read -rs TOKEN && curl {}/client/v4/user/tokens/verify -H \"Authorization: Bearer $TOKEN\"",
        visit.origin()
    )
}

/// A request that the token may send, and whether it is one line.
fn test_gateway(visit: &Visit, token: &Token) -> (String, bool) {
    let gateway = token
        .gateways()
        .first()
        .map_or("default", |id| *id)
        .to_owned();
    let base = visit.shared().config().gateway_url.trim_end_matches('/');
    let account = visit.account();
    let url = |provider: &str| format!("{base}/v1/{account}/{gateway}/{provider}");
    let registry = &visit.shared().surroundings.registry;
    let other = token.provider().filter(|slug| *slug != "openai");
    let lines = other.and_then(|slug| {
        let provider = registry.catalogue().find(slug)?;
        snippet(provider, Language::Curl, &url(slug))
    });
    match lines {
        Some(lines) => {
            let ask = "read -rs KEYWARD_TOKEN && export KEYWARD_TOKEN";
            (format!("{ask}\n{}", lines.trim_end()), false)
        }
        None => {
            let line = format!(
                "read -rs TOKEN && curl {}/models -H \"Authorization: Bearer $TOKEN\"",
                url(other.unwrap_or("openai"))
            );
            (line, true)
        }
    }
}
