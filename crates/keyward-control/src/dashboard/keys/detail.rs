//! One provider key: everything about it but its value.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use keyward_auth::{ManagePlace, Permission};
use serde::Deserialize;

use super::{Key, find, may_change, rotation::Rotation, told, verify::Verified};
use crate::{
    dashboard::{
        answer,
        audit::Line,
        providers::Providers,
        traffic::{self, Traffic},
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
        when::When,
    },
    envelope::Problem,
};

/// How many lines of the audit log the page shows.
const LINES: usize = 20;

/// A version of a key's value, as answers carry it.
#[derive(Debug, Deserialize)]
struct Version {
    version: u32,
    state: String,
    created_at: Option<String>,
    destroyed_at: Option<String>,
}

impl Version {
    fn created(&self, now: SystemTime) -> Option<When> {
        When::new(self.created_at.as_deref()?, now)
    }

    fn destroyed(&self, now: SystemTime) -> Option<When> {
        When::new(self.destroyed_at.as_deref()?, now)
    }
}

#[derive(Template)]
#[template(path = "key.html")]
struct KeyPage {
    frame: Frame,
    now: SystemTime,
    told: Option<String>,
    verified: Option<Verified>,
    key: Key,
    provider: String,
    may_change: bool,
    /// Whether the provider can be asked about the key.
    is_provable: bool,
    /// The one that is under way, or ended of late.
    rotation: Option<Rotation>,
    /// None: the token may not see it.
    traffic: Option<Traffic>,
    versions: Vec<Version>,
    /// None: the token may not read the audit log.
    lines: Option<Vec<Line>>,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let (key, providers) = find(&visit).await?;
    page(&visit, key, &providers, None).await
}

/// The page of a key, with what its provider was just asked.
pub(super) async fn page(
    visit: &Visit,
    key: Key,
    providers: &Providers,
    verified: Option<Verified>,
) -> Result<Response, Problem> {
    let lines = if visit.may(Permission::AuditLogRead, ManagePlace::Account) {
        let to = To::new("audit_list")
            .with("resource_type", "provider_key")
            .with("resource_id", &key.id)
            .with_number("limit", LINES);
        Some(visit.get::<Vec<Line>>(to).await?.result)
    } else {
        None
    };
    let rotation = Rotation::load(visit, &key).await?;
    // A part of the page that shows it as it was.
    let is_over =
        visit.query("part") == "rotation" && !rotation.as_ref().is_some_and(Rotation::is_open);
    let of_key = traffic::asked().with("provider_key_id", &key.id);
    let traffic = Traffic::load(visit, of_key).await?;
    let versions = visit.get(key.to("provider_key_version_list")).await?.result;
    let page = KeyPage {
        frame: visit.frame(Section::Keys),
        now: visit.now,
        told: told(visit),
        verified,
        provider: providers.name(&key.provider_slug).to_owned(),
        may_change: may_change(visit, &key),
        is_provable: providers.is_provable(&key.provider_slug),
        rotation,
        traffic,
        versions,
        lines,
        by_hand: ByHand::new(
            format!("keyward keys show {}", key.options()),
            key.to("provider_key_show").curl(&visit.account(), None),
        ),
        key,
    };
    let page = answer::page(answer::SHOWN, &page)?;
    Ok(if is_over {
        answer::load_anew(page)
    } else {
        page
    })
}
