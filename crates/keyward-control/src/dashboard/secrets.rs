//! Secrets in a store: what their pages share.

pub(crate) mod add;
pub(crate) mod delete;
pub(crate) mod detail;
pub(crate) mod duplicate;
pub(crate) mod edit;

use std::time::SystemTime;

use keyward_registry::SecretScope;
use serde::Deserialize;

use super::{
    form::Form,
    stores::Store,
    under_way::UnderWay,
    visit::{To, Visit},
    when::When,
};
use crate::envelope::Problem;

/// A secret as answers carry it. The value is in none.
#[derive(Debug, Deserialize)]
pub(crate) struct Secret {
    pub(crate) id: String,
    store_id: String,
    pub(crate) name: String,
    comment: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) status: String,
    created: Option<String>,
    modified: Option<String>,
    pub(crate) destination: Option<Vec<String>>,
    pub(crate) used_by: Vec<UsedBy>,
}

/// A provider key that uses a secret.
#[derive(Debug, Deserialize)]
pub(crate) struct UsedBy {
    id: String,
    gateway_id: String,
    provider_slug: String,
    alias: String,
    last_used_at: Option<String>,
}

/// What of the answer to a change is read.
#[derive(Debug, Deserialize)]
pub(crate) struct Changed {
    #[serde(flatten)]
    pub(crate) under_way: UnderWay,
}

/// The scope of what gateways use.
const GATEWAY: &str = "ai_gateway";

impl Secret {
    pub(crate) fn path(&self) -> String {
        format!("/secrets/{}/{}", self.store_id, self.id)
    }

    /// A page of the secret.
    pub(crate) fn path_to(&self, page: &str) -> String {
        format!("{}/{page}", self.path())
    }

    pub(crate) fn comment(&self) -> &str {
        self.comment.as_deref().unwrap_or_default()
    }

    pub(crate) fn created(&self, now: SystemTime) -> Option<When> {
        When::new(self.created.as_deref()?, now)
    }

    pub(crate) fn modified(&self, now: SystemTime) -> Option<When> {
        When::new(self.modified.as_deref()?, now)
    }

    /// Why no gateway can inject it; none where one can.
    pub(crate) fn unusable(&self) -> Option<&'static str> {
        if !self.scopes.iter().any(|scope| scope == GATEWAY) {
            return Some("it lacks the scope ai_gateway");
        }
        let is_unbound = self.destination.is_none();
        is_unbound.then_some("its name named no gateway and provider when it was stored")
    }

    /// The call of a route for this secret.
    fn to(&self, route: &'static str) -> To<'_> {
        To::new(route)
            .at("store", &self.store_id)
            .at("id", &self.id)
    }
}

impl UsedBy {
    pub(crate) fn path(&self) -> String {
        format!("/keys/{}/{}", self.gateway_id, self.id)
    }

    pub(crate) fn name(&self) -> String {
        format!(
            "{} / {} in {}",
            self.provider_slug, self.alias, self.gateway_id
        )
    }

    pub(crate) fn last_used(&self, now: SystemTime) -> Option<When> {
        When::new(self.last_used_at.as_deref()?, now)
    }
}

/// The scopes that a secret can have, and which of them are ticked.
pub(crate) struct Scopes(pub(crate) Vec<(&'static str, bool)>);

impl Scopes {
    fn ticked(is_ticked: impl Fn(&str) -> bool) -> Self {
        let all = SecretScope::ALL.map(SecretScope::as_str).into_iter();
        Self(all.map(|scope| (scope, is_ticked(scope))).collect())
    }

    fn of_form(form: &Form) -> Self {
        Self::ticked(|scope| form.texts("scopes").any(|text| text == scope))
    }

    fn of_secret(secret: &Secret) -> Self {
        Self::ticked(|scope| secret.scopes.iter().any(|known| known == scope))
    }

    fn names(&self) -> Vec<&'static str> {
        let ticked = self.0.iter().filter(|(_, is_ticked)| *is_ticked);
        ticked.map(|(name, _)| *name).collect()
    }
}

/// The secret that the page's path names, in its store.
async fn find(visit: &Visit) -> Result<(Secret, Store), Problem> {
    let store = super::stores::find(visit).await?;
    let to = store.to("secret_show").at("id", visit.parameter("id"));
    Ok((visit.get(to).await?.result, store))
}

/// What a page says of what was just done.
pub(crate) fn told(visit: &Visit) -> Option<String> {
    let done = match visit.query("done") {
        "made" => "The store is made.",
        "stored" => "The secret is stored. Its value is never shown again.",
        "changed" => "The secret is changed.",
        "rotated" => {
            "The secret has a new value. Requests that start now use it; revoke the old one where it was issued."
        }
        "copied" => "The copy is stored. Its value may go where that of the original may.",
        "same" => "Nothing was different, and nothing was changed.",
        "deleted" => "The secret is deleted. Revoke its value where it was issued as well.",
        _ => return None,
    };
    Some(format!("{done}{}", UnderWay::of(visit).told()))
}
