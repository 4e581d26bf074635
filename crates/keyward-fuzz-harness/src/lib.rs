//! What must hold for any bytes from outside: the harness that fuzz targets and ordinary tests share.
//!
//! Each module is one subject with one function `check(&[u8])`. It reads the bytes as input of that subject,
//! calls the real code, and panics where a promise is broken. `fuzz/` runs them under libFuzzer, by hand and
//! with nightly; this crate's own test replays the corpora in `fuzz/corpus/` on stable.
//!
//! A promise is written here a second time, in the plainest way, and never by calling the code it is about:
//! with a naive search, with another implementation (`url`, `base64`), or by undoing what was done.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support: a broken promise is a panic"
)]

pub mod answer_rewrite;
pub mod cdn_loop;
pub mod config;
pub mod error_answer;
pub mod error_body;
mod fields;
pub mod header_rewrite;
pub mod model_splice;
pub mod origin;
pub mod provider_toml;
pub mod proxied;
pub mod recognition;
pub mod request_target;
pub mod route;
pub mod scrub;
pub mod sealed_record;
pub mod slot;
pub mod token;
pub mod usage;
pub mod websocket_frames;

/// Reads bytes as input of one subject, and panics where a promise is broken.
pub type Check = fn(&[u8]);

/// Every target, by the name of its fuzz target and of its corpus.
pub const TARGETS: &[(&str, Check)] = &[
    ("answer_rewrite", answer_rewrite::check),
    ("cdn_loop", cdn_loop::check),
    ("config", config::check),
    ("error_answer", error_answer::check),
    ("error_body", error_body::check),
    ("header_rewrite", header_rewrite::check),
    ("model_splice", model_splice::check),
    ("origin", origin::check),
    ("provider_toml", provider_toml::check),
    ("proxied", proxied::check),
    ("recognition", recognition::check),
    ("request_target", request_target::check),
    ("route", route::check),
    ("scrub", scrub::check),
    ("sealed_record", sealed_record::check),
    ("slot", slot::check),
    ("token", token::check),
    ("usage", usage::check),
    ("websocket_frames", websocket_frames::check),
];
