//! Headers to inject, and the destination they may go to.

use std::{fmt, sync::Arc};

use ::bytes::Bytes;
use http::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::{Destination, Origin, SecretBytes};

/// A credential ready for the wire: one header to inject, and the only destination it may go to.
///
/// The header's value is built once, in memory that erases itself with the last holder, and is marked
/// sensitive: it prints as `Sensitive` and never enters an HTTP/2 compression table. Cloning shares it.
#[derive(Clone)]
pub struct BoundCredential {
    name: HeaderName,
    value: HeaderValue,
    raw: Arc<SecretBytes>,
    destination: Destination,
}

/// The secret cannot stand in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret is empty, or holds a byte that no header may carry")]
pub struct BindError;

impl BoundCredential {
    /// Binds `secret`, as the value of header `name` behind `scheme` (such as `"Bearer "`, or empty), to
    /// `destination`.
    ///
    /// # Errors
    ///
    /// When `secret` is empty or holds a control character.
    pub fn build(
        name: HeaderName,
        scheme: &str,
        secret: SecretBytes,
        destination: Destination,
    ) -> Result<Self, BindError> {
        if secret.is_empty() {
            return Err(BindError);
        }
        // Reserved in full first: a vector that grows leaves a copy behind.
        let mut text = Zeroizing::new(Vec::with_capacity(scheme.len() + secret.len()));
        text.extend_from_slice(scheme.as_bytes());
        text.extend_from_slice(secret.expose());
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text))
            .map_err(|_invalid| BindError)?;
        value.set_sensitive(true);
        Ok(Self {
            name,
            value,
            raw: secret.into_shared(),
            destination,
        })
    }

    /// The header to inject.
    #[must_use]
    pub const fn header_name(&self) -> &HeaderName {
        &self.name
    }

    /// The header's value, marked sensitive. A clone shares the bytes.
    #[must_use]
    pub const fn header_value(&self) -> &HeaderValue {
        &self.value
    }

    /// The secret without its scheme: what a scrubber looks for.
    #[must_use]
    pub fn raw(&self) -> &SecretBytes {
        &self.raw
    }

    /// Where the credential may go.
    #[must_use]
    pub const fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Whether the credential may be sent to `origin`. Allocates nothing.
    #[must_use]
    pub fn may_go_to(&self, origin: &Origin) -> bool {
        self.destination.contains(origin)
    }
}

impl fmt::Debug for BoundCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundCredential")
            .field("header", &self.name)
            .field("destination", &self.destination)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;

    use super::{BindError, BoundCredential};
    use crate::{Destination, SecretBytes};

    fn bind(secret: &[u8]) -> Result<BoundCredential, BindError> {
        let destination = Destination::parse(["https://a.example"]).unwrap();
        BoundCredential::build(
            AUTHORIZATION,
            "Bearer ",
            SecretBytes::copy_from(secret),
            destination,
        )
    }

    #[test]
    fn the_header_is_scheme_and_secret_and_is_marked() {
        let credential = bind(b"sk-1").unwrap();
        assert_eq!(credential.header_value().as_bytes(), b"Bearer sk-1");
        assert!(credential.header_value().is_sensitive());
        assert_eq!(credential.raw().expose(), b"sk-1");
    }

    #[test]
    fn clones_share_one_copy() {
        let credential = bind(b"sk-1").unwrap();
        let clone = credential.clone();
        assert_eq!(
            credential.header_value().as_bytes().as_ptr(),
            clone.header_value().as_bytes().as_ptr(),
        );
    }

    #[test]
    fn the_printed_form_holds_no_secret() {
        assert!(!format!("{:?}", bind(b"sk-1").unwrap()).contains("sk-1"));
    }

    #[test]
    fn a_secret_that_would_break_the_header_is_refused() {
        for secret in [&b""[..], b"a\r\nx: y", b"a\0", b"a\x7f"] {
            assert_eq!(bind(secret).unwrap_err(), BindError);
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::BindError;

        keyward_testing::assert_texts!("BindError", [
            "a value" => BindError,
        ]);
    }
}
