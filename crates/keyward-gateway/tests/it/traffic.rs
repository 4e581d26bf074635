//! How many requests there were and how long they took, as the store is told.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use keyward_registry::{
    GatewaySettings, KeyEdit, TrafficClass, TrafficQuery, TrafficSpan, traffic_secs,
};
use keyward_testing::Behaviour;
use tokio_util::sync::CancellationToken;

use crate::support::{ACCOUNT, ACTOR, CHAT, Running, Setup, code, now};

/// How many requests of each class there were, by the hours around now.
async fn counted(
    running: &Running,
    query: impl Fn(&mut TrafficQuery),
) -> BTreeMap<TrafficClass, u64> {
    let span = TrafficSpan::Hour;
    let mut asked = TrafficQuery {
        account: ACCOUNT,
        gateways: None,
        providers: None,
        keys: None,
        span,
        since: span.start(traffic_secs(now())) - span.secs(),
        step: span.secs(),
        steps: 3,
    };
    query(&mut asked);
    let sums = running.registry.store().sum_traffic(asked).await.unwrap();
    let mut counts = BTreeMap::new();
    for sum in sums.sums {
        *counts.entry(sum.class).or_default() += sum.latencies.total();
    }
    counts
}

/// Runs the recorder once, to its end.
async fn record(running: &Running) {
    let stop = CancellationToken::new();
    stop.cancel();
    Arc::clone(&running.gateway).record(stop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_counts_once_by_key_and_class() {
    use TrafficClass::{ClientError, Redirect, Refused, ServerError, Success};
    let running = Running::start(Setup::default()).await;
    let (canary, key) = running.store_key("openai", "default").await;
    let (second, other) = running.store_key("openai", "other").await;
    running.provider.accept_keys([canary.text(), second.text()]);
    let status = |status, times| {
        for _ in 0..times {
            let behaviour = Behaviour::Status(status, "{}".to_owned());
            running.provider.behave_once(behaviour);
        }
    };
    // On several connections, and so on both workers.
    for _ in 0..7 {
        let answer = running.authorized_chat("openai", &[]).await;
        assert_eq!(answer.status, 200);
    }
    status(304, 2);
    status(429, 3);
    status(503, 4);
    for _ in 0..9 {
        running.authorized_chat("openai", &[]).await;
    }
    for _ in 0..5 {
        let alias = [("cf-aig-byok-alias", "other")];
        let answer = running.authorized_chat("openai", &alias).await;
        assert_eq!(answer.status, 200);
    }
    // Refused: with a key that is switched off, and without one.
    let edit = KeyEdit {
        enabled: Some(false),
        ..KeyEdit::default()
    };
    let id = other.record.id;
    let edited = running
        .registry
        .edit_provider_key(ACCOUNT, id, edit, ACTOR, now())
        .await;
    edited.unwrap();
    for _ in 0..2 {
        let alias = [("cf-aig-byok-alias", "other")];
        assert_eq!(code(&running.authorized_chat("openai", &alias).await), 9010);
    }
    let missing = running.authorized_chat("anthropic", &[]).await;
    assert_eq!(code(&missing), 2044);
    record(&running).await;

    let of = |id| move |query: &mut TrafficQuery| query.keys = Some(vec![id]);
    assert_eq!(
        counted(&running, of(key.record.id)).await,
        BTreeMap::from([
            (Success, 7),
            (Redirect, 2),
            (ClientError, 3),
            (ServerError, 4)
        ])
    );
    assert_eq!(
        counted(&running, of(other.record.id)).await,
        BTreeMap::from([(Success, 5), (Refused, 2)])
    );
    let whole = counted(&running, |_query| {}).await;
    assert_eq!(whole.values().sum::<u64>(), 7 + 9 + 5 + 2 + 1);

    // What was taken is not taken again, and what comes is added.
    running.authorized_chat("openai", &[]).await;
    record(&running).await;
    record(&running).await;
    assert_eq!(counted(&running, of(key.record.id)).await[&Success], 8);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn own_keys_count_for_the_provider_and_strangers_for_nobody() {
    let running = Running::start(Setup {
        settings: GatewaySettings {
            authentication: false,
            ..GatewaySettings::default()
        },
        ..Setup::default()
    })
    .await;
    running.provider.accept_keys(["sk-own"]);
    for _ in 0..3 {
        let own = [("authorization", "Bearer sk-own")];
        assert_eq!(running.chat("openai", &own).await.status, 200);
    }
    // Nobody knows who that was, and which gateway there is not.
    let unknown = [("cf-aig-authorization", "Bearer kw_gw_unknown")];
    assert_eq!(running.chat("openai", &unknown).await.status, 401);
    let nowhere = format!("/v1/{ACCOUNT}/nowhere/openai/chat/completions");
    let mut client = running.client().await;
    assert_eq!(client.post(&nowhere, &[], CHAT).await.unwrap().status, 401);
    record(&running).await;
    let openai = |query: &mut TrafficQuery| {
        query.providers = Some(vec!["openai".parse().unwrap()]);
        query.gateways = Some(vec!["prod".parse().unwrap()]);
    };
    let expected = BTreeMap::from([(TrafficClass::Success, 3)]);
    assert_eq!(counted(&running, openai).await, expected);
    assert_eq!(counted(&running, |_query| {}).await, expected);
    running.stop().await;
}

/// A client that goes away while the provider is silent: the request was made, and nobody saw an answer.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_is_waited_for_no_longer_is_none_that_its_client_gave_up() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    running.provider.behave_once(Behaviour::StallBeforeHead);
    let headers = [
        ("cf-aig-request-timeout", "200"),
        ("cf-aig-max-attempts", "2"),
    ];
    let answer = running.authorized_chat("openai", &headers).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    record(&running).await;
    assert_eq!(
        counted(&running, |_query| {}).await,
        BTreeMap::from([(TrafficClass::Success, 1), (TrafficClass::Refused, 1)])
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_is_counted() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    running.provider.behave_once(Behaviour::StallBeforeHead);
    let waiting = running.authorized_chat("openai", &[]);
    let deadline = Duration::from_secs(20);
    tokio::select! {
        _ = waiting => panic!("the provider answered"),
        () = running.provider.wait_for(1, deadline) => {}
    }
    let expected = BTreeMap::from([(TrafficClass::Canceled, 1)]);
    crate::support::eventually("the request is counted", async || {
        record(&running).await;
        counted(&running, |_query| {}).await == expected
    })
    .await;
    running.stop().await;
}

/// The time until the head of the answer, and not until its end.
#[tokio::test(flavor = "multi_thread")]
async fn latency_is_the_time_until_the_head() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    running.provider.behave_once(Behaviour::StallBeforeHead);
    let slow = running.authorized_chat("openai", &[]);
    let released = async {
        running.provider.wait_for(2, Duration::from_secs(20)).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        running.provider.release(1);
    };
    let (answer, ()) = tokio::join!(slow, released);
    assert_eq!(answer.status, 200);
    record(&running).await;
    let span = TrafficSpan::Hour;
    let query = TrafficQuery {
        account: ACCOUNT,
        gateways: None,
        providers: None,
        keys: None,
        span,
        since: span.start(traffic_secs(now())) - span.secs(),
        step: 3 * span.secs(),
        steps: 1,
    };
    let sums = running.registry.store().sum_traffic(query).await.unwrap();
    let latencies = &sums.sums[0].latencies;
    assert_eq!(latencies.total(), 2);
    // The second took 300 ms at least: the bucket up to 512 ms, or one above.
    let slow: u64 = latencies.counts()[9..].iter().sum();
    assert!(slow >= 1, "{latencies:?}");
    running.stop().await;
}
