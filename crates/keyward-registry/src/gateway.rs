//! Gateways: named configurations in an account.

use std::time::SystemTime;

use data_encoding::HEXLOWER;
use keyward_routes::SpendLimits;
use keyward_secret::AccountId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{GatewayId, Pools, SessionHeader};

/// A gateway: what requests address in the URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayRecord {
    /// The account it belongs to.
    pub account: AccountId,
    /// Its name in the account.
    pub id: GatewayId,
    /// How it behaves.
    pub settings: GatewaySettings,
    /// When it was made.
    pub created_at: SystemTime,
    /// When its settings last changed.
    pub modified_at: SystemTime,
}

/// How a gateway behaves. Fields and ranges: wire-spec §4.1.
///
/// Settings that only save or record (`cache_*`, `collect_logs`, `log_management*`) are kept and
/// returned; docs/compatibility.md says from which version each has effect.
///
/// A row's authentication code covers the settings as they are serialised, so that what an earlier release
/// wrote must be serialised the same: a field that comes later has
/// `#[serde(default, skip_serializing_if = "…")]` and is left out while it has its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewaySettings {
    /// Whether every request must carry a gateway token. On unless a request turns it off. A stored key is
    /// used for authenticated requests only, whatever stands here.
    pub authentication: bool,
    /// Kept and returned. Keyward has no keys of its own to fall back to, so a request without any key is
    /// 400 / 2044 either way.
    pub byok_only: bool,
    /// Whether a client's own provider key is refused (400 / 9004). Off by default, as the reference lets
    /// such keys through. Ours.
    #[serde(default)]
    pub stored_keys_only: bool,
    /// Kept and returned.
    pub cache_invalidate_on_update: bool,
    /// Seconds; 0 is off. Kept and returned.
    pub cache_ttl: u64,
    /// Kept and returned.
    pub collect_logs: bool,
    /// Number of log entries to keep, 10,000 to 10,000,000. Kept and returned.
    pub log_management: Option<u64>,
    /// `STOP_INSERTING` or `DELETE_OLDEST`. Kept and returned.
    pub log_management_strategy: Option<String>,
    /// The window of the rate limit, in seconds: 1 to 31,622,400 where the limit is above 0.
    pub rate_limiting_interval: u64,
    /// Requests per interval, at most 10^12; 0 is off.
    pub rate_limiting_limit: u64,
    /// Which window the limit is counted in. None is as [`Fixed`](RateLimitingTechnique::Fixed).
    pub rate_limiting_technique: Option<RateLimitingTechnique>,
    /// Attempts in all, 1 to 5, unless the request says otherwise.
    pub retry_max_attempts: Option<u8>,
    /// Milliseconds between two attempts, 0 to 60,000.
    pub retry_delay: Option<u32>,
    /// How the delay grows.
    pub retry_backoff: Option<Backoff>,
    /// The secrets store that the gateway's keys come from. Kept and returned.
    pub store_id: Option<String>,
    /// Which keys stand in for each other. None by default. Ours.
    #[serde(default, skip_serializing_if = "Pools::is_empty")]
    pub pools: Pools,
    /// The header that says to which conversation a request belongs, so that it keeps its key of a pool. Where
    /// none is named it is [`SessionHeader::DEFAULT`]. Ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_header: Option<SessionHeader>,
    /// What a client is told when a provider refuses the stored key. Ours.
    #[serde(default, skip_serializing_if = "StoredKeyRefused::is_default")]
    pub stored_key_refused: StoredKeyRefused,
    /// How much may be spent. None by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend_limits: Option<SpendLimits>,
}

impl GatewaySettings {
    /// A text that is the same for equal settings and another one for others: 64 hexadecimal digits. So who changes
    /// what they read can tell whether it still stands.
    #[must_use]
    pub fn digest(&self) -> String {
        // Plain fields: nothing in them fails to be written.
        let text = serde_json::to_vec(self).unwrap_or_default();
        HEXLOWER.encode(&Sha256::digest(text))
    }
}

