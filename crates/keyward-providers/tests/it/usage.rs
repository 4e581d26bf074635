//! Counts of tokens, read from answers that come in pieces.

mod nonsense;

use http::Method;
use keyward_providers::{
    BaseUrl, Catalogue, CredentialPlacement, Provider, Usage, UsageReader, UsageShape,
};
use keyward_testing::answers::{ANSWERS, Answer};
use proptest::{prelude::*, sample::Index};

use self::nonsense::NONSENSE;
use crate::support::catalogue;

fn shape(catalogue: &Catalogue, (provider, rest): (&str, &str)) -> UsageShape {
    let provider = catalogue.find(provider).unwrap();
    provider.usage_shape(&Method::POST, rest).unwrap()
}

fn read<'a>(
    shape: UsageShape,
    content_type: &str,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> UsageReader {
    let mut reader = UsageReader::new(shape, Some(content_type));
    for piece in pieces {
        reader.feed(piece);
    }
    reader
}

fn usage(answer: &Answer) -> Usage {
    let [
        input,
        cache_read,
        cache_write,
        cache_write_hour,
        output,
        reasoning,
    ] = answer.counts.map(|count| u64::try_from(count).ok());
    let mut usage = Usage::UNKNOWN;
    usage.input = input;
    usage.cache_read = cache_read;
    usage.cache_write = cache_write;
    usage.cache_write_hour = cache_write_hour;
    usage.output = output;
    usage.reasoning = reasoning;
    usage
}

#[track_caller]
fn check(reader: &UsageReader, answer: &Answer, how: &str) {
    let (provider, rest) = answer.of;
    let at = format!("{provider} {rest}, {how}: {}", answer.body);
    assert_eq!(reader.usage(), usage(answer), "{at}");
    assert_eq!(reader.model(), answer.model, "{at}");
}

/// The same stream with lines that end otherwise.
fn with_ends(body: &str, end: &str) -> Vec<u8> {
    body.replace('\n', end).into_bytes()
}

#[test]
fn every_form_of_every_provider_is_read_alike_however_it_is_cut() {
    let catalogue = catalogue();
    for answer in ANSWERS {
        let shape = shape(&catalogue, answer.of);
        let body = answer.body.as_bytes();
        let whole = read(shape, answer.content_type, [body]);
        check(&whole, answer, "in one piece");
        let bytes = read(shape, answer.content_type, body.chunks(1));
        check(&bytes, answer, "byte by byte");
        assert_eq!(bytes.seen(), whole.seen());
        for at in 0..=body.len() {
            let (one, other) = body.split_at(at);
            let reader = read(shape, answer.content_type, [one, other]);
            check(&reader, answer, &format!("cut at {at}"));
            assert_eq!(reader.seen(), whole.seen());
        }
    }
}

#[test]
fn lines_may_end_in_each_way_and_a_byte_order_mark_may_stand_first() {
    let catalogue = catalogue();
    for answer in ANSWERS.iter().filter(|answer| answer.is_stream()) {
        let shape = shape(&catalogue, answer.of);
        let plain = read(shape, answer.content_type, [answer.body.as_bytes()]).seen();
        for end in ["\n", "\r\n", "\r"] {
            for start in ["", "\u{feff}", "\n", "\u{feff}: hello\n"] {
                let body = with_ends(&format!("{start}{}", answer.body), end);
                for size in [1, 2, 3, 7, 64, body.len()] {
                    let reader = read(shape, answer.content_type, body.chunks(size));
                    check(&reader, answer, &format!("{end:?} {start:?} {size}"));
                    assert_eq!(reader.seen(), plain, "{end:?} {start:?} {size}");
                }
            }
        }
    }
}

#[test]
fn nonsense_is_unknown() {
    for (body, counts) in NONSENSE {
        let answer = Answer {
            of: ("openai", ""),
            content_type: "application/json",
            body,
            model: None,
            counts: *counts,
        };
        for size in [1, 5, 1000] {
            let pieces = body.as_bytes().chunks(size);
            check(&read(UsageShape::OpenAi, "", pieces), &answer, "");
        }
        // In an event it harms none of the others.
        let stream = format!(
            "data: {body}\n\ndata: {}\n\n",
            r#"{"usage":{"prompt_tokens":7,"completion_tokens":1}}"#
        );
        let reader = read(UsageShape::OpenAi, "text/event-stream", [stream.as_bytes()]);
        assert_eq!(reader.usage().total(), Some(8), "{stream}");
    }
}

