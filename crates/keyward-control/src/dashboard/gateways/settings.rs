//! The settings of a gateway, as the forms that make it and change it have them.

use keyward_auth::{ManagePlace, Permission};
use keyward_registry::StoredKeyRefused;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Gateway;
use crate::{
    dashboard::visit::{To, Visit},
    envelope::Problem,
};

/// What was typed.
pub(super) struct Typed {
    pub(super) id: String,
    pub(super) authentication: bool,
    pub(super) stored_keys_only: bool,
    pub(super) byok_only: bool,
    pub(super) collect_logs: bool,
    /// Seconds; as typed.
    pub(super) cache_ttl: String,
    /// Empty: every store.
    pub(super) store_id: String,
    /// Empty: the one that every gateway has.
    pub(super) session_header: String,
    /// Whether a client gets a provider's refusal of the stored key as it is.
    pub(super) passes_refusals: bool,
    /// What the settings were when the form was shown.
    pub(super) revision: String,
}

impl Typed {
    /// What a new gateway begins with.
    pub(super) fn of_a_new_one() -> Self {
        Self {
            id: String::new(),
            authentication: true,
            stored_keys_only: false,
            byok_only: false,
            collect_logs: true,
            cache_ttl: "0".to_owned(),
            store_id: String::new(),
            session_header: String::new(),
            passes_refusals: false,
            revision: String::new(),
        }
    }

    pub(super) fn of(gateway: &Gateway) -> Self {
        Self {
            id: gateway.id.clone(),
            authentication: gateway.authentication,
            stored_keys_only: gateway.stored_keys_only,
            byok_only: gateway.byok_only,
            collect_logs: gateway.collect_logs,
            cache_ttl: gateway.cache_ttl.to_string(),
            store_id: gateway.store_id.clone().unwrap_or_default(),
            session_header: gateway.session_header.clone().unwrap_or_default(),
            passes_refusals: gateway.passes_refusals(),
            revision: gateway.revision.clone(),
        }
    }

    pub(super) fn of_form(visit: &Visit) -> Self {
        let form = &visit.form;
        let text = |name| form.text(name).to_owned();
        Self {
            id: text("id"),
            authentication: form.is_set("authentication"),
            stored_keys_only: form.is_set("stored_keys_only"),
            byok_only: form.is_set("byok_only"),
            collect_logs: form.is_set("collect_logs"),
            cache_ttl: text("cache_ttl"),
            store_id: text("store_id"),
            session_header: text("session_header"),
            passes_refusals: form.is_set("passes_refusals"),
            revision: text("revision"),
        }
    }

    /// Puts the settings into the body of a request.
    pub(super) fn put(&self, body: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
        put("authentication", json!(self.authentication));
        put("stored_keys_only", json!(self.stored_keys_only));
        put("byok_only", json!(self.byok_only));
        put("collect_logs", json!(self.collect_logs));
        let seconds = self.cache_ttl.parse::<u64>();
        // What is no number is left for the route to refuse.
        put(
            "cache_ttl",
            seconds.map_or_else(|_no_number| json!(self.cache_ttl), |number| json!(number)),
        );
        let or_null = |text: &str| match text {
            "" => Value::Null,
            text => json!(text),
        };
        put("store_id", or_null(&self.store_id));
        put("session_header", or_null(&self.session_header));
        let refused = match self.passes_refusals {
            true => StoredKeyRefused::Passthrough,
            false => StoredKeyRefused::Explain,
        };
        put("stored_key_refused", json!(refused));
    }
}

/// The secrets stores that a gateway may be bound to.
pub(super) struct Stores(pub(super) Vec<Store>);

#[derive(Deserialize)]
pub(super) struct Store {
    pub(super) id: String,
    pub(super) name: String,
}

/// More than anybody picks from a drop-down.
const MOST: usize = 100;

impl Stores {
    /// Those that the token can see, and the one that `chosen` names even where it cannot.
    pub(super) async fn load(visit: &Visit, chosen: &str) -> Result<Self, Problem> {
        let mut stores = Vec::new();
        if visit.may(Permission::SecretsStoreRead, ManagePlace::Account) {
            let to = To::new("secrets_store_list").with_number("per_page", MOST);
            stores = visit.get::<Vec<Store>>(to).await?.result;
        }
        if !chosen.is_empty() && stores.iter().all(|store| store.id != chosen) {
            stores.push(Store {
                id: chosen.to_owned(),
                name: chosen.to_owned(),
            });
        }
        Ok(Self(stores))
    }
}
