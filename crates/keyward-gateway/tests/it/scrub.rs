//! A provider that echoes the key it was given: no answer holds the key, in any form, and lengths stay true.

use keyward_forward::Protocol;
use keyward_registry::KeySource;
use keyward_testing::{
    Behaviour, Canary, EchoPlace, Form, Sweeper, client::RawAnswer, register_named_canary,
};

use crate::{
    support::{ACTOR, Running, Setup, new_key, now, value},
    upstream::Upstream,
};

/// What `answer` would be without the scrubber, for a credential that stands in it as `text`.
fn masked(text: &[u8]) -> Vec<u8> {
    vec![b'*'; text.len()]
}

#[track_caller]
fn check(answer: &RawAnswer, status: u16, place: EchoPlace, key: &Canary, form: Form) {
    let told = format!("{status} {place:?} {form}");
    assert_eq!(answer.status, status, "{told}");
    assert!(!answer.truncated, "{told}");
    assert_eq!(
        answer.header("cf-aig-error-source"),
        None,
        "{told}: it is the provider's answer"
    );
    let whole = format!("{:?}", (&answer.headers, &answer.trailers, answer.text()));
    assert!(
        !whole.contains(key.random_part()),
        "{told}: the key is in the answer"
    );
    let hidden = masked(&form.encode(key.text().as_bytes()));
    let debug = |fields: &[(String, Vec<u8>)]| {
        let mut fields = fields.iter().filter(|(name, _)| name == "x-provider-debug");
        fields.next().map(|(_, value)| value.clone())
    };
    let (body, header, trailer) = match place {
        EchoPlace::Header => (&br#"{"debug":null}"#[..], Some(&hidden), None),
        EchoPlace::Trailer => (&br#"{"debug":null}"#[..], None, Some(&hidden)),
        _ => (
            &[br#"{"debug":""#, hidden.as_slice(), br#""}"#].concat()[..],
            None,
            None,
        ),
    };
    // Base64 shares its first and last characters with what stands beside the key: those may be left.
    if form == Form::Base64 {
        let sweeper = Sweeper::new(std::slice::from_ref(key));
        let hits = sweeper.scan_bytes(&told, whole.as_bytes());
        assert!(hits.is_empty(), "{hits:?}");
        assert_eq!(answer.body.len(), body.len(), "{told}");
    } else {
        assert_eq!(answer.body, body, "{told}: {}", answer.text());
        assert_eq!(debug(&answer.headers).as_ref(), header, "{told}");
        assert_eq!(debug(&answer.trailers).as_ref(), trailer, "{told}");
    }
    if let Some(length) = answer.header("content-length") {
        assert_eq!(length, answer.body.len().to_string(), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echoed_key_never_reaches_the_client() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        check_echoes(protocol).await;
    }
}

async fn check_echoes(protocol: Protocol) {
    let running = Running::start(Setup {
        protocol,
        ..Setup::default()
    })
    .await;
    let (key, _) = running.store_key("openai", "default").await;
    let mut client = running.client().await;
    let mut answers = 0;
    for status in [200, 401, 500] {
        for place in [
            EchoPlace::Header,
            EchoPlace::Body,
            EchoPlace::SplitBody,
            EchoPlace::Trailer,
        ] {
            // In bodies of good answers the raw key alone is looked for.
            let raw_only = status == 200 && matches!(place, EchoPlace::Body | EchoPlace::SplitBody);
            let forms = if raw_only {
                &[Form::Raw][..]
            } else {
                &[Form::Raw, Form::Base64]
            };
            for form in forms {
                let form = *form;
                running.provider.behave(Behaviour::EchoCredential {
                    status,
                    place,
                    form,
                });
                let request = running.raw_chat("TE: trailers\r\n");
                let answer = client.exchange(&request).await.unwrap();
                check(&answer, status, place, &key, form);
                answers += 1;
            }
        }
    }
    assert_eq!(answers, 22);
    let recorded = running.provider.take_recorded();
    let is_http2 = protocol == Protocol::Http2;
    assert!(recorded.iter().all(|seen| seen.is_http2 == is_http2));
    assert_eq!(
        client.connections(),
        1,
        "every answer ended where it said it would"
    );
    let sweeper = Sweeper::new(std::slice::from_ref(&key));
    let hits = sweeper.scan_bytes("logs", running.logs.contents().as_bytes());
    assert!(hits.is_empty(), "{hits:?}");
    running.stop().await;
}

/// A key with characters that JSON and URLs write otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn an_echoed_key_is_found_escaped_and_percent_encoded() {
    let running = Running::start(Setup::default()).await;
    let fresh = Canary::new("random part of the odd key");
    let odd = register_named_canary("odd key", &format!("odd+/=\"\\-{}", fresh.random_part()));
    let new = new_key("prod", "openai", KeySource::Value(value(&odd)));
    running
        .registry
        .create_provider_key(new, ACTOR, now())
        .await
        .unwrap();
    let tail = fresh.random_part();
    let mut client = running.client().await;
    for form in [
        format!("odd+/=\\\"\\\\-{tail}"),
        format!("odd+\\/=\\\"\\\\-{tail}"),
        format!("odd%2B%2F%3D%22%5C-{tail}"),
        format!("odd%2b%2f%3d%22%5c-{tail}"),
    ] {
        for status in [400, 401, 403, 429, 500] {
            let body = format!(r#"{{"error":"bad key {form}!"}}"#);
            let expected = body.replace(&form, &"*".repeat(form.len()));
            running.provider.behave(Behaviour::Status(status, body));
            let answer = client.exchange(&running.raw_chat("")).await.unwrap();
            assert_eq!((answer.status, answer.text()), (status, expected));
        }
    }
    running.stop().await;
}

/// However the provider cuts its answer into pieces, the key is masked, and no byte comes or goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_cut_anywhere_is_masked_and_events_keep_their_shape() {
    let upstream = Upstream::listen().await;
    let (running, key) =
        Running::at(&upstream.base_url(), keyward_gateway::Config::default()).await;
    let text = format!("data: {{\"debug\":\"{}\"}}\n\ndata: [DONE]\n\n", key.text());
    let expected = text.replace(key.text(), &"*".repeat(key.text().len()));
    let playing = async {
        let mut link = upstream.accept().await;
        for cut in 1..text.len() {
            link.head().await;
            link.read_to("}").await;
            link.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
                .await;
            for piece in [&text[..cut], &text[cut..]] {
                link.write(&format!("{:x}\r\n{piece}\r\n", piece.len()))
                    .await;
            }
            link.write("0\r\n\r\n").await;
        }
    };
    let asking = async {
        let mut client = running.client().await;
        let path = running.path("openai/chat/completions");
        let bearer = running.bearer();
        for _cut in 1..text.len() {
            let headers = [("cf-aig-authorization", bearer.as_str())];
            let answer = client.post(&path, &headers, b"{}").await.unwrap();
            assert_eq!(answer.text(), expected);
            assert!(!answer.truncated);
        }
    };
    tokio::join!(playing, asking);
    running.stop().await;
}
