//! The secrets stores of the account.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::{Store, may_change};
use crate::{
    dashboard::{
        answer,
        pager::Pager,
        under_way::UnderWay,
        view::{ByHand, Frame, Section},
        visit::{To, Visit},
    },
    envelope::Problem,
};

/// A store with the number of its secrets.
struct Row {
    store: Store,
    secrets: usize,
}

#[derive(Deserialize)]
struct Quota {
    secrets: Used,
}

#[derive(Deserialize)]
struct Used {
    quota: u64,
    usage: u64,
}

/// What an account without a limit is told as: the largest whole number that every client holds.
const UNLIMITED: u64 = 9_007_199_254_740_991;

#[derive(Template)]
#[template(path = "stores.html")]
struct StoresPage {
    frame: Frame,
    now: SystemTime,
    told: Option<String>,
    rows: Vec<Row>,
    used: u64,
    /// None: as many secrets as anybody stores.
    quota: Option<u64>,
    pager: Pager,
    may_change: bool,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let page: usize = visit.query("page").parse().unwrap_or(1).max(1);
    let to = To::new("secrets_store_list")
        .with_number("page", page)
        .with_number("per_page", 20);
    let answer = visit.get::<Vec<Store>>(to).await?;
    if answer.result.is_empty() && answer.result_info.total_count > 0 {
        // Past the end: what stood there was deleted.
        return answer::see("/secrets");
    }
    let mut rows = Vec::with_capacity(answer.result.len());
    for store in answer.result {
        let to = store.to("secret_list").with_number("per_page", 1);
        let secrets = visit.get::<Vec<Value>>(to).await?.result_info.total_count;
        rows.push(Row { store, secrets });
    }
    let quota: Quota = visit.get(To::new("secrets_store_quota")).await?.result;
    let told = (visit.query("done") == "deleted").then(|| {
        let under_way = UnderWay::of(&visit).told();
        format!("The store is deleted, and what stood in it.{under_way}")
    });
    let page = StoresPage {
        frame: visit.frame(Section::Secrets),
        now: visit.now,
        told,
        rows,
        used: quota.secrets.usage,
        quota: Some(quota.secrets.quota).filter(|quota| *quota < UNLIMITED),
        pager: Pager::new("/secrets", &[], &answer.result_info),
        may_change: may_change(&visit),
        by_hand: ByHand::call(To::new("secrets_store_list").curl(&visit.account(), None)),
    };
    answer::page(answer::SHOWN, &page)
}
