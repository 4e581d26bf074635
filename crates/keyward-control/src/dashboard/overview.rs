//! What needs attention, and how much there is.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use keyward_auth::{ManagePlace, Permission};

use super::{
    answer,
    audit::State,
    keys::{Key, add::may_add},
    traffic::{self, Traffic},
    view::{ByHand, Frame, Section},
    visit::{To, Visit},
};
use crate::{Readiness, envelope::Problem};

/// How many keys of one status are named.
const NAMED: usize = 10;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    now: SystemTime,
    /// Keys that are refused or have expired.
    keys: Vec<Key>,
    /// How many more there are.
    more: usize,
    /// Why requests cannot be served.
    not_ready: Option<String>,
    is_chain_broken: bool,
    /// None: the token may not see it.
    traffic: Option<Traffic>,
    count: Count,
    may_add: bool,
    by_hand: ByHand,
}

/// How much there is. None: the token may not see it.
struct Count {
    keys: usize,
    active: usize,
    disabled: usize,
    gateways: Option<usize>,
    tokens: Option<usize>,
}

impl OverviewPage {
    fn has_traffic(&self) -> bool {
        let traffic = self.traffic.as_ref();
        traffic.is_some_and(|traffic| !traffic.is_empty())
    }

    fn is_calm(&self) -> bool {
        self.keys.is_empty() && self.not_ready.is_none() && !self.is_chain_broken
    }
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let mut keys = Vec::new();
    let mut more = 0;
    for status in ["invalid", "expired"] {
        let to = of_status(status).with_number("per_page", NAMED);
        let answer = visit.get::<Vec<Key>>(to).await?;
        more += answer
            .result_info
            .total_count
            .saturating_sub(answer.result.len());
        keys.extend(answer.result);
    }
    let is_chain_broken = visit.may(Permission::AuditLogRead, ManagePlace::Account) && {
        let state: State = visit.get(To::new("audit_state")).await?.result;
        state.state == "broken"
    };
    let not_ready = match (visit.shared().config().ready)() {
        Readiness::Ready => None,
        Readiness::NotReady { reason } => Some(reason),
    };
    let page = OverviewPage {
        frame: visit.frame(Section::Overview),
        now: visit.now,
        keys,
        more,
        not_ready,
        is_chain_broken,
        traffic: Traffic::load(&visit, traffic::asked()).await?,
        count: count(&visit).await?,
        may_add: may_add(&visit),
        by_hand: ByHand::new(
            "keyward status".to_owned(),
            To::new("token_own").curl(&visit.account(), None),
        ),
    };
    answer::page(answer::SHOWN, &page)
}

fn of_status(status: &str) -> To<'_> {
    To::new("provider_keys_list").with("status", status)
}

async fn count(visit: &Visit) -> Result<Count, Problem> {
    let total = async |to: To<'_>| {
        let answer = visit
            .get::<serde_json::Value>(to.with_number("per_page", 1))
            .await?;
        Ok::<_, Problem>(answer.result_info.total_count)
    };
    let gateways = visit.may(Permission::AiGatewayRead, ManagePlace::Account);
    let tokens = visit.may(Permission::AccountApiTokensRead, ManagePlace::Token);
    Ok(Count {
        keys: total(of_status("")).await?,
        active: total(of_status("active")).await?,
        disabled: total(of_status("disabled")).await?,
        gateways: match gateways {
            true => Some(total(To::new("gateway_list")).await?),
            false => None,
        },
        tokens: match tokens {
            true => Some(total(To::new("token_list").with("kind", "gateway")).await?),
            false => None,
        },
    })
}
