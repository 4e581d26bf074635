//! What a collector gets, decoded.

#[cfg(test)]
mod loss;
#[cfg(test)]
mod measures;
#[cfg(test)]
mod spans;
#[cfg(test)]
mod support;
