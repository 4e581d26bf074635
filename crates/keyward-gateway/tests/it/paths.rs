//! Which paths pass, and how: byte for byte, or not at all.
//!
//! `paths/golden.txt` holds real paths of every ready provider with the request target that reached the
//! provider. All providers are overridden to the fake one's origin, so their own base paths are gone and what
//! stands before the rest is `/` or the version (or `run`, `hf-inference/models`) that the catalogue inserts.
//! Compared are the whole target with the row, and the end of the target with the row's rest and query.

use std::{fmt::Write as _, net::SocketAddr, sync::Arc};

use keyward_forward::{BoxFuture, Connection, Dial, DialError, Offer, dial};
use keyward_gateway::Config;
use keyward_secret::Origin;
use keyward_testing::{Behaviour, FakeProvider, Placement, Recorded, client::send_raw};
use tokio::net::TcpStream;

use crate::support::{ACCOUNT, Base, Running, Setup, code};

const GOLDEN: &str = include_str!("paths/golden.txt");
const HOSTS: &str = include_str!("paths/hosts.txt");

/// Every provider that can be used, but for `echo`, which is no upstream beyond this process.
const READY: [&str; 22] = [
    "openai",
    "anthropic",
    "google-ai-studio",
    "groq",
    "mistral",
    "cohere",
    "deepseek",
    "perplexity-ai",
    "openrouter",
    "grok",
    "cerebras",
    "replicate",
    "huggingface",
    "workers-ai",
    "fal",
    "ideogram",
    "cartesia",
    "elevenlabs",
    "deepgram",
    "baseten",
    "parallel",
    "fireworks",
];

/// What may stand before the rest, where the base path is gone.
const INSERTED: [&str; 4] = ["/", "/v1/", "/run/", "/hf-inference/models/"];

struct Row<'a> {
    slug: &'a str,
    method: &'a str,
    rest: &'a str,
    upstream: &'a str,
}

fn rows() -> Vec<Row<'static>> {
    let lines = GOLDEN.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let fields: Vec<_> = line.split(' ').collect();
            let [slug, method, rest, "→", upstream] = fields[..] else {
                panic!("not a row: {line}");
            };
            let rest = if rest == "-" { "" } else { rest };
            Row {
                slug,
                method,
                rest,
                upstream,
            }
        })
        .collect()
}

async fn start() -> Running {
    let running = Running::start(Setup {
        slugs: &READY,
        ..Setup::default()
    })
    .await;
    for slug in READY {
        running.store_key(slug, "default").await;
    }
    // Each provider's key has a place of its own; here it is the path that counts.
    running
        .provider
        .behave(Behaviour::Status(200, "{}".to_owned()));
    running
}

#[tokio::test(flavor = "multi_thread")]
async fn real_paths_pass_byte_for_byte() {
    let running = start().await;
    let rows = rows();
    assert!(rows.len() >= 60, "{} rows", rows.len());
    let mut found = String::new();
    let mut client = running.client().await;
    for row in &rows {
        assert!(
            INSERTED
                .iter()
                .any(|front| *front == row.upstream.strip_suffix(row.rest).unwrap()),
            "{}: the row does not end in its rest",
            row.upstream
        );
        let request = running.head(
            row.method,
            &format!("{}/{}", row.slug, row.rest),
            "Content-Length: 0\r\n",
        );
        let answer = client.exchange(request.as_bytes()).await.unwrap();
        let seen = running.provider.take_recorded();
        let [seen] = &seen[..] else {
            panic!(
                "{} {}: {} {}",
                row.slug,
                row.rest,
                answer.status,
                answer.text()
            );
        };
        let rest = if row.rest.is_empty() { "-" } else { row.rest };
        writeln!(
            found,
            "{} {} {rest} → {}",
            row.slug, row.method, seen.target
        )
        .unwrap();
        assert_eq!(seen.method, row.method);
        assert!(
            seen.target.ends_with(row.rest),
            "{}: {}",
            row.rest,
            seen.target
        );
    }
    let expected: String = GOLDEN
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| [line, "\n"])
        .collect();
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.lines().count(), rows.len());
    for slug in READY {
        assert!(rows.iter().any(|row| row.slug == slug), "no row for {slug}");
    }
    running.stop().await;
}

/// A dialler for which every origin is the fake provider.
#[derive(Debug)]
struct Everywhere(SocketAddr);

impl Dial for Everywhere {
    fn dial<'a>(
        &'a self,
        _origin: &'a Origin,
        _offer: Offer,
    ) -> BoxFuture<'a, Result<Connection, DialError>> {
        Box::pin(async {
            let stream = TcpStream::connect(self.0).await;
            let stream = stream.map_err(|error| DialError::new(dial::Kind::Refused, error))?;
            Ok(Connection::new(stream))
        })
    }
}

