//! Every misbehaviour, as a raw client sees it.

use std::{io, time::Duration};

use keyward_testing::{
    Behaviour, EchoPlace, FakeProvider, Form, Placement, TestCa,
    client::{Client, RawAnswer, send_raw_until_close},
};

const KEY: &str = "sk-plain-test-key-2";
const BEARER: (&str, &str) = ("Authorization", "Bearer sk-plain-test-key-2");
const CHAT: &str = "/v1/chat/completions";
const STREAM: &[u8] = br#"{"stream":true,"stream_options":{"include_usage":true}}"#;
const SOON: Duration = Duration::from_secs(20);

async fn start(behaviour: Behaviour) -> (FakeProvider, Client) {
    let provider = FakeProvider::start(Placement::bearer(), [KEY]).await;
    provider.behave(behaviour);
    let client = Client::connect(provider.addr()).await.unwrap();
    (provider, client)
}

async fn chat(client: &mut Client, body: &[u8]) -> io::Result<RawAnswer> {
    client.post(CHAT, &[BEARER], body).await
}

#[tokio::test]
async fn a_stall_before_the_head_lasts_until_released() {
    let (provider, client) = start(Behaviour::StallBeforeHead).await;
    let mut client = client.with_deadline(Duration::from_millis(50));
    let late = chat(&mut client, b"{}").await.unwrap_err();
    assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    provider.wait_for(1, SOON).await;

    let (provider, mut client) = start(Behaviour::StallBeforeHead).await;
    let (answer, ()) = tokio::join!(chat(&mut client, b"{}"), async {
        provider.wait_for(1, SOON).await;
        provider.release(1);
    });
    assert_eq!(answer.unwrap().status, 200);
}

#[tokio::test]
async fn a_stall_in_the_body_lasts_until_released() {
    for body in [&b"{}"[..], STREAM] {
        let (provider, mut client) = start(Behaviour::StallMidBody).await;
        client.send(&request(body)).await.unwrap();
        let mut seen = Vec::new();
        while !seen.windows(2).any(|pair| pair == b"{\"") {
            seen.extend(client.read_some().await.unwrap());
        }
        assert!(!seen.ends_with(b"0\r\n\r\n"));
        provider.release(1);
        assert!(client.read_some().await.is_ok_and(|rest| !rest.is_empty()));
    }
}

#[tokio::test]
async fn a_cut_in_the_body_shows_as_truncated() {
    for body in [&b"{}"[..], STREAM] {
        let (provider, mut client) = start(Behaviour::CutMidBody).await;
        let answer = chat(&mut client, body).await.unwrap();
        assert!(answer.truncated && !answer.body.is_empty());
        provider.behave(Behaviour::Normal);
        assert!(!chat(&mut client, body).await.unwrap().truncated);
        assert_eq!(client.connections(), 2);
    }
    let ca = TestCa::new();
    let provider = FakeProvider::start_tls(Placement::bearer(), [KEY], &ca).await;
    provider.behave(Behaviour::CutMidBody);
    let mut client = Client::connect_tls(provider.addr(), "localhost", &ca)
        .await
        .unwrap();
    assert!(chat(&mut client, STREAM).await.unwrap().truncated);
}

#[tokio::test]
async fn closing_without_an_answer_is_an_end_and_a_reset_is_a_reset() {
    let (provider, mut client) = start(Behaviour::CutBeforeHead).await;
    let error = chat(&mut client, b"{}").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    provider.behave(Behaviour::Reset);
    let error = chat(&mut client, b"{}").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(provider.count(), 2);

    let (provider, mut client) = start(Behaviour::CloseOnAccept).await;
    assert!(chat(&mut client, b"{}").await.is_err());
    assert_eq!((provider.count(), provider.accepted_connections()), (0, 1));
}

