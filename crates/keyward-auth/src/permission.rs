//! What a token may do, by Cloudflare's names.

/// One thing that a token may do. Names are Cloudflare's where it has one (wire-spec §4.0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Permission {
    /// Use of the data plane: the one permission of a gateway token.
    AiGatewayRun,
    /// Reading gateways, provider keys, custom providers, routes and logs.
    AiGatewayRead,
    /// Changing gateways, custom providers and routes. Cloudflare's dashboard says "AI Gateway - Edit".
    AiGatewayWrite,
    /// Reading what is known of secrets, never their values.
    SecretsStoreRead,
    /// Storing, replacing and deleting secrets and provider keys.
    SecretsStoreWrite,
    /// Reading the account's tokens, never their texts.
    AccountApiTokensRead,
    /// Making, changing, rolling and deleting tokens, within what [`may_create`](crate::may_create) allows.
    AccountApiTokensWrite,
    /// Reading the account itself.
    AccountSettingsRead,
    /// Changing the account itself.
    AccountSettingsWrite,
    /// Reading metrics and usage.
    AccountAnalyticsRead,
    /// Reading the audit log. The name is ours.
    AuditLogRead,
    /// Reading the vault's state: slots, keyring, seal. The name is ours; the vault serves every account.
    VaultRead,
    /// Changing the vault: slots, rotations, backups. The name is ours; the vault serves every account.
    VaultWrite,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 13] = [
        Self::AiGatewayRun,
        Self::AiGatewayRead,
        Self::AiGatewayWrite,
        Self::SecretsStoreRead,
        Self::SecretsStoreWrite,
        Self::AccountApiTokensRead,
        Self::AccountApiTokensWrite,
        Self::AccountSettingsRead,
        Self::AccountSettingsWrite,
        Self::AccountAnalyticsRead,
        Self::AuditLogRead,
        Self::VaultRead,
        Self::VaultWrite,
    ];

    /// The name, such as `AI Gateway Run`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AiGatewayRun => "AI Gateway Run",
            Self::AiGatewayRead => "AI Gateway Read",
            Self::AiGatewayWrite => "AI Gateway Write",
            Self::SecretsStoreRead => "Secrets Store Read",
            Self::SecretsStoreWrite => "Secrets Store Write",
            Self::AccountApiTokensRead => "Account API Tokens Read",
            Self::AccountApiTokensWrite => "Account API Tokens Write",
            Self::AccountSettingsRead => "Account Settings Read",
            Self::AccountSettingsWrite => "Account Settings Write",
            Self::AccountAnalyticsRead => "Account Analytics Read",
            Self::AuditLogRead => "Keyward Audit Log Read",
            Self::VaultRead => "Keyward Vault Read",
            Self::VaultWrite => "Keyward Vault Write",
        }
    }

    /// The id of the permission group: 32 hexadecimal digits. Those of AI Gateway Read and Write are
    /// Cloudflare's (wire-spec §4.0); the others are ours, and fixed.
    #[must_use]
    pub const fn group_id(self) -> &'static str {
        match self {
            Self::AiGatewayRun => "fc0b06407dabc30adda1f793a7790a75",
            Self::AiGatewayRead => "4dc8917b4b40457d88d3035d5dadb054",
            Self::AiGatewayWrite => "6c8a3737f07f46369c1ea1f22138daaf",
            Self::SecretsStoreRead => "787e9dc16af9d460a8f857e493359703",
            Self::SecretsStoreWrite => "4f20a5f3b0035fdb3d6749a741495fc8",
            Self::AccountApiTokensRead => "ff88de38df3241d130c2faa059a22817",
            Self::AccountApiTokensWrite => "07bf06d1c5dfff23a94e45db86223eb9",
            Self::AccountSettingsRead => "0f3bedddd25d2574ca9b84a250f4bec0",
            Self::AccountSettingsWrite => "296776f9fec7e0a460c497d239633e84",
            Self::AccountAnalyticsRead => "bb2c8f108983b0fe76fd058ca7bd54c9",
            Self::AuditLogRead => "3970b47d6137ec7f8a081d1521670770",
            Self::VaultRead => "17dfe53f77b274db95c3702c9f5b9c0f",
            Self::VaultWrite => "24dae1d2417dae024bec66d30e023c52",
        }
    }

    /// The permission of this name. Case counts.
    #[must_use]
    pub fn find_by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// The permission whose group has this id.
    #[must_use]
    pub fn find_by_id(group_id: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.group_id() == group_id)
    }

    /// What comes with this one: who may write may read. (Cloudflare: "Edit is full CRUDL", page "Create API
    /// token", read 2026-11-24.)
    const fn included(self) -> Option<Self> {
        match self {
            Self::AiGatewayWrite => Some(Self::AiGatewayRead),
            Self::SecretsStoreWrite => Some(Self::SecretsStoreRead),
            Self::AccountApiTokensWrite => Some(Self::AccountApiTokensRead),
            Self::AccountSettingsWrite => Some(Self::AccountSettingsRead),
            Self::VaultWrite => Some(Self::VaultRead),
            Self::AiGatewayRun
            | Self::AiGatewayRead
            | Self::SecretsStoreRead
            | Self::AccountApiTokensRead
            | Self::AccountSettingsRead
            | Self::AccountAnalyticsRead
            | Self::AuditLogRead
            | Self::VaultRead => None,
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A set of permissions. Stored by [names](Self::names): the bits are of this process only.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u32);

/// No permission has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no permission is called `{name}`; known are {}",
    Permission::ALL.map(Permission::name).join(", ")
)]
pub struct UnknownPermission {
    name: String,
}

