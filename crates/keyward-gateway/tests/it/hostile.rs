//! What a reviewer tried against the data plane: tokens in odd places, clients that read nothing, limits that
//! no library takes, and a store that fails at the worst moment.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use keyward_auth::TokenId;
use keyward_forward::{SystemDial, TlsConfig};
use keyward_gateway::{Config, Gateway};
use keyward_providers::Catalogue;
use keyward_registry::{
    AccountRecord, AuditEntry, AuditQuery, AuditState, AuditStore, Batch, BoxFuture, BudgetStore,
    Feed, GatewaySettings, Loaded, LogBody, LogDeletion, LogEntry, LogId, LogLimit, LogPage,
    LogPatch, LogPlace, LogQuery, LogRecord, LogScan, LogSide, LogStore, LogSumQuery, LogSums,
    LogTrim, Part, ProviderKeyId, RefusedAttempt, Registry, RegistryStore, RouteDeploymentRecord,
    RouteId, RouteVersionId, RouteVersionRecord, Row, StoreError, Subject, TrafficQuery,
    TrafficRow, TrafficStore, TrafficSums, testing::MemoryStore,
};
use keyward_routes::BudgetRow;
use keyward_secret::AccountId;
use keyward_testing::client::{Client, send_raw};
use keyward_vault::{
    SealState, SecretId, SecretRecord, Vault, VaultStore, VersionRecord, rotation::Rotation,
};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::support::{
    ACCOUNT, ACTOR, CHAT, Running, Setup, code, make_gateway, mint, now, wait_until,
};

/// A request whose token also, or only, stands where nobody looks for one: the provider sees nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn no_token_goes_upstream_from_an_odd_place() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    running.provider.accept_keys(["sk-own"]);
    let token = running.token.text().to_owned();
    let upper = token.to_ascii_uppercase();
    let basic = base64(&format!("{token}:"));
    let queries = [
        format!("a=b;key={token}"),
        token.clone(),
        format!("a&{token}=1"),
        format!("a=x,{token}"),
        format!("a=x%3B{token}"),
        format!("a=kw%5Fgw{}", &token[5..]),
        format!("%6B{}=", &token[1..]),
        format!("a=Bearer+{token}"),
        format!("a={upper}"),
    ];
    let lines = [
        format!("X_Api_Key: {token}\r\n"),
        format!("X-Whatever: {token}\r\n"),
        format!("X-Whatever: Bearer {token}\r\n"),
        format!("X-Whatever: Token {token}\r\n"),
        format!("X-Whatever: {upper}\r\n"),
        format!("X-Whatever: a, b; key={token}\r\n"),
        format!("X-Whatever: {{\"headers\":{{\"Authorization\":\"Bearer {token}\"}}}}\r\n"),
        format!("X-Whatever: x86_64\r\nX-Whatever: by {token}\r\n"),
        format!("Referer: https://app.example/chat?key={token}\r\n"),
        format!("Referer: https://app.example/login?next=%2Fchat%3Fkey%3D{token}\r\n"),
        format!("X-Original-Authorization: Basic {basic}\r\n"),
        format!("{token}: x\r\n"),
        format!("Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.{token}\r\n"),
        format!("Api-Key: key=\"{token}\"\r\n"),
        format!("X-Goog-Api-Key: token:{token}\r\n"),
        format!("X-Api-Key: Basic {basic}\r\n"),
    ];
    let none = String::new();
    let cases =
        (queries.iter().map(|query| (query, &none))).chain(lines.iter().map(|line| (&none, line)));
    for (query, line) in cases {
        for own in ["", "Authorization: Bearer sk-own\r\n"] {
            let target = format!("openai/chat/completions?x=1&{query}");
            let length = CHAT.len();
            let more = format!("Content-Length: {length}\r\n{own}{line}");
            let mut bytes = running.head("POST", &target, &more).into_bytes();
            bytes.extend_from_slice(CHAT);
            let answer = send_raw(running.addr, &bytes).await.unwrap();
            assert!(
                matches!(answer.status, 200 | 401),
                "{query} {line}: {}",
                answer.text()
            );
            for seen in running.provider.take_recorded() {
                let mut all = seen.target.clone();
                for (name, value) in &seen.headers {
                    all.push_str(&format!("\n{name}: {}", String::from_utf8_lossy(value)));
                }
                let all = all.to_ascii_lowercase();
                for trace in ["kw_gw", "kw%5fgw", "a3dfz3df"] {
                    assert!(!all.contains(trace), "{query:?} {line:?} {own:?}: {all}");
                }
            }
        }
    }
    running.stop().await;
}

