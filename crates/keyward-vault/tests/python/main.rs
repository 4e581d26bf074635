//! The sealed format against a program in another language.

#[cfg(test)]
mod sealed_format;
