//! What a token may do and where: its policies (wire-spec §4.10).
//!
//! A token holds one grant: some permissions, in some gateways, narrowed in one way. Policies that together
//! say more than such a product would be widened by it, so they are refused.

use std::collections::BTreeMap;

use keyward_auth::{
    Classes, Grant, ModelPattern, Models, PermissionGroup, Permissions, Scope, TokenId,
};
use keyward_providers::Class;
use keyward_registry::{Alias, GatewayId};
use keyward_secret::AccountId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    call::Call,
    envelope::Problem,
    object::{Field, Object},
};

/// A policy as answers carry it.
#[derive(Serialize, ToSchema)]
#[schema(as = Policy)]
pub(super) struct PolicyBody {
    /// The token's: it has one policy. SDKs demand an id.
    id: String,
    effect: &'static str,
    resources: BTreeMap<String, Narrowing>,
    permission_groups: Vec<Group>,
}

/// A permission.
#[derive(Serialize, ToSchema)]
#[schema(as = PolicyPermissionGroup)]
struct Group {
    id: &'static str,
    name: &'static str,
}

/// What of a resource a token is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
enum Narrowing {
    Nothing(Everything),
    To {
        #[serde(skip_serializing_if = "Option::is_none")]
        providers: Option<Vec<String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        aliases: Option<Vec<String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        classes: Option<Vec<&'static str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        models: Option<Vec<String>>,
    },
}

/// Everything of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
enum Everything {
    #[serde(rename = "*")]
    Everything,
}

impl PolicyBody {
    pub(super) fn new(id: TokenId, grant: &Grant) -> Self {
        let narrowing = Narrowing::new(grant);
        let account = account_key(grant.account);
        let resources = match &grant.gateways {
            Scope::All => BTreeMap::from([(account, narrowing)]),
            Scope::Only(gateways) => gateways
                .iter()
                .map(|gateway| {
                    (
                        format!("{account}{GATEWAY_INFIX}{gateway}"),
                        narrowing.clone(),
                    )
                })
                .collect(),
        };
        let groups = grant.permissions.iter().map(|permission| Group {
            id: permission.group_id(),
            name: permission.name(),
        });
        Self {
            id: id.to_string(),
            effect: "allow",
            resources,
            permission_groups: groups.collect(),
        }
    }
}

impl Narrowing {
    fn new(grant: &Grant) -> Self {
        let names = |scope: &Scope| match scope {
            Scope::All => None,
            Scope::Only(names) => Some(names.iter().map(ToString::to_string).collect()),
        };
        let classes = (grant.classes != Classes::ALL).then(|| {
            let held = |class: &&Class| grant.classes.bits() & class.bit() != 0;
            Class::ALL
                .iter()
                .filter(held)
                .map(|class| class.name())
                .collect()
        });
        let models = match &grant.models {
            Models::All => None,
            Models::Only(patterns) => Some(patterns.iter().map(ToString::to_string).collect()),
        };
        match (
            names(&grant.providers),
            names(&grant.aliases),
            classes,
            models,
        ) {
            (None, None, None, None) => Self::Nothing(Everything::Everything),
            (providers, aliases, classes, models) => Self::To {
                providers,
                aliases,
                classes,
                models,
            },
        }
    }
}

const GATEWAY_INFIX: &str = ".ai-gateway.";

fn account_key(account: AccountId) -> String {
    format!("com.cloudflare.api.account.{account}")
}

/// Reads the policies into the one grant that says the same.
pub(super) fn read(call: &Call, policies: Field) -> Result<Grant, Problem> {
    let path = policies.path().clone();
    let mut merged: Option<Grant> = None;
    for policy in policies.list()? {
        let grant = read_one(call, policy)?;
        merged = Some(match merged {
            None => grant,
            Some(so_far) => join(so_far, &grant).ok_or_else(|| {
                let reason = "differ in more than the permissions, or in more than the gateways; make a token for each";
                Problem::invalid(&path, reason)
            })?,
        });
    }
    merged.ok_or_else(|| Problem::invalid(&path, "must have at least one item"))
}