#[test]
fn the_type_is_not_trusted_where_the_answer_begins_otherwise() {
    let stream = b"data: {\"usage\":{\"prompt_tokens\":7}}\n\n";
    let reader = read(UsageShape::OpenAi, "application/json", [&stream[..]]);
    assert_eq!(reader.usage().input, Some(7));
    let json = b" {\"usage\":{\"prompt_tokens\":7}}";
    let reader = read(UsageShape::OpenAi, "text/event-stream", json.chunks(1));
    assert_eq!(reader.usage().input, Some(7));
    for content_type in ["audio/mpeg", "IMAGE/png", "text/html; charset=utf-8"] {
        let reader = read(UsageShape::OpenAi, content_type, [&stream[..]]);
        assert!(reader.usage().is_unknown(), "{content_type}");
        assert_eq!(reader.seen().bytes, stream.len() as u64);
    }
}

#[test]
fn data_on_several_lines_is_one_text() {
    let stream = "data: {\ndata: \"model\":\"m\",\ndata:\"usage\": {\ndata: \"prompt_tokens\"\ndata: : 12 }\ndata: }\n\n";
    for size in [1, 9, 1000] {
        let pieces = stream.as_bytes().chunks(size);
        let reader = read(UsageShape::OpenAi, "text/event-stream", pieces);
        assert_eq!(reader.usage().input, Some(12));
        assert_eq!(reader.seen().events, 1);
    }
}

#[test]
fn what_came_so_far_is_known_of_a_stream_that_is_cut() {
    let answer = &ANSWERS[1];
    let cut = answer
        .body
        .find("data: {\"id\":\"chatcmpl-1\",\"model\":\"gpt-4o-mini\",\"choices\":[],");
    let body = &answer.body.as_bytes()[..cut.unwrap()];
    let reader = read(UsageShape::OpenAi, answer.content_type, body.chunks(10));
    assert!(reader.usage().is_unknown());
    assert_eq!(reader.seen().events, 3);
    let framing = 3 * "data: \n\n".len() as u64;
    assert_eq!(reader.seen().bytes, body.len() as u64 - framing);
}

#[test]
fn an_answer_of_any_size_is_read_without_being_held() {
    let long = format!(
        r#"{{"data":["{}",[{}1]],"usage":{{"prompt_tokens":3,"x":"{}"}},"model":"{}"}}"#,
        "A\\\"B".repeat(1 << 20),
        "[".repeat(100_000) + &"]".repeat(100_000) + ",",
        "y".repeat(1 << 20),
        "z".repeat(1 << 20),
    );
    let reader = read(UsageShape::OpenAi, "application/json", [long.as_bytes()]);
    assert_eq!(reader.usage().input, Some(3));
    // A name that long is none.
    assert_eq!(reader.model(), None);
    let event = format!("data: {long}\n\n");
    let pieces = event.as_bytes().chunks(16 << 10);
    let reader = read(UsageShape::OpenAi, "text/event-stream", pieces);
    assert_eq!(reader.usage().input, Some(3));
}

fn frame(payload: &str) -> Vec<u8> {
    let headers = b"\x0b:event-type\x07\x00\x05chunk";
    let length = 16 + headers.len() + payload.len();
    let mut frame = u32::try_from(length).unwrap().to_be_bytes().to_vec();
    frame.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(headers);
    frame.extend(payload.as_bytes());
    frame.extend([0; 4]);
    frame
}

