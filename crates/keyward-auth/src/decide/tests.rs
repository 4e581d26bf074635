use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, SystemTime},
};

use keyward_secret::AccountId;

use super::{
    Decision, ManageAsk, ManagePlace, Model, Reason, RunAsk, decide_manage, decide_manage_at,
    decide_run,
};
use crate::{Classes, Grant, Kind, ModelPattern, Models, Network, Permission, Permissions, Scope};

const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);
const OTHER: AccountId = AccountId::from_bytes([2; 16]);
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn second() -> Duration {
    Duration::from_secs(1)
}

fn grant(permissions: &[Permission]) -> Grant {
    Grant::new(ACCOUNT, permissions.iter().copied().collect())
}

fn models(pattern: &str) -> Models {
    Models::only([ModelPattern::parse(pattern).unwrap()])
}

fn run_ask() -> RunAsk<'static> {
    RunAsk {
        account: ACCOUNT,
        gateway: "prod",
        provider: "openai",
        alias: Some("default"),
        class: 0b10,
        model: Model::Named("gpt-5"),
        source: SOURCE,
    }
}

/// Changes a grant that allows the request in one respect, and expects this.
#[track_caller]
fn check_run(change: impl FnOnce(&mut Grant), expected: Result<(), Reason>) {
    let mut grant = grant(&[Permission::AiGatewayRun]);
    change(&mut grant);
    let decision = decide_run(Kind::Gateway, &grant, &run_ask(), now());
    assert_eq!(decision, Decision::from(expected));
}

#[test]
fn run_is_allowed_within_every_bound() {
    check_run(|_| {}, Ok(()));
    check_run(|grant| grant.gateways = Scope::only(["prod"]), Ok(()));
    check_run(|grant| grant.providers = Scope::only(["openai"]), Ok(()));
    check_run(|grant| grant.aliases = Scope::only(["default"]), Ok(()));
    check_run(|grant| grant.classes = Classes::from_bits(0b10), Ok(()));
    check_run(|grant| grant.models = models("openai/gpt-*"), Ok(()));
    check_run(|grant| grant.not_before = Some(now()), Ok(()));
    check_run(|grant| grant.expires_at = Some(now() + second()), Ok(()));
    check_run(
        |grant| grant.networks.allow = vec![Network::parse("203.0.113.0/24").unwrap()],
        Ok(()),
    );
}

#[test]
fn run_is_denied_beyond_any_bound() {
    check_run(
        |grant| grant.permissions = Permissions::NONE,
        Err(Reason::Permission),
    );
    check_run(|grant| grant.account = OTHER, Err(Reason::Account));
    check_run(
        |grant| grant.gateways = Scope::only(["test"]),
        Err(Reason::Gateway),
    );
    check_run(
        |grant| grant.providers = Scope::only(["groq"]),
        Err(Reason::Provider),
    );
    check_run(
        |grant| grant.aliases = Scope::only(["backup"]),
        Err(Reason::Alias),
    );
    check_run(
        |grant| grant.classes = Classes::from_bits(0b01),
        Err(Reason::Class),
    );
    check_run(
        |grant| grant.models = models("openai/o*"),
        Err(Reason::Model),
    );
    check_run(
        |grant| grant.networks.deny = vec![Network::parse("203.0.113.7").unwrap()],
        Err(Reason::Network),
    );
    check_run(
        |grant| grant.not_before = Some(now() + second()),
        Err(Reason::NotYet),
    );
    check_run(|grant| grant.expires_at = Some(now()), Err(Reason::Expired));
    check_run(|grant| grant.disabled = true, Err(Reason::Disabled));
}

#[test]
fn a_model_that_cannot_be_told_needs_a_token_for_every_model() {
    let narrowed = Grant {
        models: models("*/**"),
        ..grant(&[Permission::AiGatewayRun])
    };
    for (model, every, some) in [
        (Model::Named("gpt-5"), true, true),
        (Model::Untold, true, false),
        (Model::Unread, true, true),
    ] {
        let ask = RunAsk { model, ..run_ask() };
        let allows = |grant: &Grant| decide_run(Kind::Gateway, grant, &ask, now()).is_allow();
        let wide = grant(&[Permission::AiGatewayRun]);
        assert_eq!(
            (allows(&wide), allows(&narrowed)),
            (every, some),
            "{model:?}"
        );
    }
}

#[test]
fn no_other_permission_stands_in_for_run() {
    let all_others: Vec<_> = Permission::ALL
        .into_iter()
        .filter(|permission| *permission != Permission::AiGatewayRun)
        .collect();
    let decision = decide_run(Kind::Gateway, &grant(&all_others), &run_ask(), now());
    assert_eq!(decision, Decision::Deny(Reason::Permission));
}

