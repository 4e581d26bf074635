//! The head of an answer: what is dropped, where redirects may lead, and no credential.

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use http::{HeaderMap, HeaderValue, StatusCode, header::LOCATION};
use keyward_forward::{Endpoint, Rules, Scrubber, StripList, Target, headers::prepare_response};
use keyward_secret::{BoundCredential, Destination, Origin, SecretBytes};
use url::Url;

use crate::fields::{self, Field, folded};

const SECRET: &[u8] = b"sk-0123456789/+\"abc";
const MOUNT: &str = "/v1/0123456789abcdef0123456789abcdef/prod/openai";
const ALLOWED: &str = "https://files.example.net";

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    status: u16,
    injects: bool,
    prefix: Prefix,
    location: Location<'a>,
    leak: Option<(&'a str, Form)>,
    fields: Vec<Field<'a>>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Prefix {
    None,
    Version,
    Closed,
}

#[derive(Debug, Arbitrary)]
enum Location<'a> {
    None,
    Text(&'a str),
    /// Behind the origin of the upstream.
    Own(&'a str),
    /// Behind the origin and the prefix.
    Below(&'a str),
    /// Behind the origin that is allowed.
    Allowed(&'a str),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Form {
    Raw,
    Json,
    Percent,
}

const GONE: &[&str] = &[
    "connection",
    "keep-alive",
    "te",
    "upgrade",
    "transfer-encoding",
    "set-cookie",
    "set-cookie2",
    "alt-svc",
    "strict-transport-security",
    "clear-site-data",
    "nel",
    "report-to",
    "reporting-endpoints",
];

/// Reads `data` as the head of an answer, rewrites it, and looks at what a client would do with it.
///
/// # Panics
///
/// When a promise is broken.
pub fn check(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let Ok(status) = StatusCode::from_u16(200 + input.status % 300) else {
        return;
    };
    let prefix = match input.prefix {
        Prefix::None => "",
        Prefix::Version => "/v1",
        Prefix::Closed => "/v1/",
    };
    let mut headers = fields::map(&input.fields);
    if let Some(value) = location(&input.location, prefix) {
        headers.append(LOCATION, value);
    }
    if let Some((before, form)) = input.leak
        && let Ok(value) = HeaderValue::from_bytes(&[before.as_bytes(), &leaked(form)].concat())
    {
        headers.append("x-debug", value);
    }

    let credential = credential();
    let scrubber = Arc::new(Scrubber::new(&credential));
    let strip = StripList::new([], []);
    let allowed = [Origin::parse(ALLOWED).expect("an origin")];
    let mut rules = Rules::new(&strip);
    if input.injects {
        rules = rules.with_credential(&credential, &scrubber);
    }
    rules.location.prefix = prefix;
    rules.location.mount = MOUNT;
    rules.location.allowed = &allowed;

    let answer = prepare_response(&mut headers, status, &target(), &rules);
    if answer.is_err() {
        // The caller answers with an error of its own; nothing of this head goes on.
        return;
    }
    for name in headers.keys() {
        let folded = folded(name);
        let gone = GONE.contains(&folded.as_str())
            || folded.starts_with("cf-aig-")
            || folded.starts_with("proxy-");
        assert!(!gone, "{name} passed");
    }
    if status.is_redirection() {
        check_location(&headers);
    }
    if input.injects {
        for (name, value) in &headers {
            for form in [Form::Raw, Form::Json, Form::Percent] {
                let form = leaked(form);
                let held = value
                    .as_bytes()
                    .windows(form.len())
                    .any(|part| part == form);
                assert!(!held, "{name} holds the credential");
            }
        }
    }
}

fn target() -> Target {
    let origin = Origin::parse("https://api.example.com").expect("an origin");
    let endpoint = Arc::new(Endpoint::new(origin).expect("an endpoint"));
    Target::join(endpoint, "/v1", "/chat/completions", None).expect("a target")
}

fn credential() -> BoundCredential {
    let destination = Destination::parse(["https://api.example.com"]).expect("a destination");
    let secret = SecretBytes::copy_from(SECRET);
    BoundCredential::build(http::header::AUTHORIZATION, "Bearer ", secret, destination)
        .expect("a credential")
}

fn location(location: &Location<'_>, prefix: &str) -> Option<HeaderValue> {
    let text = match location {
        Location::None => return None,
        Location::Text(text) => (*text).to_owned(),
        Location::Own(rest) => format!("https://api.example.com{rest}"),
        Location::Below(rest) => format!("https://api.example.com{prefix}{rest}"),
        Location::Allowed(rest) => format!("{ALLOWED}{rest}"),
    };
    HeaderValue::from_bytes(text.as_bytes()).ok()
}

fn leaked(form: Form) -> Vec<u8> {
    match form {
        Form::Raw => SECRET.to_vec(),
        Form::Json => b"sk-0123456789/+\\\"abc".to_vec(),
        Form::Percent => b"sk-0123456789%2F%2B%22abc".to_vec(),
    }
}

/// A client that follows the redirect stays with the gateway, or goes where the rule allows.
fn check_location(headers: &HeaderMap) {
    let mut values = headers.get_all(LOCATION).iter();
    let Some(value) = values.next() else { return };
    assert!(values.next().is_none(), "two addresses passed");
    let Ok(text) = str::from_utf8(value.as_bytes()) else {
        panic!("an address that is no text passed");
    };
    let base = Url::parse(&format!("http://gateway.test:8787{MOUNT}/chat/completions"));
    let Ok(followed) = base.expect("a URL").join(text) else {
        return;
    };
    let origin = followed.origin().ascii_serialization();
    if origin == ALLOWED {
        return;
    }
    assert_eq!(origin, "http://gateway.test:8787", "{text} leads elsewhere");
    let rest = followed.path().strip_prefix(MOUNT);
    let inside = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    assert!(
        inside,
        "{text} leads out of the mount, to {}",
        followed.path()
    );
}