/// The grant that allows what either allows and nothing else, where there is one.
fn join(one: Grant, other: &Grant) -> Option<Grant> {
    let as_if_same_permissions = Grant {
        permissions: one.permissions,
        ..other.clone()
    };
    if one == as_if_same_permissions {
        let permissions = one
            .permissions
            .iter()
            .chain(other.permissions.iter())
            .collect();
        return Some(Grant { permissions, ..one });
    }
    let as_if_same_gateways = Grant {
        gateways: one.gateways.clone(),
        ..other.clone()
    };
    (one == as_if_same_gateways).then(|| Grant {
        gateways: union(&one.gateways, &other.gateways),
        ..one
    })
}

fn union(one: &Scope, other: &Scope) -> Scope {
    match (one, other) {
        (Scope::Only(one), Scope::Only(other)) => Scope::only(one.iter().chain(other).cloned()),
        (Scope::All, _) | (_, Scope::All) => Scope::All,
    }
}

fn read_one(call: &Call, policy: Field) -> Result<Grant, Problem> {
    let mut policy = Object::nested(policy, &["id", "effect", "resources", "permission_groups"])?;
    let effect = policy.require("effect")?;
    if effect.is_text("deny") {
        return Err(effect.refuse(
            "`deny` is not enforced yet, and is refused so that nobody relies on it; allow less",
        ));
    }
    effect.one_of(&[("allow", ())])?;
    let groups = policy.require("permission_groups")?.list()?;
    let permissions: Vec<Permissions> = groups
        .into_iter()
        .map(read_group)
        .collect::<Result<_, _>>()?;
    let permissions = permissions.iter().flat_map(Permissions::iter).collect();
    read_resources(call, policy.require("resources")?, permissions)
}

/// One permission, or those of a role.
fn read_group(group: Field) -> Result<Permissions, Problem> {
    let path = group.path().clone();
    let mut group = Object::nested(group, &["id", "name", "meta"])?;
    let id = group.find("id").map(|field| {
        field.parsed(|id| {
            PermissionGroup::find_by_id(id).ok_or("there is no permission group with this id")
        })
    });
    let name = group.find("name").map(|field| {
        field.parsed(|name| {
            PermissionGroup::find_by_name(name).ok_or("there is no permission group with this name")
        })
    });
    match (id.transpose()?, name.transpose()?) {
        (Some(id), Some(name)) if id != name => Err(Problem::invalid(
            &path,
            "`id` and `name` are of different permission groups",
        )),
        (Some(group), _) | (None, Some(group)) => Ok(group.permissions()),
        (None, None) => Err(Problem::invalid(
            &path,
            "`id` or `name` of a permission group is required",
        )),
    }
}

fn read_resources(
    call: &Call,
    resources: Field,
    permissions: Permissions,
) -> Result<Grant, Problem> {
    let path = resources.path().clone();
    let account = account_key(call.account);
    let mut merged: Option<Grant> = None;
    for (key, value) in resources.members()? {
        let rest = key.strip_prefix(&account);
        let gateways = match rest.map(|rest| (rest, rest.strip_prefix(GATEWAY_INFIX))) {
            Some(("", _)) => Scope::All,
            Some((_, Some(gateway))) => Scope::only([existing_gateway(call, &value, gateway)?]),
            Some((_, None)) | None => {
                let form = format_args!(
                    "must be `{account}` or `{account}{GATEWAY_INFIX}` and a gateway id"
                )
                .to_string();
                return Err(value.refuse(form));
            }
        };
        let mut grant = Grant::new(call.account, permissions);
        grant.gateways = gateways;
        narrow(call, &mut grant, value)?;
        merged = Some(match merged {
            None => grant,
            Some(so_far) => join(so_far, &grant).ok_or_else(|| {
                Problem::invalid(&path, "are narrowed differently; make a token for each")
            })?,
        });
    }
    merged.ok_or_else(|| Problem::invalid(&path, "must have at least one member"))
}

