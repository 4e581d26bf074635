//! A Redis that goes away, comes back, or says nothing.

use std::{
    net::SocketAddr,
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use keyward_limits_redis::{OnLoss, RedisCounters, Settings};
use keyward_routes::{Ask, Counters as _, Decision, Loss, Technique};
use keyward_testing::RedisServer;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
    task::{JoinSet, yield_now},
    time::timeout,
};

use crate::support::{SOON, ask, connected, hurried, is_let, redis, settings, wrong_time};

/// What a decision may take here: its deadline of 50 ms, and what a busy machine adds.
const BOUNDED: Duration = Duration::from_secs(2);

async fn take(counters: &RedisCounters, asks: &[Ask]) -> Decision {
    let begun = Instant::now();
    let decision = counters.take(asks, wrong_time()).await;
    let took = begun.elapsed();
    assert!(took < BOUNDED, "a decision took {took:?}");
    decision
}

/// Decides until a decision is as wanted; all before are one of `may`.
async fn until(
    counters: &RedisCounters,
    asks: &[Ask],
    wanted: impl Fn(Decision) -> bool,
    may: impl Fn(Decision) -> bool,
) {
    let decided = async {
        loop {
            let decision = take(counters, asks).await;
            if wanted(decision) {
                break;
            }
            assert!(may(decision), "{decision:?}");
            yield_now().await;
        }
    };
    timeout(SOON, decided).await.unwrap();
}

