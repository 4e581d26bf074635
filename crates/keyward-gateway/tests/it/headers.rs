//! Which headers reach the provider, and which come back.

use keyward_testing::{Behaviour, Canary, REASON_PHRASE, Recorded, client::send_raw};

use crate::support::{CHAT, Running, Setup, code};

/// What the gateway itself sends with a request that has a body.
const OURS: [&str; 5] = [
    "accept-encoding",
    "authorization",
    "cdn-loop",
    "content-length",
    "host",
];

/// Sends a chat completion with these header lines; what the provider saw of it.
async fn seen_with(running: &Running, lines: &str) -> Recorded {
    let answer = send_raw(running.addr, &running.raw_chat(lines))
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{lines:?}: {}", answer.text());
    let mut seen = running.provider.take_recorded();
    assert_eq!(seen.len(), 1, "{lines:?}");
    seen.remove(0)
}

fn names(request: &Recorded) -> Vec<String> {
    request
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect()
}

/// The provider got the credential once, its own name as host, the body in one framing, and nothing that was
/// for this hop or for the gateway.
#[track_caller]
fn check_intact(seen: &Recorded, running: &Running, key: &Canary, lines: &str) {
    let bearer = format!("Bearer {}", key.text());
    assert_eq!(
        seen.header_all("authorization"),
        [bearer.as_bytes()],
        "{lines:?}"
    );
    let host = running.provider.addr().to_string();
    assert_eq!(seen.header_all("host"), [host.as_bytes()], "{lines:?}");
    let length = CHAT.len().to_string();
    assert_eq!(
        seen.header_all("content-length"),
        [length.as_bytes()],
        "{lines:?}"
    );
    assert_eq!(
        (seen.body.as_slice(), seen.truncated),
        (CHAT, false),
        "{lines:?}"
    );
    let gone = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
    ];
    let names = names(seen);
    assert!(
        names.iter().all(|name| !gone.contains(&name.as_str())),
        "{lines:?}: {names:?}"
    );
    assert!(
        names.iter().all(|name| !name.starts_with("cf-aig")),
        "{lines:?}: {names:?}"
    );
}

/// Whatever `Connection` nominates, in whatever case and in however many lines, the provider gets the
/// credential once, its own name as host, and the body in one framing.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_nominations_take_nothing_away() {
    let running = Running::start(Setup::default()).await;
    let (key, _) = running.store_key("openai", "default").await;
    let nominated = [
        "authorization",
        "host",
        "content-length",
        "transfer-encoding",
        "content-encoding",
        "cf-aig-authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "connection",
    ];
    let upper = |name: &str| name.to_ascii_uppercase();
    let mixed = |name: &str| {
        name.char_indices()
            .map(|(at, letter)| {
                if at % 2 == 0 {
                    letter.to_ascii_uppercase()
                } else {
                    letter
                }
            })
            .collect::<String>()
    };
    let cases: [&dyn Fn(&str) -> String; 3] = [&|name| name.to_owned(), &upper, &mixed];
    let together = nominated.join(",");
    for case in cases {
        for name in nominated.into_iter().chain([together.as_str()]) {
            let name = case(name);
            for lines in [
                format!("Connection: {name}\r\n"),
                format!("Connection: keep-alive, {name}\r\n"),
                format!("Connection:{name}  ,\tkeep-alive\r\n"),
                format!("Connection: keep-alive\r\nconnection: {name}\r\n"),
                format!("Connection: {name}\r\nCONNECTION: {name},{name}\r\n"),
                format!("Connection: ,,{name};q=1,{name},\r\n"),
                format!("Proxy-Connection: {name}\r\nConnection: {name}\r\nKeep-Alive: {name}\r\n"),
            ] {
                let seen = seen_with(&running, &lines).await;
                check_intact(&seen, &running, &key, &lines);
            }
        }
    }
    // An ordinary header that is nominated was for this hop only.
    let seen = seen_with(
        &running,
        "Connection: x-hop, close\r\nX-Hop: 1\r\nX-End: 2\r\n",
    )
    .await;
    assert_eq!(
        (seen.header("x-hop"), seen.header("x-end")),
        (None, Some("2"))
    );
    running.stop().await;
}

/// What is kept although it is nominated: a key of the client's own, and what says how to read the body.
#[tokio::test(flavor = "multi_thread")]
async fn nominations_take_nothing_from_a_request_with_a_key_of_its_own() {
    let running = Running::start(Setup::default()).await;
    running.provider.accept_keys(["sk-own"]);
    let own = "Authorization: Bearer sk-own\r\nContent-Encoding: identity\r\n";
    for name in [
        "authorization",
        "AUTHORIZATION",
        "Content-Encoding, authorization",
        "close, Authorization",
    ] {
        let seen = seen_with(&running, &format!("Connection: {name}\r\n{own}")).await;
        assert_eq!(
            seen.header_all("authorization"),
            [b"Bearer sk-own"],
            "{name}"
        );
        assert_eq!(seen.header_all("content-encoding"), [b"identity"], "{name}");
    }
    running.stop().await;
}