impl UnknownPermission {
    /// The name that is not known.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Permissions {
    /// No permission.
    pub const NONE: Self = Self(0);

    /// Whether `permission` is in the set itself.
    #[must_use]
    pub const fn contains(&self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Whether the set allows `permission`: because it is in it, or the Write that includes this Read is.
    #[must_use]
    pub fn covers(&self, permission: Permission) -> bool {
        self.contains(permission) || self.iter().any(|held| held.included() == Some(permission))
    }

    /// Puts `permission` into the set.
    pub const fn insert(&mut self, permission: Permission) {
        self.0 |= permission.bit();
    }

    /// The permissions, in the order of [`Permission::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Permission> + use<> {
        let set = *self;
        Permission::ALL
            .into_iter()
            .filter(move |permission| set.contains(*permission))
    }

    /// Whether every permission of this set is in `other` too.
    #[must_use]
    pub const fn is_subset_of(&self, other: &Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// The names, to store or show.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.iter().map(Permission::name)
    }

    /// The set with these names.
    ///
    /// # Errors
    ///
    /// When a name is not known.
    pub fn from_names<'a>(
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, UnknownPermission> {
        names
            .into_iter()
            .map(|name| {
                Permission::find_by_name(name)
                    .ok_or_else(|| UnknownPermission { name: name.into() })
            })
            .collect()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        let mut set = Self::NONE;
        permissions
            .into_iter()
            .for_each(|permission| set.insert(permission));
        set
    }
}

