//! One provider key: everything about it but its value.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use keyward_auth::{ManagePlace, Permission};

use super::{Key, find, may_change, told};
use crate::{
    dashboard::{
        answer,
        audit::Line,
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
    },
    envelope::Problem,
};

/// How many lines of the audit log the page shows.
const LINES: usize = 20;

#[derive(Template)]
#[template(path = "key.html")]
struct KeyPage {
    frame: Frame,
    now: SystemTime,
    told: Option<String>,
    key: Key,
    provider: String,
    may_change: bool,
    /// None: the token may not read the audit log.
    lines: Option<Vec<Line>>,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let (key, providers) = find(&visit).await?;
    let lines = if visit.may(Permission::AuditLogRead, ManagePlace::Account) {
        let to = To::new("audit_list")
            .with("resource_type", "provider_key")
            .with("resource_id", &key.id)
            .with_number("limit", LINES);
        Some(visit.get::<Vec<Line>>(to).await?.result)
    } else {
        None
    };
    let page = KeyPage {
        frame: visit.frame(Section::Keys),
        now: visit.now,
        told: told(&visit),
        provider: providers.name(&key.provider_slug).to_owned(),
        may_change: may_change(&visit, &key),
        lines,
        by_hand: ByHand::new(
            format!("keyward keys show {}", key.options()),
            key.to("provider_key_show").curl(&visit.account(), None),
        ),
        key,
    };
    answer::page(answer::SHOWN, &page)
}
