//! Rate limits of gateways.

use keyward_registry::{GatewaySettings, RateLimitingTechnique};

use crate::support::{Running, Setup};

/// A gateway with a limit per year, so that no window ends meanwhile but at a border that comes once in 366 days.
async fn limited(limit: u64, technique: Option<RateLimitingTechnique>) -> Running {
    let running = Running::start(Setup {
        settings: GatewaySettings {
            rate_limiting_limit: limit,
            rate_limiting_interval: 366 * 24 * 60 * 60,
            rate_limiting_technique: technique,
            ..GatewaySettings::default()
        },
        ..Setup::default()
    })
    .await;
    let (key, _) = running.store_key("openai", "default").await;
    running.provider.accept_keys([key.text()]);
    running
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_lets_through_its_limit_and_answers_429_beyond() {
    for technique in [None, Some(RateLimitingTechnique::Sliding)] {
        let running = limited(3, technique).await;
        // What is refused for another reason is not counted.
        let alias = [("cf-aig-byok-alias", "nobody")];
        assert_eq!(running.authorized_chat("openai", &alias).await.status, 400);
        for _ in 0..3 {
            assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
        }
        let sent = running.provider.take_recorded().len();
        assert_eq!(sent, 3);
        for _ in 0..3 {
            let answer = running.authorized_chat("openai", &[]).await;
            assert_eq!(answer.status, 429);
            assert_eq!(
                answer.json(),
                serde_json::json!({
                    "success": false, "result": [], "messages": [],
                    "error": [{"code": 2003, "message": "Rate limited"}],
                    "name": "AiGatewayError", "httpCode": 429, "internalCode": 2003,
                    "message": "Rate limited", "description": "Rate limited"
                })
            );
            let retry = answer.header("retry-after").unwrap().to_owned();
            assert!((1..=366 * 24 * 60 * 60 * 2).contains(&retry.parse::<u64>().unwrap()));
            assert_eq!(
                answer.header("ratelimit-policy"),
                Some(r#""gateway";q=3;w=31622400"#)
            );
            let state = format!(r#""gateway";r=0;t={retry}"#);
            assert_eq!(answer.header("ratelimit"), Some(state.as_str()));
        }
        assert!(running.provider.take_recorded().is_empty());
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_workers_share_one_count() {
    let running = limited(20, None).await;
    let asked = (0..60).map(|_| running.authorized_chat("openai", &[]));
    let answers = futures_util::future::join_all(asked).await;
    let with = |status: u16| {
        answers
            .iter()
            .filter(|answer| answer.status == status)
            .count()
    };
    assert_eq!((with(200), with(429)), (20, 40));
    running.stop().await;
}
