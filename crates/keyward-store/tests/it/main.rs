//! The store from outside: every contract suite, and what happens to it in the world.

#[cfg(test)]
mod audit_copies;
#[cfg(test)]
mod audit_watch;
#[cfg(test)]
mod contracts;
#[cfg(test)]
mod erased;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod older_keys;
#[cfg(test)]
mod older_lines;
#[cfg(test)]
mod older_secrets;
#[cfg(test)]
mod opened;
#[cfg(test)]
mod rotations;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tampered;
