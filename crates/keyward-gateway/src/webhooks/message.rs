//! What is sent: the body of an event, and its signature. Pure.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::WebhookSecret;
use crate::{
    events::{KeyEvent, What},
    respond::moment,
};

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// An event as receivers get it.
pub(super) struct Message {
    id: String,
    body: Bytes,
}

impl Message {
    pub(super) fn new(event: &KeyEvent) -> Self {
        let mut data = json!({
            "account_id": event.account.to_string(),
            "gateway_id": event.gateway.as_str(),
            "provider": event.provider.as_str(),
            "alias": event.alias.as_str(),
            "key_id": event.key.to_string(),
        });
        if let Some(data) = data.as_object_mut() {
            add(data, &event.what);
        }
        let body = json!({
            "type": event.what.name(),
            "timestamp": moment(event.at),
            "data": data,
        });
        Self {
            id: event.id.clone(),
            body: body.to_string().into(),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The headers of a try at `now`: the signature covers the id, the time and the body.
    pub(super) fn signed(
        &self,
        secret: &WebhookSecret,
        now: SystemTime,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let seconds = seconds.to_string();
        // A key of any length will do.
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.key()) else {
            return Vec::new();
        };
        let tag = mac
            .chain_update(&self.id)
            .chain_update(b".")
            .chain_update(&seconds)
            .chain_update(b".")
            .chain_update(&self.body)
            .finalize()
            .into_bytes();
        let signature = format!("v1,{}", BASE64.encode(&tag));
        let headers = [
            (ID, self.id.clone()),
            (TIMESTAMP, seconds),
            (SIGNATURE, signature),
        ];
        headers
            .into_iter()
            .filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)))
            .collect()
    }
}

/// What only some kinds of events tell.
fn add(data: &mut Map<String, Value>, what: &What) {
    let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
    match what {
        What::Invalid { code, reason } | What::Expired { code, reason } => {
            put("code", json!(code));
            put("reason", json!(reason));
        }
        What::ExpiresSoon { days, expires_at } => {
            put("days", json!(days));
            put("expires_at", json!(moment(*expires_at)));
        }
        What::RotationRefused { reason }
        | What::RolledBack { reason }
        | What::ScheduleFailed { reason } => put("reason", json!(reason)),
        What::BothRefused { code } => put("code", json!(code)),
        What::Active
        | What::DatePassed
        | What::RotationBegun
        | What::RotationPromoted
        | What::RotationFinished => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use bytes::Bytes;

    use super::{super::WebhookSecret, Message};

    /// The example of the specification: github.com/standard-webhooks, its libraries' tests.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let message = Message {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(),
            body: Bytes::from_static(br#"{"test": 2432232314}"#),
        };
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let headers = message.signed(&secret, UNIX_EPOCH + Duration::from_secs(1_614_265_330));
        let told: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(
            told,
            [
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                (
                    "webhook-signature",
                    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
                ),
            ]
        );
    }
}