/// Names that some server reads as a credential's, and values that are none of our business.
#[tokio::test(flavor = "multi_thread")]
async fn look_alikes_never_arrive() {
    let running = Running::start(Setup::default()).await;
    let (key, _) = running.store_key("openai", "default").await;
    for name in [
        "x_api_key",
        "X_Api-Key",
        "x-api_key",
        "api_key",
        "API_KEY",
        "x_goog_api_key",
        "x-goog-api_key",
        "xi_api_key",
        "cf_aig_authorization",
        "cf-aig_authorization",
        "Cf_Aig_Byok_Alias",
        "cf_aig_anything",
        "cf-aig-anything",
        "proxy_authorization",
        "Proxy-Authorization",
        "x_auth_key",
        "content_length",
        "transfer_encoding",
        "x_forwarded_for",
        "x_real_ip",
        "cf_connecting_ip",
    ] {
        let seen = seen_with(&running, &format!("{name}: planted\r\n")).await;
        let planted = seen.headers.iter().any(|(_, value)| value == b"planted");
        assert!(!planted, "{name}: {:?}", names(&seen));
        assert_eq!(
            seen.header("authorization"),
            Some(format!("Bearer {}", key.text()).as_str())
        );
    }
    // With an empty value the client says nothing, and the stored key takes the place.
    for lines in [
        "Authorization:\r\n",
        "Authorization: \t \r\n",
        "x-api-key:\r\nAPI-KEY: \r\n",
    ] {
        let seen = seen_with(&running, lines).await;
        assert_eq!(seen.header_all("authorization").len(), 1, "{lines:?}");
        assert!(
            seen.header("x-api-key").is_none() && seen.header("api-key").is_none(),
            "{lines:?}"
        );
    }
    // What is no header line at all is refused before anyone reads it otherwise.
    for lines in [
        "Authorization : Bearer planted\r\n",
        "Authorization\t: Bearer planted\r\n",
        " Authorization: Bearer planted\r\n",
        "x-a: 1\r\n Authorization: Bearer planted\r\n",
        "Authorization\u{b}: Bearer planted\r\n",
        "Authorization\0: Bearer planted\r\n",
        "x-a: 1\rAuthorization: Bearer planted\r\n",
        "x-a: \0\r\n",
        ": planted\r\n",
    ] {
        let answer = send_raw(running.addr, &running.raw_chat(lines))
            .await
            .unwrap();
        assert_eq!(answer.status, 400, "{lines:?}");
        assert!(running.provider.take_recorded().is_empty(), "{lines:?}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_concerns_this_hop_or_the_client_alone_is_dropped() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let dropped = [
        "Cookie",
        "Cookie2",
        "Forwarded",
        "X-Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Anything",
        "X-Real-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "CF-Connecting-IPv6",
        "Via",
        "Proxy-Authorization",
        "Proxy-Anything",
        "Max-Forwards",
        "TE",
        "Trailer",
        "Keep-Alive",
        "HTTP2-Settings",
        "cf-aig-metadata",
        "cf-aig-cache-ttl",
        "cf-aig-skip-cache",
    ];
    let lines: String = dropped
        .iter()
        .map(|name| format!("{name}: 192.0.2.1\r\n"))
        .collect();
    let seen = seen_with(&running, &lines).await;
    let names = names(&seen);
    for name in dropped {
        assert!(!names.contains(&name.to_ascii_lowercase()), "{name}");
    }
    let mut names = names;
    names.sort_unstable();
    assert_eq!(names, OURS);
    running.stop().await;
}

/// The rest passes: every line of it, lines of one name in their order, values byte for byte.
#[tokio::test(flavor = "multi_thread")]
async fn ordinary_headers_pass_as_they_are() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let ordinary: [(&str, &[u8]); 13] = [
        ("user-agent", b"OpenAI/Python 3.54.0"),
        ("accept", b"application/json, */*;q=0.1"),
        ("content-type", b"application/json; charset=\"utf-8\""),
        ("x-stainless-os", b"Linux"),
        ("openai-organization", b"org-1"),
        ("openai-beta", b"a=v1"),
        ("openai-beta", b"b=v2"),
        ("x-repeated", b"2"),
        ("x-repeated", b"1"),
        ("x-repeated", b"2"),
        ("idempotency-key", b"kw-not-a-token"),
        ("x-empty", b""),
        ("x-bytes", b"caf\xc3\xa9 \xe9,\"(;"),
    ];
    let mut request = running.raw_chat("");
    let end = request.len() - CHAT.len() - 2;
    let mut lines = Vec::new();
    for (name, value) in ordinary {
        lines.extend_from_slice(
            &[name.to_ascii_uppercase().as_bytes(), b": ", value, b"\r\n"].concat(),
        );
    }
    request.splice(end..end, lines);
    let answer = send_raw(running.addr, &request).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = running.provider.take_recorded().remove(0);
    assert_eq!(
        seen.headers.len(),
        ordinary.len() + OURS.len(),
        "{:?}",
        seen.headers
    );
    for (name, _) in ordinary {
        let sent: Vec<&[u8]> = ordinary
            .iter()
            .filter(|(other, _)| *other == name)
            .map(|(_, value)| *value)
            .collect();
        assert_eq!(seen.header_all(name), sent, "{name}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_may_not_tell_the_client_is_dropped() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let dropped = [
        "Set-Cookie",
        "set_cookie",
        "Set-Cookie2",
        "Alt-Svc",
        "Strict-Transport-Security",
        "Clear-Site-Data",
        "NEL",
        "Report-To",
        "Reporting-Endpoints",
        "cf-aig-error-source",
        "cf-aig-log-id",
        "CF-AIG-Step",
        "cf_aig_model",
        "Proxy-Authenticate",
        "Keep-Alive",
        "Upgrade",
    ];
    let kept = [
        ("x-request-id", "req_1"),
        ("openai-processing-ms", "12"),
        ("retry-after", "3"),
        ("x-ratelimit-remaining-tokens", "9"),
        ("cache-control", "no-store"),
        ("www-authenticate", "Bearer"),
        ("x-repeated", "2"),
        ("x-repeated", "1"),
    ];
    let headers = dropped.iter().map(|name| (*name, "planted")).chain(kept);
    let headers = headers
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    running.provider.behave(Behaviour::SetHeaders(headers));
    let answer = running.authorized_chat("openai", &[]).await;
    assert_eq!(answer.status, 200);
    let planted: Vec<_> = answer
        .headers
        .iter()
        .filter(|(_, value)| value == b"planted")
        .collect();
    assert!(planted.is_empty(), "{planted:?}");
    for (name, _) in kept {
        let sent: Vec<_> = kept
            .iter()
            .filter(|(other, _)| *other == name)
            .map(|(_, value)| value.as_bytes())
            .collect();
        let mut came = answer
            .headers
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, value)| value.as_slice());
        assert!(came.by_ref().eq(sent), "{name}");
    }
    assert_ne!(answer.reason, REASON_PHRASE);
    assert_eq!(answer.reason, "OK");
    running.stop().await;
}

