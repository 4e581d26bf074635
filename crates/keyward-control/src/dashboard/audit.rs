//! The audit log, and the state of its chain.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{
    answer,
    view::{ByHand, Frame, Section},
    visit::{To, Visit},
    when::When,
};
use crate::envelope::Problem;

const PER_PAGE: usize = 50;
const RESULTS: [&str; 3] = ["done", "denied", "unauthenticated"];

/// A line as answers carry it.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) id: String,
    action: Action,
    actor: Actor,
    resource: Resource,
    keyward: Stored,
}

#[derive(Debug, Deserialize)]
struct Action {
    description: String,
    time: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Actor {
    id: String,
    ip_address: Option<String>,
    token_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Resource {
    id: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Deserialize)]
struct Stored {
    result: String,
    times: u64,
}

impl Line {
    pub(crate) fn when(&self, now: SystemTime) -> Option<When> {
        When::new(self.action.time.as_deref()?, now)
    }

    pub(crate) fn what(&self) -> &str {
        &self.action.description
    }

    pub(crate) fn result(&self) -> &str {
        &self.keyward.result
    }

    pub(crate) fn times(&self) -> u64 {
        self.keyward.times
    }

    pub(crate) fn who(&self) -> String {
        match &self.actor.token_id {
            Some(id) => format!("token {id}"),
            None => self.actor.id.clone(),
        }
    }

    pub(crate) fn address(&self) -> Option<&str> {
        self.actor.ip_address.as_deref()
    }

    pub(crate) fn record(&self) -> String {
        format!(
            "{} {}",
            self.resource.kind.replace('_', " "),
            self.resource.id
        )
    }
}

/// The state of the chain as answers carry it.
#[derive(Debug, Deserialize)]
pub(crate) struct State {
    pub(crate) state: String,
    pub(crate) verified_to: u64,
    checked_at: Option<String>,
    findings: Vec<Finding>,
    pub(crate) checkpoints: Option<Checkpoints>,
}

/// How signed checkpoints fare.
#[derive(Debug, Deserialize)]
pub(crate) struct Checkpoints {
    pub(crate) newest: Option<u64>,
    signed_at: Option<String>,
    pub(crate) is_failing: bool,
}

#[derive(Debug, Deserialize)]
struct Finding {
    line: u64,
    what: String,
}

impl State {
    pub(crate) fn checked(&self, now: SystemTime) -> Option<When> {
        When::new(self.checked_at.as_deref()?, now)
    }
}

impl Checkpoints {
    pub(crate) fn signed(&self, now: SystemTime) -> Option<When> {
        When::new(self.signed_at.as_deref()?, now)
    }
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage<'a> {
    frame: Frame,
    now: SystemTime,
    state: State,
    resource: &'a str,
    result: &'a str,
    lines: Vec<Line>,
    older: Option<String>,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let result = RESULTS
        .iter()
        .find(|known| **known == visit.query("result"));
    let result = result.copied().unwrap_or_default();
    let resource = visit.query("resource");
    let to = To::new("audit_list")
        .with_number("limit", PER_PAGE)
        .with("action_result", result)
        .with("resource_id", resource)
        .with("cursor", visit.query("cursor"));
    let answer = visit.get::<Vec<Line>>(to).await?;
    let state: State = visit.get(To::new("audit_state")).await?.result;
    let older = answer.result_info.cursor.map(|cursor| {
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (resource, cursor) = (encode(resource), encode(&cursor));
        format!("/audit?resource={resource}&result={result}&cursor={cursor}")
    });
    let page = AuditPage {
        frame: visit.frame(Section::Audit),
        now: visit.now,
        state,
        resource,
        result,
        lines: answer.result,
        older,
        by_hand: ByHand::new(
            "keyward audit list".to_owned(),
            To::new("audit_list").curl(&visit.account(), None),
        ),
    };
    answer::page(answer::SHOWN, &page)
}
