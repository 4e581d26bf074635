//! The account of the caller's token: what clients look up when they are given no account id.

use serde::Serialize;

use crate::{
    call::Call,
    envelope::{Problem, Reply},
    moment,
    page::Page,
};

#[derive(Serialize)]
struct Account {
    id: String,
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    created_on: Option<String>,
}

#[derive(Serialize)]
struct Membership {
    id: String,
    status: &'static str,
    account: Account,
}

fn own(call: &Call) -> Option<Account> {
    let snapshot = call.snapshot();
    let record = snapshot.account(call.account)?.record();
    Some(Account {
        id: record.id.to_string(),
        name: record.name.clone(),
        kind: "standard",
        created_on: moment::format(record.created_at),
    })
}

pub(crate) fn list(call: &Call) -> Result<Reply, Problem> {
    let (accounts, info) = Page::of(call)?.cut(own(call).into_iter().collect());
    Reply::page(&accounts, info)
}

pub(crate) fn show(call: &Call) -> Result<Reply, Problem> {
    Reply::new(&own(call).ok_or_else(Problem::no_account)?)
}

pub(crate) fn memberships(call: &Call) -> Result<Reply, Problem> {
    let membership = own(call).map(|account| Membership {
        id: account.id.clone(),
        status: "accepted",
        account,
    });
    let (memberships, info) = Page::of(call)?.cut(membership.into_iter().collect());
    Reply::page(&memberships, info)
}