/// A redirect within the provider leads back through the gateway, any other is not handed on: a client would
/// carry its token along.
#[tokio::test(flavor = "multi_thread")]
async fn redirects_lead_through_the_gateway_or_nowhere() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let origin = running.provider.origin();
    let port = running.provider.addr().port();
    // The request is for `chat/completions`, which is `/v1/chat/completions` there.
    for (location, expected) in [
        ("/v1/files/9?x=1#y".to_owned(), "openai/files/9?x=1#y"),
        (format!("{origin}/v1/files/9"), "openai/files/9"),
        (format!("//127.0.0.1:{port}/v1/files/9"), "openai/files/9"),
        ("../files/9".to_owned(), "openai/files/9"),
        ("?page=2".to_owned(), "openai/chat/completions?page=2"),
    ] {
        running
            .provider
            .behave(Behaviour::Redirect(location.clone()));
        let answer = running.authorized_chat("openai", &[]).await;
        assert_eq!(answer.status, 307, "{location}: {}", answer.text());
        assert_eq!(
            answer.header("location"),
            Some(running.path(expected).as_str()),
            "{location}"
        );
    }
    // What the client is told leads where the provider meant.
    running
        .provider
        .behave_once(Behaviour::Redirect("/v1/models".to_owned()));
    running.provider.behave(Behaviour::Normal);
    let bearer = running.bearer();
    let headers = [("cf-aig-authorization", bearer.as_str())];
    let mut client = running.client().await;
    let answer = client
        .get(&running.path("openai/v1/old"), &headers)
        .await
        .unwrap();
    let location = answer.header("location").unwrap().to_owned();
    let _before = running.provider.take_recorded();
    assert_eq!(client.get(&location, &headers).await.unwrap().status, 200);
    assert_eq!(running.provider.take_recorded()[0].target, "/v1/models");

    for location in [
        "https://evil.example/v1/files/9".to_owned(),
        format!("http://127.0.0.1:{port}/v1/files/9"),
        format!("https://127.0.0.1:{}/v1/files/9", port.wrapping_add(1)),
        format!("https://127.0.0.1:{port}@evil.example/v1/x"),
        format!("https://127.0.0.1:{port}.evil.example/v1/x"),
        format!("{origin}\\@evil.example/v1/x"),
        "//evil.example/v1/x".to_owned(),
        "///evil.example/v1/x".to_owned(),
        "/\\evil.example/v1/x".to_owned(),
        "/v2/files".to_owned(),
        "/v1/../admin".to_owned(),
        "/v1/%2e%2e/admin".to_owned(),
        "../../admin".to_owned(),
        "javascript:alert(1)".to_owned(),
        "http:/v1/x".to_owned(),
    ] {
        running
            .provider
            .behave(Behaviour::Redirect(location.clone()));
        let answer = running.authorized_chat("openai", &[]).await;
        assert_eq!((answer.status, code(&answer)), (502, 9022), "{location}");
        assert_eq!(answer.header("location"), None, "{location}");
        assert!(!answer.text().contains("evil"), "{location}");
    }
    running.stop().await;
}
