//! One command per file. Each parses nothing and decides nothing: it asks the parts and shows what they say.

pub(crate) mod audit;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod gateways;
pub(crate) mod help;
pub(crate) mod import;
pub(crate) mod in_use;
pub(crate) mod keys;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod profile;
pub(crate) mod providers;
pub(crate) mod routes;
pub(crate) mod run;
pub(crate) mod secrets;
pub(crate) mod serve;
pub(crate) mod slots;
pub(crate) mod snippet;
mod spend_limits;
pub(crate) mod status;
pub(crate) mod tokens;
pub(crate) mod traffic;
pub(crate) mod vault;
