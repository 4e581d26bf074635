//! Answers in every provider's form go through the gateway byte for byte, wherever they are cut, and are counted.

use std::collections::BTreeMap;

use keyward_testing::{
    FakeProvider, Placement, RawRecorder, TestCa,
    answers::{ANSWERS, Answer},
};

use crate::support::{Base, Running};

/// What signs its requests, which the gateway does not do.
const UNSUPPORTED: [&str; 2] = ["aws-bedrock", "google-vertex-ai"];

/// As the provider sends it: chunked, in pieces of so many bytes.
fn sent(answer: &Answer, size: usize) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n\r\n",
        answer.content_type
    )
    .into_bytes();
    for piece in answer.body.as_bytes().chunks(size) {
        bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// What the client gets of a stream for which the gateway asked.
fn without_chunk(body: &str) -> String {
    let chunks = body.split_inclusive("\n\n");
    let kept = chunks.filter(|chunk| !chunk.contains("\"choices\":[],\"usage\":{"));
    kept.collect()
}

/// Asks each of these providers once, and compares what comes and what is counted. Gives how many streams were asked what
/// they take.
async fn check(answers: &BTreeMap<&str, &Answer>, size: usize) -> usize {
    let mut recorders = BTreeMap::new();
    for (slug, answer) in answers {
        recorders.insert(*slug, RawRecorder::start(sent(answer, size)).await);
    }
    let origins = recorders.iter().map(|(slug, recorder)| {
        let origin = format!("http://{}", recorder.addr());
        (*slug, origin)
    });
    let origins: BTreeMap<_, _> = origins.collect();
    let base_urls: Vec<_> = origins
        .iter()
        .map(|(slug, origin)| (*slug, origin.as_str()))
        .collect();
    let (base, ca) = (Base::new(), TestCa::new());
    let unused = FakeProvider::start(Placement::bearer(), Vec::<String>::new()).await;
    let running = Running::relayed(&base, &base_urls, unused, &ca).await;
    let bearer = running.bearer();
    let headers = [
        ("cf-aig-authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let mut asked = 0;
    for (slug, answer) in answers {
        running.store_key(slug, "default").await;
        let path = running.path(&format!("{slug}/{}", answer.of.1));
        let body = format!(r#"{{"model":"m","stream":{}}}"#, answer.is_stream());
        let mut client = running.client().await;
        let came = client.post(&path, &headers, body.as_bytes()).await.unwrap();
        let at = format!("{slug} {}, in pieces of {size}", answer.of.1);
        assert_eq!(came.status, 200, "{at}: {}", came.text());
        let received = recorders[slug].received().concat();
        let is_asked = String::from_utf8_lossy(&received).contains("include_usage");
        asked += usize::from(is_asked);
        let expected = match is_asked {
            true => without_chunk(answer.body),
            false => answer.body.to_owned(),
        };
        assert_eq!(came.text(), expected, "{at}");
    }
    let counted = running.recorded_log().await;
    assert_eq!(counted.len(), answers.len());
    for entry in counted {
        let answer = answers[entry.provider.as_str()];
        let [input, cache_read, .., output, reasoning] =
            answer.counts.map(|count| u64::try_from(count).ok());
        let usage = entry.usage;
        assert_eq!(
            (usage.input, usage.cache_read, usage.output, usage.reasoning),
            (input, cache_read, output, reasoning),
            "{:?}",
            answer.of
        );
    }
    running.stop().await;
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_every_form_pass_unchanged_and_are_counted() {
    let mut asked = 0;
    for round in 0.. {
        let mut answers = BTreeMap::new();
        let slugs = ANSWERS.iter().map(|answer| answer.of.0);
        for slug in slugs.filter(|slug| !UNSUPPORTED.contains(slug)) {
            let of_it = ANSWERS.iter().filter(|answer| answer.of.0 == slug);
            if let Some(answer) = of_it.clone().nth(round) {
                answers.insert(slug, answer);
            }
        }
        if answers.is_empty() {
            break;
        }
        for size in [1, 7, 100_000] {
            asked += check(&answers, size).await;
        }
    }
    assert!(asked > 0);
}