fn existing_gateway(call: &Call, value: &Field, gateway: &str) -> Result<String, Problem> {
    let id = GatewayId::parse(gateway).map_err(|error| value.refuse(error))?;
    if call.snapshot().gateway(call.account, id.as_str()).is_none() {
        return Err(value.refuse(format_args!(
            "gateway `{id}` was not found; `keyward gateways list` shows those there are"
        )));
    }
    Ok(id.to_string())
}

/// Reads `"*"`, or which providers, aliases, classes and models.
fn narrow(call: &Call, grant: &mut Grant, value: Field) -> Result<(), Problem> {
    if value.is_text("*") {
        return Ok(());
    }
    let path = value.path().clone();
    let mut narrowing = Object::nested(value, &["providers", "aliases", "classes", "models"])?;
    let providers = narrowing.find("providers");
    let aliases = narrowing.find("aliases");
    let classes = narrowing.find("classes");
    let models = narrowing.find("models");
    let lists = [&providers, &aliases, &classes, &models];
    if lists.iter().all(|list| list.is_none()) {
        return Err(Problem::invalid(
            &path,
            "must be \"*\", or an object with `providers`, `aliases`, `classes` or `models`",
        ));
    }
    if let Some(providers) = providers {
        let slug = |name: &str| {
            call.registry
                .find_provider(call.account, name)
                .map(|provider| provider.slug().to_owned())
                .ok_or("there is no such provider")
        };
        grant.providers = Scope::only(read_names(providers, slug)?);
    }
    if let Some(aliases) = aliases {
        grant.aliases = Scope::only(read_names(aliases, |name| {
            Alias::parse(name).map(|alias| alias.to_string())
        })?);
    }
    if let Some(classes) = classes {
        let bits = classes
            .list()?
            .into_iter()
            .map(|class| class.parsed(Class::parse))
            .try_fold(0, |bits, class| class.map(|class| bits | class.bit()))?;
        grant.classes = Classes::from_bits(bits);
    }
    if let Some(models) = models {
        let patterns = models.list()?.into_iter();
        let patterns = patterns.map(|pattern| pattern.parsed(ModelPattern::parse));
        grant.models = Models::only(patterns.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(())
}

fn read_names<E: std::fmt::Display>(
    names: Field,
    parse: impl Fn(&str) -> Result<String, E>,
) -> Result<Vec<String>, Problem> {
    names
        .list()?
        .into_iter()
        .map(|name| name.parsed(&parse))
        .collect()
}

#[cfg(test)]
mod tests {
    use keyward_auth::{Grant, Permission, Permissions, Scope};
    use keyward_secret::AccountId;
    use proptest::prelude::*;

    use super::join;

    fn grants() -> impl Strategy<Value = Grant> {
        let permissions = prop_oneof![
            Just([Permission::AiGatewayRead].as_slice()),
            Just([Permission::SecretsStoreRead].as_slice()),
        ];
        let scopes = || {
            prop_oneof![
                Just(Scope::All),
                proptest::collection::vec("[ab]", 1..3).prop_map(Scope::only),
            ]
        };
        (permissions, scopes(), scopes()).prop_map(|(permissions, gateways, providers)| {
            let permissions: Permissions = permissions.iter().copied().collect();
            Grant {
                gateways,
                providers,
                ..Grant::new(AccountId::from_bytes([1; 16]), permissions)
            }
        })
    }

    proptest! {
        #[test]
        fn joined_grants_allow_what_either_allows_and_nothing_else(one in grants(), other in grants()) {
            let allows = |grant: &Grant, permission, gateway: &str, provider: &str| {
                grant.permissions.contains(permission)
                    && grant.gateways.allows(gateway)
                    && grant.providers.allows(provider)
            };
            if let Some(joined) = join(one.clone(), &other) {
                for permission in [Permission::AiGatewayRead, Permission::SecretsStoreRead] {
                    for (gateway, provider) in [("a", "a"), ("a", "b"), ("b", "a"), ("b", "b"), ("c", "a"), ("a", "c")] {
                        let either = allows(&one, permission, gateway, provider)
                            || allows(&other, permission, gateway, provider);
                        prop_assert_eq!(allows(&joined, permission, gateway, provider), either);
                    }
                }
            }
        }
    }
}
