//! Many provider keys and many tokens: start-up, memory, lists, look-ups, and how soon a saved key is used.
//!
//! `KEYWARD_SCALE` says how many of each there are; without it 2,000, which is enough to see that everything is
//! right. `cargo xtask show scale` runs it with 100,000 in release mode, and there the goals are checked too.

#[cfg(test)]
mod dashboard;
#[cfg(test)]
mod fill;
#[cfg(test)]
mod measure;
#[cfg(test)]
mod server;

#[cfg(test)]
use std::time::Duration;

#[cfg(test)]
use crate::{
    dashboard::Visitor,
    fill::{Database, Filled, small},
    measure::{Times, look_up, timed},
    server::Server,
};

#[cfg(test)]
const SAVES: usize = 50;

#[cfg(test)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_keys_and_tokens() {
    let count = std::env::var("KEYWARD_SCALE").map_or(2_000, |text| text.parse().unwrap());
    println!("{count} provider keys, {count} tokens");
    let database = Database::new().await;
    let mut filled = Filled::default();

    database.add_keys(count, &mut filled).await;
    let keys = database.memory().await;
    database.add_tokens(count, &mut filled).await;
    let both = database.memory().await;
    let tokens = both.saturating_sub(keys);
    let each = |bytes: usize| bytes / count;
    println!(
        "memory: {} bytes a provider key, {} bytes a token",
        each(keys),
        each(tokens)
    );

    let ((registry, store), start_up) = timed(database.open()).await;
    println!("start-up: {} ms", start_up.as_millis());
    assert!(registry.tampered().is_empty());
    assert_eq!(registry.snapshot().tokens().len(), filled.token_count());

    let few = small().await;
    let [small, large] = look_up(
        [&few.registry.snapshot(), &registry.snapshot()],
        [&few.probe(), &filled.probe()],
    );
    println!("look-up of token, gateway and key: {small} ns among 10, {large} ns among {count}");

    let server = Server::start(registry, &database).await;
    let slowest = pages(&server, &filled).await;
    let slowest_of_dashboard = dashboard_pages(&server, filled.key_count()).await;
    let mut saves = Times::default();
    for number in 0..SAVES {
        saves.note(server.save_and_use(number).await);
    }
    println!(
        "{SAVES} saves, from the call to the answer of the first request that uses the key: p50 {:.1} ms, max {:.1} ms",
        saves.median_ms(),
        saves.max_ms()
    );
    server.stop();
    store.close().await;
    // Figures of a debug build, or of a machine that tests share, would tell of the build and the machine.
    if cfg!(not(debug_assertions)) {
        assert!(start_up < Duration::from_secs(5), "{start_up:?}");
        assert!(slowest < Duration::from_millis(50), "{slowest:?}");
        // The overview looks at every key five times over.
        assert!(
            slowest_of_dashboard < Duration::from_millis(250),
            "{slowest_of_dashboard:?}"
        );
        assert!(saves.median_ms() < 20.0);
        assert!(each(keys) < 4_096 && each(tokens) < 1_024);
    }
}

/// What a page of the dashboard may weigh with everything that it loads, as gzip.
#[cfg(test)]
const HEAVIEST: usize = 60 * 1024;

/// Asks for the long pages of the dashboard, and returns the slowest.
#[cfg(test)]
async fn dashboard_pages(server: &Server, keys: usize) -> Duration {
    let visitor = Visitor::sign_in(server).await;
    let mut slowest = Duration::ZERO;
    let last = format!("/keys?page={}", keys.div_ceil(50));
    for path in [
        "/",
        "/keys",
        &last,
        "/keys?q=key-000007",
        "/keys/new",
        "/tokens",
        "/gateways",
    ] {
        let (time, weight) = visitor.page(path).await;
        slowest = slowest.max(time);
        println!(
            "dashboard {path}: {:.1} ms, {:.1} KiB as gzip with all that it loads",
            time.as_secs_f64() * 1e3,
            weight as f64 / 1024.0
        );
        assert!(weight < HEAVIEST, "{path}: {weight} bytes");
    }
    slowest
}

/// Asks for the first, the middle and the last page of each long list, and returns the slowest.
#[cfg(test)]
async fn pages(server: &Server, filled: &Filled) -> Duration {
    let mut slowest = Duration::ZERO;
    let store = keyward_vault::SecretsStoreId::first_of(fill::ACCOUNT);
    let secrets = format!("secrets_store/stores/{store}/secrets");
    for (list, total) in [
        (secrets.as_str(), filled.key_count()),
        ("ai-gateway/gateways/big/provider_configs", filled.in_big()),
        ("tokens", filled.token_count() + server.own_tokens()),
        ("ai-gateway/gateways", filled.gateway_count()),
    ] {
        let last = total.div_ceil(20);
        for page in [1, last.div_ceil(2), last, last + 1] {
            let time = server.page(list, page, total).await;
            slowest = slowest.max(time);
            println!(
                "page {page} of {last} of {list}: {:.1} ms",
                time.as_secs_f64() * 1e3
            );
        }
    }
    for (what, path) in [
        ("gateways", "ai-gateway/gateways?search=gateway-0"),
        ("secrets", format!("{secrets}?search=gateway-0_").as_str()),
    ] {
        let time = server.search(path).await;
        slowest = slowest.max(time);
        println!("search of {what}: {:.1} ms", time.as_secs_f64() * 1e3);
    }
    slowest
}