/// What only looks a little like a token is a client's own business and reaches the provider.
#[tokio::test(flavor = "multi_thread")]
async fn headers_without_a_token_reach_the_provider() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    for value in [
        "x86_64",
        "a kw-gw_1",
        "ey.monkw_gw_1",
        "b64-kw_api_x",
        "kw",
        "_",
        "basic kw",
    ] {
        let answer = running
            .authorized_chat("openai", &[("x-whatever", value)])
            .await;
        assert_eq!(answer.status, 200, "{value}: {}", answer.text());
        let seen = running.provider.take_recorded();
        let came = seen.iter().flat_map(|request| &request.headers);
        let mut came = came.filter(|(name, _)| name == "x-whatever");
        let (_, kept) = came.next().unwrap();
        assert_eq!(kept.as_slice(), value.as_bytes());
    }
    running.stop().await;
}

/// A token that is wrapped in the header of the key, as the only credential, is none and does not go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrapped_token_is_not_taken_for_a_key_of_the_clients() {
    let running = Running::start(Setup {
        settings: GatewaySettings {
            authentication: false,
            ..GatewaySettings::default()
        },
        ..Setup::default()
    })
    .await;
    let token = running.token.text();
    for value in [
        format!("Basic {}", base64(&format!("{token}:"))),
        format!("basic  {}", base64(&format!(":{token}"))),
        format!("Token token=\"{token}\""),
        format!("Bearer:{token}"),
        format!("Bearer \u{a0}{token}"),
    ] {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nAuthorization: {value}\r\n\r\n",
            running.path("openai/models"),
            running.addr
        );
        let answer = send_raw(running.addr, request.as_bytes()).await.unwrap();
        assert_eq!((answer.status, code(&answer)), (401, 2009), "{value}");
    }
    assert!(running.provider.take_recorded().is_empty());
    running.stop().await;
}

fn base64(text: &str) -> String {
    let mut out = String::new();
    let alphabet: Vec<char> = ('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9')
        .chain(['+', '/'])
        .collect();
    for chunk in text.as_bytes().chunks(3) {
        let mut group = [0_u8; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(group);
        for place in 0..=chunk.len() {
            out.push(alphabet[(bits >> (18 - 6 * place)) as usize & 63]);
        }
    }
    out
}

/// What stands where a name belongs comes back only if it is a name.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_path_is_not_repeated() {
    let running = Running::start(Setup::default()).await;
    let token = running.token.text().to_owned();
    let bearer = running.bearer();
    for path in [
        running.path(&format!("{token}/x")),
        format!("/v1/{ACCOUNT}/{token}/openai/x"),
    ] {
        let headers = [("cf-aig-authorization", bearer.as_str())];
        let answer = running.client().await.get(&path, &headers).await.unwrap();
        assert_eq!(answer.status, 400);
        assert!(!answer.text().contains(&token), "{}", answer.text());
    }
    running.stop().await;
}

/// Who sends requests and reads no answer is cut off, also without a token.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_is_cut_off() {
    let running = Running::start(Setup {
        config: Config {
            workers: NonZeroUsize::MIN,
            listen: keyward_listen::Config {
                write_timeout: Duration::from_millis(300),
                ..keyward_listen::Config::default()
            },
            ..Config::default()
        },
        ..Setup::default()
    })
    .await;
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: a\r\n\r\n",
        running.path("openai/x")
    );
    let many = request.repeat(200);
    let flood = async {
        // Ends in an error as soon as the gateway has closed the connection.
        while stream.write_all(many.as_bytes()).await.is_ok() {}
    };
    let cut = tokio::time::timeout(Duration::from_secs(20), flood).await;
    assert!(cut.is_ok(), "the connection is still open");
    running.stop().await;
}

/// Limits that hyper and tokio answer with a panic.
#[tokio::test(flavor = "multi_thread")]
async fn odd_limits_do_not_stop_the_workers() {
    let running = Running::start(Setup {
        config: Config {
            listen: keyward_listen::Config {
                max_head_bytes: 1024,
                max_connections: Some(usize::MAX),
                ..keyward_listen::Config::default()
            },
            ..Config::default()
        },
        ..Setup::default()
    })
    .await;
    let answer = running.chat("openai", &[]).await;
    assert_eq!(answer.status, 401);
    running.stop().await;
}

/// A worker that gets no request lets go of the picture, and so of the values, that were replaced.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_forgets() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let old = Arc::downgrade(&running.registry.snapshot());
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    make_gateway(&running.registry, "other").await;
    wait_until("nobody holds the old picture", || old.upgrade().is_none()).await;
    running.stop().await;
}

