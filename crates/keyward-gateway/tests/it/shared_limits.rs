//! Rate limits that several gateways count in one Redis.

use std::{sync::Arc, time::Duration};

use keyward_gateway::Config;
use keyward_limits_redis::{OnLoss, RedisCounters, Settings};
use keyward_registry::{ChangeError, GatewaySettings, RateLimitingTechnique};
use keyward_routes::Counters;
use keyward_testing::{FakeProvider, Placement, RedisServer, TestCa};

use crate::support::{ACCOUNT, ACTOR, Base, Running, Setup, now};

const LONG: Duration = Duration::from_secs(20);

/// Counters in a Redis that is there, without a deadline that a busy machine would miss.
async fn counters(redis: &RedisServer, on_loss: OnLoss) -> Arc<dyn Counters> {
    let settings = Settings {
        url: redis.url().parse().unwrap(),
        password: None,
        extra_ca_pem: Vec::new(),
        on_loss,
        deadline: LONG,
    };
    let counters = RedisCounters::start(settings).unwrap();
    assert!(counters.is_up_within(LONG).await);
    Arc::new(counters)
}

/// Two gateways over one store, that count in one Redis. The gateway's limit is per year.
async fn two_on(redis: &RedisServer, on_loss: OnLoss, limit: u64) -> [Running; 2] {
    let (base, ca) = (Base::new(), TestCa::new());
    let provider = || FakeProvider::start_tls(Placement::bearer(), Vec::<String>::new(), &ca);
    let config = |counters| Config {
        counters,
        ..Setup::default().config
    };
    let one_provider = provider().await;
    let origin = one_provider.origin();
    let urls = [("openai", origin.as_str())];
    let counters_of_one = counters(redis, on_loss).await;
    let one = Running::over(&base, &urls, one_provider, &ca, config(counters_of_one)).await;
    let settings = GatewaySettings {
        rate_limiting_limit: limit,
        rate_limiting_interval: 366 * 24 * 60 * 60,
        rate_limiting_technique: Some(RateLimitingTechnique::Sliding),
        ..GatewaySettings::default()
    };
    one.registry
        .update_gateway(
            ACCOUNT,
            "prod",
            |_| Ok::<_, ChangeError>(settings),
            ACTOR,
            now(),
        )
        .await
        .unwrap();
    one.store_key("openai", "default").await;
    let counters_of_other = counters(redis, on_loss).await;
    // The other is reached at the same provider, which is the first one's.
    let other_provider = provider().await;
    let other = Running::over(&base, &urls, other_provider, &ca, config(counters_of_other)).await;
    [one, other]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_on_one_redis_share_one_count() {
    let redis = RedisServer::start();
    let [one, other] = two_on(&redis, OnLoss::Closed, 30).await;
    let asked = (0..40).flat_map(|_| {
        [
            one.authorized_chat("openai", &[]),
            other.authorized_chat("openai", &[]),
        ]
    });
    let answers = futures_util::future::join_all(asked).await;
    let with = |status: u16| {
        let with = answers.iter().filter(|answer| answer.status == status);
        with.count()
    };
    assert_eq!((with(200), with(429)), (30, 50));
    for running in [&one, &other] {
        let answer = running.authorized_chat("openai", &[]).await;
        assert_eq!(answer.status, 429);
        assert_eq!(answer.json()["internalCode"], 2003);
        assert_eq!(
            answer.header("ratelimit-policy"),
            Some(r#""gateway";q=30;w=31622400"#)
        );
    }
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_requests_are_refused_or_let_through_as_configured() {
    for (on_loss, status, code) in [(OnLoss::Closed, 503, Some(9031)), (OnLoss::Open, 200, None)] {
        let mut redis = RedisServer::start();
        let [one, other] = two_on(&redis, on_loss, 10).await;
        assert_eq!(one.authorized_chat("openai", &[]).await.status, 200);
        redis.kill();
        // Whether it was noticed before the request or by it makes no difference.
        for _ in 0..5 {
            let answer = one.authorized_chat("openai", &[]).await;
            assert_eq!(answer.status, status);
            if let Some(code) = code {
                assert_eq!(answer.json()["internalCode"], code);
            }
        }
        redis.restart();
        // It is counted again, so the limit is met.
        let back = async {
            while one.authorized_chat("openai", &[]).await.status != 429 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONG, back).await.unwrap();
        one.stop().await;
        other.stop().await;
    }
}
