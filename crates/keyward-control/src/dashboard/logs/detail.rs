//! One request, with everything that the log tells of it.

use askama::Template;
use axum::response::Response;
use serde::Deserialize;

use super::{Entry, names::Names};
use crate::{
    dashboard::{
        answer,
        gateways::{Gateway, find},
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
    },
    envelope::Problem,
};

/// An entry with the starts of its bodies, as answers carry it.
#[derive(Deserialize)]
struct Detail {
    #[serde(flatten)]
    entry: Entry,
    request_head: Option<String>,
    request_head_complete: bool,
    response_head: Option<String>,
    response_head_complete: bool,
}

/// The start of a body.
struct Head {
    id: &'static str,
    title: &'static str,
    text: String,
    is_all: bool,
}

#[derive(Template)]
#[template(path = "log.html")]
struct LogPage {
    frame: Frame,
    gateway: Gateway,
    entry: Entry,
    names: Names,
    heads: Vec<Head>,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let gateway = find(&visit).await?;
    let to = || {
        To::new("log_show")
            .at("gateway", visit.parameter("gateway"))
            .at("id", visit.parameter("id"))
    };
    let detail: Detail = visit.get(to()).await?.result;
    let request = detail.request_head.map(|text| Head {
        id: "request",
        title: "Request",
        text,
        is_all: detail.request_head_complete,
    });
    let response = detail.response_head.map(|text| Head {
        id: "response",
        title: "Answer",
        text,
        is_all: detail.response_head_complete,
    });
    let page = LogPage {
        frame: visit.frame(Section::Logs),
        names: Names::load(&visit, &gateway.id).await?,
        heads: request.into_iter().chain(response).collect(),
        by_hand: ByHand::new(
            format!(
                "keyward logs show {} --gateway {}",
                detail.entry.id, gateway.id
            ),
            to().curl(&visit.account(), None),
        ),
        entry: detail.entry,
        gateway,
    };
    answer::page(answer::SHOWN, &page)
}
