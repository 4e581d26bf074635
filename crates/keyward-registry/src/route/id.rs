//! The ids of routes, their versions and their deployments.

use std::{fmt, str::FromStr};

use data_encoding::HEXLOWER;

use crate::ParseIdError;

macro_rules! hex_id {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type([u8; 16]);

        impl $type {
            /// A new id from the system's randomness.
            pub(crate) fn random() -> Result<Self, getrandom::Error> {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes)?;
                Ok(Self(bytes))
            }

            /// The id with these 128 bits.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 128 bits.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// Parses 32 lower-case hexadecimal digits.
            ///
            /// # Errors
            ///
            /// When the text is anything else.
            pub fn parse(text: &str) -> Result<Self, ParseIdError> {
                let bytes = HEXLOWER.decode(text.as_bytes()).ok();
                let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
                bytes.map(Self).ok_or(ParseIdError::new(
                    $what,
                    "32 lower-case hexadecimal digits",
                ))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
            }
        }

        impl FromStr for $type {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }
    };
}

hex_id!(
    /// A route's public id: 128 random bits as 32 lower-case hexadecimal digits.
    RouteId,
    "a route id"
);
hex_id!(
    /// The public id of a route's version: 128 random bits as 32 lower-case hexadecimal digits.
    RouteVersionId,
    "the id of a route's version"
);
hex_id!(
    /// The public id of a route's deployment: 128 random bits as 32 lower-case hexadecimal digits.
    RouteDeploymentId,
    "the id of a route's deployment"
);
