//! Test support: a fake provider, captured logs, canary keys and their sweep.
//!
//! - [`Canary`]: a fresh secret that looks like a provider key, remembered so that a sweep can look for it.
//! - [`Sweeper`]: finds every canary in bytes and directories, in every form a leak may take.
//! - [`LogCapture`]: every log line at trace level.
//! - [`sweep_dir`] and [`outputs`]: where answers, metrics and command output go, so that a sweep sees them.
//! - [`TestCa`]: a certificate authority for loopback.
//! - [`FakeProvider`]: a provider that demands its key, records what it gets and misbehaves on demand.
//! - [`RawRecorder`]: a TCP listener that keeps every byte.
//! - [`answers`]: what providers' answers look like, with the counts that they tell.
//! - [`RedisServer`]: a Redis of one test alone.
//! - [`client`]: an HTTP/1.1 client that sends what it is told, byte for byte.
//! - [`http2`]: HTTP/2 frame by frame.
//! - [`assert_texts!`]: what every variant of an error says, compared with a file.
//!
//! # The sweep
//!
//! When the environment variable `KEYWARD_SWEEP_DIR` names a directory, every process that uses this crate
//! leaves there `canaries.txt` (the canaries themselves), its logs and its answers. Whoever ran the tests
//! then reads the canaries with [`Canary::read_list`] and scans that directory, apart from the list.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support: a failed step fails the test"
)]

pub mod answers;
mod canary;
pub mod client;
mod collector;
mod form;
pub mod http2;
mod logs;
mod outputs;
mod provider;
mod raw_recorder;
mod redis;
mod sweep;
mod texts;
mod tls;
mod wire;

#[doc(hidden)]
pub use insta;

pub use canary::{CANARY_LIST, Canary, register_canary, register_named_canary};
pub use collector::{Collector, Posted};
pub use form::Form;
pub use logs::LogCapture;
pub use outputs::{append_output, outputs, sweep_dir};
pub use provider::{
    Behaviour, EchoPlace, FakeProvider, Format, Placement, REASON_PHRASE, Recorded,
};
pub use raw_recorder::RawRecorder;
pub use redis::RedisServer;
pub use sweep::{Hit, Sweeper};
pub use texts::{Texts, told};
pub use tls::TestCa;
