//! Where one message ends and the next begins: bodies of every framing, and answers without one.

use keyward_gateway::Config;
use keyward_testing::{Behaviour, client::send_raw_until_close};

use crate::{
    streaming::{read_until, start},
    support::{CHAT, Running},
    upstream::Upstream,
};

#[tokio::test(flavor = "multi_thread")]
async fn trailers_pass_but_for_those_that_no_answer_may_hold() {
    let upstream = Upstream::listen().await;
    let (running, key) = Running::at(&upstream.base_url(), Config::default()).await;
    let playing = async {
        let mut link = upstream.accept().await;
        link.head().await;
        link.write(&format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
             Trailer: x-checksum, set-cookie, cf-aig-step, content-length, x-debug\r\n\r\n\
             2\r\n{{}}\r\n0\r\nx-checksum: abc\r\nset-cookie: a=b\r\ncf-aig-step: 9\r\ncontent-length: 9\r\n\
             x-debug: key={}\r\n\r\n",
            key.text()
        ))
        .await;
        link
    };
    let asking = async {
        let mut client = running.client().await;
        client
            .exchange(&running.raw_chat("TE: trailers\r\n"))
            .await
            .unwrap()
    };
    let (answer, _link) = tokio::join!(asking, playing);
    assert_eq!(
        (answer.status, answer.text().as_str(), answer.truncated),
        (200, "{}", false)
    );
    let masked = format!("key={}", "*".repeat(key.text().len()));
    let mut trailers = answer.trailers.clone();
    trailers.sort();
    let expected = [("x-checksum", "abc"), ("x-debug", masked.as_str())];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    assert_eq!(trailers, expected);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_body_keep_the_connection_in_step() {
    let running = start().await;
    let empty = |status| Behaviour::Status(status, String::new());
    let exchanges = [
        ("GET", Behaviour::Normal, "200"),
        ("HEAD", Behaviour::Normal, "200"),
        ("DELETE", empty(204), "204"),
        ("GET", empty(304), "304"),
        ("POST", empty(200), "200"),
        (
            "HEAD",
            Behaviour::Status(404, "not found".to_owned()),
            "404",
        ),
        ("GET", Behaviour::Normal, "200"),
    ];
    let mut requests = String::new();
    let mut expected = Vec::new();
    for round in 0..3 {
        for (at, (method, behaviour, status)) in exchanges.iter().enumerate() {
            running.provider.behave_once(behaviour.clone());
            expected.push(*status);
            let is_last = round == 2 && at + 1 == exchanges.len();
            let more = if is_last { "Connection: close\r\n" } else { "" };
            requests.push_str(&running.head(method, "openai/models", more));
        }
    }
    // One after the other on one connection: an answer with a byte too many or too few would shift the rest.
    let answers = send_raw_until_close(running.addr, requests.as_bytes());
    let answers = String::from_utf8(answers.await.unwrap()).unwrap();
    let statuses: Vec<&str> = answers
        .match_indices("HTTP/1.1 ")
        .map(|(at, start)| &answers[at + start.len()..at + start.len() + 3])
        .collect();
    assert_eq!(statuses, expected);
    for answer in answers.split("HTTP/1.1 ").skip(1) {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let length = head.split("content-length: ").nth(1);
        let length =
            length.map(|rest| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
        assert!(!head.contains("transfer-encoding"), "{answer}");
        match &head[..3] {
            "204" | "304" => assert_eq!((length, body), (None, "")),
            // To HEAD, the length that a GET would have brought.
            _ if body.is_empty() => assert!(length.is_some()),
            _ => assert_eq!(length, Some(body.len())),
        }
    }
    assert_eq!(running.provider.accepted_connections(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_request_arrives_whole_in_one_framing() {
    let running = start().await;
    let mut client = running.client().await;
    let head = running.head(
        "POST",
        "openai/chat/completions",
        "Transfer-Encoding: chunked\r\nTrailer: x-t\r\n",
    );
    let (first, second) = CHAT.split_at(20);
    let mut request = head.into_bytes();
    for piece in [first, second] {
        request.extend_from_slice(format!("{:x};ext=1\r\n", piece.len()).as_bytes());
        request.extend_from_slice(piece);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\nx-t: dropped\r\nauthorization: Bearer planted\r\n\r\n");
    assert_eq!(client.exchange(&request).await.unwrap().status, 200);
    let seen = running.provider.take_recorded().remove(0);
    assert_eq!((seen.body.as_slice(), seen.truncated), (CHAT, false));
    assert_eq!(seen.header_all("transfer-encoding"), [b"chunked"]);
    assert_eq!(seen.header("content-length"), None);
    assert_eq!(seen.trailers, [], "trailers of requests are not forwarded");

    // Two framings are one too many: whoever reads the other one reads another request.
    for lines in [
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: 4, 4\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
    ] {
        let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
        let request = running.head("POST", "openai/chat/completions", lines) + smuggled;
        let answer = running
            .client()
            .await
            .exchange(request.as_bytes())
            .await
            .unwrap();
        for seen in running.provider.take_recorded() {
            assert_eq!(seen.target, "/v1/chat/completions", "{lines:?}");
            let framings = seen.header_all("content-length").len()
                + seen.header_all("transfer-encoding").len();
            assert_eq!(framings, 1, "{lines:?}: {seen:?}");
        }
        assert!(
            matches!(answer.status, 200 | 400),
            "{lines:?}: {}",
            answer.status
        );
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_whether_to_send_is_told_to() {
    let running = start().await;
    let mut client = running.client().await;
    let lines = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", CHAT.len());
    client
        .send(
            running
                .head("POST", "openai/chat/completions", &lines)
                .as_bytes(),
        )
        .await
        .unwrap();
    let mut came = String::new();
    read_until(&mut client, &mut came, "HTTP/1.1 100 Continue\r\n\r\n", 1).await;
    client.send(CHAT).await.unwrap();
    let answer = client.next_answer("POST").await.unwrap();
    assert_eq!(answer.status, 200);
    let seen = running.provider.take_recorded().remove(0);
    assert_eq!((seen.body.as_slice(), seen.header("expect")), (CHAT, None));
    running.stop().await;
}
