//! WebSocket handshakes, among whose sub-protocols a token or a key may stand.

use keyward_gateway::explain::{Credential, Token};
use keyward_testing::register_named_canary;

use super::{Asked, explain, forwarded};
use crate::support::{Running, Setup};

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_goes_on_with_its_own_fields() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let token = register_named_canary("own", "own-key-of-the-client-0123");
    let protocols = format!("realtime, cf-aig-authorization.{}", running.token.text());
    let host = running.addr.to_string();
    let lines = [
        ("host", host.as_str()),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", &protocols),
    ];
    let mut asked = Asked {
        method: "GET",
        target: running.path("openai?model=m"),
        headers: lines
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
    };
    let explained = explain(&running, &asked);
    assert!(!format!("{explained:?}").contains(running.token.text()));
    assert!(matches!(explained.token, Token::Known(_)));
    let said = forwarded(explained);
    assert!(said.is_handshake);
    assert_eq!(said.target, "/v1/realtime?model=m");
    for kept in ["sec-websocket-key", "upgrade", "connection"] {
        assert!(said.kept.iter().any(|name| name == kept), "{said:?}");
    }
    let set: Vec<_> = said.set.iter().map(|header| header.name.as_str()).collect();
    assert!(
        set.contains(&"sec-websocket-protocol") && set.contains(&"authorization"),
        "{set:?}"
    );

    let own = format!(
        "cf-aig-authorization.{}, openai-insecure-api-key.{}",
        running.token.text(),
        token.text()
    );
    asked.headers.pop();
    asked
        .headers
        .push(("sec-websocket-protocol".to_owned(), own));
    let explained = explain(&running, &asked);
    assert!(!format!("{explained:?}").contains(token.text()));
    assert_eq!(forwarded(explained).credential, Credential::ClientMoved);

    // The token in the place of the provider's key is found where the decision finds it.
    let instead = format!("openai-insecure-api-key.{}", running.token.text());
    asked.headers.pop();
    asked
        .headers
        .push(("sec-websocket-protocol".to_owned(), instead));
    let explained = explain(&running, &asked);
    assert!(matches!(explained.token, Token::Known(_)));
    let credential = forwarded(explained).credential;
    assert!(
        matches!(credential, Credential::Stored { .. }),
        "{credential:?}"
    );
    running.stop().await;
}