impl std::fmt::Debug for Permissions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// A named set of permissions for API tokens.
///
/// Those of the Secrets Store bear Cloudflare's names (wire-spec §4.0) and are permission groups like the
/// single permissions are. A role is resolved when a token is made: the token holds the permissions, so that
/// a role that changes later changes no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Everything but Run, which never mixes with others. No permission group.
    Admin,
    /// Changes gateways, and sees secrets without storing any; with usage. No permission group.
    Deployer,
    /// Sees gateways, secrets and usage; changes nothing. No permission group.
    Reporter,
    /// Stores, replaces and deletes secrets and provider keys.
    SecretsStoreAdmin,
    /// Changes gateways, and sees what is known of secrets without storing any.
    SecretsStoreDeployer,
    /// Sees what is known of secrets, and nothing else.
    SecretsStoreReporter,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] = [
        Self::Admin,
        Self::Deployer,
        Self::Reporter,
        Self::SecretsStoreAdmin,
        Self::SecretsStoreDeployer,
        Self::SecretsStoreReporter,
    ];

    /// The roles that are permission groups.
    pub const GROUPS: [Self; 3] = [
        Self::SecretsStoreAdmin,
        Self::SecretsStoreDeployer,
        Self::SecretsStoreReporter,
    ];

    /// The name, such as `Admin` or `Secrets Store Deployer`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "Admin",
            Self::Deployer => "Deployer",
            Self::Reporter => "Reporter",
            Self::SecretsStoreAdmin => "Secrets Store Admin",
            Self::SecretsStoreDeployer => "Secrets Store Deployer",
            Self::SecretsStoreReporter => "Secrets Store Reporter",
        }
    }

    /// The id of the permission group, for the roles that are one: 32 hexadecimal digits, ours and fixed.
    #[must_use]
    pub const fn group_id(self) -> Option<&'static str> {
        match self {
            Self::Admin | Self::Deployer | Self::Reporter => None,
            Self::SecretsStoreAdmin => Some("5ee6fa1b1c6be94c0d7f0a4b9cdf21a7"),
            Self::SecretsStoreDeployer => Some("b2a90d3f6c7748e1a05d93f5e2c4817b"),
            Self::SecretsStoreReporter => Some("91c6d08e4f2b4a7d8e35b7a1f60c92d4"),
        }
    }

    /// The role's permissions.
    #[must_use]
    pub fn permissions(self) -> Permissions {
        let read = [
            Permission::AiGatewayRead,
            Permission::SecretsStoreRead,
            Permission::AccountAnalyticsRead,
        ];
        match self {
            Self::Admin => Permission::ALL
                .into_iter()
                .filter(|permission| *permission != Permission::AiGatewayRun)
                .collect(),
            Self::Deployer => read
                .into_iter()
                .chain([Permission::AiGatewayWrite])
                .collect(),
            Self::Reporter => read.into_iter().collect(),
            Self::SecretsStoreAdmin => {
                [Permission::SecretsStoreRead, Permission::SecretsStoreWrite]
                    .into_iter()
                    .collect()
            }
            Self::SecretsStoreDeployer => [
                Permission::AiGatewayRead,
                Permission::AiGatewayWrite,
                Permission::SecretsStoreRead,
            ]
            .into_iter()
            .collect(),
            Self::SecretsStoreReporter => [Permission::SecretsStoreRead].into_iter().collect(),
        }
    }
}

/// What a policy may name: one permission, or a role that stands for some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "who lists groups must list both")]
pub enum PermissionGroup {
    /// One permission.
    Permission(Permission),
    /// Every permission of a role, one of [`Role::GROUPS`].
    Role(Role),
}

impl PermissionGroup {
    /// Every group: the permissions, then the roles.
    pub fn all() -> impl Iterator<Item = Self> {
        let roles = Role::GROUPS.into_iter().map(Self::Role);
        Permission::ALL
            .into_iter()
            .map(Self::Permission)
            .chain(roles)
    }

