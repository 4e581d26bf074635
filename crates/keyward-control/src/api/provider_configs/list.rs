//! Provider keys of the whole account: ours beside the reference, which lists them gateway by gateway.

use std::{cmp::Ordering, time::SystemTime};

use keyward_auth::{ManagePlace, Permission};
use keyward_registry::ProviderKey;
use utoipa::IntoParams;

use super::{Body, place_of};
use crate::{
    call::Call,
    envelope::{FieldPath, Problem, Reply},
    openapi::choice,
    page::Page,
};

/// Which provider keys are listed. Conditions hold together.
#[derive(IntoParams)]
#[expect(dead_code, reason = "describes the query, which is read name by name")]
pub(crate) struct ListQuery {
    /// Only those of this gateway.
    #[param(required = false)]
    gateway_id: String,
    /// Only those for this provider, by the slug that keys carry.
    #[param(required = false)]
    provider_slug: String,
    /// Only those of this status. A key that an operator disabled is `disabled`, whatever else it is.
    #[param(required = false, schema_with = status)]
    status: String,
    /// Only those whose alias, description, id or preview holds this text, in capitals or not.
    #[param(required = false)]
    search: String,
}

fn status() -> utoipa::openapi::Schema {
    choice(STATUSES)
}

const DISABLED: &str = "disabled";
const STATUSES: [&str; 4] = ["active", DISABLED, "expired", "invalid"];

struct Filter<'a> {
    gateway: Option<&'a str>,
    provider: Option<&'a str>,
    status: Option<&'a str>,
    search: Option<String>,
}

impl<'a> Filter<'a> {
    fn of(call: &'a Call) -> Result<Self, Problem> {
        let status = call.query("status");
        if status.is_some_and(|status| !STATUSES.contains(&status)) {
            let path = FieldPath::query().name("status");
            let reason = "is none of active, disabled, expired and invalid";
            return Err(Problem::invalid(&path, reason));
        }
        Ok(Self {
            gateway: call.query("gateway_id"),
            provider: call.query("provider_slug"),
            status,
            search: call.query("search").map(str::to_lowercase),
        })
    }

    fn holds(&self, call: &Call, key: &ProviderKey) -> bool {
        let record = &key.record;
        self.provider
            .is_none_or(|slug| record.provider.as_str() == slug)
            && self
                .status
                .is_none_or(|status| shown_status(key, call.now) == status)
            && self.search.as_ref().is_none_or(|text| matches(key, text))
    }
}

/// A key that an operator disabled is `disabled`, whatever else it is.
pub(crate) fn shown_status(key: &ProviderKey, now: SystemTime) -> &'static str {
    match key.record.disabled_at {
        Some(_) => DISABLED,
        None => super::status(key, now).0.as_str(),
    }
}

fn matches(key: &ProviderKey, text: &str) -> bool {
    let holds = |field: &str| field.to_lowercase().contains(text);
    holds(key.record.alias.as_str())
        || holds(key.description())
        || holds(&key.record.id.to_string())
        || key
            .current
            .as_ref()
            .is_some_and(|current| holds(&current.preview))
}

/// The keys that the caller may see, sorted by provider, gateway and alias.
pub(crate) fn list_all(call: &Call) -> Result<Reply, Problem> {
    let page = Page::of(call)?;
    let filter = Filter::of(call)?;
    let snapshot = call.snapshot();
    let account = snapshot
        .account(call.account)
        .ok_or_else(Problem::no_account)?;
    // A token for the whole account sees every key, so that it is asked once.
    let sees_all = call.may(Permission::AiGatewayRead, ManagePlace::Account);
    let may_see =
        |key: &ProviderKey| sees_all || call.may(Permission::AiGatewayRead, place_of(key));
    // Few of the account's, where they are of one gateway.
    let one = filter
        .gateway
        .and_then(|id| snapshot.gateway(call.account, id));
    let of_one = one.into_iter().flat_map(|gateway| gateway.keys());
    let of_all = filter.gateway.is_none().then(|| account.provider_keys());
    let keys = of_one.chain(of_all.into_iter().flatten());
    let keys = keys.filter(|key| filter.holds(call, key) && may_see(key));
    let (keys, info) = page.cut_in_order(keys.collect(), |one, other| order(one, other));
    let bodies: Vec<_> = keys.into_iter().map(|key| Body::new(call, key)).collect();
    Reply::page(&bodies, info)
}

fn order(one: &ProviderKey, other: &ProviderKey) -> Ordering {
    let (one, other) = (&one.record, &other.record);
    one.provider
        .as_str()
        .cmp(other.provider.as_str())
        .then_with(|| one.gateway.as_str().cmp(other.gateway.as_str()))
        .then_with(|| one.alias.as_str().cmp(other.alias.as_str()))
}
