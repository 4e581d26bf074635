//! How a request frames its body, and what the listener refuses before the gateway sees it.

use keyward_gateway::explain::Outcome;
use keyward_testing::client::Client;

use super::{chat, check_forwarded, explain};
use crate::support::{CHAT, Running, Setup};

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
            Outcome::NotFollowed(way) => panic!("{way:?}: {asked:?}"),
            Outcome::Refused(said) => {
                assert_eq!((said.status, said.code), (status, None), "{said:?}");
                assert_eq!((answer.status, seen.len()), (status, 0), "{said:?}");
                assert!(said.reason.is_some() && answer.body.is_empty());
            }
        }
    }
    running.stop().await;
}
