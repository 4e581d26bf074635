//! The run, and what must hold of it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use data_encoding::HEXLOWER;
use keyward_forward::{SystemDial, TlsConfig};
use keyward_gateway::{Config, Gateway};
use keyward_providers::{Catalogue, Override};
use keyward_registry::{AccountRecord, KeySource, Registry, testing::MemoryStore};
use keyward_testing::Canary;
use keyward_vault::Vault;
use memchr::memmem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    collected,
    generated::Generator,
    parsers::{Reading, Seen, read_all},
    recorder::{Recorder, is_known_to_node},
    support::{ACCOUNT, ACTOR, Running, make_gateway, mint, new_key, now, value},
};

/// How many generated cases the suite runs; `KEYWARD_DIFFERENTIAL_CASES` asks for more.
const CASES: usize = 10_000;
const SEED: u64 = 0x006B_6579_7761_7264;
/// Connections at a time.
const CLIENTS: usize = 8;
/// Follows every case, so that a connection that waits for more gets it, and closes.
const TAIL: &[u8] = b"\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n\
    GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n\
    GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
/// After this long without a byte a case waits for a body that is not coming.
const QUIET: Duration = Duration::from_millis(500);

/// A gateway before the recorder, without a log: trace lines of a hundred thousand hostile requests fill memory.
struct Subject {
    addr: SocketAddr,
    recorder: Recorder,
    key: Canary,
    token: Canary,
    path: String,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

impl Subject {
    async fn start() -> Self {
        let recorder = Recorder::start().await;
        let base = Override {
            base_url: Some(format!("http://{}", recorder.addr)),
            ..Override::default()
        };
        let overrides = BTreeMap::from([("openai".to_owned(), base)]);
        let catalogue = Arc::new(Catalogue::with_overrides(&overrides).unwrap());
        let (vault, _root) = Vault::create().unwrap();
        let store = Arc::new(MemoryStore::new());
        let registry = Registry::open(store, Arc::new(vault), catalogue)
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
        let key = Canary::new("differential");
        let source = KeySource::Value(value(&key));
        registry
            .create_provider_key(new_key("prod", "openai", source), ACTOR, now())
            .await
            .unwrap();
        let token = mint(&registry, Running::grant()).await.0;
        let dial = Arc::new(SystemDial::build(TlsConfig::default()).unwrap());
        let config = Config {
            workers: NonZeroUsize::new(2).unwrap(),
            ..Config::default()
        };
        let gateway = Arc::new(Gateway::build(registry, dial, config).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = gateway.serve(listener, stop.clone());
        Self {
            addr,
            recorder,
            key,
            token,
            path: format!("/v1/{ACCOUNT}/prod/openai/chat/completions"),
            stop,
            serving: tokio::spawn(async move { serving.await.unwrap() }),
        }
    }

    /// Sends every case on a connection of its own; how many were left open by the gateway.
    async fn send_all(&self, cases: Arc<Vec<Vec<u8>>>) -> usize {
        let next = Arc::new(AtomicUsize::new(0));
        let waiting = Arc::new(Mutex::new(0));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (cases, next, waiting) =
                (Arc::clone(&cases), Arc::clone(&next), Arc::clone(&waiting));
            let addr = self.addr;
            clients.spawn(async move {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if !exchange(addr, case).await {
                        *waiting.lock().unwrap() += 1;
                    }
                }
            });
        }
        clients.join_all().await;
        *waiting.lock().unwrap()
    }

    async fn stop(&self) {
        self.stop.cancel();
    }
}

