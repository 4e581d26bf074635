//! What can go wrong: reading the catalogue, choosing a route, placing a credential.

use std::error::Error;

type Source = Box<dyn Error + Send + Sync>;

/// The catalogue, or an override of it, cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct CatalogueError {
    text: String,
    provider: Box<str>,
    field: Option<Box<str>>,
    nearest: Option<Box<str>>,
    #[source]
    source: Option<Source>,
}

impl CatalogueError {
    pub(crate) fn field(provider: &str, field: &str, source: impl Into<Source>) -> Self {
        Self {
            text: format!("cannot use `{field}` of provider `{provider}`"),
            provider: provider.into(),
            field: Some(field.into()),
            nearest: None,
            source: Some(source.into()),
        }
    }

    pub(crate) fn syntax(provider: &str, source: impl Into<Source>) -> Self {
        Self {
            text: format!("cannot read the catalogue file of provider `{provider}`"),
            provider: provider.into(),
            field: None,
            nearest: None,
            source: Some(source.into()),
        }
    }

    pub(crate) fn unknown(provider: &str, nearest: Option<&str>) -> Self {
        let hint = match nearest {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "the catalogue has no name like it".to_owned(),
        };
        Self {
            text: format!("there is no provider `{provider}`; {hint}"),
            provider: provider.into(),
            field: None,
            nearest: nearest.map(Into::into),
            source: None,
        }
    }

    /// The provider at fault, as the caller or the file named it.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The field at fault, where it is one.
    #[must_use]
    pub fn field_name(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The nearest known name, where the provider is unknown and one is near.
    #[must_use]
    pub fn nearest(&self) -> Option<&str> {
        self.nearest.as_deref()
    }
}

/// A request is not for anything that the provider serves through Keyward.
///
/// The text may be shown to the client: it repeats nothing that the client sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("provider `{provider}` {kind}")]
pub struct RouteError {
    provider: Box<str>,
    kind: RouteErrorKind,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum RouteErrorKind {
    #[error("cannot be used: {0}")]
    Provider(Box<str>),
    #[error("does not serve this path: {0}")]
    Path(Box<str>),
    #[error("cannot be sent to the URL in the header `{header}`: {reason}")]
    Target {
        header: Box<str>,
        reason: &'static str,
    },
}

impl RouteError {
    pub(crate) fn provider(provider: &str, reason: &str) -> Self {
        Self {
            provider: provider.into(),
            kind: RouteErrorKind::Provider(reason.into()),
        }
    }

    pub(crate) fn path(provider: &str, reason: &str) -> Self {
        Self {
            provider: provider.into(),
            kind: RouteErrorKind::Path(reason.into()),
        }
    }

    pub(crate) fn target(provider: &str, header: &str, reason: &'static str) -> Self {
        let header = header.into();
        Self {
            provider: provider.into(),
            kind: RouteErrorKind::Target { header, reason },
        }
    }

    /// Whether no request to this provider can succeed until the operator or a release changes something.
    #[must_use]
    pub const fn is_provider_refused(&self) -> bool {
        matches!(self.kind, RouteErrorKind::Provider(_))
    }

    /// Whether another path of the provider may be served.
    #[must_use]
    pub const fn is_path_refused(&self) -> bool {
        matches!(self.kind, RouteErrorKind::Path(_))
    }

    /// Whether a header names an upstream URL that is not the provider's.
    #[must_use]
    pub const fn is_target_refused(&self) -> bool {
        matches!(self.kind, RouteErrorKind::Target { .. })
    }
}

/// A secret cannot be made the provider's credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot use the secret as a key of provider `{provider}`")]
pub struct BindError {
    provider: Box<str>,
    #[source]
    kind: BindErrorKind,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum BindErrorKind {
    #[error("{0}")]
    Provider(Box<str>),
    #[error(transparent)]
    Secret(keyward_secret::BindError),
}

impl BindError {
    pub(crate) fn provider(provider: &str, reason: &str) -> Self {
        Self {
            provider: provider.into(),
            kind: BindErrorKind::Provider(reason.into()),
        }
    }

    pub(crate) fn secret(provider: &str, error: keyward_secret::BindError) -> Self {
        Self {
            provider: provider.into(),
            kind: BindErrorKind::Secret(error),
        }
    }

    /// Whether the provider is refused, whatever the secret.
    #[must_use]
    pub const fn is_provider_refused(&self) -> bool {
        matches!(self.kind, BindErrorKind::Provider(_))
    }
}

#[cfg(test)]
mod tests {
    use keyward_testing::{assert_texts, told};

    use super::{BindError, BindErrorKind, CatalogueError, RouteError, RouteErrorKind};

    #[test]
    fn every_text_says_what_is_wrong() {
        assert_texts!("CatalogueError", [
            "a field" => CatalogueError::field("openai", "base_url", "it is not an origin"),
            "a file" => CatalogueError::syntax("openai", "a quote is not closed"),
            "a mistyped provider" => CatalogueError::unknown("opnai", Some("openai")),
            "another provider" => CatalogueError::unknown("nowhere", None),
        ]);
        assert_texts!("RouteError", RouteErrorKind {
            RouteErrorKind::Provider(_) => RouteErrorKind::Provider("it is not served yet".into()),
            RouteErrorKind::Path(_) => RouteErrorKind::Path("use the paths below v1/".into()),
            RouteErrorKind::Target { .. } => RouteErrorKind::Target {
                header: "x-target".into(),
                reason: "it names no origin",
            },
        }, |kind| told(&RouteError { provider: "openai".into(), kind }));
        assert_texts!("BindError", BindErrorKind {
            BindErrorKind::Provider(_) => BindErrorKind::Provider("it is not served yet".into()),
            BindErrorKind::Secret(_) => BindErrorKind::Secret(keyward_secret::BindError),
        }, |kind| told(&BindError { provider: "openai".into(), kind }));
    }
}
