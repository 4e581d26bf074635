//! Both planes over a registry, and the requests that are timed.

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{Arc, atomic::AtomicUsize, atomic::Ordering},
    time::{Duration, Instant, SystemTime},
};

use keyward_auth::{Grant, Kind, Permission, Permissions, Role};
use keyward_control::Control;
use keyward_forward::{SystemDial, TlsConfig};
use keyward_gateway::Gateway;
use keyward_registry::{NewTokenRequest, Registry};
use keyward_testing::{Canary, client::send_raw, register_named_canary};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::fill::{ACCOUNT, ACTOR, Database};

pub(crate) struct Server {
    data: SocketAddr,
    control: SocketAddr,
    admin: Canary,
    token: Canary,
    keys: Vec<Canary>,
    own_tokens: AtomicUsize,
    stop: CancellationToken,
}

impl Server {
    pub(crate) async fn start(registry: Arc<Registry>, database: &Database) -> Self {
        let tls = TlsConfig {
            extra_ca_pem: vec![database.ca.ca_pem().as_bytes().to_vec()],
        };
        let dial = Arc::new(SystemDial::build(tls).unwrap());
        let stop = CancellationToken::new();
        let config = keyward_gateway::Config {
            workers: NonZeroUsize::new(2).unwrap(),
            ..keyward_gateway::Config::default()
        };
        let gateway = Gateway::build(Arc::clone(&registry), dial, config).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let data = listener.local_addr().unwrap();
        tokio::spawn(Arc::new(gateway).serve(listener, stop.clone()));
        let config = keyward_control::Config::loopback(format!("http://{data}"), "0");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let control = listener.local_addr().unwrap();
        let serving = Control::new(Arc::clone(&registry), config);
        let stopped = stop.clone();
        tokio::spawn(async move { serving.serve(listener, stopped.cancelled()).await });
        let keys: Vec<_> = (0..crate::SAVES).map(|_| Canary::new("scale")).collect();
        database.provider.accept_keys(keys.iter().map(Canary::text));
        let run = Permissions::from_iter([Permission::AiGatewayRun]);
        Self {
            data,
            control,
            admin: mint(&registry, Role::Admin.permissions()).await,
            token: mint(&registry, run).await,
            keys,
            own_tokens: AtomicUsize::new(2),
            stop,
        }
    }

    pub(crate) fn own_tokens(&self) -> usize {
        self.own_tokens.load(Ordering::Relaxed)
    }

    pub(crate) fn control(&self) -> SocketAddr {
        self.control
    }

    /// The text of an API token that may do everything.
    pub(crate) fn admin(&self) -> &str {
        self.admin.text()
    }

    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    async fn rest(&self, method: &str, path: &str, body: &str) -> (Value, Duration) {
        let request = format!(
            "{method} /client/v4/accounts/{ACCOUNT}/{path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
             content-length: {}\r\n\r\n{body}",
            self.control,
            self.admin.text(),
            body.len()
        );
        let start = Instant::now();
        let answer = send_raw(self.control, request.as_bytes()).await.unwrap();
        let time = start.elapsed();
        assert_eq!(answer.status, 200, "{}", answer.text());
        (answer.json(), time)
    }

    /// One page of a list of `total`. The fastest of three: what is measured is the list, not the machine.
    pub(crate) async fn page(&self, list: &str, page: usize, total: usize) -> Duration {
        let mut fastest = Duration::MAX;
        for _ in 0..3 {
            let (answer, time) = self.rest("GET", &format!("{list}?page={page}"), "").await;
            assert_eq!(answer["result_info"]["total_count"], total, "{list}");
            let expected = total.saturating_sub((page - 1) * 20).min(20);
            assert_eq!(answer["result"].as_array().unwrap().len(), expected);
            fastest = fastest.min(time);
        }
        fastest
    }

    /// The fastest of three, as of pages.
    pub(crate) async fn search(&self, path: &str) -> Duration {
        let mut fastest = Duration::MAX;
        for _ in 0..3 {
            let (answer, time) = self.rest("GET", path, "").await;
            assert!(!answer["result"].as_array().unwrap().is_empty(), "{path}");
            fastest = fastest.min(time);
        }
        fastest
    }

    /// Saves a key by REST and uses it by a request to the data plane at once.
    pub(crate) async fn save_and_use(&self, number: usize) -> Duration {
        let alias = format!("saved-{number}");
        let key = self.keys.get(number).unwrap();
        let body = json!({"provider_slug": "openai", "alias": alias, "secret": key.text()});
        let request = format!(
            "POST /v1/{ACCOUNT}/big/openai/chat/completions HTTP/1.1\r\nhost: {}\r\n\
             cf-aig-authorization: Bearer {}\r\ncf-aig-byok-alias: {alias}\r\ncontent-type: application/json\r\n\
             content-length: 2\r\n\r\n{{}}",
            self.data,
            self.token.text()
        );
        let start = Instant::now();
        self.rest(
            "POST",
            "ai-gateway/gateways/big/provider_configs",
            &body.to_string(),
        )
        .await;
        let answer = send_raw(self.data, request.as_bytes()).await.unwrap();
        let time = start.elapsed();
        assert_eq!(answer.status, 200, "{}", answer.text());
        time
    }
}

async fn mint(registry: &Registry, permissions: Permissions) -> Canary {
    let new = NewTokenRequest {
        name: "scale".to_owned(),
        kind: Kind::of(&permissions).unwrap(),
        grant: Grant::new(ACCOUNT, permissions),
        spend_limits: None,
    };
    let minted = registry
        .create_token(new, None, ACTOR, clock())
        .await
        .unwrap();
    let text = String::from_utf8(minted.text.expose().to_vec()).unwrap();
    register_named_canary("token", &text)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test plays the shell that reads the clock"
)]
fn clock() -> SystemTime {
    SystemTime::now()
}
