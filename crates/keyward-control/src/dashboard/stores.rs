//! Secrets stores: what their pages share.

pub(crate) mod add;
pub(crate) mod delete;
pub(crate) mod detail;
pub(crate) mod list;

use std::time::SystemTime;

use keyward_auth::{ManagePlace, Permission};
use serde::Deserialize;

use super::{
    visit::{To, Visit},
    when::When,
};
use crate::envelope::Problem;

/// A secrets store as answers carry it.
#[derive(Debug, Deserialize)]
pub(crate) struct Store {
    pub(crate) id: String,
    pub(crate) name: String,
    created: Option<String>,
}

impl Store {
    pub(crate) fn path(&self) -> String {
        format!("/secrets/{}", self.id)
    }

    /// A page of the store.
    pub(crate) fn path_to(&self, page: &str) -> String {
        format!("/secrets/{}/{page}", self.id)
    }

    pub(crate) fn created(&self, now: SystemTime) -> Option<When> {
        When::new(self.created.as_deref()?, now)
    }

    /// The call of a route for this store.
    pub(crate) fn to(&self, route: &'static str) -> To<'_> {
        To::new(route).at("store", &self.id)
    }

    /// The option of the command line that names it.
    pub(crate) fn option(&self) -> String {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let is_word = self.name.bytes().all(is_plain) && !self.name.starts_with('-');
        let name = if is_word { &self.name } else { &self.id };
        format!("--store {name}")
    }
}

/// The store that the page's path names.
pub(crate) async fn find(visit: &Visit) -> Result<Store, Problem> {
    let to = To::new("secrets_store_show").at("store", visit.parameter("store"));
    Ok(visit.get(to).await?.result)
}

/// Whether the token may change stores and what stands in them.
pub(crate) fn may_change(visit: &Visit) -> bool {
    visit.may(Permission::SecretsStoreWrite, ManagePlace::Account)
}
