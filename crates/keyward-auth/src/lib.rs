//! Gateway and API tokens: text form, digest, grants, decisions.
//!
//! - [`NewToken`] mints a token; [`TokenText`] parses one that a client presents; [`TokenDigest`] is the
//!   only form that is stored. [`is_ours`] recognises by prefix, also what is not valid.
//! - [`Grant`] says what a token may do, where, from where and until when: [`Permissions`], [`Scope`],
//!   [`Classes`], [`Networks`].
//! - [`decide_run`] and [`decide_manage`] answer for one request; [`may_create`] keeps a token from making
//!   anything stronger than itself.
//! - [`TokenIndex`] holds every token in memory, by digest; [`TokenStore`] keeps them.
//!
//! Everything but the trait [`TokenStore`] is pure and synchronous: no I/O, no clock (`now` is an
//! argument), no runtime. The crate knows no HTTP and no SQL.
//!
//! **Every token is in the index**, about 520 bytes each, so a token that is not found does not exist. No
//! presented token, known or not, causes a store look-up: there is no cache to fill or to evict from, no
//! negative cache, and nothing that a flood of unknown tokens could exhaust.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use keyward_auth::{
//!     Decision, Grant, Kind, Model, NewToken, Permission, Permissions, RunAsk, TokenIndex, TokenRecord,
//!     TokenText, decide_run,
//! };
//! use keyward_secret::AccountId;
//!
//! let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
//! let account = AccountId::parse("0123456789abcdef0123456789abcdef")?;
//!
//! // Mint: the text is shown once; the record holds its digest only.
//! let token = NewToken::generate(Kind::Gateway)?;
//! let record = TokenRecord {
//!     id: token.id,
//!     kind: Kind::Gateway,
//!     digest: token.digest,
//!     retiring: None,
//!     name: "production".into(),
//!     grant: Grant::new(account, Permissions::from_iter([Permission::AiGatewayRun])),
//!     spend_limits: None,
//!     issued_at: now,
//!     modified_at: now,
//! };
//! let index = TokenIndex::default().with(record);
//!
//! // A client presents it.
//! let presented = TokenText::parse(token.text.expose())?;
//! let entry = index.find(&presented.digest(), now).ok_or("unknown token")?;
//! let ask = RunAsk {
//!     account,
//!     gateway: "default",
//!     provider: "openai",
//!     alias: Some("default"),
//!     class: 1,
//!     model: Model::Named("gpt-5"),
//!     source: "203.0.113.7".parse()?,
//! };
//! let decision = decide_run(entry.record.kind, &entry.record.grant, &ask, now);
//! assert_eq!(decision, Decision::Allow);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it is not
//!
//! No session, no login, no JWT: a token is random, and everything it may do is in its [`Grant`]. The crate does not
//! read requests: where a token stands in one is for who knows the protocol.
//!
//! # Features
//!
//! - `testing` (off): [`testing`] has a store in memory, and the contract suite that every store should run.
//!
//! # Reading on
//!
//! `examples/auth.rs` in the repository uses this crate alone; `keyward-gateway` is the user it was made for.

mod base62;
mod create;
mod decide;
mod digest;
mod failures;
mod grant;
mod id;
mod index;
mod last_used;
mod models;
mod network;
mod permission;
mod record;
mod scope;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod token;

pub use create::{may_create, widest_run};
pub use decide::{
    Decision, ManageAsk, ManagePlace, Model, Reason, RunAsk, decide_manage, decide_manage_at,
    decide_run,
};
pub use digest::TokenDigest;
pub use failures::{Failure, FailureLimit};
pub use grant::Grant;
pub use id::{ParseTokenIdError, TokenId};
pub use index::{Entry, TokenIndex};
pub use last_used::LastUsed;
pub use models::{ModelPattern, Models, ParseModelPatternError};
pub use network::{Network, Networks, ParseNetworkError};
pub use permission::{Permission, PermissionGroup, Permissions, Role, UnknownPermission};
pub use record::{Retiring, Status, TokenRecord};
pub use scope::{Classes, Scope};
pub use store::{BoxFuture, Change, StoreError, TokenStore};
pub use token::{Kind, NewToken, ParseTokenError, RandomError, TokenText, is_ours};
