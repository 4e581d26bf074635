//! One secret: everything about it but its value.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;

use super::{Secret, find, told};
use crate::{
    dashboard::{
        answer,
        stores::{Store, may_change},
        view::{ByHand, Frame, Section},
        visit::Visit,
    },
    envelope::Problem,
};

#[derive(Template)]
#[template(path = "secret.html")]
struct SecretPage {
    frame: Frame,
    now: SystemTime,
    told: Option<String>,
    secret: Secret,
    store: Store,
    may_change: bool,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let (secret, store) = find(&visit).await?;
    let page = SecretPage {
        frame: visit.frame(Section::Secrets),
        now: visit.now,
        told: told(&visit),
        may_change: may_change(&visit),
        by_hand: ByHand::new(
            format!("keyward secrets show {} {}", secret.name, store.option()),
            secret.to("secret_show").curl(&visit.account(), None),
        ),
        secret,
        store,
    };
    answer::page(answer::SHOWN, &page)
}
