//! Rate limits that several gateways share, counted in Redis.
//!
//! [`RedisCounters`] is a store of counters for the limits of `keyward-routes`. One script decides on all limits of a
//! request, whole or not at all, by Redis's clock; a decision waits 50 ms at most, whatever Redis does, and
//! [`OnLoss`] says what holds while it does not decide.
//!
//! ```no_run
//! use std::time::{Duration, SystemTime};
//!
//! use keyward_limits_redis::{OnLoss, RedisCounters, Settings};
//! use keyward_routes::{Ask, CounterKeys, Counters, Limit, Limited, Partition, Technique};
//! use keyward_secret::AccountId;
//!
//! # async fn example(now: SystemTime) -> Result<(), Box<dyn std::error::Error>> {
//! let counters = RedisCounters::start(Settings {
//!     url: "redis://127.0.0.1:6379/0".parse()?,
//!     password: None,
//!     extra_ca_pem: Vec::new(),
//!     on_loss: OnLoss::Closed,
//!     deadline: RedisCounters::DEADLINE,
//! })?;
//! counters.is_up_within(Duration::from_secs(1)).await;
//!
//! // The secret is the same for all that share counters.
//! let keys = CounterKeys::new(&[7; 16]);
//! let account = AccountId::from_bytes([1; 16]);
//! let ask = Ask {
//!     key: keys.key(account, "production", Limited::Gateway, &Partition::All),
//!     limit: Limit::new(100, 60, Technique::Sliding)?,
//!     amount: 1,
//! };
//! println!("{:?}", counters.take(&[ask], now).await);
//! # Ok(())
//! # }
//! ```
//!
//! [`RedisBudgets`] counts what is spent in the same Redis, over the same connection.
//!
//! # Features
//!
//! None: everything is always there.

mod budgets;
mod counters;
mod door;
mod keeper;
mod line;
mod refusals;
mod script;
mod settings;
mod settling;
mod spending;
mod trouble;
mod url;

pub use self::{
    budgets::RedisBudgets,
    counters::RedisCounters,
    settings::{OnLoss, Settings, SettingsError},
    url::{ParseRedisUrlError, RedisUrl},
};
