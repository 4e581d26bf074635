//! The crate as its users see it.

#[cfg(test)]
mod body;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod multipart;
#[cfg(test)]
mod support;
#[cfg(test)]
mod walk;
