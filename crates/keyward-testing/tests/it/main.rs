//! The fake provider seen through the raw client, and what a process leaves for the sweep.

#[cfg(test)]
mod misbehaviour;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod sweep_dir;
