//! The account of the caller's token: what clients look up when they are given no account id.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    call::Call,
    envelope::{Problem, Reply},
    moment,
    page::Page,
};

/// An account.
#[derive(Serialize, ToSchema)]
pub(crate) struct Account {
    id: String,
    name: String,
    /// Always `standard`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// RFC 3339.
    created_on: Option<String>,
}

/// That the holder of the token belongs to an account.
#[derive(Serialize, ToSchema)]
pub(crate) struct Membership {
    id: String,
    /// Always `accepted`.
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
