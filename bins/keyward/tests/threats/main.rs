//! Every class of docs/threats.md, on both listeners, over HTTP/1.1 and HTTP/2.
//!
//! A gateway and a control plane run over one registry, as the binary runs them, with a provider that records what
//! reaches it and a listener of an attacker's that must get nothing. The page is made from the run.

#[cfg(test)]
mod ask;
#[cfg(test)]
mod case;
#[cfg(test)]
mod classes;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod editor;
#[cfg(test)]
mod page;
#[cfg(test)]
mod session;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod world;
