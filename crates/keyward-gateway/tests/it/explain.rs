//! What the gateway says it would do with a request is what it does.

use std::{collections::BTreeSet, net::Ipv4Addr};

use http::{HeaderName, HeaderValue, Request};
use keyward_auth::{Permission, Permissions, Scope};
use keyward_gateway::explain::{Credential, Explanation, Forwarded, Outcome, Refused, Token};
use keyward_providers::{BaseUrl, CredentialPlacement};
use keyward_registry::{
    CustomProviderDetails, CustomSlug, GatewayId, GatewaySettings, HeaderInput, NewCustomProvider,
};
use keyward_secret::SecretBytes;
use keyward_testing::{
    Canary, Recorded,
    client::{Client, RawAnswer},
    register_named_canary,
};

use crate::support::{ACCOUNT, ACTOR, CHAT, Running, Setup, mint, now};

/// A request as a client sends it.
#[derive(Clone, Debug)]
struct Asked {
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    fn has_body(&self) -> bool {
        self.method == "POST"
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut bytes = (text + "\r\n").into_bytes();
        if self.has_body() {
            bytes.extend_from_slice(CHAT);
        }
        bytes
    }

    fn request(&self) -> Request<()> {
        let mut request = Request::builder()
            .method(self.method)
            .uri(&self.target)
            .body(())
            .unwrap();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            let value = HeaderValue::from_str(value).unwrap();
            request.headers_mut().append(name, value);
        }
        request
    }

    /// The values of a header, as they are sent.
    fn values(&self, name: &str) -> Vec<&[u8]> {
        let named = self
            .headers
            .iter()
            .filter(|(given, _)| given.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_bytes()).collect()
    }
}

fn explain(running: &Running, asked: &Asked) -> Explanation {
    let source = Ipv4Addr::LOCALHOST.into();
    running.gateway.explain(asked.request(), source, now())
}

#[track_caller]
fn forwarded(explained: Explanation) -> Forwarded {
    match explained.outcome {
        Outcome::Forwarded(forwarded) => *forwarded,
        Outcome::Refused(refused) => panic!("{refused:?}"),
    }
}

