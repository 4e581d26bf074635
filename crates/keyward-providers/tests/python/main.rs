//! The corpus's runner, as somebody with another classifier would use it.

#[cfg(test)]
mod runner;
