use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::*;

fn config(connections: Option<usize>) -> Config {
    let mut config = Config {
        workers: NonZeroUsize::MIN,
        ..Config::default()
    };
    config.listen.max_connections = connections;
    config
}

/// What the caps allow to be held.
fn most(config: &Config, limits: &Limits) -> u64 {
    let workers = u64::try_from(config.workers.get()).unwrap();
    BASE + workers * worker(config)
        + limits.held
        + limits.reserved(limits.connections, limits.requests)
}

#[test]
fn a_large_budget_lowers_nothing() {
    let config = config(Some(1_000));
    let limits = Budget::from_bytes(64 * 1024 * MIB)
        .limits(&config, Stored::default())
        .unwrap();
    assert_eq!(limits.connections, 1_000);
    let http2 = limits.http2.unwrap();
    let configured = config.listen.http2.unwrap();
    assert_eq!(http2.connection_window, configured.connection_window);
    assert_eq!(http2.stream_window, configured.stream_window);
    assert!(limits.requests > 10_000, "{}", limits.requests);
}

#[test]
fn windows_give_way_before_connections_do() {
    let config = config(Some(1_000));
    let limits = Budget::from_bytes(1_024 * MIB)
        .limits(&config, Stored::default())
        .unwrap();
    assert_eq!(limits.connections, 1_000);
    let http2 = limits.http2.unwrap();
    assert!(http2.connection_window < config.listen.http2.unwrap().connection_window);
}

#[test]
fn connections_that_nobody_set_are_as_many_as_fit() {
    let mut config = config(None);
    config.listen.http2 = None;
    let small = Budget::from_bytes(128 * MIB)
        .limits(&config, Stored::default())
        .unwrap();
    let larger = Budget::from_bytes(192 * MIB)
        .limits(&config, Stored::default())
        .unwrap();
    assert!((16..200).contains(&small.connections), "{small:?}");
    assert!(larger.connections > small.connections);
}

#[test]
fn what_is_set_and_does_not_fit_is_refused() {
    let error = Budget::from_bytes(128 * MIB)
        .limits(&config(Some(5_000)), Stored::default())
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("128 MiB") && text.contains("5000 connections"),
        "{text}"
    );
    assert!(
        Budget::from_bytes(error.needed.bytes())
            .limits(&config(Some(5_000)), Stored::default())
            .is_ok()
    );
    assert!(
        Budget::from_bytes(MIB)
            .limits(&config(None), Stored::default())
            .is_err()
    );
}

#[test]
fn caps_are_applied_and_an_address_keeps_its_share() {
    let config = config(Some(1_000));
    let limits = Budget::from_bytes(2_048 * MIB)
        .limits(&config, Stored::default())
        .unwrap();
    let applied = limits.apply(config);
    assert_eq!(applied.listen.connections(), 1_000);
    assert_eq!(applied.listen.connections_per_address(), 100);
}

#[test]
fn a_decoded_error_fits_into_what_is_set_aside_for_a_request() {
    let mut config = config(Some(16));
    config.listen.max_head_bytes = 8 * 1024;
    let limits = Budget::from_bytes(512 * MIB)
        .limits(&config, Stored::default())
        .unwrap();
    let up = 2 * (8 + 64) * KIB;
    assert_eq!(limits.request_bytes, REQUEST + up + DECODED_ERROR);
}

/// As many connections as fit, and what is stored takes the room of some.
#[test]
fn what_is_stored_is_counted() {
    let config = config(None);
    let budget = Budget::from_bytes(512 * MIB);
    let empty = budget.limits(&config, Stored::default()).unwrap();
    let stored = Stored {
        provider_keys: 100_000,
        tokens: 100_000,
    };
    let full = budget.limits(&config, stored).unwrap();
    // Half as much again as what was measured (docs/performance.md).
    assert!(full.stored.bytes() >= 100_000 * (1_395 + 523) * 3 / 2);
    assert!(full.stored.bytes() < 400 * MIB);
    assert!(full.connections < empty.connections, "{full:?}");
    let small = Budget::from_bytes(256 * MIB);
    assert!(small.limits(&config, Stored::default()).is_ok());
    let error = small.limits(&config, stored).unwrap_err();
    assert!(error.needed > small, "{error}");
}

proptest! {
    #[test]
    fn caps_never_allow_more_than_the_budget(
        mib in 1_u64..100_000,
        connections in proptest::option::of(1_usize..50_000),
        head in 1_usize..1_000_000,
        workers in 1_usize..64,
        provider_keys in 0_usize..200_000,
        tokens in 0_usize..200_000,
        has_http2: bool,
    ) {
        let mut config = config(connections);
        config.workers = NonZeroUsize::new(workers).unwrap();
        config.listen.max_head_bytes = head;
        if !has_http2 {
            config.listen.http2 = None;
        }
        let budget = Budget::from_bytes(mib * MIB);
        let stored = Stored { provider_keys, tokens };
        if let Ok(limits) = budget.limits(&config, stored) {
            prop_assert!(most(&config, &limits) + limits.stored.bytes() <= budget.bytes());
            prop_assert!(limits.requests >= limits.connections);
            prop_assert!(connections.is_none_or(|set| limits.connections == set));
        }
    }
}

#[test]
fn every_text_says_what_is_wrong() {
    use super::{Budget, BudgetError};

    keyward_testing::assert_texts!("BudgetError", [
        "a small budget" => BudgetError { budget: Budget::from_bytes(1 << 20), connections: 64, needed: Budget::from_bytes(1 << 26) },
    ]);
}