    /// The name, such as `AI Gateway Run` or `Secrets Store Admin`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Permission(permission) => permission.name(),
            Self::Role(role) => role.name(),
        }
    }

    /// The id. `None` for a role that is no group.
    #[must_use]
    pub const fn id(self) -> Option<&'static str> {
        match self {
            Self::Permission(permission) => Some(permission.group_id()),
            Self::Role(role) => role.group_id(),
        }
    }

    /// What it stands for.
    #[must_use]
    pub fn permissions(self) -> Permissions {
        match self {
            Self::Permission(permission) => Permissions::from_iter([permission]),
            Self::Role(role) => role.permissions(),
        }
    }

    /// The group of this name. Case counts.
    #[must_use]
    pub fn find_by_name(name: &str) -> Option<Self> {
        Self::all().find(|group| group.name() == name)
    }

    /// The group with this id.
    #[must_use]
    pub fn find_by_id(id: &str) -> Option<Self> {
        Self::all().find(|group| group.id() == Some(id))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::{Permission, PermissionGroup, Permissions, Role};
    use crate::Kind;

    #[test]
    fn names_and_ids_are_unique_and_lead_back() {
        let mut seen = HashSet::new();
        for permission in Permission::ALL {
            let (name, id) = (permission.name(), permission.group_id());
            assert!(seen.insert(name) && seen.insert(id), "{name}");
            assert_eq!(id.len(), 32);
            assert!(
                id.bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            );
            assert_eq!(Permission::find_by_name(name), Some(permission));
            assert_eq!(Permission::find_by_id(id), Some(permission));
        }
        assert_eq!(Permission::find_by_name("ai gateway run"), None);
    }

    #[test]
    fn who_may_write_may_read_and_not_the_reverse() {
        let write = Permissions::from_iter([Permission::AiGatewayWrite]);
        assert!(write.covers(Permission::AiGatewayRead));
        assert!(!write.contains(Permission::AiGatewayRead));
        assert!(!write.covers(Permission::AiGatewayRun));
        assert!(!write.covers(Permission::SecretsStoreRead));
        let read = Permissions::from_iter([Permission::AiGatewayRead]);
        assert!(!read.covers(Permission::AiGatewayWrite));
    }

    #[test]
    fn every_role_makes_an_api_token() {
        for role in Role::ALL {
            assert_eq!(
                Kind::of(&role.permissions()),
                Some(Kind::Api),
                "{}",
                role.name()
            );
        }
        assert!(
            Role::Reporter
                .permissions()
                .is_subset_of(&Role::Deployer.permissions())
        );
        assert!(
            Role::Deployer
                .permissions()
                .is_subset_of(&Role::Admin.permissions())
        );
    }

    #[test]
    fn groups_are_the_permissions_and_the_secrets_stores_roles() {
        let mut seen = HashSet::new();
        for group in PermissionGroup::all() {
            let id = group.id().unwrap();
            assert!(seen.insert(group.name()) && seen.insert(id));
            assert_eq!(PermissionGroup::find_by_name(group.name()), Some(group));
            assert_eq!(PermissionGroup::find_by_id(id), Some(group));
        }
        assert_eq!(PermissionGroup::all().count(), Permission::ALL.len() + 3);
        // What stands for everything has no name that a client could ask for by accident.
        assert_eq!(PermissionGroup::find_by_name("Admin"), None);
    }

    #[test]
    fn the_secrets_stores_roles_allow_what_their_names_say_and_nothing_else() {
        let names = |role: Role| role.permissions().names().collect::<Vec<_>>();
        assert_eq!(
            names(Role::SecretsStoreAdmin),
            ["Secrets Store Read", "Secrets Store Write"]
        );
        assert_eq!(
            names(Role::SecretsStoreDeployer),
            ["AI Gateway Read", "AI Gateway Write", "Secrets Store Read"]
        );
        assert_eq!(names(Role::SecretsStoreReporter), ["Secrets Store Read"]);
    }

    #[test]
    fn an_unknown_name_is_named() {
        let error = Permissions::from_names(["AI Gateway Run", "AI Gateway Walk"]).unwrap_err();
        assert_eq!(error.name(), "AI Gateway Walk");
    }

    proptest! {
        #[test]
        fn names_round_trip(chosen in proptest::sample::subsequence(&Permission::ALL[..], 0..=Permission::ALL.len())) {
            let set: Permissions = chosen.iter().copied().collect();
            prop_assert_eq!(Permissions::from_names(set.names()), Ok(set));
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), chosen);
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::UnknownPermission;

        keyward_testing::assert_texts!("UnknownPermission", [
            "a name" => UnknownPermission { name: "read all".to_owned() },
        ]);
    }
}