/// Without overrides: each provider's own host and base path stand before the rest, and its key in its place.
#[tokio::test(flavor = "multi_thread")]
async fn providers_are_asked_by_their_own_host_and_base_path() {
    let provider = FakeProvider::start(Placement::bearer(), Vec::<String>::new()).await;
    provider.behave(Behaviour::Status(200, "{}".to_owned()));
    let dial = Arc::new(Everywhere(provider.addr()));
    let running = Running::dialling(&Base::new(), &[], provider, dial, Config::default()).await;
    for line in HOSTS.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split(' ').collect();
        let [slug, rest, "→", host, target, key_in, scheme] = fields[..] else {
            panic!("not a row: {line}");
        };
        let (key, _) = running.store_key(slug, "default").await;
        let request = running.head("POST", &format!("{slug}/{rest}"), "Content-Length: 0\r\n");
        let answer = send_raw(running.addr, request.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 200, "{slug}: {}", answer.text());
        let seen = running.provider.take_recorded().remove(0);
        assert_eq!(
            (seen.header("host"), seen.target.as_str()),
            (Some(host), target),
            "{slug}"
        );
        let value = match scheme {
            "-" => key.text().to_owned(),
            scheme => format!("{scheme} {}", key.text()),
        };
        assert_eq!(seen.header_all(key_in), [value.as_bytes()], "{slug}");
    }
    // fal's own SDK names the whole URL, at any of fal's origins; the request's own rest is not sent.
    let more = "Content-Length: 0\r\nx-fal-target-url: https://queue.fal.run/fal-ai/x?y=%2F\r\n";
    let request = running.head("POST", "fal?ignored=1", more);
    assert_eq!(
        send_raw(running.addr, request.as_bytes())
            .await
            .unwrap()
            .status,
        200
    );
    let seen = running.provider.take_recorded().remove(0);
    assert_eq!(
        (seen.header("host"), seen.target.as_str()),
        (Some("queue.fal.run"), "/fal-ai/x?y=%2F")
    );
    assert_eq!(seen.header("x-fal-target-url"), None);
    running.stop().await;
}

/// What a refused target is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// 400 with this code.
    Code(u64),
    /// 400 from the HTTP parser, before the gateway sees the request.
    Bare,
}

/// Rests that are refused below `…/openai/`.
const ESCAPES: &[(&str, Answer)] = &[
    ("..", Answer::Code(9001)),
    (".", Answer::Code(9001)),
    ("../anthropic/v1/messages", Answer::Code(9001)),
    ("chat/../../files", Answer::Code(9001)),
    ("chat/./completions", Answer::Code(9001)),
    ("chat/..", Answer::Code(9001)),
    ("chat/../", Answer::Code(9001)),
    ("%2e%2e/files", Answer::Code(9001)),
    ("%2E%2E/files", Answer::Code(9001)),
    (".%2e/files", Answer::Code(9001)),
    ("%2e./files", Answer::Code(9001)),
    ("%2e", Answer::Code(9001)),
    ("%252e%252e/files", Answer::Code(9001)),
    ("%252E%252e/files", Answer::Code(9001)),
    (".%252e/files", Answer::Code(9001)),
    ("%25%32%65%25%32%65/files", Answer::Code(9001)),
    ("%2%65%2e/files", Answer::Code(9001)),
    ("..;/files", Answer::Code(9001)),
    ("..;a=b/files", Answer::Code(9001)),
    (".;/files", Answer::Code(9001)),
    ("..%3b/files", Answer::Code(9001)),
    ("%2e%2e;x/files", Answer::Code(9001)),
    ("..%253bx/files", Answer::Code(9001)),
    ("chat%2f..%2ffiles", Answer::Code(9001)),
    ("chat%2f..", Answer::Code(9001)),
    ("%2f../files", Answer::Code(9001)),
    ("%2F%2e%2e%2Ffiles", Answer::Code(9001)),
    ("chat%252f..%252ffiles", Answer::Code(9001)),
    ("..%2ffiles", Answer::Code(9001)),
    ("..%5cfiles", Answer::Code(9001)),
    ("chat%5c..%5cfiles", Answer::Code(9001)),
    ("%5c../files", Answer::Code(9001)),
    ("chat%255c..", Answer::Code(9001)),
    ("..\\files", Answer::Code(9001)),
    ("chat\\completions", Answer::Code(9001)),
    ("\\\\evil.example/x", Answer::Code(9001)),
    ("%", Answer::Code(9001)),
    ("files%", Answer::Code(9001)),
    ("files%2", Answer::Code(9001)),
    ("files%zz", Answer::Code(9001)),
    ("files%2/x", Answer::Code(9001)),
    ("%%32e%%32e/files", Answer::Code(9001)),
    ("files%u002e", Answer::Code(9001)),
    ("files%00", Answer::Code(9001)),
    ("files%0d%0aHost:%20evil.example", Answer::Code(9001)),
    ("files%09x", Answer::Code(9001)),
    ("files%7f", Answer::Code(9001)),
    ("files%250a", Answer::Code(9001)),
    ("files\0", Answer::Bare),
    ("files\x01", Answer::Bare),
    ("files\x1b[2J", Answer::Bare),
    ("files\x7f", Answer::Bare),
    ("files\tx", Answer::Bare),
];