/// A store that can be told to fail to read after a commit.
#[derive(Debug)]
struct Failing {
    store: MemoryStore,
    fails: AtomicBool,
}

impl RegistryStore for Failing {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, StoreError>> {
        self.store.load()
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.store.commit(batch)
    }

    fn feed_after(&self, revision: u64) -> BoxFuture<'_, Result<Feed, StoreError>> {
        if self.fails.load(Ordering::SeqCst) {
            let error = StoreError::unavailable("read the change feed", "the disk is gone");
            return Box::pin(std::future::ready(Err(error)));
        }
        self.store.feed_after(revision)
    }

    fn read<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        self.store.read(subject)
    }

    fn route_versions(
        &self,
        account: AccountId,
        route: RouteId,
        part: Part,
    ) -> BoxFuture<'_, Result<Vec<RouteVersionRecord>, StoreError>> {
        self.store.route_versions(account, route, part)
    }

    fn find_route_version(
        &self,
        account: AccountId,
        route: RouteId,
        id: RouteVersionId,
    ) -> BoxFuture<'_, Result<Option<RouteVersionRecord>, StoreError>> {
        self.store.find_route_version(account, route, id)
    }

    fn route_deployments(
        &self,
        account: AccountId,
        route: RouteId,
        part: Part,
    ) -> BoxFuture<'_, Result<Vec<RouteDeploymentRecord>, StoreError>> {
        self.store.route_deployments(account, route, part)
    }

    fn save_last_used<'a>(
        &'a self,
        keys: &'a [(ProviderKeyId, std::time::SystemTime)],
        tokens: &'a [(TokenId, std::time::SystemTime)],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.save_last_used(keys, tokens)
    }
}

impl BudgetStore for Failing {
    fn save_budgets<'a>(
        &'a self,
        rows: &'a [BudgetRow],
        now: std::time::SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.save_budgets(rows, now)
    }

    fn load_budgets(
        &self,
        now: std::time::SystemTime,
    ) -> BoxFuture<'_, Result<Vec<BudgetRow>, StoreError>> {
        self.store.load_budgets(now)
    }
}

impl TrafficStore for Failing {
    fn save_traffic<'a>(&'a self, rows: &'a [TrafficRow]) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.save_traffic(rows)
    }

    fn trim_traffic(
        &self,
        now: std::time::SystemTime,
        most_rows: u64,
    ) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.store.trim_traffic(now, most_rows)
    }

    fn sum_traffic(&self, query: TrafficQuery) -> BoxFuture<'_, Result<TrafficSums, StoreError>> {
        self.store.sum_traffic(query)
    }
}

impl LogStore for Failing {
    fn save_logs<'a>(
        &'a self,
        records: &'a [LogRecord],
        limits: &'a [LogLimit],
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.store.save_logs(records, limits)
    }

    fn list_logs(&self, query: LogQuery) -> BoxFuture<'_, Result<LogPage, StoreError>> {
        self.store.list_logs(query)
    }

    fn scan_logs(&self, scan: LogScan) -> BoxFuture<'_, Result<Vec<LogEntry>, StoreError>> {
        self.store.scan_logs(scan)
    }

    fn sum_logs(&self, query: LogSumQuery) -> BoxFuture<'_, Result<LogSums, StoreError>> {
        self.store.sum_logs(query)
    }

    fn find_log(
        &self,
        place: LogPlace,
        id: LogId,
    ) -> BoxFuture<'_, Result<Option<LogEntry>, StoreError>> {
        self.store.find_log(place, id)
    }

    fn find_log_body(
        &self,
        place: LogPlace,
        id: LogId,
        side: LogSide,
    ) -> BoxFuture<'_, Result<Option<LogBody>, StoreError>> {
        self.store.find_log_body(place, id, side)
    }

    fn patch_log(
        &self,
        place: LogPlace,
        id: LogId,
        patch: LogPatch,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.store.patch_log(place, id, patch)
    }

    fn delete_logs(&self, deletion: LogDeletion) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.store.delete_logs(deletion)
    }

    fn trim_logs(&self, place: LogPlace, trim: LogTrim) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.store.trim_logs(place, trim)
    }

    fn count_logs(&self) -> BoxFuture<'_, Result<Vec<(LogPlace, u64)>, StoreError>> {
        self.store.count_logs()
    }
}

impl AuditStore for Failing {
    fn append_refused(
        &self,
        attempts: Vec<RefusedAttempt>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.append_refused(attempts)
    }

    fn list_audit(&self, query: AuditQuery) -> BoxFuture<'_, Result<Vec<AuditEntry>, StoreError>> {
        self.store.list_audit(query)
    }

    fn check_audit(&self) -> BoxFuture<'_, Result<AuditState, StoreError>> {
        self.store.check_audit()
    }

    fn audit_state(&self) -> AuditState {
        self.store.audit_state()
    }
}

