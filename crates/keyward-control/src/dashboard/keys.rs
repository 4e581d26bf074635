//! Provider keys: what their pages share.

pub(crate) mod add;
pub(crate) mod delete;
pub(crate) mod detail;
pub(crate) mod enable;
pub(crate) mod list;
pub(crate) mod rotate;
pub(crate) mod rotation;
pub(crate) mod verify;

use std::time::SystemTime;

use keyward_auth::{ManagePlace, Permission};
use keyward_routes::SpendLimits;
use serde::Deserialize;

use super::{
    gateways::spend,
    providers::Providers,
    under_way::UnderWay,
    visit::{To, Visit},
    when::{When, days_since},
};
use crate::envelope::Problem;

/// After how many days without use, or without a new value, a key is worth a look.
pub(crate) const STALE_DAYS: u64 = 90;

/// A provider key as answers carry it.
#[derive(Debug, Deserialize)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) gateway_id: String,
    pub(crate) alias: String,
    pub(crate) provider_slug: String,
    pub(crate) default_config: bool,
    pub(crate) secret_preview: Option<String>,
    pub(crate) description: String,
    status: String,
    pub(crate) status_reason: Option<String>,
    status_since: Option<String>,
    pub(crate) status_code: Option<u16>,
    pub(crate) enabled: bool,
    disabled_at: Option<String>,
    expires_on: Option<String>,
    spend_limits: Option<SpendLimits>,
    last_used_at: Option<String>,
    created_at: Option<String>,
    modified_at: Option<String>,
    pub(crate) version: Option<u32>,
    pub(crate) destination: Option<Vec<String>>,
    #[serde(flatten)]
    pub(crate) under_way: UnderWay,
}

impl Key {
    /// A key that an operator disabled is disabled, whatever else it is.
    pub(crate) fn status(&self) -> &str {
        if self.enabled {
            &self.status
        } else {
            "disabled"
        }
    }

    /// The key as people write it, and as they type it to have it deleted.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.provider_slug, self.alias)
    }

    pub(crate) fn path(&self) -> String {
        format!("/keys/{}/{}", self.gateway_id, self.id)
    }

    /// A page of the key.
    pub(crate) fn path_to(&self, page: &str) -> String {
        format!("/keys/{}/{}/{page}", self.gateway_id, self.id)
    }

    pub(crate) fn preview(&self) -> &str {
        self.secret_preview.as_deref().unwrap_or("–")
    }

    /// How much may be spent with it, a rule in a line.
    pub(crate) fn spend_limits(&self) -> Vec<String> {
        spend::lines(self.spend_limits.as_ref())
    }

    /// Since when it is what it is.
    pub(crate) fn since(&self, now: SystemTime) -> Option<When> {
        let since = if self.enabled {
            &self.status_since
        } else {
            &self.disabled_at
        };
        When::new(since.as_deref()?, now)
    }

    pub(crate) fn last_used(&self, now: SystemTime) -> Option<When> {
        When::new(self.last_used_at.as_deref()?, now)
    }

    pub(crate) fn expires(&self, now: SystemTime) -> Option<When> {
        When::new(self.expires_on.as_deref()?, now)
    }

    pub(crate) fn created(&self, now: SystemTime) -> Option<When> {
        When::new(self.created_at.as_deref()?, now)
    }

    pub(crate) fn modified(&self, now: SystemTime) -> Option<When> {
        When::new(self.modified_at.as_deref()?, now)
    }

    /// For how many days nobody has used it, where that is worth a look.
    pub(crate) fn idle_days(&self, now: SystemTime) -> Option<u64> {
        let last = self.last_used_at.as_deref().or(self.created_at.as_deref());
        days_since(last?, now).filter(|days| *days >= STALE_DAYS)
    }

    /// For how many days it has not changed, where that is worth a look.
    pub(crate) fn old_days(&self, now: SystemTime) -> Option<u64> {
        days_since(self.modified_at.as_deref()?, now).filter(|days| *days >= STALE_DAYS)
    }

    pub(crate) fn place(&self) -> ManagePlace<'_> {
        ManagePlace::ProviderKey {
            gateway: &self.gateway_id,
            provider: &self.provider_slug,
            alias: &self.alias,
        }
    }

    /// The options of the command line that name it.
    pub(crate) fn options(&self) -> String {
        let mut options = self.provider_slug.clone();
        if self.gateway_id != "default" {
            options.push_str(&format!(" --gateway {}", self.gateway_id));
        }
        if self.alias != "default" {
            options.push_str(&format!(" --alias {}", self.alias));
        }
        options
    }

    /// The call of a route for this key.
    fn to(&self, route: &'static str) -> To<'_> {
        To::new(route)
            .at("gateway", &self.gateway_id)
            .at("id", &self.id)
    }
}

/// The key that the page's path names, and the providers.
async fn find(visit: &Visit) -> Result<(Key, Providers), Problem> {
    let to = To::new("provider_key_show")
        .at("gateway", visit.parameter("gateway"))
        .at("id", visit.parameter("id"));
    let key: Key = visit.get(to).await?.result;
    Ok((key, Providers::load(visit).await?))
}

/// Whether the token may change the key.
fn may_change(visit: &Visit, key: &Key) -> bool {
    visit.may(Permission::SecretsStoreWrite, key.place())
}

/// What a page says of what was just done: its query names it, and holds nothing but these words and numbers.
pub(crate) fn told(visit: &Visit) -> Option<String> {
    let done = match visit.query("done") {
        "stored" => "The key is stored. Requests use it from now on.",
        "proven" => "The key is stored, and its provider takes it. Requests use it from now on.",
        "unproven" => {
            "The key is stored. It could not be verified: no request is known that proves a key of this provider; its first use will tell."
        }
        "rotating" => "The rotation has begun.",
        "rolled-back" => "The old value is in use again, and the new one erased.",
        "withdrawn" => "The new value is withdrawn. Nothing changed.",
        "finished" => "The old value is erased. Revoke the old key at the provider.",
        "rotated" => {
            "The key is rotated. Requests that start now use the new one; revoke the old one at the provider."
        }
        "disabled" => "The key is disabled. No request that starts now uses it.",
        "enabled" => "The key is enabled. Requests use it again.",
        "deleted" => "The key is deleted. Revoke it at the provider as well.",
        _ => return None,
    };
    Some(format!("{done}{}", UnderWay::of(visit).told()))
}