#[test]
fn a_clients_own_key_needs_no_alias() {
    let mut grant = grant(&[Permission::AiGatewayRun]);
    grant.aliases = Scope::only::<&str>([]);
    let own = RunAsk {
        alias: None,
        ..run_ask()
    };
    assert!(decide_run(Kind::Gateway, &grant, &own, now()).is_allow());
    assert!(!decide_run(Kind::Gateway, &grant, &run_ask(), now()).is_allow());
}

#[test]
fn each_kind_is_for_its_plane() {
    let grant = grant(&Permission::ALL);
    let ask = ManageAsk {
        account: ACCOUNT,
        permission: Permission::AiGatewayRead,
        source: SOURCE,
    };
    let wrong = Decision::Deny(Reason::WrongKind);
    assert_eq!(decide_run(Kind::Api, &grant, &run_ask(), now()), wrong);
    assert_eq!(decide_manage(Kind::Gateway, &grant, &ask, now()), wrong);
    assert!(decide_run(Kind::Gateway, &grant, &run_ask(), now()).is_allow());
    assert!(decide_manage(Kind::Api, &grant, &ask, now()).is_allow());
}

#[track_caller]
fn check_manage(
    change: impl FnOnce(&mut Grant),
    place: ManagePlace<'_>,
    expected: Result<(), Reason>,
) {
    let mut grant = grant(&[Permission::SecretsStoreWrite]);
    change(&mut grant);
    let ask = ManageAsk {
        account: ACCOUNT,
        permission: Permission::SecretsStoreRead,
        source: SOURCE,
    };
    let decision = decide_manage_at(Kind::Api, &grant, &ask, place, now());
    assert_eq!(decision, Decision::from(expected));
}

#[test]
fn managing_is_bounded_like_running() {
    let place = ManagePlace::Account;
    check_manage(|_| {}, place, Ok(()));
    check_manage(
        |grant| grant.permissions = Permissions::from_iter([Permission::AiGatewayWrite]),
        place,
        Err(Reason::Permission),
    );
    check_manage(|grant| grant.account = OTHER, place, Err(Reason::Account));
    check_manage(|grant| grant.disabled = true, place, Err(Reason::Disabled));
    check_manage(
        |grant| grant.expires_at = Some(now()),
        place,
        Err(Reason::Expired),
    );
    check_manage(
        |grant| grant.networks.allow = vec![Network::parse("10.0.0.0/8").unwrap()],
        place,
        Err(Reason::Network),
    );
}

#[test]
fn a_narrowed_token_manages_what_lies_wholly_inside() {
    let key = |gateway, provider, alias| ManagePlace::ProviderKey {
        gateway,
        provider,
        alias,
    };
    let one_gateway = |grant: &mut Grant| grant.gateways = Scope::only(["prod"]);
    check_manage(one_gateway, ManagePlace::Account, Err(Reason::Gateway));
    check_manage(one_gateway, ManagePlace::Gateway("prod"), Ok(()));
    check_manage(
        one_gateway,
        ManagePlace::Gateway("test"),
        Err(Reason::Gateway),
    );
    check_manage(one_gateway, key("prod", "openai", "x"), Ok(()));
    check_manage(
        one_gateway,
        key("test", "openai", "x"),
        Err(Reason::Gateway),
    );
    check_manage(one_gateway, ManagePlace::Token, Ok(()));

    let one_provider = |grant: &mut Grant| grant.providers = Scope::only(["openai"]);
    check_manage(one_provider, ManagePlace::Account, Err(Reason::Provider));
    check_manage(
        one_provider,
        ManagePlace::Gateway("prod"),
        Err(Reason::Provider),
    );
    check_manage(one_provider, key("prod", "openai", "x"), Ok(()));
    check_manage(
        one_provider,
        key("prod", "groq", "x"),
        Err(Reason::Provider),
    );

    let one_alias = |grant: &mut Grant| grant.aliases = Scope::only(["x"]);
    check_manage(one_alias, ManagePlace::Gateway("prod"), Err(Reason::Alias));
    check_manage(one_alias, key("prod", "openai", "x"), Ok(()));
    check_manage(one_alias, key("prod", "openai", "y"), Err(Reason::Alias));
}

#[test]
fn every_text_says_what_is_wrong() {
    use super::Reason;

    keyward_testing::assert_texts!("Reason", Reason {
        Reason::WrongKind => Reason::WrongKind,
        Reason::Permission => Reason::Permission,
        Reason::Account => Reason::Account,
        Reason::Gateway => Reason::Gateway,
        Reason::Provider => Reason::Provider,
        Reason::Alias => Reason::Alias,
        Reason::Class => Reason::Class,
        Reason::Model => Reason::Model,
        Reason::Network => Reason::Network,
        Reason::NotYet => Reason::NotYet,
        Reason::Expired => Reason::Expired,
        Reason::Disabled => Reason::Disabled,
        Reason::Lifetime => Reason::Lifetime,
    }, |reason| keyward_testing::told(&reason));
}
