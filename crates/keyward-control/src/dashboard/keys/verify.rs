//! Asking the provider whether it takes a stored key.

use std::time::SystemTime;

use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::{detail, find};
use crate::{
    dashboard::{view::Frame, visit::Visit, when::When},
    envelope::Problem,
};

/// What the provider said, as answers carry it.
#[derive(Debug, Deserialize)]
pub(crate) struct Verified {
    outcome: String,
    reason: String,
    asked_at: Option<String>,
}

impl Verified {
    pub(crate) fn title(&self) -> &'static str {
        match self.outcome.as_str() {
            "works" => "The provider takes the key.",
            "refused" => "The provider does not take the key.",
            "no_probe" => "The provider was not asked.",
            _ => "Nothing certain is known of the key.",
        }
    }

    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    /// How the banner looks, and its picture.
    pub(crate) fn class(&self) -> &'static str {
        match self.outcome.as_str() {
            "works" => "ok",
            "refused" => "bad",
            "no_probe" => "",
            _ => "warn",
        }
    }

    pub(crate) fn icon(&self, frame: &Frame) -> crate::dashboard::view::Icon {
        frame.icon(match self.outcome.as_str() {
            "works" => "active",
            "refused" => "invalid",
            "no_probe" => "info",
            _ => "warning",
        })
    }

    pub(crate) fn asked(&self, now: SystemTime) -> Option<When> {
        When::new(self.asked_at.as_deref()?, now)
    }
}

/// Asks, and shows the key with the answer.
pub(crate) async fn save(visit: Visit) -> Result<Response, Problem> {
    let (key, providers) = find(&visit).await?;
    let asked = visit.change::<Verified>(key.to("provider_key_verify"), &Value::Null);
    let verified = asked.await?.result;
    // What the answer changed of the key is shown with it.
    let (key, providers) = match find(&visit).await {
        Ok(found) => found,
        Err(_gone_meanwhile) => (key, providers),
    };
    detail::page(&visit, key, &providers, Some(verified)).await
}
