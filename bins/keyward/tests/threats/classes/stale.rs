//! What was allowed a moment ago (class 19).

use std::time::Duration;

use keyward_auth::{Grant, Kind, Permission, Permissions, Role, TokenId};
use keyward_registry::{
    Alias, GatewayId, GatewaySettings, KeyValue, NewTokenRequest, ProviderKeyId,
};
use keyward_secret::SecretBytes;
use keyward_testing::{Canary, register_named_canary};

use crate::{
    ask::{Ask, Plane, Protocol},
    case::{BOTH, Case, Seen, Verdict, ensure, exchange},
    session::Session,
    world::{ACCOUNT, ACTOR, World, mint, new_key, now},
};

/// An ask with a token of its own.
async fn own_token(world: &World, ask: Ask, permissions: Permissions) -> (Ask, TokenId) {
    let (token, id) = mint(&world.registry, permissions).await;
    let header = match ask.plane {
        Plane::Data => "cf-aig-authorization",
        Plane::Control => "authorization",
    };
    (
        ask.anonymous()
            .with(header, &format!("Bearer {}", token.text())),
        id,
    )
}

fn run() -> Permissions {
    Permissions::from_iter([Permission::AiGatewayRun])
}

fn status_is(seen: &Seen, allowed: &[u16]) -> Verdict {
    ensure(
        seen.status.is_some_and(|status| allowed.contains(&status)),
        || format!("not {allowed:?}: {seen:?}"),
    )
}

pub(super) fn cases() -> Vec<Case> {
    let revoked = |plane: Plane| {
        Case::run_on(
            19,
            plane,
            "a token that was deleted, on an open connection",
            BOTH,
            move |world, protocol| {
                Box::pin(async move {
                    let (base, permissions) = match plane {
                        Plane::Data => (Ask::chat(world), run()),
                        Plane::Control => (Ask::list(world), Role::Admin.permissions()),
                    };
                    let (ask, id) = own_token(world, base, permissions).await;
                    let mut session = Session::open(world, &ask, protocol).await;
                    status_is(&session.ask(&ask).await, &[200])?;
                    world
                        .registry
                        .delete_token(ACCOUNT, &id, ACTOR, now())
                        .await
                        .unwrap();
                    drop(world.provider.take_recorded());
                    status_is(&session.ask(&ask).await, &[401])?;
                    ensure(world.provider.take_recorded().is_empty(), || {
                        "it went upstream".to_owned()
                    })
                })
            },
        )
    };
    let raced = |plane: Plane| {
        Case::run_on(
            19,
            plane,
            "requests while a token is deleted: none that starts afterwards",
            BOTH,
            move |world, protocol| Box::pin(race(world, plane, protocol)),
        )
    };
    vec![
        revoked(Plane::Data),
        revoked(Plane::Control),
        raced(Plane::Data),
        raced(Plane::Control),
        Case::run_on(
            19,
            Plane::Data,
            "a key that was deleted",
            BOTH,
            |world, protocol| Box::pin(deleted_key(world, protocol)),
        ),
        Case::run_on(
            19,
            Plane::Data,
            "a key that was replaced",
            BOTH,
            |world, protocol| Box::pin(replaced_key(world, protocol)),
        ),
        Case::run_on(
            19,
            Plane::Data,
            "a gateway that was deleted",
            BOTH,
            |world, protocol| Box::pin(deleted_gateway(world, protocol)),
        ),
        Case::run_on(
            19,
            Plane::Control,
            "a gateway that was deleted",
            BOTH,
            |world, protocol| {
                Box::pin(async move {
                    make_gateway(world).await;
                    let ask = Ask::api(world, "GET", "/ai-gateway/gateways/passing", "");
                    let mut session = Session::open(world, &ask, protocol).await;
                    status_is(&session.ask(&ask).await, &[200])?;
                    world
                        .registry
                        .delete_gateway(ACCOUNT, "passing", ACTOR, now())
                        .await
                        .unwrap();
                    status_is(&session.ask(&ask).await, &[404])
                })
            },
        ),
        Case::run_on(
            19,
            Plane::Data,
            "a token that has expired",
            BOTH,
            |world, protocol| Box::pin(expired(world, Plane::Data, protocol)),
        ),
        Case::run_on(
            19,
            Plane::Control,
            "a token that has expired",
            BOTH,
            |world, protocol| Box::pin(expired(world, Plane::Control, protocol)),
        ),
        Case::run_on(
            19,
            Plane::Control,
            "a token that another one deleted",
            BOTH,
            |world, protocol| {
                Box::pin(async move {
                    let (ask, id) =
                        own_token(world, Ask::list(world), Role::Admin.permissions()).await;
                    let mut session = Session::open(world, &ask, protocol).await;
                    status_is(&session.ask(&ask).await, &[200])?;
                    let delete = Ask::api(world, "DELETE", &format!("/tokens/{id}"), "");
                    status_is(&exchange(world, &delete, protocol).await, &[200])?;
                    status_is(&session.ask(&ask).await, &[401])
                })
            },
        ),
    ]
}