/// An event of an invoked model, in Base64.
fn wrapped(event: &str) -> Vec<u8> {
    let text = data_encoding::BASE64.encode(event.as_bytes());
    frame(&format!(r#"{{"bytes":"{text}","p":"abc"}}"#))
}

#[track_caller]
fn check_frames(frames: &[Vec<u8>], expected: (u64, u64, u64)) {
    let stream = frames.concat();
    for size in [1, 2, 11, 64, stream.len()] {
        let pieces = stream.chunks(size);
        let reader = read(
            UsageShape::Bedrock,
            "application/vnd.amazon.eventstream",
            pieces,
        );
        let usage = reader.usage();
        let counts = (usage.input, usage.cache_read, usage.output);
        let (input, cache_read, output) = expected;
        assert_eq!(
            counts,
            (Some(input), Some(cache_read), Some(output)),
            "{size}"
        );
        assert_eq!(reader.seen().events, frames.len() as u64);
    }
}

#[test]
fn messages_of_an_aws_event_stream_are_read() {
    let delta = frame(r#"{"contentBlockIndex":0,"delta":{"text":"Hi"}}"#);
    let metadata = frame(
        r#"{"metrics":{"latencyMs":1},"usage":{"cacheReadInputTokens":1028,"inputTokens":12,"outputTokens":250}}"#,
    );
    let long = frame(&format!(
        r#"{{"delta":{{"text":"{}"}}}}"#,
        "x".repeat(300 << 10)
    ));
    check_frames(&[delta, long, metadata], (1040, 1028, 250));
    check_frames(
        &[
            wrapped(
                r#"{"type":"message_start","message":{"model":"claude","usage":{"input_tokens":16,"cache_read_input_tokens":4,"output_tokens":1}}}"#,
            ),
            wrapped(r#"{"type":"message_delta","usage":{"output_tokens":21}}"#),
            wrapped(
                r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":16,"outputTokenCount":21}}"#,
            ),
        ],
        (20, 4, 21),
    );
}

#[test]
fn what_is_no_event_stream_is_given_up() {
    let mut reader = UsageReader::new(
        UsageShape::Bedrock,
        Some("application/vnd.amazon.eventstream"),
    );
    for _ in 0..1000 {
        reader.feed(br#"{"usage":{"inputTokens":3}}"#);
    }
    assert!(reader.usage().is_unknown());
}

#[test]
fn every_provider_whose_answers_are_told_in_tokens_has_a_shape() {
    let catalogue = catalogue();
    let none = |provider: &&std::sync::Arc<Provider>| {
        provider
            .usage_shape(&Method::POST, "v1/chat/completions")
            .is_none()
    };
    let without: Vec<_> = catalogue
        .iter()
        .filter(none)
        .map(|provider| provider.slug())
        .collect();
    assert_eq!(
        without,
        [
            "cartesia",
            "deepgram",
            "elevenlabs",
            "fal",
            "ideogram",
            "parallel",
            "replicate"
        ]
    );
}

#[test]
fn a_custom_provider_is_read_as_openais_and_below_messages_as_anthropics() {
    let base = BaseUrl::parse("https://llm.example.com/api").unwrap();
    let custom = Provider::custom("llm", "LLM", &base, CredentialPlacement::Bearer);
    for (rest, expected) in [
        ("v1/chat/completions", UsageShape::OpenAi),
        ("whatever", UsageShape::OpenAi),
        ("anthropic/v1/messages", UsageShape::Anthropic),
        ("messages", UsageShape::Anthropic),
        ("messages/x", UsageShape::OpenAi),
    ] {
        assert_eq!(
            custom.usage_shape(&Method::POST, rest),
            Some(expected),
            "{rest}"
        );
        assert!(!custom.asks_for_usage(&Method::POST, rest));
    }
}

#[test]
fn usage_is_asked_for_only_where_the_provider_takes_the_question() {
    let catalogue = catalogue();
    let asks = |provider: &str, rest| {
        let provider = catalogue.find(provider).unwrap();
        provider.asks_for_usage(&Method::POST, rest)
    };
    assert!(asks("openai", "chat/completions"));
    assert!(asks("openai", "v1/completions"));
    assert!(asks("grok", "v1/chat/completions"));
    for (provider, rest) in [
        ("openai", "v1/responses"),
        ("openai", "v1/chat/completions/chatcmpl-1"),
        ("mistral", "v1/chat/completions"),
        ("anthropic", "v1/messages"),
        ("openai", "v1/chat%2Fcompletions"),
    ] {
        assert!(!asks(provider, rest), "{provider} {rest}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_cuts_and_line_ends_give_the_same(
        which in any::<Index>(),
        cuts in prop::collection::vec(any::<Index>(), 0..20),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        mark in any::<bool>(),
    ) {
        let catalogue = catalogue();
        let answer = which.get(ANSWERS);
        let shape = shape(&catalogue, answer.of);
        let mut body = with_ends(answer.body, end);
        if mark {
            body.splice(0..0, *b"\xef\xbb\xbf");
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        cuts.sort_unstable();
        let mut reader = UsageReader::new(shape, Some(answer.content_type));
        let mut from = 0;
        for cut in cuts.into_iter().chain([body.len()]) {
            reader.feed(&body[from..cut]);
            from = cut;
        }
        check(&reader, answer, end);
    }

    #[test]
    fn any_bytes_are_read_and_no_part_is_larger_than_its_whole(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        pieces in 1usize..50,
        which in any::<Index>(),
        content_type in prop::sample::select(vec![
            "application/json", "text/event-stream", "application/vnd.amazon.eventstream", "",
        ]),
    ) {
        let shape = *which.get(UsageShape::ALL);
        let usage: Usage = read(shape, content_type, bytes.chunks(pieces)).usage();
        prop_assert!(usage.input.is_none() || usage.cache_read <= usage.input);
        prop_assert!(usage.output.is_none() || usage.reasoning <= usage.output);
    }
}