/// Kills Redis under the load of 16 clients, and starts it again. `while_lost` is what decisions are without it.
async fn killed_under_load(on_loss: OnLoss, while_lost: fn(Decision) -> bool) {
    let mut server = RedisServer::start();
    let counters = Arc::new(connected(hurried(&server.url(), on_loss)).await);
    let asks = [ask("", 1_000_000_000, 86_400, Technique::Sliding)];
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut clients = JoinSet::new();
    for _ in 0..16 {
        let (counters, stopped) = (Arc::clone(&counters), stopped.clone());
        clients.spawn(async move {
            while !*stopped.borrow() {
                let decision = take(&counters, &asks).await;
                assert!(is_let(decision) || while_lost(decision), "{decision:?}");
                yield_now().await;
            }
        });
    }
    until(&counters, &asks, is_let, while_lost).await;
    for _ in 0..2 {
        server.kill();
        until(&counters, &asks, while_lost, is_let).await;
        server.restart();
        assert!(counters.is_up_within(SOON).await);
        until(
            &counters,
            &asks,
            |decision| is_let(decision) && counters.is_up(),
            while_lost,
        )
        .await;
    }
    stop.send_replace(true);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_requests_are_let_through_where_it_is_open() {
    killed_under_load(OnLoss::Open, |decision| {
        decision == Decision::Lost(Loss::Open)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_requests_are_refused_where_it_is_closed() {
    killed_under_load(OnLoss::Closed, |decision| {
        decision == Decision::Lost(Loss::Closed)
    })
    .await;
}

#[tokio::test]
async fn without_redis_each_instance_has_its_share() {
    let mut server = RedisServer::start();
    let share = OnLoss::Share(NonZeroU64::new(4).unwrap());
    let counters = connected(settings(&server.url(), share)).await;
    let asks = [ask("", 100, 86_400, Technique::Fixed)];
    assert!(is_let(take(&counters, &asks).await));
    server.kill();
    until_down(&counters).await;
    let other = [ask("", 100, 86_400, Technique::Fixed)];
    let mut taken = 0;
    for _ in 0..100 {
        match take(&counters, &other).await {
            Decision::Within { .. } => taken += 1,
            Decision::Over { .. } => {}
            Decision::Lost(loss) => panic!("{loss:?} instead of a share"),
        }
    }
    assert_eq!(taken, 25);

    server.restart();
    assert!(counters.is_up_within(SOON).await);
    let mut taken = 0;
    for _ in 0..120 {
        taken += u32::from(is_let(take(&counters, &other).await));
    }
    assert_eq!(taken, 100);
}

async fn until_down(counters: &RedisCounters) {
    let down = async {
        while counters.is_up() {
            yield_now().await;
        }
    };
    timeout(SOON, down).await.unwrap();
}

#[tokio::test]
async fn a_redis_that_was_never_there_keeps_nobody_waiting_and_is_found_when_it_comes() {
    let mut server = RedisServer::start();
    server.kill();
    let counters = RedisCounters::start(settings(&server.url(), OnLoss::Closed)).unwrap();
    let asks = [ask("", 100, 86_400, Technique::Fixed)];
    for _ in 0..100 {
        assert_eq!(take(&counters, &asks).await, Decision::Lost(Loss::Closed));
    }
    server.restart();
    assert!(counters.is_up_within(SOON).await);
    assert!(is_let(take(&counters, &asks).await));
}

#[tokio::test]
async fn who_accepts_and_never_answers_keeps_nobody_waiting() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let accepting = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let counters = RedisCounters::start(settings(&url, OnLoss::Closed)).unwrap();
    let asks = [ask("", 100, 86_400, Technique::Fixed)];
    assert!(!counters.is_up_within(Duration::from_millis(700)).await);
    for _ in 0..100 {
        assert_eq!(take(&counters, &asks).await, Decision::Lost(Loss::Closed));
    }
    accepting.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_falls_silent_is_waited_for_50_ms_by_nobody_twice() {
    let server = RedisServer::start();
    let counters = Arc::new(connected(hurried(&server.url(), OnLoss::Closed)).await);
    let asks = [ask("", 1_000_000, 86_400, Technique::Fixed)];
    let is_lost = |decision| decision == Decision::Lost(Loss::Closed);
    until(&counters, &asks, is_let, is_lost).await;
    let () = redis::cmd("CLIENT")
        .arg("PAUSE")
        .arg(2500)
        .arg("ALL")
        .query(&mut redis(&server.url()))
        .unwrap();

    let mut clients = JoinSet::new();
    for _ in 0..3000 {
        let counters = Arc::clone(&counters);
        clients.spawn(async move { counters.take(&asks, wrong_time()).await });
    }
    let begun = Instant::now();
    while let Some(decision) = clients.join_next().await {
        assert_eq!(decision.unwrap(), Decision::Lost(Loss::Closed));
    }
    // After one that waited in vain, none waits.
    let at_once = counters.take_now(&asks, wrong_time());
    assert_eq!(at_once, Some(Decision::Lost(Loss::Closed)));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    let begun = Instant::now();
    for _ in 0..1000 {
        let decision = counters.take(&asks, wrong_time()).await;
        assert_eq!(decision, Decision::Lost(Loss::Closed));
    }
    let took = begun.elapsed();
    assert!(
        took < BOUNDED,
        "1000 decisions of a silent Redis took {took:?}"
    );

    until(&counters, &asks, is_let, is_lost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_all_decided() {
    const CLIENTS: u64 = 3000;
    let server = RedisServer::start();
    let counters = Arc::new(connected(settings(&server.url(), OnLoss::Open)).await);
    let asks = [ask("", CLIENTS - 1, 86_400, Technique::Fixed)];
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let counters = Arc::clone(&counters);
        clients.spawn(async move { counters.take(&asks, wrong_time()).await });
    }
    let mut within = 0;
    while let Some(decision) = clients.join_next().await {
        let decision = decision.unwrap();
        assert_ne!(decision, Decision::Lost(Loss::Open));
        within += u64::from(matches!(decision, Decision::Within { .. }));
    }
    assert_eq!(within, CLIENTS - 1);
}

/// Passes bytes on, those of Redis later by so many milliseconds.
async fn slow_proxy(to: SocketAddr, delay: Arc<AtomicU64>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(to).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
            let delay = Arc::clone(&delay);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
                    tokio::time::sleep(Duration::from_millis(delay.load(Ordering::Relaxed))).await;
                    if to_client
                        .write_all(buffer.get(..length).unwrap())
                        .await
                        .is_err()
                    {
                        break;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_answers_too_late_is_not_up() {
    let server = RedisServer::start();
    let address = server.url().trim_start_matches("redis://").parse();
    let address = address.unwrap();
    let delay = Arc::new(AtomicU64::new(0));
    let slow = slow_proxy(address, Arc::clone(&delay)).await;
    let deadline = Duration::from_millis(150);
    let counters = connected(Settings {
        deadline,
        ..settings(&format!("redis://{slow}"), OnLoss::Closed)
    })
    .await;
    let asks = [ask("", 1_000_000, 86_400, Technique::Fixed)];
    let is_lost = |decision| decision == Decision::Lost(Loss::Closed);
    until(&counters, &asks, is_let, is_lost).await;
    // Longer than a decision may take, and not as long as the connection is given.
    delay.store(300, Ordering::Relaxed);
    until(&counters, &asks, is_lost, is_let).await;
    until_down(&counters).await;
    delay.store(0, Ordering::Relaxed);
    until(&counters, &asks, is_let, is_lost).await;
}
