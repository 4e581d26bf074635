//! The binary as people and scripts use it: real processes on temporary directories and free ports.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod completions;
#[cfg(test)]
mod dashboard;
#[cfg(test)]
mod dev;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod dry_run;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod hardening;
#[cfg(test)]
mod help;
#[cfg(test)]
mod import;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod listeners;
#[cfg(test)]
mod load;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod now;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod profile;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod route_commands;
#[cfg(test)]
mod run;
#[cfg(test)]
mod scheduled;
#[cfg(test)]
mod sdk;
#[cfg(test)]
mod seal_command;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod slots;
#[cfg(test)]
mod snippets;
#[cfg(test)]
mod status;
#[cfg(test)]
mod support;
#[cfg(test)]
mod telemetry;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod traffic;
#[cfg(test)]
mod transcripts;
#[cfg(test)]
mod trial;
#[cfg(test)]
mod vault;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod wrangler;
