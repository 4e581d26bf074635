//! Tells the audit log of requests that were refused for who sent them.

use std::time::SystemTime;

use keyward_auth::TokenId;
use keyward_registry::{
    Actor, GatewayId, ProviderKeyId, RefusedAttempt, Registry, Snapshot, Subject,
};
use keyward_secret::AccountId;

use crate::{
    Peer,
    call::Parameters,
    caller::Caller,
    envelope::Problem,
    route::{Access, Place, Route},
};

/// Takes note of the refusal of `caller`, if it is one of who asked: the log is written off this path.
pub(crate) fn note(
    registry: &Registry,
    route: &Route,
    caller: &Caller,
    parameters: &Parameters,
    problem: &Problem,
    now: SystemTime,
) {
    let subject = reached(route, caller.grant().account, parameters);
    write(registry, route, caller.actor(), Some(subject), problem, now);
}

/// The same of somebody who is not known.
pub(crate) fn note_unknown(
    registry: &Registry,
    route: &Route,
    peer: Option<Peer>,
    parameters: &Parameters,
    problem: &Problem,
    now: SystemTime,
) {
    let source = peer.map(|Peer(address)| address.ip().to_canonical());
    let subject = named(&registry.snapshot(), parameters);
    let actor = Actor::Unknown { source };
    write(registry, route, actor, subject, problem, now);
}

fn write(
    registry: &Registry,
    route: &Route,
    actor: Actor,
    subject: Option<Subject>,
    problem: &Problem,
    now: SystemTime,
) {
    let Some(result) = problem.audit_result() else {
        return;
    };
    registry.note_refused(RefusedAttempt {
        at: now,
        actor,
        action: action(route.name).into(),
        subject,
        result,
        times: 1,
    });
}

/// `provider_key.rotate` for a route that is called `provider_key_rotate`. What is done to several records is the same
/// action as for one.
pub(crate) fn action(name: &str) -> String {
    if let Some(step) = name.strip_prefix("provider_key_rotate_") {
        return format!("provider_key.rotate.{step}");
    }
    match name.rsplit_once('_') {
        Some((record, verb)) => {
            let record = record.strip_suffix("_bulk").unwrap_or(record);
            format!("{record}.{verb}")
        }
        None => name.to_owned(),
    }
}

/// What the holder of a token reached for, as far as the path names a record of the token's own account in a form
/// that it can have.
fn reached(route: &Route, account: AccountId, parameters: &Parameters) -> Subject {
    let own = Subject::Account(account);
    let named = parameters.find("account");
    let is_own = named.is_none_or(|named| AccountId::parse(named).is_ok_and(|id| id == account));
    let Access::Permission(_, place) = route.access else {
        return own;
    };
    let gateway = || {
        let id = GatewayId::parse(parameters.find("gateway")?).ok()?;
        Some(Subject::Gateway(account, id))
    };
    let id = parameters.find("id").filter(|_| is_own);
    let reached = match place {
        Place::ProviderKey => id
            .and_then(|id| ProviderKeyId::parse(id).ok())
            .map(|id| Subject::ProviderKey(account, id)),
        Place::Token => id
            .and_then(|id| TokenId::parse(id).ok())
            .map(|id| Subject::Token(account, id)),
        _ => None,
    };
    let gateway = is_own.then(gateway).flatten();
    reached.or(gateway).unwrap_or(own)
}

/// The account that the path names, if there is one: nothing else of what a client without a token chose.
fn named(snapshot: &Snapshot, parameters: &Parameters) -> Option<Subject> {
    let id = AccountId::parse(parameters.find("account")?).ok()?;
    snapshot.account(id).map(|_exists| Subject::Account(id))
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::action;
    use crate::route::routes;

    #[test]
    fn actions_are_named_like_those_of_changes() {
        assert_eq!(action("provider_key_rotate"), "provider_key.rotate");
        assert_eq!(action("secret_bulk_delete"), "secret.delete");
        assert_eq!(action("several"), "several");
        // Those that the registry writes of changes.
        let changes = [
            "gateway.create",
            "gateway.update",
            "gateway.delete",
            "provider_key.create",
            "provider_key.rotate",
            "provider_key.rotate.begin",
            "provider_key.rotate.roll_back",
            "provider_key.rotate.finish",
            "provider_key.edit",
            "provider_key.delete",
            // Writes its line, and nothing else.
            "provider_key.verify",
            "custom_provider.create",
            "custom_provider.edit",
            "custom_provider.delete",
            "route.create",
            "route.rename",
            "route.delete",
            "route_version.create",
            "route_deployment.create",
            "secrets_store.create",
            "secrets_store.delete",
            "secret.create",
            "secret.edit",
            "secret.delete",
            "secret.duplicate",
            "token.create",
            "token.update",
            "token.roll",
            "token.delete",
        ];
        for route in routes().filter(|route| route.method != Method::GET) {
            let action = action(route.name);
            // They change nothing that decides.
            let is_read = matches!(
                &*action,
                "audit.verify"
                    | "log.delete"
                    | "log.update"
                    | "request.explain"
                    | "request.try"
                    | "route.explain"
            );
            let is_known = changes.contains(&&*action) || is_read;
            assert!(is_known, "{action}");
        }
    }
}
