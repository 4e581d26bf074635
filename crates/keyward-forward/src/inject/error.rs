//! Why a client's request was not sent, or its answer not given.

use http::Method;

use crate::{BoxError, headers::WrongDestination, location::RedirectOutside};

/// A request was not sent with the credential, or its answer may not be given.
///
/// The client's own error is the [source](std::error::Error::source), as the client returned it.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct InjectError {
    kind: Kind,
    #[source]
    source: Option<BoxError>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("the request was not answered")]
    Inner,
    #[error("the request's URI names no origin: a client's request has scheme and host")]
    Relative,
    #[error("the request's URI names no usable origin")]
    Address,
    #[error("{0} is not sent with a credential")]
    Method(Method),
    #[error("the credential may not go where the request goes")]
    WrongDestination,
    #[error("the answer leads elsewhere")]
    RedirectOutside,
    #[error("the upstream switched protocols without being asked")]
    UnaskedUpgrade,
}

impl InjectError {
    /// Whether the credential is not bound to the origin of the request. Nothing was sent.
    #[must_use]
    pub fn is_wrong_destination(&self) -> bool {
        self.kind == Kind::WrongDestination
    }

    /// Whether the upstream redirects to an address outside its own.
    #[must_use]
    pub fn is_redirect_outside(&self) -> bool {
        self.kind == Kind::RedirectOutside
    }

    /// Whether the error is the inner client's: the source is what it returned.
    #[must_use]
    pub fn is_inner(&self) -> bool {
        self.kind == Kind::Inner
    }

    pub(crate) fn inner(source: impl Into<BoxError>) -> Self {
        Self::because(Kind::Inner, source)
    }

    pub(crate) const fn relative() -> Self {
        Self::of(Kind::Relative)
    }

    pub(crate) fn address(source: impl Into<BoxError>) -> Self {
        Self::because(Kind::Address, source)
    }

    pub(crate) fn method(method: &Method) -> Self {
        Self::of(Kind::Method(method.clone()))
    }

    pub(crate) fn wrong_destination(source: WrongDestination) -> Self {
        Self::because(Kind::WrongDestination, source)
    }

    pub(crate) fn redirect_outside(source: RedirectOutside) -> Self {
        Self::because(Kind::RedirectOutside, source)
    }

    pub(crate) const fn unasked_upgrade() -> Self {
        Self::of(Kind::UnaskedUpgrade)
    }

    const fn of(kind: Kind) -> Self {
        Self { kind, source: None }
    }

    fn because(kind: Kind, source: impl Into<BoxError>) -> Self {
        let source = Some(source.into());
        Self { kind, source }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{InjectError, Kind};

        keyward_testing::assert_texts!("InjectError", Kind {
            Kind::Inner => Kind::Inner,
            Kind::Relative => Kind::Relative,
            Kind::Address => Kind::Address,
            Kind::Method(_) => Kind::Method(http::Method::CONNECT),
            Kind::WrongDestination => Kind::WrongDestination,
            Kind::RedirectOutside => Kind::RedirectOutside,
            Kind::UnaskedUpgrade => Kind::UnaskedUpgrade,
        }, |kind| keyward_testing::told(&InjectError { kind, source: None }));
    }
}