/// Sends one case; whether the gateway closed the connection.
async fn exchange(addr: SocketAddr, case: &[u8]) -> bool {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut bytes = case.to_vec();
    bytes.extend_from_slice(TAIL);
    // The gateway may answer and close before it has all of it.
    drop(stream.write_all(&bytes).await);
    let mut answer = vec![0; 4096];
    loop {
        match tokio::time::timeout(QUIET, stream.read(&mut answer)).await {
            Ok(Ok(0) | Err(_)) => return true,
            Ok(Ok(_)) => {}
            Err(_) => return false,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_parsers_agree_on_what_the_gateway_sends() {
    let started = Instant::now();
    let wanted = std::env::var("KEYWARD_DIFFERENTIAL_CASES")
        .map_or(CASES, |text| text.parse().expect("a number of cases"));
    let subject = Subject::start().await;
    let mut generator = Generator::new(SEED, &subject.path, subject.token.text());
    let mut cases: Vec<Vec<u8>> = collected::cases(&subject.path, subject.token.text())
        .map(|(_, bytes)| bytes)
        .collect();
    let collected = cases.len();
    cases.extend((0..wanted).map(|number| generator.case(number)));
    let left_open = subject.send_all(Arc::new(cases)).await;
    subject.stop().await;
    let sent = started.elapsed();
    let streams = subject.recorder.streams();
    let readings = read_all(&streams).await;
    let disagreements = disagreements(&readings, &streams);
    let requests: Vec<&Seen> = readings[0].streams.iter().flatten().collect();
    for request in &requests {
        check_request(request, &subject);
    }
    let key = subject.key.text().as_bytes();
    let keys = streams
        .iter()
        .map(|stream| memmem::find_iter(stream, key).count())
        .sum::<usize>();
    let with_key = requests
        .iter()
        .filter(|request| holds_key(request, &subject))
        .count();
    let incomplete = requests.iter().filter(|request| !request.complete).count();
    println!(
        "differential: {wanted} generated and {collected} collected cases; {} requests forwarded on {} connections, \
         {with_key} with the stored key and {} with a key of the client's, {incomplete} cut off by their client; \
         {left_open} connections waited for more; {} parsers, {} disagreements; {:.1} s to send, {:.1} s in all",
        requests.len(),
        streams.len(),
        requests.len() - with_key,
        readings.len(),
        disagreements.len(),
        sent.as_secs_f64(),
        started.elapsed().as_secs_f64(),
    );
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
    assert_eq!(
        keys, with_key,
        "the stored key stands once in each request that has it"
    );
    // A gateway that refuses everything would agree with everybody.
    assert!(requests.len() > wanted / 4, "{} requests", requests.len());
    assert!(with_key > wanted / 5, "{with_key} requests with the key");
    subject.serving.await.unwrap();
}

fn holds_key(request: &Seen, subject: &Subject) -> bool {
    let bearer = HEXLOWER.encode(format!("Bearer {}", subject.key.text()).as_bytes());
    request.credentials == [("authorization".to_owned(), bearer)]
}

/// What must hold of each request, as hyper sees it.
#[track_caller]
fn check_request(request: &Seen, subject: &Subject) {
    let target = HEXLOWER.decode(request.target.as_bytes()).unwrap();
    let target = String::from_utf8_lossy(&target);
    assert!(
        target.starts_with("/v1/") && !target.starts_with("/v1/smuggled"),
        "{target}: {request:?}"
    );
    let host = HEXLOWER.encode(subject.recorder.addr.to_string().as_bytes());
    assert_eq!(request.hosts, [host], "{target}");
    // In a body one may stand: bodies are the client's, byte for byte.
    assert!(
        request.tokens == 0 && !target.contains("kw_gw_"),
        "{target}"
    );
    let named = |name: &str| {
        let all = request.credentials.iter();
        all.filter(|(credential, _)| credential == name).count()
    };
    assert_eq!(named("authorization"), 1, "{target}: {request:?}");
    // Beside its own key for this provider, a client may send another header as it likes; beside ours, none.
    let key = HEXLOWER.encode(subject.key.text().as_bytes());
    if request
        .credentials
        .iter()
        .any(|(_, value)| value.contains(&key))
    {
        assert!(holds_key(request, subject), "{target}: {request:?}");
    }
}

/// Where a parser sees something else than the first one.
fn disagreements(readings: &[Reading], streams: &[Vec<u8>]) -> Vec<String> {
    let (first, others) = readings.split_first().unwrap();
    let mut found = Vec::new();
    for other in others {
        assert_eq!(other.streams.len(), streams.len(), "{}", other.parser);
        for (number, (ours, theirs)) in first.streams.iter().zip(&other.streams).enumerate() {
            if let Some(at) = first_difference(ours, theirs) {
                let refused = ours.get(at).is_some_and(|seen| {
                    at + 1 == ours.len() && !is_known_to_node(seen.method.as_bytes())
                });
                // A method that Node does not know ends its reading: the last request of its connection.
                if refused && other.parser.starts_with("Node") && theirs.len() == at {
                    continue;
                }
                found.push(format!(
                    "stream {number}, request {at}: {} saw {:?} of {}, {} saw {:?} of {}",
                    first.parser,
                    ours.get(at),
                    ours.len(),
                    other.parser,
                    theirs.get(at),
                    theirs.len(),
                ));
            }
        }
    }
    found
}

fn first_difference(ours: &[Seen], theirs: &[Seen]) -> Option<usize> {
    let longer = ours.len().max(theirs.len());
    (0..longer).find(|&at| ours.get(at) != theirs.get(at))
}

/// The search itself: streams on which these parsers are known to differ, and one on which they do not.
#[tokio::test]
async fn parsers_that_differ_are_noticed() {
    let plain =
        b"POST /v1/x HTTP/1.1\r\nHost: a\r\nAuthorization: k\r\nContent-Length: 2\r\n\r\nab\
        GET /v1/y HTTP/1.1\r\nHost: a\r\nAuthorization: k\r\n\r\n";
    let two_framings = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
        Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/y HTTP/1.1\r\nHost: a\r\n\r\n";
    let bare_lf = b"GET /v1/x HTTP/1.1\nHost: a\n\n";
    for (stream, differ) in [
        (plain.to_vec(), false),
        (two_framings.to_vec(), true),
        (bare_lf.to_vec(), true),
    ] {
        let streams = [stream];
        let readings = read_all(&streams).await;
        let found = disagreements(&readings, &streams);
        assert_eq!(!found.is_empty(), differ, "{found:?}");
        if !differ {
            let seen: Vec<(&str, &str, bool)> = (readings[0].streams[0].iter())
                .map(|seen| (seen.method.as_str(), seen.body.as_str(), seen.complete))
                .collect();
            assert_eq!(seen, [("POST", "6162", true), ("GET", "", true)]);
        }
    }
}
