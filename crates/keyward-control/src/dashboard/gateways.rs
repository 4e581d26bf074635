//! Gateways: what their pages share.

pub(crate) mod add;
pub(crate) mod delete;
pub(crate) mod detail;
pub(crate) mod edit;
pub(crate) mod list;
pub(crate) mod pool;
mod settings;
pub(crate) mod spend;

use std::time::SystemTime;

use keyward_auth::{ManagePlace, Permission, Scope};
use keyward_registry::StoredKeyRefused;
use keyward_routes::{SpendLimits, SpendRule};
use serde::Deserialize;
use serde_json::Value;

use super::{
    visit::{To, Visit},
    when::When,
};
use crate::envelope::Problem;

/// A gateway as answers carry it.
#[derive(Debug, Deserialize)]
pub(crate) struct Gateway {
    pub(crate) id: String,
    is_default: bool,
    authentication: bool,
    byok_only: bool,
    stored_keys_only: bool,
    collect_logs: bool,
    cache_ttl: u64,
    store_id: Option<String>,
    session_header: Option<String>,
    stored_key_refused: StoredKeyRefused,
    pools: Vec<pool::Shown>,
    spend_limits: Option<SpendLimits>,
    revision: String,
    created_at: Option<String>,
}

impl Gateway {
    pub(crate) fn path(&self) -> String {
        format!("/gateways/{}", self.id)
    }

    /// Whether clients get a provider's refusal of a stored key as it is.
    pub(crate) fn passes_refusals(&self) -> bool {
        self.stored_key_refused == StoredKeyRefused::Passthrough
    }

    /// Each rule of its spend limits.
    pub(crate) fn spend_rules(&self) -> &[SpendRule] {
        self.spend_limits.as_ref().map_or(&[], SpendLimits::rules)
    }

    /// For which requests a rule is, in words.
    pub(crate) fn meant(rule: &SpendRule) -> String {
        spend::meant(rule)
    }

    /// Whether a rule of its counts.
    pub(crate) fn counts(&self, rule: &SpendRule) -> bool {
        let limits = self.spend_limits.as_ref();
        limits.is_some_and(SpendLimits::is_enabled) && rule.is_enabled()
    }

    /// A page of the gateway.
    pub(crate) fn path_to(&self, page: &str) -> String {
        format!("/gateways/{}/{page}", self.id)
    }

    fn created(&self, now: SystemTime) -> Option<When> {
        When::new(self.created_at.as_deref()?, now)
    }
}

/// The ids of gateways, for drop-downs.
#[derive(Debug)]
pub(crate) struct Gateways(pub(crate) Vec<String>);

/// More than anybody picks from a drop-down.
const MOST_PAGES: usize = 5;

impl Gateways {
    /// Those that the token can see.
    pub(crate) async fn load(visit: &Visit) -> Result<Self, Problem> {
        if !visit.may(Permission::AiGatewayRead, ManagePlace::Account) {
            return Ok(Self(match visit.gateways() {
                Scope::All => Vec::new(),
                Scope::Only(names) => names.iter().map(ToString::to_string).collect(),
            }));
        }
        let mut ids = Vec::new();
        for page in 1..=MOST_PAGES {
            let to = To::new("gateway_list")
                .with_number("page", page)
                .with_number("per_page", 100);
            let answer = visit.get::<Vec<Gateway>>(to).await?;
            ids.extend(answer.result.into_iter().map(|gateway| gateway.id));
            if page >= answer.result_info.total_pages {
                break;
            }
        }
        Ok(Self(ids))
    }
}

/// The gateway that the page's path names.
pub(crate) async fn find(visit: &Visit) -> Result<Gateway, Problem> {
    let to = To::new("gateway_show").at("gateway", visit.parameter("gateway"));
    Ok(visit.get(to).await?.result)
}

/// Whether the token may change the gateway.
fn may_change(visit: &Visit, gateway: &Gateway) -> bool {
    visit.may(
        Permission::AiGatewayWrite,
        ManagePlace::Gateway(&gateway.id),
    )
}

/// Whether the token may make gateways.
fn may_make(visit: &Visit) -> bool {
    visit.may(Permission::AiGatewayWrite, ManagePlace::Account)
}

/// What a page says of what was just done.
fn told(visit: &Visit) -> Option<String> {
    let done = match visit.query("done") {
        "made" => "The gateway is made. It has no provider key yet.",
        "pooled" => "The pool is changed. Requests that start now take its keys.",
        "unpooled" => "The pool is gone. Its keys stay, and are used under their own aliases.",
        "changed" => "The settings are changed. Requests that start now go by them.",
        "deleted" => {
            "The gateway is deleted, with its provider keys. Revoke those at their providers as well."
        }
        _ => return None,
    };
    Some(done.to_owned())
}

/// How many gateway tokens are good for a gateway. None: the token may not see them.
async fn tokens_of(visit: &Visit, gateway: &str) -> Result<Option<usize>, Problem> {
    if !visit.may(Permission::AccountApiTokensRead, ManagePlace::Token) {
        return Ok(None);
    }
    let to = To::new("token_list")
        .with("kind", "gateway")
        .with("gateway_id", gateway)
        .with_number("per_page", 1);
    let answer = visit.get::<Value>(to).await?;
    Ok(Some(answer.result_info.total_count))
}

fn keys_of(gateway: &str) -> To<'_> {
    To::new("provider_keys_list").with("gateway_id", gateway)
}
