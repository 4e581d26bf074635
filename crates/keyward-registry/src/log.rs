//! What is told of one request: who asked whom for what, what became of it, what it took.
//!
//! None of this decides anything, and none of it can hold a header's value but those of `user-agent`, the content types and
//! what a client says of its request; in texts and bodies, what looks like a key or a token is masked.

mod body;
mod filter;
mod id;
mod mark;
mod mask;
mod metadata;
mod query;
mod store;
mod sums;
mod text;

use std::time::{Duration, SystemTime};

use keyward_auth::TokenId;
use keyward_providers::Usage;
use keyward_routes::Money;
use keyward_secret::AccountId;

pub use self::{
    body::{LogBody, LogSide},
    filter::{LogField, LogFieldKind, LogFilter, LogFilterError, LogOperator, LogValue},
    id::LogId,
    mark::LogMark,
    metadata::{LogMetadata, LogMetadataValue},
    query::{
        LogDeletion, LogDirection, LogOrder, LogPage, LogPlace, LogQuery, LogRange, LogRanges,
        LogScan,
    },
    store::{LogLimit, LogPatch, LogRecord, LogStore, LogTrim},
    sums::{LogGroup, LogSeries, LogSeriesName, LogSum, LogSumQuery, LogSums},
    text::LogText,
};
use crate::{GatewayId, ProviderKeyId, ProviderSlug};

/// One request, as the log tells of it (wire-spec §6.6).
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "whoever writes an entry decides on each field"
)]
pub struct LogEntry {
    /// What `cf-aig-log-id` of the answer says. Tells when the request came: [`created_at`](Self::created_at).
    pub id: LogId,
    /// The account.
    pub account: AccountId,
    /// The gateway that was asked.
    pub gateway: GatewayId,
    /// The client's own name for the request (`cf-aig-event-id`); none where it gave none.
    pub event_id: Option<LogText>,
    /// The provider that was asked for.
    pub provider: ProviderSlug,
    /// The model that was asked for, where the request names one.
    pub model: Option<LogText>,
    /// The path behind the provider, without a query.
    pub path: LogText,
    /// The request's content type.
    pub request_content_type: Option<LogText>,
    /// The answer's content type.
    pub response_content_type: Option<LogText>,
    /// The answer's status, 100 to 999; none where the client went away before there was one.
    pub status: Option<u16>,
    /// Whether the answer is below 400 and came to its end.
    pub success: bool,
    /// Whether the answer came from a cache.
    pub cached: bool,
    /// From the request's head to the end of the answer. Kept in milliseconds.
    pub duration: Duration,
    /// Which entry of a universal request, or which stop of a route, answered.
    pub step: Option<u32>,
    /// The tokens that it took.
    pub usage: Usage,
    /// What it cost; none where that is unknown.
    pub cost: Option<Money>,
    /// Whether the client said what tokens cost (`cf-aig-custom-cost`).
    pub custom_cost: bool,
    /// What the client said of its request (`cf-aig-metadata`).
    pub metadata: LogMetadata,
    /// The stored key that was used.
    pub provider_key: Option<ProviderKeyId>,
    /// The gateway token that the client presented.
    pub token: Option<TokenId>,
    /// The client's `user-agent`.
    pub user_agent: Option<LogText>,
    /// Whether the gateway demands a token.
    pub authentication: bool,
    /// Whether a stored key was used.
    pub byok: bool,
    /// Whether it came by the endpoint that takes one format for every provider.
    pub compat: bool,
    /// The code of the gateway's own refusal.
    pub error_code: Option<u32>,
    /// The length of the request's body, in bytes.
    pub request_bytes: u64,
    /// The length of the answer's body as far as it was sent, in bytes.
    pub response_bytes: u64,
    /// What a person thinks of the answer: −1 to 1.
    pub feedback: Option<LogMark>,
    /// How good the answer is: 0 to 100.
    pub score: Option<LogMark>,
}

impl LogEntry {
    /// When the request came, to the millisecond.
    #[must_use]
    pub fn created_at(&self) -> SystemTime {
        self.id.made_at()
    }

    /// Where it belongs.
    #[must_use]
    pub fn place(&self) -> LogPlace {
        LogPlace {
            account: self.account,
            gateway: self.gateway.clone(),
        }
    }
}
