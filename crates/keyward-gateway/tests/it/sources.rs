//! From where a token is used: the connection's address, or what a trusted proxy says.

use keyward_auth::{Grant, Network};
use keyward_gateway::Config;
use keyward_listen::Networks;

use crate::support::{Running, Setup, mint};

/// The status of a chat with a token for 203.0.113.0/24, through what claims to be a proxy.
async fn status(trusted: &[&str], forwarded_for: &str) -> u16 {
    let running = Running::start(Setup {
        config: Config {
            listen: keyward_listen::Config {
                trusted_proxies: Networks::parse(trusted).unwrap(),
                ..keyward_listen::Config::default()
            },
            ..Config::default()
        },
        ..Setup::default()
    })
    .await;
    running.store_key("openai", "default").await;
    let grant = Grant {
        networks: keyward_auth::Networks {
            allow: vec![Network::parse("203.0.113.0/24").unwrap()],
            deny: Vec::new(),
        },
        ..Running::grant()
    };
    let token = mint(&running.registry, grant).await.0;
    let bearer = format!("Bearer {}", token.text());
    let headers = [
        ("cf-aig-authorization", bearer.as_str()),
        ("x-forwarded-for", forwarded_for),
    ];
    let status = running.chat("openai", &headers).await.status;
    for request in running.provider.recorded() {
        assert_eq!(request.header("x-forwarded-for"), None);
    }
    running.stop().await;
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_says_where_a_request_comes_from() {
    let proxies = ["127.0.0.0/8", "10.0.0.0/8"];
    assert_eq!(status(&proxies, "203.0.113.9").await, 200);
    assert_eq!(status(&proxies, "203.0.113.9, 10.0.0.1").await, 200);
    assert_eq!(status(&proxies, "192.0.2.1, 203.0.113.9").await, 200);
    assert_eq!(status(&proxies, "192.0.2.1").await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_does_and_a_client_cannot_put_words_in_its_mouth() {
    assert_eq!(status(&[], "203.0.113.9").await, 401);
    assert_eq!(status(&["10.0.0.0/8"], "203.0.113.9").await, 401);
    // What the client sent stands left of what the proxy added.
    let proxies = ["127.0.0.0/8"];
    assert_eq!(status(&proxies, "203.0.113.9, 192.0.2.1").await, 401);
    assert_eq!(status(&proxies, "203.0.113.9, unknown").await, 401);
}
