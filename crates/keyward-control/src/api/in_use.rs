//! What becomes of requests under way when what they use is revoked: they finish, or with `?now=true` they are cut.

use std::sync::Arc;

use keyward_registry::{ProviderKey, Use};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    call::Call,
    envelope::{FieldPath, Problem},
};

/// Whether requests under way may finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnderWay {
    Finishes,
    IsCut,
}

/// What an answer says about them.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Requests {
    /// How many began before and go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    requests_open: Option<usize>,
    /// How many were cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    requests_cut: Option<usize>,
}

/// What a revoking request may ask for.
#[derive(IntoParams)]
#[expect(dead_code, reason = "describes the query, which is read name by name")]
pub(crate) struct UnderWayQuery {
    /// Whether requests under way are cut. Otherwise they finish.
    #[param(inline, required = false)]
    now: bool,
}

impl UnderWay {
    /// Reads `?now=`. Before anything is changed: who mistypes it did not mean to wait.
    pub(crate) fn of(call: &Call) -> Result<Self, Problem> {
        match call.query("now") {
            None | Some("false") => Ok(Self::Finishes),
            Some("true") => Ok(Self::IsCut),
            Some(_) => {
                let path = FieldPath::query().name("now");
                Err(Problem::invalid(&path, "is `true` or `false`"))
            }
        }
    }

    /// Lets the requests that use what was just revoked finish, or cuts them.
    pub(crate) fn settle(self, call: &Call, revoked: Use) -> Requests {
        self.settle_all(call, [revoked])
    }

    /// The same for provider keys that are gone, or have no value any more.
    pub(crate) fn settle_keys(self, call: &Call, keys: &[Arc<ProviderKey>]) -> Requests {
        let uses = keys.iter().map(|key| Use::ProviderKey {
            id: key.record.id,
            keeps: None,
        });
        self.settle_all(call, uses)
    }

    /// The same for several things.
    pub(crate) fn settle_all(
        self,
        call: &Call,
        revoked: impl IntoIterator<Item = Use>,
    ) -> Requests {
        let revoked = revoked.into_iter();
        match self {
            Self::Finishes => Requests {
                requests_open: Some(revoked.map(|of| call.registry.requests_open(of)).sum()),
                requests_cut: None,
            },
            Self::IsCut => Requests {
                requests_open: None,
                requests_cut: Some(revoked.map(|of| call.registry.cut_requests(of)).sum()),
            },
        }
    }
}
