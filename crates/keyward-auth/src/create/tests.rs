use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use keyward_secret::AccountId;
use proptest::{prelude::*, sample::subsequence};

use super::{may_create, widest_run};
use crate::{
    Classes, Grant, Kind, ManageAsk, ManagePlace, Model, ModelPattern, Models, Network, Networks,
    Permission, Permissions, Reason, RunAsk, Scope, decide_manage_at, decide_run,
};

const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn grant(permissions: &[Permission]) -> Grant {
    Grant::new(ACCOUNT, permissions.iter().copied().collect())
}

/// A creator that may make the wanted token; then both are changed, and this is expected.
#[track_caller]
fn check(change: impl FnOnce(&mut Grant, &mut Grant), expected: Result<(), Reason>) {
    let mut creator = grant(&[
        Permission::AccountApiTokensWrite,
        Permission::AiGatewayWrite,
    ]);
    let mut wanted = grant(&[Permission::AiGatewayRead]);
    change(&mut creator, &mut wanted);
    assert_eq!(may_create(&creator, &wanted, time(100)), expected);
}

#[test]
fn what_lies_within_may_be_made() {
    check(|_, _| {}, Ok(()));
    check(|creator, wanted| wanted.clone_from(creator), Ok(()));
    check(
        |creator, wanted| {
            creator.expires_at = Some(time(200));
            wanted.expires_at = Some(time(200));
        },
        Ok(()),
    );
    check(
        |creator, wanted| {
            creator.gateways = Scope::only(["a", "b"]);
            wanted.gateways = Scope::only(["b"]);
        },
        Ok(()),
    );
}

#[test]
fn what_reaches_further_may_not() {
    check(
        |creator, _| creator.permissions = Permissions::from_iter([Permission::AiGatewayWrite]),
        Err(Reason::Permission),
    );
    check(
        |_, wanted| wanted.permissions.insert(Permission::SecretsStoreRead),
        Err(Reason::Permission),
    );
    check(
        |_, wanted| wanted.account = AccountId::from_bytes([2; 16]),
        Err(Reason::Account),
    );
    check(
        |creator, _| creator.gateways = Scope::only(["a"]),
        Err(Reason::Gateway),
    );
    check(
        |creator, _| creator.providers = Scope::only(["a"]),
        Err(Reason::Provider),
    );
    check(
        |creator, _| creator.aliases = Scope::only(["a"]),
        Err(Reason::Alias),
    );
    check(
        |creator, _| creator.classes = Classes::from_bits(1),
        Err(Reason::Class),
    );
    check(
        |creator, _| creator.models = models(["openai/*"]),
        Err(Reason::Model),
    );
    check(
        |creator, _| creator.networks.deny = vec![Network::parse("10.0.0.1").unwrap()],
        Err(Reason::Network),
    );
    check(
        |creator, _| creator.expires_at = Some(time(200)),
        Err(Reason::Lifetime),
    );
    check(
        |creator, wanted| {
            creator.expires_at = Some(time(200));
            wanted.expires_at = Some(time(201));
        },
        Err(Reason::Lifetime),
    );
}

#[test]
fn a_creator_out_of_force_makes_nothing() {
    check(|creator, _| creator.disabled = true, Err(Reason::Disabled));
    check(
        |creator, _| creator.not_before = Some(time(101)),
        Err(Reason::NotYet),
    );
    check(
        |creator, _| creator.expires_at = Some(time(100)),
        Err(Reason::Expired),
    );
}

#[test]
fn tokens_write_mints_gateway_tokens_and_no_mixtures() {
    let run = Permission::AiGatewayRun;
    check(
        |_, wanted| wanted.permissions = Permissions::from_iter([run]),
        Ok(()),
    );
    check(
        |_, wanted| wanted.permissions.insert(run),
        Err(Reason::Permission),
    );
    check(
        |creator, wanted| {
            creator.permissions = Permissions::from_iter([Permission::AccountApiTokensRead]);
            wanted.permissions = Permissions::from_iter([run]);
        },
        Err(Reason::Permission),
    );
}

const NAMES: [&str; 3] = ["a", "b", "c"];
const SOURCES: [&str; 4] = ["10.0.0.1", "10.0.0.2", "10.1.0.1", "2001:db8::1"];
const NETWORKS: [&str; 5] = [
    "10.0.0.1",
    "10.0.0.0/30",
    "10.0.0.0/8",
    "0.0.0.0/0",
    "2001:db8::/32",
];
const LAST: usize = Permission::ALL.len();

fn scopes() -> impl Strategy<Value = Scope> {
    prop_oneof![
        2 => Just(Scope::All),
        1 => subsequence(&NAMES[..], 0..=3).prop_map(Scope::only),
    ]
}

fn networks() -> impl Strategy<Value = Networks> {
    let list = |most| {
        subsequence(&NETWORKS[..], 0..=most).prop_map(|texts| {
            let parsed = texts.into_iter().map(|text| Network::parse(text).unwrap());
            parsed.collect::<Vec<_>>()
        })
    };
    (list(2), list(1)).prop_map(|(allow, deny)| Networks { allow, deny })
}

fn moments() -> impl Strategy<Value = Option<SystemTime>> {
    proptest::option::weighted(0.3, (0_u64..8).prop_map(time))
}

