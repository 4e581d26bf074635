//! What the control plane explains, in words.

use serde_json::Value;

use crate::{client::text, commands::tokens::allows, failure::Failure};

/// The answer for people, one thing a line.
pub(super) fn fields(method: &str, explained: &Value) -> Vec<(&'static str, String)> {
    let request = format!(
        "{method} {}, from {}",
        text(explained, "target"),
        text(explained, "source")
    );
    let mut fields = vec![("request", request)];
    // Where the path addresses nothing, nobody looks for a token.
    if explained.get("gateway").is_some_and(Value::is_string) {
        fields.push(("token", token(explained)));
    }
    for name in ["gateway", "provider"] {
        let value = text(explained, name);
        if !value.is_empty() {
            fields.push((name, value));
        }
    }
    if let Some(credential) = explained
        .get("credential")
        .filter(|there| there.is_object())
    {
        fields.push(("key", key(credential)));
    }
    if let Some(headers) = explained.get("headers").filter(|there| there.is_object()) {
        fields.push(("dropped", list(headers, "dropped")));
        fields.push(("set", set(headers)));
        fields.push(("kept", list(headers, "kept")));
    }
    if let Some(to) = explained
        .get("destination")
        .filter(|there| there.is_object())
    {
        let websocket = match explained.get("websocket") {
            Some(Value::Bool(true)) => ", as a WebSocket",
            _ => "",
        };
        let to = format!("{}{}{websocket}", text(to, "origin"), text(to, "target"));
        fields.push(("goes to", to));
    }
    if let (None | Some(Value::Null), Some(Value::Number(count))) =
        (explained.get("headers"), explained.get("headers_set"))
    {
        let hidden = "is for who may read the account's providers";
        fields.push(("set", format!("{count} headers; which, {hidden}")));
        fields.push((
            "goes to",
            format!("the custom provider; where it is, {hidden}"),
        ));
    }
    let way = text(explained, "way");
    if !way.is_empty() {
        let gateway = text(explained, "gateway");
        fields.extend(not_followed(&way, &gateway));
    }
    if let Some(answer) = explained.get("answer").filter(|there| there.is_object()) {
        fields.push(("answer", self::answer(answer)));
    }
    fields
}

/// What is not followed, and what follows it.
fn not_followed(way: &str, gateway: &str) -> Vec<(&'static str, String)> {
    let unread = "its body names; the body is not read here";
    let routes = (
        "route",
        format!(
            "`keyward routes explain NAME --gateway {gateway}` follows a request for a model dynamic/NAME"
        ),
    );
    match way {
        "unified" => vec![
            (
                "goes to",
                format!("the provider and the model that {unread}"),
            ),
            routes,
        ],
        "models" => vec![(
            "goes to",
            "the providers of which the gateway has keys, for their lists of models".to_owned(),
        )],
        "universal" => vec![(
            "goes to",
            format!("several providers in turn, which {unread}"),
        )],
        _ => vec![(
            "goes to",
            format!(
                "the model that {unread}, and neither is the token, nor the gateway, which `cf-aig-gateway-id` names"
            ),
        )],
    }
}

fn token(explained: &Value) -> String {
    let words = match text(explained, "token_state").as_str() {
        "known" => match explained.get("token").filter(|token| token.is_object()) {
            Some(token) => return known(token),
            None => "one of the account's; which, this API token may not read",
        },
        "malformed" => "what is presented is no token, or more than one",
        "unknown" => "the account has no such token",
        _ => "none",
    };
    words.to_owned()
}

/// Which it is, and what it may.
fn known(token: &Value) -> String {
    let mut words = format!(
        "{} ({}), {}, {}",
        text(token, "id"),
        text(token, "name"),
        text(token, "kind"),
        text(token, "status")
    );
    words.push_str("; ");
    words.push_str(&allows(token));
    let end = text(token, "expires_on");
    if !end.is_empty() {
        words.push_str(", until ");
        words.push_str(&end);
    }
    words
}

/// Which key, and why this one.
fn key(credential: &Value) -> String {
    match text(credential, "from").as_str() {
        "stored_key" => {
            let key = credential.get("key").unwrap_or(&Value::Null);
            let why = match credential.get("asked_for") {
                Some(Value::Bool(true)) => "as `cf-aig-byok-alias` asks",
                _ => "as no `cf-aig-byok-alias` names another",
            };
            format!(
                "{}/{} (id {}, version {}, {}), {why}",
                text(key, "provider_slug"),
                text(key, "alias"),
                text(key, "id"),
                text(key, "version"),
                text(key, "secret_preview"),
            )
        }
        "request" => "the request's own, which goes through: no stored key is used".to_owned(),
        "request_moved" => {
            "the request's own, moved into the provider's header: no stored key is used".to_owned()
        }
        _ => "none: the stored headers of the provider suffice".to_owned(),
    }
}

fn list(of: &Value, name: &str) -> String {
    let items = of.get(name).and_then(Value::as_array).into_iter().flatten();
    let items: Vec<_> = items.filter_map(Value::as_str).collect();
    match items.is_empty() {
        true => "nothing".to_owned(),
        false => items.join(", "),
    }
}

fn set(headers: &Value) -> String {
    let set = headers.get("set").and_then(Value::as_array);
    let one = |header: &Value| match text(header, "value") {
        value if value.is_empty() => format!("{}: ••••", text(header, "name")),
        value => format!("{}: {value}", text(header, "name")),
    };
    let set: Vec<_> = set.into_iter().flatten().map(one).collect();
    set.join(", ")
}

fn answer(answer: &Value) -> String {
    let masked = match answer.get("may_be_compressed") {
        Some(Value::Bool(true)) => {
            "a stored key is masked wherever it stands, but not in a compressed answer that succeeds"
        }
        _ => "a stored key is masked wherever it stands",
    };
    format!("without {}; {masked}", list(answer, "cut"))
}

/// The gateway's refusal, as a finding.
pub(super) fn refusal(refusal: &Value) -> Failure {
    let message = text(refusal, "message");
    let reason = text(refusal, "reason");
    let status = text(refusal, "status");
    let what = match text(refusal, "code") {
        // Before the gateway sees it: the answer has no body.
        code if code.is_empty() => format!("the listener refuses the request with {status}"),
        code => format!("the gateway refuses the request with {status}, code {code}"),
    };
    let failure = [message, reason]
        .into_iter()
        .filter(|cause| !cause.is_empty())
        .fold(Failure::found(what), Failure::because);
    match text(refusal, "help") {
        help if help.is_empty() => failure.help("docs/errors.md says what to do about the code"),
        help if help.starts_with("keyward ") => failure.help(format!("`{help}`")),
        help => failure.help(help),
    }
}