#[tokio::test]
async fn one_off_behaviours_come_first_and_in_order() {
    let (provider, mut client) = start(Behaviour::Status(503, "{}".to_owned())).await;
    provider.behave_once(Behaviour::Status(429, r#"{"a":1}"#.to_owned()));
    provider.behave_once(Behaviour::Normal);
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(chat(&mut client, b"{}").await.unwrap().status);
    }
    assert_eq!(seen, [429, 200, 503, 503]);
    // A connection closed at once uses up its own entry and no other.
    provider.behave_once(Behaviour::CloseOnAccept);
    client.close();
    assert!(chat(&mut client, b"{}").await.is_err());
    assert_eq!(chat(&mut client, b"{}").await.unwrap().status, 503);
}

#[tokio::test]
async fn a_credential_is_echoed_where_and_how_asked() {
    for form in Form::ENCODINGS {
        let expected = form.encode(KEY.as_bytes());
        for place in [
            EchoPlace::Header,
            EchoPlace::Body,
            EchoPlace::SplitBody,
            EchoPlace::Trailer,
        ] {
            let behaviour = Behaviour::EchoCredential {
                status: 418,
                place,
                form,
            };
            let (_provider, mut client) = start(behaviour).await;
            let answer = chat(&mut client, b"{}").await.unwrap();
            assert_eq!(answer.status, 418);
            let found = match place {
                EchoPlace::Header => answer.header("x-provider-debug").unwrap().into(),
                EchoPlace::Trailer => answer.trailers[0].1.clone(),
                _ => answer.body.clone(),
            };
            assert!(
                found.windows(expected.len()).any(|part| part == expected),
                "{place:?} {form}"
            );
        }
    }
    let behaviour = Behaviour::EchoCredential {
        status: 200,
        place: EchoPlace::SplitBody,
        form: Form::Raw,
    };
    let (provider, mut client) = start(behaviour).await;
    let wire = send_raw_until_close(provider.addr(), &closing(&request(b"{}")))
        .await
        .unwrap();
    let wire = String::from_utf8(wire).unwrap();
    assert!(!wire.contains(KEY) && wire.contains("sk-"));
    // A bad key is refused, not echoed.
    let answer = client
        .get(CHAT, &[("authorization", "Bearer wrong")])
        .await
        .unwrap();
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn heads_are_as_asked() {
    let (provider, mut client) =
        start(Behaviour::Redirect("https://evil.example/x".to_owned())).await;
    let answer = chat(&mut client, b"{}").await.unwrap();
    assert_eq!(
        (answer.status, answer.header("location")),
        (307, Some("https://evil.example/x"))
    );
    let headers = vec![
        ("Set-Cookie".to_owned(), "a=b".to_owned()),
        ("Set-Cookie".to_owned(), "c=d".to_owned()),
    ];
    provider.behave(Behaviour::SetHeaders(headers.clone()));
    let answer = chat(&mut client, STREAM).await.unwrap();
    for (name, value) in headers {
        assert!(answer.headers.contains(&(name, value.into_bytes())));
    }
    assert_eq!(answer.sse_data().last().unwrap(), "[DONE]");
}

#[tokio::test]
async fn a_large_body_has_its_length() {
    let (_provider, mut client) = start(Behaviour::LargeBody(10_000_001)).await;
    let answer = chat(&mut client, b"{}").await.unwrap();
    assert_eq!(answer.body.len(), 10_000_001);
    assert!(!answer.truncated);
}

#[tokio::test]
async fn events_come_slowly_or_one_by_one() {
    let (provider, mut client) = start(Behaviour::SlowSse(Duration::from_millis(1))).await;
    assert_eq!(chat(&mut client, STREAM).await.unwrap().sse_data().len(), 7);

    provider.behave(Behaviour::GatedSse);
    client.send(&request(STREAM)).await.unwrap();
    let mut seen = String::new();
    for events in 1..=7 {
        while seen.matches("data: ").count() < events {
            seen += &String::from_utf8(client.read_some().await.unwrap()).unwrap();
        }
        assert_eq!(seen.matches("data: ").count(), events);
        provider.release(1);
    }
}

#[tokio::test]
async fn an_early_answer_arrives_while_the_body_is_still_on_its_way() {
    let (provider, mut client) = start(Behaviour::EarlyAnswer(413)).await;
    let body = vec![b'a'; 32 << 20];
    let answer = chat(&mut client, &body).await.unwrap();
    assert_eq!((answer.status, answer.truncated), (413, false));
    let recorded = provider.recorded();
    assert!(recorded[0].truncated && recorded[0].body.is_empty());
}

#[tokio::test]
async fn a_request_that_breaks_off_is_recorded_as_truncated() {
    let (provider, mut client) = start(Behaviour::Normal).await;
    let mut bytes = request(b"0123456789");
    bytes.truncate(bytes.len() - 4);
    client.send(&bytes).await.unwrap();
    client.close();
    provider.wait_for(1, SOON).await;
    let recorded = provider.recorded();
    assert!(recorded[0].truncated);
    assert_eq!(recorded[0].body, b"012345");
}

fn request(body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "POST {CHAT} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn closing(request: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(request)
        .replacen("\r\n", "\r\nConnection: close\r\n", 1)
        .into_bytes()
}