fn grants() -> impl Strategy<Value = Grant> {
    let permissions = prop_oneof![
        Just(vec![Permission::AiGatewayRun]),
        subsequence(&Permission::ALL[..], 0..=LAST),
        subsequence(&Permission::ALL[..], 9..=LAST),
    ];
    (
        permissions,
        [scopes(), scopes(), scopes()],
        (
            prop_oneof![2 => Just(u16::MAX), 1 => 0_u16..8],
            some_models(),
        ),
        networks(),
        moments(),
        moments(),
        proptest::bool::weighted(0.1),
    )
        .prop_map(
            |(
                permissions,
                scopes,
                (classes, models),
                networks,
                not_before,
                expires_at,
                disabled,
            )| {
                let [gateways, providers, aliases] = scopes;
                Grant {
                    gateways,
                    providers,
                    aliases,
                    classes: Classes::from_bits(classes),
                    models,
                    networks,
                    not_before,
                    expires_at,
                    disabled,
                    ..grant(&permissions)
                }
            },
        )
}

fn models<const N: usize>(patterns: [&str; N]) -> Models {
    Models::only(patterns.map(|text| ModelPattern::parse(text).unwrap()))
}

fn some_models() -> impl Strategy<Value = Models> {
    prop_oneof![
        2 => Just(Models::All),
        1 => Just(models(["a/*"])),
        1 => Just(models(["*/a", "b/a*"])),
        1 => Just(models(["a/a"])),
    ]
}

/// A creator and what it wants: made of the creator by replacing single fields, so that many are allowed and
/// nearly as many just not.
fn pairs() -> impl Strategy<Value = (Grant, Grant)> {
    (grants(), grants(), any::<[bool; 9]>()).prop_map(|(creator, other, take)| {
        let wanted = mix(&creator, other, take);
        (creator, wanted)
    })
}

fn mix(base: &Grant, other: Grant, take: [bool; 9]) -> Grant {
    let mut mixed = base.clone();
    let [
        permissions,
        gateways,
        providers,
        aliases,
        classes,
        models,
        networks,
        start,
        end,
    ] = take;
    if permissions {
        mixed.permissions = other.permissions;
    }
    if gateways {
        mixed.gateways = other.gateways;
    }
    if providers {
        mixed.providers = other.providers;
    }
    if aliases {
        mixed.aliases = other.aliases;
    }
    if classes {
        mixed.classes = other.classes;
    }
    if models {
        mixed.models = other.models;
    }
    if networks {
        mixed.networks = other.networks;
    }
    if start {
        mixed.not_before = other.not_before;
    }
    if end {
        mixed.expires_at = other.expires_at;
    }
    mixed.disabled = false;
    mixed
}

fn name() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&["a", "b", "c", "d"][..])
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 200_000, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn what_is_made_is_never_allowed_more(
        (creator, wanted) in pairs(),
        now in 0_u64..8,
        later in 0_u64..8,
        (gateway, provider, alias) in (name(), name(), name()),
        has_alias: bool,
        class in 0_u16..16,
        model in proptest::sample::select(&[Model::Named("a"), Model::Named("ab"), Model::Untold, Model::Unread][..]),
        source in proptest::sample::select(&SOURCES[..]),
        permission in proptest::sample::select(&Permission::ALL[..]),
    ) {
        prop_assume!(may_create(&creator, &wanted, time(now)).is_ok());
        let source: IpAddr = source.parse().unwrap();
        let then = time(now + later);

        let alias_asked = has_alias.then_some(alias);
        let run = RunAsk { account: ACCOUNT, gateway, provider, alias: alias_asked, class, model, source };
        // The documented exception: Run itself, and no bound beside it.
        let mut with_run = creator.clone();
        with_run.permissions.insert(Permission::AiGatewayRun);
        if decide_run(Kind::Gateway, &wanted, &run, then).is_allow() {
            prop_assert!(decide_run(Kind::Gateway, &with_run, &run, then).is_allow());
            prop_assert!(creator.permissions.contains(Permission::AccountApiTokensWrite));
        }

        let manage = ManageAsk { account: ACCOUNT, permission, source };
        for place in [
            ManagePlace::Account,
            ManagePlace::Gateway(gateway),
            ManagePlace::ProviderKey { gateway, provider, alias },
            ManagePlace::Token,
        ] {
            let api = Kind::of(&wanted.permissions) == Some(Kind::Api);
            if api && decide_manage_at(Kind::Api, &wanted, &manage, place, then).is_allow() {
                prop_assert!(decide_manage_at(Kind::Api, &creator, &manage, place, then).is_allow());
            }
        }
    }

    /// Who runs by way of an API token could have made a token that may as much, and no wider one.
    #[test]
    fn the_widest_run_is_one_that_could_be_made(
        (creator, wanted) in pairs(),
        now in 0_u64..8,
    ) {
        let now = time(now);
        let widest = widest_run(&creator, now);
        if let Ok(widest) = &widest {
            prop_assert_eq!(Kind::of(&widest.permissions), Some(Kind::Gateway));
            prop_assert_eq!(may_create(&creator, widest, now), Ok(()));
        }
        if Kind::of(&wanted.permissions) == Some(Kind::Gateway) && may_create(&creator, &wanted, now).is_ok() {
            let widest = widest.unwrap();
            prop_assert!(wanted.gateways.is_within(&widest.gateways));
            prop_assert!(wanted.providers.is_within(&widest.providers));
            prop_assert!(wanted.aliases.is_within(&widest.aliases));
            prop_assert!(wanted.classes.is_within(widest.classes));
            prop_assert!(wanted.models.is_within(&widest.models));
            prop_assert!(wanted.networks.is_within(&widest.networks));
        }
    }

    #[test]
    fn what_a_made_token_makes_its_maker_could_have_made(
        (creator, middle) in pairs(),
        other in grants(),
        take: [bool; 9],
        now in 0_u64..8,
    ) {
        let now = time(now);
        prop_assume!(may_create(&creator, &middle, now).is_ok());
        let wanted = mix(&middle, other, take);
        if may_create(&middle, &wanted, now).is_ok() {
            prop_assert!(may_create(&creator, &wanted, now).is_ok());
        }
    }
}