/// Requests without pause while the token goes: none that begins after the deletion returned succeeds.
async fn race(world: &World, plane: Plane, protocol: Protocol) -> Verdict {
    let (base, permissions) = match plane {
        Plane::Data => (Ask::chat(world), run()),
        Plane::Control => (Ask::list(world), Role::Admin.permissions()),
    };
    let (ask, id) = own_token(world, base, permissions).await;
    let mut session = Session::open(world, &ask, protocol).await;
    let deleting = async {
        tokio::time::timeout(Duration::from_millis(1), std::future::pending::<()>())
            .await
            .unwrap_err();
        world
            .registry
            .delete_token(ACCOUNT, &id, ACTOR, now())
            .await
            .unwrap();
    };
    tokio::pin!(deleting);
    let mut is_deleted = false;
    for _ in 0..200 {
        let seen = if is_deleted {
            session.ask(&ask).await
        } else {
            let asking = session.ask(&ask);
            tokio::pin!(asking);
            tokio::select! {
                biased;
                () = &mut deleting => { is_deleted = true; asking.await; continue }
                seen = &mut asking => seen,
            }
        };
        let allowed: &[u16] = if is_deleted { &[401] } else { &[200, 401] };
        status_is(&seen, allowed)?;
        if is_deleted {
            drop(world.provider.take_recorded());
            return status_is(&session.ask(&ask).await, &[401]);
        }
    }
    Err("the deletion did not return".to_owned())
}

async fn deleted_key(world: &World, protocol: Protocol) -> Verdict {
    let (ask, id) = passing_key(world, "going").await;
    let mut session = Session::open(world, &ask, protocol).await;
    status_is(&session.ask(&ask).await, &[200])?;
    world
        .registry
        .delete_provider_key(ACCOUNT, id, ACTOR, now())
        .await
        .unwrap();
    drop(world.provider.take_recorded());
    status_is(&session.ask(&ask).await, &[400])?;
    ensure(world.provider.take_recorded().is_empty(), || {
        "it went upstream".to_owned()
    })
}

async fn replaced_key(world: &World, protocol: Protocol) -> Verdict {
    let (ask, id) = passing_key(world, "replaced").await;
    let mut session = Session::open(world, &ask, protocol).await;
    status_is(&session.ask(&ask).await, &[200])?;
    let other = Canary::new("threats replacing");
    world.provider.accept_keys([world.key.text(), other.text()]);
    let value = KeyValue::parse(&SecretBytes::copy_from(other.text().as_bytes())).unwrap();
    world
        .registry
        .rotate_provider_key(ACCOUNT, id, &value, ACTOR, now())
        .await
        .unwrap();
    drop(world.provider.take_recorded());
    status_is(&session.ask(&ask).await, &[200])?;
    let seen = world.provider.take_recorded();
    let bearer = format!("Bearer {}", other.text());
    world
        .registry
        .delete_provider_key(ACCOUNT, id, ACTOR, now())
        .await
        .unwrap();
    ensure(
        seen.len() == 1 && seen[0].header("authorization") == Some(&bearer),
        || "the old key was used".to_owned(),
    )
}

/// A key of its own under this alias, and a request that uses it.
async fn passing_key(world: &World, alias: &str) -> (Ask, ProviderKeyId) {
    let key = Canary::new("threats passing");
    world.provider.accept_keys([world.key.text(), key.text()]);
    let mut new = new_key("openai", &key);
    new.alias = Alias::parse(alias).unwrap();
    new.default_config = false;
    let made = world
        .registry
        .create_provider_key(new, ACTOR, now())
        .await
        .unwrap();
    (
        Ask::chat(world).with("cf-aig-byok-alias", alias),
        made.record.id,
    )
}

async fn make_gateway(world: &World) {
    let id = GatewayId::parse("passing").unwrap();
    let settings = GatewaySettings::default();
    world
        .registry
        .create_gateway(ACCOUNT, id, settings, ACTOR, now())
        .await
        .unwrap();
}

async fn deleted_gateway(world: &World, protocol: Protocol) -> Verdict {
    make_gateway(world).await;
    let target = format!("/v1/{ACCOUNT}/passing/openai/chat/completions");
    let ask = Ask::chat(world).target(target);
    let mut session = Session::open(world, &ask, protocol).await;
    // It has no key: the gateway was found.
    status_is(&session.ask(&ask).await, &[400])?;
    world
        .registry
        .delete_gateway(ACCOUNT, "passing", ACTOR, now())
        .await
        .unwrap();
    let seen = session.ask(&ask).await;
    let told = String::from_utf8_lossy(&seen.body).into_owned();
    ensure(
        seen.status.is_some_and(|status| status >= 400) && !told.contains("2044"),
        || told.clone(),
    )
}

async fn expired(world: &World, plane: Plane, protocol: Protocol) -> Verdict {
    let (base, permissions, header) = match plane {
        Plane::Data => (Ask::chat(world), run(), "cf-aig-authorization"),
        Plane::Control => (Ask::list(world), Role::Admin.permissions(), "authorization"),
    };
    let mut grant = Grant::new(ACCOUNT, permissions);
    let ends = now() + Duration::from_millis(1500);
    grant.expires_at = Some(ends);
    let new = NewTokenRequest {
        name: "short".to_owned(),
        kind: Kind::of(&grant.permissions).unwrap(),
        grant,
        spend_limits: None,
    };
    let minted = world
        .registry
        .create_token(new, None, ACTOR, now())
        .await
        .unwrap();
    let text = String::from_utf8(minted.text.expose().to_vec()).unwrap();
    let token = register_named_canary("short token", &text);
    let ask = base
        .anonymous()
        .with(header, &format!("Bearer {}", token.text()));
    let mut session = Session::open(world, &ask, protocol).await;
    let mut seen = session.ask(&ask).await;
    let mut interval = tokio::time::interval(Duration::from_millis(20));
    while seen.status == Some(200) && now() < ends + Duration::from_secs(20) {
        interval.tick().await;
        seen = session.ask(&ask).await;
    }
    drop(world.provider.take_recorded());
    status_is(&seen, &[401])?;
    // The store keeps whole seconds.
    ensure(now() + Duration::from_secs(1) >= ends, || {
        "refused before its time".to_owned()
    })
}
