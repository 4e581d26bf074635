//! What each decision of the warm path costs alone: address, token check, look-up, rewrite, scrub.
//!
//! Inputs have the size and shape that official SDKs send. Sums of these are no request's cost: sockets, hyper and the
//! runtime are measured by `forwarding` and `cargo xtask pairs`.

use std::{
    error::Error,
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use hyper::{
    StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use keyward_auth::{
    Decision, Grant, Kind, Model, NewToken, Permission, Permissions, RunAsk, TokenRecord,
    TokenText, decide_run,
};
use keyward_benches::job;
use keyward_forward::{Endpoint, Rules, Scrubber, StripList, Target, headers};
use keyward_gateway::GatewayAddress;
use keyward_registry::{
    AccountRecord, Alias, GatewayId, GatewayRecord, GatewaySettings, Loaded, ProviderKeyId,
    ProviderKeyRecord, ProviderSlug, Snapshot,
};
use keyward_secret::{AccountId, BoundCredential, Destination, Origin, SecretBytes};
use keyward_vault::SecretId;

/// A token, and a snapshot that holds it among ten thousand others, in one of a thousand gateways.
struct Installation {
    snapshot: Snapshot,
    token: NewToken,
    account: AccountId,
    now: SystemTime,
}

const GATEWAYS: usize = 1_000;
const TOKENS: usize = 10_000;
const GATEWAY: &str = "gateway-500";

fn installation() -> Result<Installation, Box<dyn Error>> {
    let account = AccountId::parse("0123456789abcdef0123456789abcdef")?;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let mut permissions = Permissions::NONE;
    permissions.insert(Permission::AiGatewayRun);
    let mut loaded = Loaded::default();
    loaded.accounts.push(AccountRecord {
        id: account,
        name: "bench".to_owned(),
        created_at: now,
    });
    for number in 0..GATEWAYS {
        let id = GatewayId::parse(&format!("gateway-{number}"))?;
        let mut key_id = [0; 16];
        key_id[..8].copy_from_slice(&number.to_be_bytes());
        let name = (ProviderSlug::parse("openai")?, Alias::parse("default")?);
        let secret = SecretId::from_bytes(key_id);
        loaded.provider_keys.push(ProviderKeyRecord {
            default_config: true,
            ..ProviderKeyRecord::new(
                ProviderKeyId::from_bytes(key_id),
                (account, id.clone()),
                name,
                secret,
                now,
            )
        });
        loaded.gateways.push(GatewayRecord {
            account,
            id,
            settings: GatewaySettings::default(),
            created_at: now,
            modified_at: now,
        });
    }
    let mut token = NewToken::generate(Kind::Gateway)?;
    for _ in 0..TOKENS {
        loaded.tokens.push(TokenRecord {
            id: token.id,
            kind: Kind::Gateway,
            digest: token.digest,
            retiring: None,
            name: "bench".to_owned(),
            grant: Grant::new(account, permissions),
            spend_limits: None,
            issued_at: now,
            modified_at: now,
        });
        if loaded.tokens.len() < TOKENS {
            token = NewToken::generate(Kind::Gateway)?;
        }
    }
    Ok(Installation {
        snapshot: Snapshot::build(loaded),
        token,
        account,
        now,
    })
}

/// Promise: no allocation.
fn address(c: &mut Criterion) {
    c.bench_function("address/parse", |b| {
        b.iter(|| GatewayAddress::parse(black_box(job::CLIENT_PATH)))
    });
}

/// Promise: text to decision without an allocation; the SHA-256 of the token is most of it.
#[expect(
    clippy::expect_used,
    reason = "a benchmark that cannot run has nothing to say"
)]
fn token(c: &mut Criterion) {
    let installation = installation().expect("make an installation");
    let text = installation.token.text.expose();
    let mut group = c.benchmark_group("token");
    group.bench_function("parse", |b| b.iter(|| TokenText::parse(black_box(text))));
    let parsed = TokenText::parse(text).expect("a fresh token is well-formed");
    group.bench_function("digest", |b| b.iter(|| black_box(&parsed).digest()));
    let tokens = installation.snapshot.tokens();
    group.bench_function("find", |b| {
        b.iter(|| tokens.find(black_box(&installation.token.digest), installation.now))
    });
    let ask = RunAsk {
        account: installation.account,
        gateway: GATEWAY,
        provider: "openai",
        alias: Some("default"),
        class: 1,
        model: Model::Named("gpt-5"),
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let entry = tokens
        .find(&installation.token.digest, installation.now)
        .expect("the token is in the index");
    assert_eq!(
        decide_run(Kind::Gateway, &entry.record.grant, &ask, installation.now),
        Decision::Allow
    );
    group.bench_function("decide", |b| {
        b.iter(|| {
            decide_run(
                Kind::Gateway,
                black_box(&entry.record.grant),
                black_box(&ask),
                installation.now,
            )
        });
    });
    group.finish();
}

/// Promise: no allocation and no lock, however many gateways there are.
#[expect(
    clippy::expect_used,
    reason = "a benchmark that cannot run has nothing to say"
)]
fn look_up(c: &mut Criterion) {
    let Installation {
        snapshot, account, ..
    } = installation().expect("make an installation");
    let find = || {
        snapshot
            .gateway(black_box(account), black_box(GATEWAY))?
            .key(black_box("openai"), black_box("default"))
    };
    assert!(find().is_some());
    c.bench_function("look_up/provider_key", |b| b.iter(find));
}

