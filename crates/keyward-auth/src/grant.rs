//! What a token may do, where, from where and until when.

use std::time::SystemTime;

use keyward_secret::AccountId;

use crate::{Classes, Models, Networks, Permissions, Reason, Scope};

/// What a token may do, where, from where and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The account. A token is for one.
    pub account: AccountId,
    /// What it may do.
    pub permissions: Permissions,
    /// In which gateways.
    pub gateways: Scope,
    /// With which providers.
    pub providers: Scope,
    /// With which provider keys, by alias.
    pub aliases: Scope,
    /// At which endpoint classes. Narrows gateway tokens, and what an API token may hand out.
    pub classes: Classes,
    /// With which models. Narrows gateway tokens, and what an API token may hand out.
    pub models: Models,
    /// From where.
    pub networks: Networks,
    /// The first moment it is good for. None: from the start.
    pub not_before: Option<SystemTime>,
    /// The first moment it is good for no more. None: until it is deleted.
    pub expires_at: Option<SystemTime>,
    /// Switched off by an operator.
    pub disabled: bool,
}

impl Grant {
    /// These permissions in the whole account, from anywhere, for good: narrow it by the fields.
    #[must_use]
    pub fn new(account: AccountId, permissions: Permissions) -> Self {
        Self {
            account,
            permissions,
            gateways: Scope::All,
            providers: Scope::All,
            aliases: Scope::All,
            classes: Classes::ALL,
            models: Models::All,
            networks: Networks::default(),
            not_before: None,
            expires_at: None,
            disabled: false,
        }
    }

    pub(crate) fn check_time(&self, now: SystemTime) -> Result<(), Reason> {
        if self.disabled {
            Err(Reason::Disabled)
        } else if self.not_before.is_some_and(|start| now < start) {
            Err(Reason::NotYet)
        } else if self.expires_at.is_some_and(|end| now >= end) {
            Err(Reason::Expired)
        } else {
            Ok(())
        }
    }
}
