//! What API tokens may do, in words.

use keyward_auth::{Permission, PermissionGroup, Role};
use serde::Deserialize;

use crate::{
    dashboard::visit::{To, Visit},
    envelope::Problem,
};

/// A permission, or a role that stands for some, to choose from.
pub(crate) struct Choice {
    pub(crate) name: String,
    pub(crate) about: &'static str,
    /// Whether the token that is signed in holds it itself, so that it can give it.
    pub(crate) is_held: bool,
}

/// Those that an API token may have: the roles, then the single permissions.
pub(crate) struct Choices {
    pub(crate) roles: Vec<Choice>,
    pub(crate) permissions: Vec<Choice>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
}

impl Choices {
    pub(crate) async fn load(visit: &Visit) -> Result<Self, Problem> {
        let to = To::new("permission_group_list");
        let groups = visit.get::<Vec<Group>>(to).await?.result;
        let own = visit.permissions();
        let (mut roles, mut permissions) = (Vec::new(), Vec::new());
        for Group { name } in groups {
            let Some(group) = PermissionGroup::find_by_name(&name) else {
                continue;
            };
            let choice = Choice {
                about: about(group),
                is_held: group.permissions().iter().all(|one| own.covers(one)),
                name,
            };
            match group {
                // It goes with no other: a gateway token has it.
                PermissionGroup::Permission(Permission::AiGatewayRun) => {}
                PermissionGroup::Permission(_) => permissions.push(choice),
                PermissionGroup::Role(_) => roles.push(choice),
            }
        }
        Ok(Self { roles, permissions })
    }
}

/// What the permission group of this name allows; empty where it is not known.
pub(crate) fn about_name(name: &str) -> &'static str {
    PermissionGroup::find_by_name(name).map_or("", about)
}

/// Whether these are all permissions that an API token may have.
pub(crate) fn is_everything(names: &[&str]) -> bool {
    let all = Permission::ALL.into_iter();
    let mut all = all.filter(|one| *one != Permission::AiGatewayRun);
    all.all(|one| names.contains(&one.name()))
}

fn about(group: PermissionGroup) -> &'static str {
    match group {
        PermissionGroup::Permission(permission) => about_permission(permission),
        PermissionGroup::Role(Role::SecretsStoreAdmin) => {
            "Secrets Store Read and Write: governs keys and secrets, and no gateways."
        }
        PermissionGroup::Role(Role::SecretsStoreDeployer) => {
            "AI Gateway Read and Write, Secrets Store Read: governs gateways, and stores no keys."
        }
        PermissionGroup::Role(Role::SecretsStoreReporter) => {
            "Secrets Store Read: sees what is stored, and changes nothing."
        }
        PermissionGroup::Role(_) => "",
    }
}

fn about_permission(permission: Permission) -> &'static str {
    match permission {
        Permission::AiGatewayRun => "Sends requests through the gateway.",
        Permission::AiGatewayRead => "Sees gateways, provider keys and custom providers.",
        Permission::AiGatewayWrite => {
            "Makes, changes and deletes gateways and custom providers; a deleted gateway takes its keys along."
        }
        Permission::SecretsStoreRead => {
            "Sees names and states of secrets and stores, never their values."
        }
        Permission::SecretsStoreWrite => {
            "Stores, rotates, disables and deletes provider keys and secrets. Reads none back."
        }
        Permission::AccountApiTokensRead => "Sees tokens, never their texts.",
        Permission::AccountApiTokensWrite => {
            "Makes, rolls and revokes tokens, none stronger than itself; gateway tokens too, which use the stored keys."
        }
        Permission::AccountSettingsRead => "Sees the account. Nothing asks for it yet.",
        Permission::AccountSettingsWrite => "Changes the account. Nothing asks for it yet.",
        Permission::AccountAnalyticsRead => "Reads the metrics.",
        Permission::AuditLogRead => "Reads and checks the audit log.",
        Permission::VaultRead => "Sees how the server is set up and what opens the vault.",
        Permission::VaultWrite => "Changes the vault. Nothing asks for it yet.",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use keyward_auth::PermissionGroup;

    use super::about;

    #[test]
    fn every_permission_is_told_in_words() {
        for group in PermissionGroup::all() {
            assert!(!about(group).is_empty(), "{}", group.name());
        }
    }
}