impl Default for GatewaySettings {
    /// What the automatic `default` gateway has (wire-spec §6.5): authentication and logs on, cache and
    /// limits off.
    fn default() -> Self {
        Self {
            authentication: true,
            byok_only: false,
            stored_keys_only: false,
            cache_invalidate_on_update: false,
            cache_ttl: 0,
            collect_logs: true,
            log_management: None,
            log_management_strategy: None,
            rate_limiting_interval: 0,
            rate_limiting_limit: 0,
            rate_limiting_technique: None,
            retry_max_attempts: None,
            retry_delay: None,
            retry_backoff: None,
            store_id: None,
            pools: Pools::default(),
            session_header: None,
            stored_key_refused: StoredKeyRefused::Explain,
            spend_limits: None,
        }
    }
}

/// What a client is told when a provider refuses the stored key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum StoredKeyRefused {
    /// 424, naming the key: the client's token is fine, and sending the request again does not help.
    #[default]
    Explain,
    /// The provider's own answer.
    Passthrough,
}

impl StoredKeyRefused {
    fn is_default(&self) -> bool {
        *self == Self::Explain
    }
}

/// Which window a rate limit is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "the reference has these two")]
pub enum RateLimitingTechnique {
    /// Windows that begin on the clock.
    Fixed,
    /// A window that ends now.
    Sliding,
}

/// How the delay between tries grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "the reference has these three")]
pub enum Backoff {
    /// It does not.
    Constant,
    /// By the same amount each time.
    Linear,
    /// It doubles.
    Exponential,
}

#[cfg(test)]
mod tests {
    use super::{GatewaySettings, SessionHeader};

    #[test]
    fn a_digest_tells_settings_apart() {
        let one = GatewaySettings::default();
        let other = GatewaySettings {
            cache_ttl: 1,
            ..one.clone()
        };
        assert_eq!(one.digest(), GatewaySettings::default().digest());
        assert_ne!(one.digest(), other.digest());
        assert_eq!(one.digest().len(), 64);
    }

    /// Never to be changed: rows with these settings are out there, under codes made of this text.
    #[test]
    fn settings_of_the_first_release_are_serialised_as_they_were() {
        let text = concat!(
            r#"{"authentication":true,"byok_only":false,"stored_keys_only":false,"#,
            r#""cache_invalidate_on_update":false,"cache_ttl":0,"collect_logs":true,"log_management":null,"#,
            r#""log_management_strategy":null,"rate_limiting_interval":0,"rate_limiting_limit":0,"#,
            r#""rate_limiting_technique":null,"retry_max_attempts":null,"retry_delay":null,"#,
            r#""retry_backoff":null,"store_id":null}"#,
        );
        assert_eq!(
            serde_json::to_string(&GatewaySettings::default()).unwrap(),
            text
        );
        assert_eq!(
            serde_json::from_str::<GatewaySettings>(text).unwrap(),
            GatewaySettings::default()
        );
    }

    #[test]
    fn spend_limits_are_kept_behind_the_rest() {
        let limits = r#"{"enabled":true,"rules":[{"id":"all","enabled":true,"limitType":"cost","limit":2.5,"calendar":"month"}]}"#;
        let settings = GatewaySettings {
            spend_limits: serde_json::from_str(limits).unwrap(),
            ..GatewaySettings::default()
        };
        let text = serde_json::to_string(&settings).unwrap();
        assert!(
            text.ends_with(&format!(r#""store_id":null,"spend_limits":{limits}}}"#)),
            "{text}"
        );
        let read: GatewaySettings = serde_json::from_str(&text).unwrap();
        assert_eq!(read, settings);
    }

    #[test]
    fn pools_and_their_header_are_kept_behind_the_rest() {
        let pools = r#"[{"provider":"openai","strategy":"ordered","members":[{"alias":"a","weight":1},{"alias":"b","weight":7}]}]"#;
        let settings = GatewaySettings {
            pools: serde_json::from_str(pools).unwrap(),
            session_header: Some(SessionHeader::parse("x-session").unwrap()),
            ..GatewaySettings::default()
        };
        let text = serde_json::to_string(&settings).unwrap();
        let end = format!(r#""store_id":null,"pools":{pools},"session_header":"x-session"}}"#);
        assert!(text.ends_with(&end), "{text}");
        assert_eq!(
            serde_json::from_str::<GatewaySettings>(&text).unwrap(),
            settings
        );
    }
}
