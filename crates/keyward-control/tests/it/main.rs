//! The control plane's public API: every route against wire-spec §4, every refusal, and the accept loop.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod custom_providers;
#[cfg(test)]
mod dashboard;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod gateways;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod in_use;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod permissions;
mod pools;
#[cfg(test)]
mod provider_configs;
#[cfg(test)]
mod rotations;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod spend_limits;
#[cfg(test)]
mod stores;
#[cfg(test)]
mod support;
#[cfg(test)]
mod surface;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod traffic;
#[cfg(test)]
mod trial;
#[cfg(test)]
mod verify;
