//! How the server is set up: to be read, not changed.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use serde::Deserialize;

use super::{
    answer,
    audit::State,
    marked::Marked,
    view::{ByHand, Frame, Section},
    visit::{To, Visit},
};
use crate::envelope::Problem;

/// As answers carry it.
#[derive(Debug, Deserialize)]
struct Settings {
    version: String,
    not_ready: Option<String>,
    sealed: bool,
    audit: Option<State>,
    setup: Option<Setup>,
}

#[derive(Debug, Deserialize)]
struct Setup {
    build: String,
    data_dir: String,
    database: String,
    listeners: Vec<Listener>,
    memory: String,
    opened_by: String,
    slots: Vec<Slot>,
    limits: Vec<Limit>,
    warnings: Vec<Warning>,
}

#[derive(Debug, Deserialize)]
struct Listener {
    plane: String,
    address: String,
    tls: bool,
}

#[derive(Debug, Deserialize)]
struct Slot {
    number: u32,
    opened_by: String,
}

#[derive(Debug, Deserialize)]
struct Limit {
    what: String,
    value: String,
    setting: String,
}

#[derive(Debug, Deserialize)]
struct Warning {
    what: String,
    setting: Option<String>,
    help: String,
}

impl Warning {
    fn what(&self) -> Marked<'_> {
        Marked(&self.what)
    }

    fn help(&self) -> Marked<'_> {
        Marked(&self.help)
    }
}

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    frame: Frame,
    now: SystemTime,
    settings: Settings,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let to = To::new("settings_show");
    let page = SettingsPage {
        frame: visit.frame(Section::Settings),
        now: visit.now,
        by_hand: ByHand::new(
            "keyward config show".to_owned(),
            to.curl(&visit.account(), None),
        ),
        settings: visit.get(to).await?.result,
    };
    answer::page(answer::SHOWN, &page)
}
