//! The versions that a provider key's value had: ours beside the reference.

use keyward_vault::{VersionRecord, VersionState};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    call::Call,
    envelope::{Problem, Reply},
    moment,
};

/// A version of a provider key's value. Never the value.
#[derive(Serialize, ToSchema)]
#[schema(as = ProviderConfigVersion)]
pub(crate) struct VersionBody {
    version: u32,
    /// `current`, `destroyed`, or what lies between: `staged`, `retiring`.
    state: &'static str,
    /// When the value was entered, RFC 3339.
    created_at: Option<String>,
    /// When it was replaced and erased, RFC 3339.
    destroyed_at: Option<String>,
}

impl VersionBody {
    fn new(version: &VersionRecord) -> Self {
        let is_destroyed = version.state == VersionState::Destroyed;
        Self {
            version: version.number.get(),
            state: version.state.as_str(),
            created_at: moment::format(version.created_at),
            destroyed_at: is_destroyed
                .then(|| moment::format(version.changed_at))
                .flatten(),
        }
    }
}

pub(crate) async fn list_versions(call: Call) -> Result<Reply, Problem> {
    let secret = call.key()?.record.secret;
    let store = call.registry.store();
    let versions = store.list_versions(call.account, secret).await;
    let mut versions = versions.map_err(Problem::from)?;
    versions.sort_by_key(|version| std::cmp::Reverse(version.number));
    let bodies: Vec<_> = versions.iter().map(VersionBody::new).collect();
    Reply::new(&bodies)
}