#[track_caller]
fn refused(explained: Explanation) -> Refused {
    match explained.outcome {
        Outcome::Refused(refused) => refused,
        Outcome::Forwarded(forwarded) => panic!("{forwarded:?}"),
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same on every machine.
struct Choices(u64);

impl Choices {
    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let length = u64::try_from(from.len()).unwrap();
        &from[usize::try_from((mixed ^ (mixed >> 31)) % length).unwrap()]
    }
}

/// A gateway with stored keys, one without authentication, a custom provider, and tokens of many kinds.
struct World {
    running: Running,
    /// Header lines that may present a token, each with what is sent besides in the query.
    tokens: Vec<Vec<(String, String)>>,
    queries: Vec<String>,
}

impl World {
    async fn new() -> Self {
        let running = Running::start(Setup {
            slugs: &["openai", "anthropic"],
            ..Setup::default()
        })
        .await;
        for alias in ["default", "team"] {
            running.store_key("openai", alias).await;
        }
        let open = GatewayId::parse("open").unwrap();
        let settings = GatewaySettings {
            authentication: false,
            ..GatewaySettings::default()
        };
        let made = running
            .registry
            .create_gateway(ACCOUNT, open, settings, ACTOR, now());
        made.await.unwrap();
        Self::add_custom(&running).await;
        let mut narrowed = Running::grant();
        narrowed.providers = Scope::only(["anthropic".to_owned()]);
        let mut disabled = Running::grant();
        disabled.disabled = true;
        let mut api = Running::grant();
        api.permissions = Permissions::from_iter([Permission::AiGatewayRead]);
        let mut texts = vec![
            running.token.text().to_owned(),
            running.token.text().to_owned(),
        ];
        for grant in [narrowed, disabled, api] {
            texts.push(mint(&running.registry, grant).await.0.text().to_owned());
        }
        let unknown = keyward_auth::NewToken::generate(keyward_auth::Kind::Gateway).unwrap();
        texts.push(String::from_utf8(unknown.text.expose().to_vec()).unwrap());
        texts.push("kw_gw_malformed".to_owned());
        let line = |name: &str, value: String| (name.to_owned(), value);
        let mut tokens = vec![vec![]];
        for text in &texts {
            let bearer = format!("Bearer {text}");
            tokens.push(vec![line("CF-AIG-Authorization", bearer.clone())]);
            tokens.push(vec![
                line("cf-aig-authorization", text.clone()),
                line("cf-aig-authorization", text.clone()),
            ]);
            tokens.push(vec![line("authorization", bearer.clone())]);
            tokens.push(vec![
                line("x-stray", bearer.clone()),
                line("cf-aig-authorization", bearer),
            ]);
        }
        let good = running.token.text();
        let queries = [
            "",
            "?limit=2&order=asc",
            "?key=own-key-0123456789",
            "?a=b&c",
        ]
        .map(str::to_owned);
        let mut queries = queries.to_vec();
        queries.push(format!("?key={good}&a=b"));
        Self {
            running,
            tokens,
            queries,
        }
    }

    async fn add_custom(running: &Running) {
        let stored = Canary::new("stored header");
        let headers = format!(r#"{{"x-team": "{}"}}"#, stored.text());
        let new = NewCustomProvider {
            account: ACCOUNT,
            slug: CustomSlug::parse("mine").unwrap(),
            base_url: BaseUrl::parse(&format!("{}/openai/v1", running.provider.origin())).unwrap(),
            placement: CredentialPlacement::default(),
            enabled: true,
            details: CustomProviderDetails::default(),
            headers: HeaderInput::parse(&SecretBytes::copy_from(headers.as_bytes())).unwrap(),
        };
        running
            .registry
            .create_custom_provider(new, ACTOR, now())
            .await
            .unwrap();
    }

    fn make(&self, choices: &mut Choices) -> Asked {
        const PATHS: &[&str] = &[
            "openai/v1/chat/completions",
            "openai/chat/completions",
            "openai",
            "openai/v1/models",
            "openai/a//b;c/%2Fd",
            "custom-mine/chat/completions",
            "openai/v1/../x",
            "openai/a%",
            "anthropic/v1/messages",
            "custom-none/x",
            "nobody/x",
            "aws-bedrock/x",
        ];
        const OWN: &[&[(&str, &str)]] = &[
            &[],
            &[],
            &[("authorization", "Bearer own-key-0123456789")],
            &[("x-api-key", "own-key-0123456789")],
            &[
                ("authorization", "Bearer own-1"),
                ("authorization", "Bearer own-2"),
            ],
        ];
        const ALIASES: &[&[(&str, &str)]] = &[
            &[],
            &[],
            &[("cf-aig-byok-alias", "default")],
            &[("cf-aig-byok-alias", "team")],
            &[("cf-aig-byok-alias", "gone")],
            &[("cf-aig-byok-alias", "a"), ("cf-aig-byok-alias", "b")],
        ];
        const MORE: &[&[(&str, &str)]] = &[
            &[],
            &[
                ("Accept", "*/*"),
                ("User-Agent", "test"),
                ("x-own", "1"),
                ("X-Own", "2"),
            ],
            &[
                ("cookie", "a=b"),
                ("x-forwarded-for", "192.0.2.1"),
                ("x_forwarded_for", "1"),
                ("via", "1.1 x"),
            ],
            &[
                ("connection", "x-own, authorization"),
                ("x-own", "1"),
                ("te", "trailers"),
            ],
            &[
                ("accept-encoding", "gzip"),
                ("cdn-loop", "other; v=1"),
                ("x-http-method-override", "GET"),
            ],
            &[("cdn-loop", "\"")],
            &[("expect", "nonsense")],
            &[("upgrade", "h2c"), ("connection", "upgrade")],
            &[("upgrade", "other"), ("connection", "upgrade")],
            &[("upgrade", "websocket"), ("connection", "upgrade")],
            &[
                ("upgrade", "websocket"),
                ("connection", "upgrade"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ],
            &[("host", "other.example")],
            &[("x-api-key", "second-own-key")],
        ];
        // Hardly anything would go on if every part were chosen from all that there is.
        let is_good = *choices.pick(&[true, false]);
        let up_to = |all: usize, good: usize| if is_good { good } else { all };
        let method = *choices.pick(&["POST", "GET", "DELETE", "TRACE"][..up_to(4, 3)]);
        let gateway = *choices.pick(&["prod", "open", "gone"][..up_to(3, 1)]);
        let path = choices.pick(&PATHS[..up_to(PATHS.len(), 6)]);
        let query = choices.pick(&self.queries);
        let target = format!("/v1/{ACCOUNT}/{gateway}/{path}{query}");
        let target = match *choices.pick(&[true, false, false, false]) {
            true if !is_good => "/v1/x".to_owned(),
            _ => target,
        };
        let mut headers = vec![("Host".to_owned(), self.running.addr.to_string())];
        let tokens = if is_good {
            &self.tokens[1..2]
        } else {
            &self.tokens[..]
        };
        headers.extend(choices.pick(tokens).iter().cloned());
        for part in [
            &OWN[..up_to(OWN.len(), 4)],
            &ALIASES[..up_to(ALIASES.len(), 4)],
            &MORE[..up_to(MORE.len(), 5)],
        ] {
            let lines = choices.pick(part).iter();
            headers.extend(lines.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        }
        if method == "POST" {
            headers.push(("Content-Length".to_owned(), CHAT.len().to_string()));
        }
        Asked {
            method,
            target,
            headers,
        }
    }
}

/// What came to the provider is what was explained.
#[track_caller]
fn check_forwarded(asked: &Asked, said: &Forwarded, seen: &Recorded, origin: &str) {
    assert_eq!(said.origin.to_string(), origin, "{asked:?}");
    assert_eq!(seen.method, asked.method);
    if !said.target.contains("***") {
        assert_eq!(said.target, seen.target, "{asked:?}");
    }
    let came: BTreeSet<String> = seen
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    let set = said.set.iter().map(|header| header.name.clone());
    let expected: BTreeSet<String> = said.kept.iter().cloned().chain(set).collect();
    assert_eq!(came, expected, "{asked:?} {said:?}");
    for name in &said.kept {
        assert_eq!(
            seen.header_all(name),
            asked.values(name),
            "{name} of {asked:?}"
        );
    }
    for header in &said.set {
        let last = seen.header_all(&header.name);
        let last = last.last().unwrap();
        match &header.value {
            Some(value) => assert_eq!(value.as_bytes(), *last, "{asked:?}"),
            None => assert!(!asked.values(&header.name).contains(last), "{asked:?}"),
        }
    }
    for name in &said.dropped {
        let came = seen.header_all(name);
        assert!(
            asked.values(name).iter().all(|value| !came.contains(value)),
            "{name} of {asked:?}"
        );
    }
    let given: BTreeSet<_> = asked
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    let told: BTreeSet<_> = said.dropped.iter().cloned().chain(came).collect();
    assert!(given.is_subset(&told), "{asked:?} {said:?}");
}

#[track_caller]
fn check_refused(asked: &Asked, said: &Refused, answer: &RawAnswer) {
    assert_eq!(
        answer.header("cf-aig-error-source"),
        Some("gateway"),
        "{asked:?} {said:?}"
    );
    let body = answer.json();
    assert_eq!(
        (said.status, said.code.map(u64::from), said.message.as_str()),
        (
            answer.status,
            body["internalCode"].as_u64(),
            body["message"].as_str().unwrap()
        ),
        "{asked:?}"
    );
    // The client is not told why; who asks for an explanation is.
    assert_eq!(said.reason.is_some(), said.code == Some(2009), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_explained_is_what_happens() {
    let world = World::new().await;
    let running = &world.running;
    let origin = running.provider.origin();
    let mut client = Client::connect(running.addr).await.unwrap();
    let mut choices = Choices(20_261_126);
    let (mut passed, mut codes) = (0, BTreeSet::new());
    for _ in 0..1500 {
        let asked = world.make(&mut choices);
        let said = explain(running, &asked);
        let told = format!("{said:?}");
        for secret in ["own-key-0123456789", "own-1", running.token.text()] {
            assert!(!told.contains(secret), "{told}");
        }
        let answer = client.exchange(&asked.bytes()).await.unwrap();
        let seen = running.provider.take_recorded();
        match said.outcome {
            Outcome::Forwarded(said) => {
                assert_eq!(seen.len(), 1, "{asked:?}: {}", answer.text());
                check_forwarded(&asked, &said, &seen[0], &origin);
                passed += 1;
            }
            Outcome::Refused(said) => {
                assert_eq!(seen.len(), 0, "{asked:?}");
                check_refused(&asked, &said, &answer);
                codes.insert(said.code);
            }
        }
    }
    assert!(passed >= 100, "{passed}");
    for code in [
        2001, 2008, 2009, 2040, 2044, 9001, 9002, 9003, 9005, 9006, 9009, 9015,
    ] {
        assert!(codes.contains(&Some(code)), "{code} not among {codes:?}");
    }
    println!("{passed} of 1500 requests went on; refused with {codes:?}");
}

fn chat(running: &Running, headers: &[(&str, &str)]) -> Asked {
    let host = running.addr.to_string();
    let given = [("host", host.as_str())];
    let headers = given.iter().chain(headers);
    Asked {
        method: "POST",
        target: running.path("openai/chat/completions"),
        headers: headers
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_names_token_and_key_and_uses_neither() {
    let running = Running::start(Setup::default()).await;
    let (canary, key) = running.store_key("openai", "team").await;
    let (token, minted) = mint(&running.registry, Running::grant()).await;
    let bearer = format!("Bearer {}", token.text());
    let asked = chat(
        &running,
        &[
            ("cf-aig-authorization", &bearer),
            ("cf-aig-byok-alias", "team"),
        ],
    );
    let explained = explain(&running, &asked);
    assert_eq!(explained.token, Token::Known(minted.record.id));
    let told = format!("{explained:?}");
    assert!(
        !told.contains(canary.text()) && !told.contains(token.text()),
        "{told}"
    );
    let said = forwarded(explained);
    match &said.credential {
        Credential::Stored {
            key: id,
            version,
            is_asked_for,
            ..
        } => {
            assert_eq!(
                (*id, version.get(), *is_asked_for),
                (key.record.id, 1, true)
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(said.provider, "openai");
    assert!(
        said.cut_from_answer.contains(&"set-cookie") && !said.may_be_compressed,
        "{said:?}"
    );
    let unknown = chat(&running, &[("cf-aig-authorization", "kw_gw_none")]);
    assert_eq!(refused(explain(&running, &unknown)).code, Some(2009));

    let used = || {
        let snapshot = running.registry.snapshot();
        let token = snapshot
            .tokens()
            .find_by_id(minted.record.id)
            .unwrap()
            .last_used
            .get();
        let key = snapshot
            .provider_key(ACCOUNT, key.record.id)
            .unwrap()
            .last_used
            .get();
        (token.is_some(), key.is_some())
    };
    assert_eq!(used(), (false, false));
    let mut client = running.client().await;
    let headers = [
        ("cf-aig-authorization", bearer.as_str()),
        ("cf-aig-byok-alias", "team"),
    ];
    let answer = client.post(&asked.target, &headers, CHAT).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(used(), (true, true));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn framing_and_what_the_listener_refuses_are_told_as_they_are() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let (origin, bearer) = (running.provider.origin(), running.bearer());
    let limits = keyward_gateway::Config::default().listen;
    let many: Vec<_> = (0..limits.max_headers)
        .map(|number| (format!("x-{number}"), "1".to_owned()))
        .collect();
    let long = "x".repeat(limits.max_head_bytes);
    let lines = |lines: &[(&str, &str)]| {
        let lines = lines.iter();
        lines
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<Vec<_>>()
    };
    let chunked = ("transfer-encoding", "chunked");
    let (chunks, body) = ("2\r\n{}\r\n0\r\n\r\n", "{}");
    for (method, more, sent, status) in [
        ("POST", lines(&[chunked]), chunks, 200),
        ("GET", lines(&[chunked]), chunks, 200),
        (
            "POST",
            lines(&[("content-length", "9"), chunked]),
            chunks,
            200,
        ),
        (
            "POST",
            lines(&[chunked, ("content-length", "9")]),
            chunks,
            200,
        ),
        ("POST", lines(&[]), "", 200),
        ("POST", lines(&[("content-length", "2")]), body, 200),
        ("DELETE", lines(&[("content-length", "0")]), "", 200),
        (
            "POST",
            lines(&[("content-length", "2"), ("content-length", "2")]),
            body,
            200,
        ),
        (
            "POST",
            lines(&[("content-length", "2"), ("content-length", "3")]),
            "",
            400,
        ),
        ("POST", lines(&[("content-length", "2x")]), "", 400),
        ("POST", lines(&[("transfer-encoding", "gzip")]), "", 400),
        ("GET", many, "", 431),
        ("GET", lines(&[("x-long", long.as_str())]), "", 431),
    ] {
        let mut asked = chat(&running, &[("cf-aig-authorization", bearer.as_str())]);
        asked.method = method;
        asked
            .headers
            .retain(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
        asked.headers.extend(more);
        let mut bytes = asked.bytes();
        if asked.has_body() {
            bytes.truncate(bytes.len() - CHAT.len());
        }
        bytes.extend_from_slice(sent.as_bytes());
        let said = explain(&running, &asked);
        let mut client = Client::connect(running.addr).await.unwrap();
        let answer = client.exchange(&bytes).await.unwrap();
        let seen = running.provider.take_recorded();
        match said.outcome {
            Outcome::Forwarded(said) => {
                assert_eq!((answer.status, seen.len()), (status, 1), "{asked:?}");
                check_forwarded(&asked, &said, &seen[0], &origin);
            }
            Outcome::Refused(said) => {
                assert_eq!((said.status, said.code), (status, None), "{said:?}");
                assert_eq!((answer.status, seen.len()), (status, 0), "{said:?}");
                assert!(said.reason.is_some() && answer.body.is_empty());
            }
        }
    }
    running.stop().await;
}

/// Keys and tokens in the wrong places: in the path, as names, encoded.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_may_be_a_key_is_repeated() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let (text, bearer) = (running.token.text(), running.bearer());
    let secret = text.rsplit('_').next().unwrap();
    let key = format!("AIza{}", &secret[..24]);
    for target in [
        running.path(&format!("openai/v1/{key}")),
        running.path(&format!("openai/v1/models?{key}=")),
        running.path(&format!("openai/v1/models?x&{secret}==")),
        running.path(&format!("openai/v1/models?session={}", &secret[..20])),
        running.path(&format!("openai/%6b{}", &text[1..])),
        running.path(&format!("openai/v1/models?%6b{}", &text[1..])),
        running.path(&format!("{key}/v1/models")),
        running.path(&format!("%6b{}/v1/models", &text[1..])),
        format!("/v1/{ACCOUNT}/{key}/openai/v1/models"),
        format!("/v1/{ACCOUNT}/%6b{}/openai/v1/models", &text[1..]),
    ] {
        let mut asked = chat(&running, &[("cf-aig-authorization", bearer.as_str())]);
        asked.target = target;
        let told = format!("{:?}", explain(&running, &asked));
        assert!(!told.contains(&secret[..16]), "{told}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_why_and_what_mends_it() {
    let running = Running::start(Setup::default()).await;
    let mut narrowed = Running::grant();
    narrowed.providers = Scope::only(["anthropic".to_owned()]);
    let (narrowed, minted) = mint(&running.registry, narrowed).await;
    let says = |asked: &Asked, reason: &str, help: &str| {
        let said = refused(explain(&running, asked));
        let (why, what) = (
            said.reason.unwrap_or(said.message),
            said.help.unwrap_or_default(),
        );
        assert!(why.contains(reason), "no `{reason}` in {why}");
        assert!(what.contains(help), "no `{help}` in {what}");
    };
    says(
        &chat(&running, &[]),
        "wants a gateway token",
        "keyward tokens create NAME --gateway prod",
    );
    says(
        &chat(&running, &[("authorization", narrowed.text())]),
        "not for this provider",
        &format!("keyward tokens show {}", minted.record.id),
    );
    says(
        &chat(&running, &[("cf-aig-authorization", &running.bearer())]),
        "no stored key",
        "keyward keys add openai --gateway prod",
    );
    // Nothing happened, so nothing is logged.
    let id = minted.record.id.to_string();
    assert!(!running.logs.contents().contains(&id));
    // A token of another account is as unknown as one that never was.
    let mut other = Running::grant();
    other.account = keyward_secret::AccountId::from_bytes([0xAD; 16]);
    let account = keyward_registry::AccountRecord {
        id: other.account,
        name: "other".to_owned(),
        created_at: now(),
    };
    running
        .registry
        .create_account(account, ACTOR)
        .await
        .unwrap();
    let (other, _) = mint(&running.registry, other).await;
    let asked = chat(&running, &[("cf-aig-authorization", other.text())]);
    assert_eq!(explain(&running, &asked).token, Token::Unknown);
    says(
        &asked,
        "the account has no such token",
        "keyward tokens list",
    );
    running.stop().await;
}

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
    running.stop().await;
}
