//! Custom providers: what their pages share.

pub(crate) mod add;
pub(crate) mod delete;
pub(crate) mod detail;
pub(crate) mod edit;
pub(crate) mod headers;
pub(crate) mod list;
mod typed;

use std::time::SystemTime;

use keyward_auth::{ManagePlace, Permission};
use keyward_providers::BaseUrl;
use serde::Deserialize;

use super::{
    keys::Key,
    under_way::UnderWay,
    visit::{Answer, To, Visit},
    when::When,
};
use crate::envelope::Problem;

/// A custom provider as answers carry it. Its texts are those of whoever wrote them.
#[derive(Debug, Deserialize)]
pub(crate) struct CustomProvider {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) provider_slug: String,
    pub(crate) base_url: String,
    pub(crate) credential_header: String,
    pub(crate) description: Option<String>,
    pub(crate) enable: bool,
    pub(crate) beta: bool,
    pub(crate) link: Option<String>,
    pub(crate) logo: Option<String>,
    pub(crate) curl_example: Option<String>,
    pub(crate) js_example: Option<String>,
    pub(crate) position: Option<i64>,
    headers: Option<String>,
    pub(crate) headers_destination: Option<Vec<String>>,
    created_at: Option<String>,
    modified_at: Option<String>,
    #[serde(flatten)]
    under_way: UnderWay,
}

impl CustomProvider {
    pub(crate) fn path(&self) -> String {
        format!("/providers/{}", self.id)
    }

    /// A page of the provider.
    pub(crate) fn path_to(&self, page: &str) -> String {
        format!("/providers/{}/{page}", self.id)
    }

    pub(crate) fn status(&self) -> &'static str {
        if self.enable { "active" } else { "disabled" }
    }

    /// Scheme, host and port of where it is.
    pub(crate) fn origin(&self) -> String {
        let base = BaseUrl::parse(&self.base_url);
        base.map_or_else(
            |_error| self.base_url.clone(),
            |base| base.origin().to_string(),
        )
    }

    /// Its link, where a browser may follow it.
    pub(crate) fn safe_link(&self) -> Option<&str> {
        let link = self.link.as_deref()?;
        let is_web = ["https://", "http://"]
            .iter()
            .any(|scheme| link.starts_with(scheme));
        is_web.then_some(link)
    }

    /// The headers that requests carry: names, and masks for the values.
    pub(crate) fn masked_headers(&self) -> Vec<(String, String)> {
        headers::masked(self.headers.as_deref().unwrap_or_default())
    }

    /// Whether the headers are sealed for another place than where it is.
    pub(crate) fn has_headers_elsewhere(&self) -> bool {
        let sealed_for = self.headers_destination.as_ref();
        sealed_for.is_some_and(|sealed_for| !sealed_for.contains(&self.origin()))
    }

    /// Whether a key is sealed for another place than where it is.
    pub(crate) fn is_elsewhere(&self, key: &Key) -> bool {
        let sealed_for = key.destination.as_ref();
        sealed_for.is_some_and(|sealed_for| !sealed_for.contains(&self.origin()))
    }

    pub(crate) fn created(&self, now: SystemTime) -> Option<When> {
        When::new(self.created_at.as_deref()?, now)
    }

    pub(crate) fn modified(&self, now: SystemTime) -> Option<When> {
        When::new(self.modified_at.as_deref()?, now)
    }

    /// The call of a route for this provider.
    fn to(&self, route: &'static str) -> To<'_> {
        To::new(route).at("id", &self.id)
    }
}

/// The provider that the page's path names.
async fn find(visit: &Visit) -> Result<CustomProvider, Problem> {
    let to = To::new("custom_provider_show").at("id", visit.parameter("id"));
    Ok(visit.get(to).await?.result)
}

/// The first of the keys for a provider, in every gateway, and how many there are.
async fn keys(
    visit: &Visit,
    provider: &CustomProvider,
    most: usize,
) -> Result<Answer<Vec<Key>>, Problem> {
    let to = To::new("provider_keys_list")
        .with("provider_slug", &provider.provider_slug)
        .with_number("per_page", most);
    visit.get(to).await
}

/// Whether the token may add, change and delete custom providers.
fn may_change(visit: &Visit) -> bool {
    visit.may(Permission::AiGatewayWrite, ManagePlace::Account)
}

/// What a page says of what was just done.
fn told(visit: &Visit) -> Option<String> {
    let done = match visit.query("done") {
        "added" => "The provider is added. Store its key, and requests can be sent.",
        "changed" => "The provider is changed. Requests that start now see it.",
        "moved" => {
            "The provider is at another origin. Stored keys and headers stay sealed for the old one and are not sent: enter them again."
        }
        "same" => "Nothing was different, and nothing was changed.",
        "deleted" => "The provider is deleted, and its keys with it.",
        _ => return None,
    };
    Some(format!("{done}{}", UnderWay::of(visit).told()))
}
