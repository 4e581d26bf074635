//! Fields of a request that conditions and rates name: `body.…`, `headers.…`, `metadata.…`.

use std::fmt;

use http::HeaderName;

use crate::facts::BodyPaths;

/// The longest field, in bytes.
const LONGEST: usize = 256;
/// The most steps into a body.
const DEEPEST: usize = 16;
/// Headers that carry credentials, and parts of names that say so of others. `_` counts as `-`.
const CREDENTIALS: [&str; 3] = ["x-key", "authentication", "sec-websocket-protocol"];
const CREDENTIAL_PARTS: [&str; 9] = [
    "authorization",
    "api-key",
    "apikey",
    "access-key",
    "cookie",
    "secret",
    "password",
    "credential",
    "signature",
];
const CREDENTIAL_END: &str = "token";

/// A field of a request: `body.messages.0.role`, `headers.x-team`, `metadata.plan`.
#[derive(Clone)]
pub struct Field {
    text: Box<str>,
    place: Place,
}

#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Where among the leaves of the graph's [`BodyPaths`].
    Body(usize),
    Header(HeaderName),
    Metadata(Box<str>),
}

/// Why a text names no field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseFieldError {
    #[error("is no field of a request; begin it with `body.`, `headers.` or `metadata.`")]
    Prefix,
    #[error("is longer than {LONGEST} bytes; name a field nearer to the top")]
    TooLong,
    #[error("has an empty step; write one `.` between two steps")]
    EmptyStep,
    #[error("goes more than {DEEPEST} steps into the body; name a field nearer to the top")]
    TooDeep,
    #[error("names no header; a header's name has letters, digits and `-`")]
    HeaderName,
    #[error(
        "is a header that carries credentials, which decide nothing here; use another header or metadata"
    )]
    Credential,
}

impl Field {
    pub(crate) fn parse(text: &str, paths: &mut BodyPaths) -> Result<Self, ParseFieldError> {
        if text.len() > LONGEST {
            return Err(ParseFieldError::TooLong);
        }
        let (prefix, rest) = text.split_once('.').ok_or(ParseFieldError::Prefix)?;
        let place = match prefix {
            "body" => Self::parse_path(rest, paths)?,
            "headers" => Self::parse_header(rest)?,
            "metadata" if rest.is_empty() => return Err(ParseFieldError::EmptyStep),
            // Metadata is flat: a name may have dots.
            "metadata" => Place::Metadata(rest.into()),
            _ => return Err(ParseFieldError::Prefix),
        };
        let text = text.into();
        Ok(Self { text, place })
    }

    fn parse_path(path: &str, paths: &mut BodyPaths) -> Result<Place, ParseFieldError> {
        if path.split('.').any(str::is_empty) {
            return Err(ParseFieldError::EmptyStep);
        }
        if path.split('.').count() > DEEPEST {
            return Err(ParseFieldError::TooDeep);
        }
        Ok(Place::Body(paths.intern(path.split('.'))))
    }

    fn parse_header(name: &str) -> Result<Place, ParseFieldError> {
        let name = HeaderName::try_from(name).map_err(|_| ParseFieldError::HeaderName)?;
        match may_carry_credentials(&name) {
            true => Err(ParseFieldError::Credential),
            false => Ok(Place::Header(name)),
        }
    }

    /// The field as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) const fn is_in_body(&self) -> bool {
        matches!(self.place, Place::Body(_))
    }
}

/// Whether a header may carry a credential, by its name: no field names such a one.
#[must_use]
pub fn may_carry_credentials(name: &HeaderName) -> bool {
    let plain = name.as_str().replace('_', "-");
    CREDENTIALS.contains(&plain.as_str())
        || CREDENTIAL_PARTS.iter().any(|part| plain.contains(part))
        || plain.ends_with(CREDENTIAL_END)
}

impl fmt::Debug for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Field({:?})", self.text)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
