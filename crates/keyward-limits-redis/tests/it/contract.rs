//! What every store of counters promises.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keyward_limits_redis::OnLoss;
use keyward_routes::{Ask, Counters, Decision, Technique, testing};
use keyward_testing::RedisServer;

use crate::support::{ask, connected, is_let, redis, settings, wrong_time};

#[tokio::test]
async fn counters_in_redis_keep_the_contract_whatever_this_clock_says() {
    let server = RedisServer::start();
    let counters = connected(settings(&server.url(), OnLoss::Closed)).await;
    for (run, now) in [
        (1_000_001, wrong_time()),
        (1_000_002, UNIX_EPOCH + Duration::from_hours(24 * 365 * 200)),
    ] {
        testing::contract(&counters, run, &|| now).await.unwrap();
    }
}

#[tokio::test]
async fn two_gateways_whose_clocks_are_an_hour_apart_count_as_one() {
    let server = RedisServer::start();
    let one = connected(settings(&server.url(), OnLoss::Closed)).await;
    let other = connected(settings(&server.url(), OnLoss::Closed)).await;
    let asks = [ask("", 10, 86_400, Technique::Fixed)];
    let early = wrong_time();
    let late = early + Duration::from_hours(1);
    let mut taken = 0;
    for _ in 0..10 {
        taken += u32::from(is_let(one.take(&asks, early).await));
        taken += u32::from(is_let(other.take(&asks, late).await));
    }
    assert_eq!(taken, 10);
}

#[tokio::test]
async fn a_script_that_redis_forgot_is_sent_again() {
    let server = RedisServer::start();
    let counters = connected(settings(&server.url(), OnLoss::Closed)).await;
    let asks = [ask("", 3, 86_400, Technique::Fixed)];
    assert!(is_let(counters.take(&asks, wrong_time()).await));
    let () = redis::cmd("SCRIPT")
        .arg("FLUSH")
        .query(&mut redis(&server.url()))
        .unwrap();
    assert!(is_let(counters.take(&asks, wrong_time()).await));
    assert!(is_let(counters.take(&asks, wrong_time()).await));
    assert!(!is_let(counters.take(&asks, wrong_time()).await));
}

#[tokio::test]
async fn nothing_that_a_client_sent_stands_in_redis_and_all_of_it_expires() {
    let server = RedisServer::start();
    let counters = connected(settings(&server.url(), OnLoss::Closed)).await;
    let window = 3600;
    let of = |technique| ask("alice@example.com", 3, window, technique);
    let (fixed, sliding) = (of(Technique::Fixed), of(Technique::Sliding));
    assert!(is_let(counters.take(&[fixed, sliding], wrong_time()).await));

    let mut redis = redis(&server.url());
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut redis).unwrap();
    let counters: Vec<_> = keys.iter().filter(|key| !key.ends_with("probe")).collect();
    assert_eq!(counters.len(), 2);
    for key in &keys {
        let value: String = redis::cmd("GET").arg(key).query(&mut redis).unwrap();
        assert!(!format!("{key} {value}").contains("alice"), "{key} {value}");
        assert!(key.starts_with("{keyward}:"), "{key}");
        let lives: i64 = redis::cmd("PTTL").arg(key).query(&mut redis).unwrap();
        assert!(lives > 0, "{key} stays for ever");
        let longest = i64::try_from(window).unwrap() * 2000;
        assert!(lives <= longest, "{key} stays for {lives} ms");
    }
}

#[tokio::test]
async fn a_flood_over_its_limit_costs_redis_nothing() {
    let server = RedisServer::start();
    let counters = connected(settings(&server.url(), OnLoss::Closed)).await;
    let asks = [ask("", 5, 86_400, Technique::Sliding)];
    let mut redis = redis(&server.url());
    let mut scripts = || -> u64 {
        let stats: String = redis::cmd("INFO")
            .arg("commandstats")
            .query(&mut redis)
            .unwrap();
        let line = |line: &str| {
            let calls = line.strip_prefix("cmdstat_evalsha:calls=")?;
            calls.split(',').next()?.parse::<u64>().ok()
        };
        stats.lines().find_map(line).unwrap_or_default()
    };
    for _ in 0..6 {
        counters.take(&asks, wrong_time()).await;
    }
    let before = scripts();
    let begun = tokio::time::Instant::now();
    for _ in 0..10_000 {
        let decision = counters.take_now(&asks, wrong_time());
        assert!(
            matches!(decision, Some(Decision::Over { .. })),
            "{decision:?}"
        );
    }
    // The connection is probed once a second.
    let probes = begun.elapsed().as_secs() + 2;
    assert!(scripts() - before <= probes);
}

#[tokio::test]
async fn what_is_no_counter_of_ours_is_overwritten() {
    let server = RedisServer::start();
    let counters = connected(settings(&server.url(), OnLoss::Closed)).await;
    let asks = [ask("", 2, 86_400, Technique::Fixed)];
    let key = format!("{{keyward}}:limit:{}", asks[0].key);
    let mut redis = redis(&server.url());
    for foreign in ["", "x", "1 2 3", "-1 2 3 86400000", "1e9 1e9 1e9 86400000"] {
        let () = redis::cmd("SET")
            .arg(&key)
            .arg(foreign)
            .query(&mut redis)
            .unwrap();
        assert!(
            is_let(counters.take(&asks, wrong_time()).await),
            "{foreign}"
        );
    }
    let () = redis::cmd("DEL").arg(&key).query(&mut redis).unwrap();
    let () = redis::cmd("LPUSH")
        .arg(&key)
        .arg("x")
        .query(&mut redis)
        .unwrap();
    assert!(is_let(counters.take(&asks, wrong_time()).await));
}

#[tokio::test]
async fn an_amount_beyond_every_limit_is_over_it() {
    let server = RedisServer::start();
    let counters = connected(settings(&server.url(), OnLoss::Closed)).await;
    let all = ask("", 1_000_000_000_000, 86_400, Technique::Sliding);
    let of = |amount| [Ask { amount, ..all }];
    assert!(!is_let(
        counters.take(&of(u64::MAX), SystemTime::UNIX_EPOCH).await
    ));
    assert!(is_let(
        counters
            .take(&of(1_000_000_000_000), SystemTime::UNIX_EPOCH)
            .await
    ));
    assert!(!is_let(counters.take(&of(1), SystemTime::UNIX_EPOCH).await));
}
