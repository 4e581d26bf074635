//! The chunk with the counts taken out of a stream for a client that did not ask for it.

use bytes::Bytes;
use keyward_providers::ExtraChunk;
use proptest::{prelude::*, sample::Index};

const EXTRA: &str = "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":10,\"total_tokens\":29}}\n\n";

/// Events that stay, though some look alike.
const OTHERS: [&str; 9] = [
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}],\"usage\":null}\n\n",
    "data: {\"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":0}],\"usage\":null}\n\n",
    "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":1,\"total_tokens\":1}}\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"choices\\\":[],\\\"usage\\\":{\\\"total_tokens\\\":1}\"}}]}\n\n",
    "data: {\"usage\":{\"total_tokens\":1}}\n\n",
    "data: {\"choices\":[],\"usage\":{\"total_tokens\":1}\n\n",
    ": keep-alive\n\n",
    "event: x\nid: 7\ndata: [1,\ndata: 2]\n\n",
    "\n",
];

const DONE: &str = "data: [DONE]\n\n";

/// What is passed on of the pieces.
fn through<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, ExtraChunk) {
    let mut extra = ExtraChunk::new();
    let mut sent = Vec::new();
    for piece in pieces {
        extra.push(Bytes::copy_from_slice(piece), |bytes| {
            sent.extend_from_slice(&bytes)
        });
    }
    extra.finish(|bytes| sent.extend_from_slice(&bytes));
    assert_eq!(extra.held(), 0);
    (sent, extra)
}

#[test]
fn the_chunk_is_taken_out_and_no_other_byte_wherever_the_stream_is_cut() {
    for end in ["\n", "\r\n", "\r"] {
        let before = OTHERS.concat().replace('\n', end);
        let after = DONE.replace('\n', end);
        let stream = format!("{before}{}{after}", EXTRA.replace('\n', end));
        let (expected, stream) = ((before + &after).into_bytes(), stream.as_bytes());
        for at in 0..=stream.len() {
            let (one, other) = stream.split_at(at);
            let (sent, extra) = through([one, other]);
            assert!(
                sent == expected,
                "{end:?}, cut at {at}: {}",
                String::from_utf8_lossy(&sent)
            );
            assert!(extra.is_out());
        }
        let (sent, _) = through(stream.chunks(1));
        assert_eq!(sent, expected);
    }
}

#[test]
fn only_one_is_taken_out() {
    let stream = [EXTRA, OTHERS[0], EXTRA, DONE].concat();
    let (sent, _) = through([stream.as_bytes()]);
    assert_eq!(sent, [OTHERS[0], EXTRA, DONE].concat().into_bytes());
}

#[test]
fn the_chunk_is_taken_out_at_the_end_without_a_blank_line() {
    for end in ["", "\n", "\r"] {
        let stream = format!("{}{}{end}", OTHERS[0], EXTRA.trim_end());
        let (sent, extra) = through(stream.as_bytes().chunks(11));
        assert_eq!(sent, OTHERS[0].as_bytes());
        assert!(extra.is_out());
    }
}

#[test]
fn what_other_lines_the_chunk_has_go_with_it() {
    let stream =
        "event: chunk\nid: 3\ndata: {\"choices\":\ndata: [],\"usage\":{\"total_tokens\":1}}\n\n";
    let (sent, _) = through([stream.as_bytes(), DONE.as_bytes()]);
    assert_eq!(sent, DONE.as_bytes());
}

#[test]
fn what_is_decided_is_passed_on_at_once_and_in_its_own_memory() {
    let bytes = Bytes::from([OTHERS[0], OTHERS[2], "data: {\"cho"].concat());
    let mut extra = ExtraChunk::new();
    let mut sent = Vec::new();
    extra.push(bytes.clone(), |part| sent.push(part));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].as_ptr(), bytes.as_ptr());
    assert_eq!(sent[0].len(), OTHERS[0].len() + OTHERS[2].len());
    assert_eq!(extra.held(), 11);
    // Afterwards nothing is looked at.
    extra.push(
        Bytes::from_static(b"ices\":[],\"usage\":{\"total_tokens\":1}}\n\n"),
        |_| panic!("it is taken out"),
    );
    let mut rest = Vec::new();
    extra.push(Bytes::from_static(b"data: {\"choices"), |part| {
        rest.push(part)
    });
    assert_eq!(rest, [&b"data: {\"choices"[..]]);
    assert_eq!(extra.held(), 0);
}

#[test]
fn a_long_event_is_passed_on_as_it_comes() {
    let long = format!("data: {{\"x\":\"{}\"}}\n\n", "x".repeat(100_000));
    let mut extra = ExtraChunk::new();
    let mut sent = Vec::new();
    for piece in long.as_bytes().chunks(1000) {
        extra.push(Bytes::copy_from_slice(piece), |part| {
            sent.extend_from_slice(&part)
        });
        assert!(extra.held() <= 16 << 10);
    }
    assert_eq!(sent, long.as_bytes());
    // The next event is looked at again.
    extra.push(Bytes::from_static(EXTRA.as_bytes()), |_| {
        panic!("it is taken out")
    });
    assert!(extra.is_out());
}

proptest! {
    #[test]
    fn any_cuts_give_the_same(
        before in prop::collection::vec(prop::sample::select(&OTHERS[..]), 0..6),
        has_extra in any::<bool>(),
        after in prop::collection::vec(prop::sample::select(&OTHERS[..]), 0..3),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
        ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r\n", "\r"]), 1..4),
    ) {
        let mut ends = ends.iter().cycle();
        // Each event has lines of its own kind; a CR before a LF would be one line's end.
        let mut write = |event: &str| event.replace('\n', ends.next().unwrap());
        let mut expected = String::new();
        let mut stream = String::new();
        for event in before { let event = write(event); stream += &event; expected += &event; }
        prop_assume!(!stream.ends_with('\r'));
        if has_extra { stream += &write(EXTRA); }
        let tail: String = after.into_iter().map(&mut write).collect();
        prop_assume!(!(stream.ends_with('\r') && tail.starts_with('\n')));
        stream += &tail;
        expected += &tail;
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        let mut from = 0;
        let mut pieces = Vec::new();
        for cut in cuts.into_iter().chain([stream.len()]) {
            pieces.push(&stream.as_bytes()[from..cut]);
            from = cut;
        }
        let (sent, extra) = through(pieces);
        prop_assert_eq!(String::from_utf8(sent).unwrap(), expected);
        prop_assert_eq!(extra.is_out(), has_extra);
    }

    #[test]
    fn of_any_bytes_all_are_passed_on(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1usize..40) {
        let (sent, extra) = through(bytes.chunks(size));
        prop_assert!(extra.is_out() || sent == bytes);
    }
}
