//! Nothing with our prefix goes upstream, wherever a client puts it.

use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use http_body_util::Empty;
use keyward_forward::{Asked, Handshake};
use keyward_gateway::fuzzing;
use keyward_providers::{Catalogue, all_credential_headers};

static CATALOGUE: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::built_in().expect("the catalogue is right"));
const PROVIDERS: [&str; 6] = [
    "openai",
    "anthropic",
    "google-ai-studio",
    "elevenlabs",
    "deepgram",
    "workers-ai",
];
const OTHERS: [&str; 4] = ["x-custom", "user-agent", "content-type", "x-api-keys"];
const TOKEN: &str = "kw_gw_0V2kQ9xTz3Ab_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklm";

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    provider: u8,
    headers: Vec<(u8, Text<'a>)>,
    query: Vec<(&'a str, Text<'a>)>,
    /// What a WebSocket handshake offers; none for an ordinary request.
    protocols: Option<Vec<(u8, Text<'a>)>>,
}

/// A value, with or without something of ours in it.
#[derive(Debug, Arbitrary)]
enum Text<'a> {
    Plain(&'a str),
    Ours {
        before: &'a str,
        form: Form,
        after: &'a str,
    },
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Form {
    Whole,
    Api,
    Start,
    Capitals,
    Percent,
    PercentTwice,
}

/// Reads `data` as headers and a query, takes tokens and keys out as the gateway does, and looks for what is
/// left.
///
/// # Panics
///
/// When something of ours is.
pub fn check(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let slug = PROVIDERS[usize::from(input.provider) % PROVIDERS.len()];
    let provider = CATALOGUE.find(slug).expect("a provider");
    let mut headers = HeaderMap::new();
    for (name, text) in input.headers.iter().take(16) {
        if let Ok(value) = HeaderValue::from_bytes(text.text().as_bytes()) {
            headers.append(self::name(*name), value);
        }
    }
    let query: Vec<_> = input
        .query
        .iter()
        .take(16)
        .map(|(name, text)| format!("{name}={}", text.text()))
        .collect();
    let Ok(uri) = format!("/?{}", query.join("&")).parse::<Uri>() else {
        return;
    };
    let handshake = match &input.protocols {
        Some(protocols) => match handshake(protocols) {
            Some(handshake) => Some(handshake),
            None => return,
        },
        None => None,
    };
    // A refused request goes nowhere.
    let Some(passed) =
        fuzzing::without_tokens(&mut headers, uri.query(), handshake.as_ref(), provider)
    else {
        return;
    };
    for (name, value) in &headers {
        let is_credential = all_credential_headers().contains(name);
        if name == "cf-aig-authorization" || (is_credential && passed.injects) {
            continue;
        }
        let value = value.as_bytes().to_ascii_lowercase();
        assert!(!holds(&value), "{name} carries a token upstream");
    }
    for protocol in &passed.protocols {
        let protocol = protocol.as_bytes().to_ascii_lowercase();
        assert!(!holds(&protocol), "a sub-protocol carries a token upstream");
    }
    check_query(
        uri.query().unwrap_or_default(),
        passed.query.as_deref().unwrap_or_default(),
    );
}

fn check_query(before: &str, after: &str) {
    let mut came = before.split('&');
    for pair in after.split('&').filter(|_| !after.is_empty()) {
        assert!(
            came.any(|other| other == pair),
            "{pair} is no part of the query that came"
        );
        let mut value = pair
            .split_once('=')
            .map_or("", |(_, value)| value)
            .as_bytes()
            .to_vec();
        for _decoding in 0..3 {
            assert!(
                !begins(&value.to_ascii_lowercase()),
                "the query carries a token upstream"
            );
            value = percent_encoding::percent_decode(&value).collect();
        }
    }
}

impl Text<'_> {
    fn text(&self) -> String {
        let (before, form, after) = match self {
            Text::Plain(text) => return (*text).to_owned(),
            Text::Ours {
                before,
                form,
                after,
            } => (before, form, after),
        };
        let token = match form {
            Form::Whole => TOKEN.to_owned(),
            Form::Api => TOKEN.replacen("gw", "api", 1),
            Form::Start => "kw_gw_x".to_owned(),
            Form::Capitals => TOKEN.to_ascii_uppercase(),
            Form::Percent => TOKEN.replacen("kw", "%6B%57", 1),
            Form::PercentTwice => TOKEN.replacen('_', "%255F", 1),
        };
        format!("{before}{token}{after}")
    }
}

/// The handshake that offers these, each behind one of the names that may announce a credential.
fn handshake(protocols: &[(u8, Text<'_>)]) -> Option<Handshake> {
    const FRONTS: [&str; 6] = [
        "",
        "cf-aig-authorization.",
        "authorization.",
        "xi-api-key.",
        "openai-insecure-api-key.",
        "x.",
    ];
    let offers: Vec<_> = protocols
        .iter()
        .take(8)
        .map(|(front, text)| {
            format!(
                "{}{}",
                FRONTS[usize::from(*front) % FRONTS.len()],
                text.text()
            )
        })
        .collect();
    let mut request = Request::get("/")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==")
        .header("sec-websocket-protocol", offers.join(", "))
        .body(Empty::<Bytes>::new())
        .ok()?;
    assert_eq!(Asked::of(&request), Asked::WebSocket);
    let handshake = Handshake::take(&mut request).ok()?;
    let left = request
        .headers()
        .keys()
        .any(|name| name.as_str().starts_with("sec-websocket-"));
    assert!(!left, "a field of the handshake stayed in the request");
    Some(handshake)
}

fn name(choice: u8) -> HeaderName {
    let choice = usize::from(choice);
    let credentials = all_credential_headers();
    match choice % (credentials.len() + OTHERS.len() + 1) {
        0 => HeaderName::from_static("cf-aig-authorization"),
        at if at <= credentials.len() => credentials[at - 1].clone(),
        at => HeaderName::from_static(OTHERS[at - credentials.len() - 1]),
    }
}

/// In lower case: a token of either kind, from its first character on.
fn begins(text: &[u8]) -> bool {
    text.starts_with(b"kw_gw_") || text.starts_with(b"kw_api_")
}

/// In lower case: a token of either kind, where a word may begin.
fn holds(text: &[u8]) -> bool {
    (0..text.len()).any(|at| {
        let before = at.checked_sub(1).map(|at| text[at]);
        let starts =
            before.is_none_or(|byte| !byte.is_ascii_alphanumeric() && byte != b'_' && byte != b'-');
        starts && begins(&text[at..])
    })
}
