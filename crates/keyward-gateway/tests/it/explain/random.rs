//! Many requests, chosen at random: each is explained and then sent.

use std::collections::BTreeSet;

use keyward_auth::{Permission, Permissions, Scope};
use keyward_gateway::explain::{Outcome, Refused};
use keyward_providers::{BaseUrl, CredentialPlacement};
use keyward_registry::{
    CustomProviderDetails, CustomSlug, GatewayId, GatewaySettings, HeaderInput, NewCustomProvider,
};
use keyward_secret::SecretBytes;
use keyward_testing::{
    Canary,
    client::{Client, RawAnswer},
};

use super::{Asked, check_forwarded, explain};
use crate::support::{ACCOUNT, ACTOR, CHAT, Running, Setup, mint, now};

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
            Outcome::NotFollowed(way) => panic!("{way:?}: {asked:?}"),
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
