//! One resource per file.

pub(crate) mod accounts;
pub(crate) mod audit;
pub(crate) mod custom_providers;
pub(crate) mod explain;
pub(crate) mod gateways;
pub(crate) mod health;
pub(crate) mod in_use;
pub(crate) mod logs;
pub(crate) mod provider_configs;
pub(crate) mod routes;
pub(crate) mod secrets;
pub(crate) mod secrets_stores;
pub(crate) mod settings;
mod spend;
pub(crate) mod tokens;
pub(crate) mod traffic;
pub(crate) mod trial;
pub(crate) mod user;
