//! A token never makes anything stronger than itself.

use std::time::SystemTime;

use crate::{Grant, Kind, Permission, Permissions, Reason, decide::require};

/// Whether an API token with the grant `creator` may make a token with the grant `wanted` at `now`.
///
/// The creator must be in force and hold Account API Tokens Write. Account, permissions, gateways,
/// providers, aliases, endpoint classes, models, source networks and end of `wanted` must lie within its own, so that
/// the new token is never allowed what the creator would be denied.
///
/// **One exception.** Run never stands in an API token, so none could make a gateway token by the rule alone.
/// Account API Tokens Write therefore includes the right to make tokens with Run and nothing else, within all
/// the other bounds. Who holds it can use the stored keys of the account by way of a token made for it, and
/// still cannot read one.
///
/// To *change* or roll a token, ask twice: for the grant as it was (or a weak token could take over a strong
/// one) and as it is to be.
///
/// # Errors
///
/// The first bound that `wanted` leaves; for the log, and as a hint to an operator who is authenticated.
pub fn may_create(creator: &Grant, wanted: &Grant, now: SystemTime) -> Result<(), Reason> {
    creator.check_time(now)?;
    require(creator.account == wanted.account, Reason::Account)?;
    let mints = Permission::AccountApiTokensWrite;
    require(creator.permissions.contains(mints), Reason::Permission)?;
    let covered = wanted
        .permissions
        .iter()
        .all(|permission| creator.permissions.covers(permission));
    let gateway_token = Kind::of(&wanted.permissions) == Some(Kind::Gateway);
    require(covered || gateway_token, Reason::Permission)?;
    require(
        wanted.gateways.is_within(&creator.gateways),
        Reason::Gateway,
    )?;
    require(
        wanted.providers.is_within(&creator.providers),
        Reason::Provider,
    )?;
    require(wanted.aliases.is_within(&creator.aliases), Reason::Alias)?;
    require(wanted.classes.is_within(creator.classes), Reason::Class)?;
    require(wanted.models.is_within(&creator.models), Reason::Model)?;
    require(
        wanted.networks.is_within(&creator.networks),
        Reason::Network,
    )?;
    let outlives = match (wanted.expires_at, creator.expires_at) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(wanted), Some(creator)) => wanted > creator,
    };
    require(!outlives, Reason::Lifetime)
}

/// The widest grant with Run that the holder of an API token with the grant `creator` may make a token of at `now`: its
/// own, but for the permissions. Whoever holds it by way of `creator` may do nothing that they could not do by way of a
/// token that they make.
///
/// # Errors
///
/// As [`may_create`].
pub fn widest_run(creator: &Grant, now: SystemTime) -> Result<Grant, Reason> {
    let run = Grant {
        permissions: Permissions::from_iter([Permission::AiGatewayRun]),
        ..creator.clone()
    };
    may_create(creator, &run, now)?;
    Ok(run)
}

#[cfg(test)]
mod tests;
