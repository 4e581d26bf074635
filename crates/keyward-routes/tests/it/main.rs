//! The crate as its users see it.

#[cfg(test)]
mod body;
#[cfg(test)]
mod multipart;
