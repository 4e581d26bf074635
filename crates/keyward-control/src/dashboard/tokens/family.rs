//! The two kinds of token: their pages are the same but for these words.

use keyward_auth::Kind;

use crate::dashboard::view::Section;

/// What kind of token a page is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Family(Kind);

/// What applications send in place of a provider key.
pub(crate) const GATEWAY: Family = Family(Kind::Gateway);
/// What operators and their programs use the control plane with.
pub(crate) const API: Family = Family(Kind::Api);

impl Family {
    pub(crate) fn is_api(self) -> bool {
        self.0 == Kind::Api
    }

    /// As the routes call it.
    pub(crate) fn kind(self) -> &'static str {
        self.0.as_str()
    }

    pub(crate) fn path(self) -> &'static str {
        match self.0 {
            Kind::Gateway => "/tokens",
            Kind::Api => "/api-tokens",
        }
    }

    pub(crate) fn section(self) -> Section {
        match self.0 {
            Kind::Gateway => Section::Tokens,
            Kind::Api => Section::ApiTokens,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self.0 {
            Kind::Gateway => "gateway token",
            Kind::Api => "API token",
        }
    }

    /// As a heading.
    pub(crate) fn title(self) -> &'static str {
        match self.0 {
            Kind::Gateway => "Gateway tokens",
            Kind::Api => "API tokens",
        }
    }

    /// Whom it is for.
    pub(crate) fn about(self) -> &'static str {
        match self.0 {
            Kind::Gateway => "What applications send in place of a provider key.",
            Kind::Api => {
                "What operators and their programs use the REST API, the command line and this dashboard with."
            }
        }
    }

    /// How its text begins.
    pub(crate) fn prefix(self) -> &'static str {
        match self.0 {
            Kind::Gateway => "kw_gw_",
            Kind::Api => "kw_api_",
        }
    }
}