type VaultResult<T> = Result<T, keyward_vault::StoreError>;

impl VaultStore for Failing {
    fn load_seal(&self) -> BoxFuture<'_, VaultResult<Option<SealState>>> {
        self.store.load_seal()
    }

    fn save_seal(&self, seal: SealState, expected: Option<u64>) -> BoxFuture<'_, VaultResult<()>> {
        self.store.save_seal(seal, expected)
    }

    fn find_secret(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, VaultResult<Option<(SecretRecord, Option<VersionRecord>)>>> {
        self.store.find_secret(account, secret)
    }

    fn find_secrets<'a>(
        &'a self,
        account: AccountId,
        secrets: &'a [SecretId],
    ) -> BoxFuture<'a, VaultResult<Vec<(SecretRecord, Option<VersionRecord>)>>> {
        self.store.find_secrets(account, secrets)
    }

    fn list_secrets(&self, account: AccountId) -> BoxFuture<'_, VaultResult<Vec<SecretRecord>>> {
        self.store.list_secrets(account)
    }

    fn list_versions(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, VaultResult<Vec<VersionRecord>>> {
        self.store.list_versions(account, secret)
    }

    fn find_rotation(
        &self,
        account: AccountId,
        secret: SecretId,
    ) -> BoxFuture<'_, VaultResult<Option<Rotation>>> {
        self.store.find_rotation(account, secret)
    }

    fn apply(&self, changes: Vec<keyward_vault::Change>) -> BoxFuture<'_, VaultResult<()>> {
        self.store.apply(changes)
    }
}

/// A revocation that is stored and could not be published is in force as soon as the store answers again,
/// without another write; and the next write decides on what is stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_stored_revocation_does_not_stay_unseen() {
    let store = Arc::new(Failing {
        store: MemoryStore::new(),
        fails: AtomicBool::new(false),
    });
    let (vault, _root) = Vault::create().unwrap();
    let catalogue = Arc::new(Catalogue::built_in().unwrap());
    let registry = Registry::open(Arc::clone(&store) as _, Arc::new(vault), catalogue)
        .await
        .unwrap();
    let registry = Arc::new(registry);
    let account = AccountRecord {
        id: ACCOUNT,
        name: "test".to_owned(),
        created_at: now(),
    };
    registry.create_account(account, ACTOR).await.unwrap();
    make_gateway(&registry, "prod").await;
    let (token, minted) = mint(&registry, Running::grant()).await;
    let (_second, other) = mint(&registry, Running::grant()).await;

    let dial = Arc::new(SystemDial::build(TlsConfig::default()).unwrap());
    let gateway = Gateway::build(Arc::clone(&registry), dial, Config::default()).unwrap();
    let gateway = Arc::new(gateway);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(Arc::clone(&gateway).serve(listener, stop.clone()));
    let recording = tokio::spawn(Arc::clone(&gateway).record(stop.clone()));
    let status = async || {
        let bearer = format!("Bearer {}", token.text());
        let headers = [("cf-aig-authorization", bearer.as_str())];
        let path = format!("/v1/{ACCOUNT}/prod/openai/chat/completions");
        let mut client = Client::connect(addr).await.unwrap();
        client.post(&path, &headers, CHAT).await.unwrap().status
    };
    // No key is stored: 400 tells that the token is good.
    assert_eq!(status().await, 400);
    store.fails.store(true, Ordering::SeqCst);
    let revoked = registry
        .delete_token(ACCOUNT, &minted.record.id, ACTOR, now())
        .await;
    assert!(revoked.is_err(), "it was not published");
    store.fails.store(false, Ordering::SeqCst);
    let revocation = async {
        while status().await != 401 {
            tokio::task::yield_now().await;
        }
    };
    let seen = tokio::time::timeout(Duration::from_secs(10), revocation).await;
    assert!(seen.is_ok(), "the revoked token is still good");

    // A second time, and this time the next write finds out.
    store.fails.store(true, Ordering::SeqCst);
    let id = other.record.id;
    assert!(
        registry
            .delete_token(ACCOUNT, &id, ACTOR, now())
            .await
            .is_err()
    );
    store.fails.store(false, Ordering::SeqCst);
    let again = registry.delete_token(ACCOUNT, &id, ACTOR, now()).await;
    let refused = again
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(refused.contains("was not found"), "{refused}");
    stop.cancel();
    serving.await.unwrap().unwrap();
    recording.await.unwrap();
}