/// Everything that rewriting one request and its answer needs.
struct Rewriting {
    endpoint: Arc<Endpoint>,
    credential: BoundCredential,
    scrubber: Arc<Scrubber>,
    strip: StripList,
}

fn rewriting() -> Result<Rewriting, Box<dyn Error>> {
    let origin = "https://api.openai.com";
    let key = SecretBytes::new(job::PROVIDER_KEY.as_bytes().to_vec());
    let credential = BoundCredential::build(
        hyper::header::AUTHORIZATION,
        "Bearer ",
        key,
        Destination::parse([origin])?,
    )?;
    Ok(Rewriting {
        endpoint: Arc::new(Endpoint::new(Origin::parse(origin)?)?),
        scrubber: Arc::new(Scrubber::new(&credential)),
        credential,
        strip: StripList::new(
            ["authorization", "x-api-key", "api-key", "x-goog-api-key"],
            [],
        ),
    })
}

/// The headers of a request by the official Python SDK, with a gateway token.
fn request_headers() -> HeaderMap {
    header_map(&[
        ("host", "127.0.0.1:8787"),
        ("accept-encoding", "gzip, deflate"),
        ("connection", "keep-alive"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("user-agent", "OpenAI/Python"),
        ("x-stainless-lang", "python"),
        ("x-stainless-package-version", "3.54.0"),
        ("x-stainless-os", "Linux"),
        ("x-stainless-arch", "x64"),
        ("x-stainless-runtime", "CPython"),
        ("x-stainless-runtime-version", "3.11.7"),
        ("x-stainless-async", "false"),
        ("x-stainless-retry-count", "0"),
        ("x-stainless-read-timeout", "600"),
        ("cf-aig-authorization", job::GATEWAY_TOKEN),
        ("content-length", "1024"),
    ])
}

/// The headers of an answer, as OpenAI sends them.
fn response_headers() -> HeaderMap {
    header_map(&[
        ("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("content-type", "application/json"),
        ("content-length", "2048"),
        ("connection", "keep-alive"),
        ("openai-organization", "org-0123456789abcdef"),
        ("openai-processing-ms", "421"),
        ("openai-version", "2020-10-01"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-reset-requests", "6ms"),
        ("x-request-id", "req_0123456789abcdef0123456789abcdef"),
        (
            "strict-transport-security",
            "max-age=31536000; includeSubDomains; preload",
        ),
        (
            "set-cookie",
            "__cf_bm=0123456789abcdef0123456789abcdef; path=/; HttpOnly; Secure",
        ),
        ("server", "cloudflare"),
        ("alt-svc", "h3=\":443\"; ma=86400"),
    ])
}

fn header_map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let parsed = |&(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    fields.iter().map(parsed).collect()
}

/// Promise: the header maps are edited in place; one allocation, for the path.
#[expect(
    clippy::expect_used,
    reason = "a benchmark that cannot run has nothing to say"
)]
fn rewrite(c: &mut Criterion) {
    let Rewriting {
        endpoint,
        credential,
        scrubber,
        strip,
    } = rewriting().expect("prepare the rewriting");
    let rules = Rules::new(&strip).with_credential(&credential, &scrubber);
    let target = || {
        Target::join(
            Arc::clone(&endpoint),
            "/v1",
            black_box("/chat/completions"),
            None,
        )
    };
    let joined = target().expect("join the path");
    let mut group = c.benchmark_group("rewrite");
    group.bench_function("path", |b| b.iter(target));
    group.bench_function("request", |b| {
        b.iter_batched_ref(
            request_headers,
            |map| headers::prepare_request(map, &endpoint, &rules),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("response", |b| {
        b.iter_batched_ref(
            response_headers,
            |map| headers::prepare_response(map, StatusCode::OK, &joined, &rules),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// Promise: a body without the credential costs one pass of a substring search per form that is looked for.
///
/// The text is searched for every form, as an error body is; a success is searched for the raw form alone.
#[expect(
    clippy::expect_used,
    reason = "a benchmark that cannot run has nothing to say"
)]
fn scrub(c: &mut Criterion) {
    let Rewriting {
        credential,
        scrubber,
        ..
    } = rewriting().expect("prepare the rewriting");
    let body = Bytes::from(job::json_body());
    assert!(
        !scrubber
            .scrub_text(job::PROVIDER_KEY.as_bytes())
            .starts_with(b"sk-")
    );
    let mut group = c.benchmark_group("scrub");
    group.bench_function("prepare", |b| {
        b.iter(|| Scrubber::new(black_box(&credential)))
    });
    group.throughput(Throughput::Bytes(
        u64::try_from(body.len()).unwrap_or(u64::MAX),
    ));
    group.bench_function("text_2KiB", |b| {
        b.iter(|| scrubber.scrub_text(black_box(&body)))
    });
    group.finish();
}

criterion_group!(benches, address, token, look_up, rewrite, scrub);
criterion_main!(benches);