/// Whole targets that address no provider here. `ACCOUNT` stands for the account's id.
const ELSEWHERE: &[(&str, Answer)] = &[
    ("/", Answer::Code(9001)),
    ("/v1", Answer::Code(9001)),
    ("/v1//prod/openai/models", Answer::Code(9001)),
    ("/v1/ACCOUNT//openai/models", Answer::Code(9001)),
    ("/v1/ACCOUNT/prod//models", Answer::Code(9001)),
    ("//v1/ACCOUNT/prod/openai/models", Answer::Code(9001)),
    ("/./v1/ACCOUNT/prod/openai/models", Answer::Code(9001)),
    ("/v1/../v1/ACCOUNT/prod/openai/models", Answer::Code(9001)),
    ("/v2/ACCOUNT/prod/openai/models", Answer::Code(9001)),
    ("/V1/ACCOUNT/prod/openai/models", Answer::Code(9001)),
    (
        "/v1/ACACACACACACACACACACACACACACACAC/prod/openai/models",
        Answer::Code(9001),
    ),
    (
        "/v1/acacacacacacacacacacacacacacaca/prod/openai/models",
        Answer::Code(9001),
    ),
    (
        "/v1/acacacacacacacacacacacacacacac%61c/prod/openai/models",
        Answer::Code(9001),
    ),
    ("/v1%2fACCOUNT/prod/openai/models", Answer::Code(9001)),
    ("/v1/ACCOUNT%2fprod/openai/models", Answer::Code(9001)),
    (
        "http://evil.example/v1/ACCOUNT/prod/openai/models",
        Answer::Code(9002),
    ),
    (
        "https://evil.example/v1/ACCOUNT/prod/openai/models",
        Answer::Code(9002),
    ),
    (
        "http://user@HOST/v1/ACCOUNT/prod/openai/models",
        Answer::Code(9002),
    ),
    (
        "http://HOST@evil.example/v1/ACCOUNT/prod/openai/models",
        Answer::Code(9002),
    ),
    ("http://HOST:80/v1/ACCOUNT/prod/openai/models", Answer::Bare),
    ("*", Answer::Code(9001)),
    ("evil.example/v1/ACCOUNT/prod/openai/models", Answer::Bare),
    ("?key=1", Answer::Bare),
];

#[tokio::test(flavor = "multi_thread")]
async fn escapes_are_refused_and_nothing_is_sent() {
    let running = start().await;
    const { assert!(ESCAPES.len() + ELSEWHERE.len() >= 40) };
    let below = ESCAPES
        .iter()
        .map(|(rest, answer)| (running.path(&format!("openai/{rest}")), *answer));
    let elsewhere = ELSEWHERE.iter().map(|(target, answer)| {
        let target = target.replace("ACCOUNT", &ACCOUNT.to_string());
        (target.replace("HOST", &running.addr.to_string()), *answer)
    });
    for (target, expected) in below.chain(elsewhere) {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {}\r\ncf-aig-authorization: {}\r\n\r\n",
            running.addr,
            running.bearer()
        );
        let answer = send_raw(running.addr, request.as_bytes()).await;
        let answer = answer.unwrap_or_else(|error| panic!("{target:?}: {error}"));
        let found = match answer.header("cf-aig-error-source") {
            Some(_) => Answer::Code(code(&answer)),
            None => Answer::Bare,
        };
        assert_eq!((answer.status, found), (400, expected), "{target:?}");
        if found == Answer::Bare {
            assert!(answer.body.is_empty(), "{target:?}");
        }
    }
    let seen: Vec<Recorded> = running.provider.recorded();
    assert!(seen.is_empty(), "{seen:?}");
    // The same connection and token do reach the provider with a path that is none of these.
    let good = running.head("GET", "openai/models", "");
    assert_eq!(
        send_raw(running.addr, good.as_bytes())
            .await
            .unwrap()
            .status,
        200
    );
    assert_eq!(running.provider.count(), 1);
    running.stop().await;
}
