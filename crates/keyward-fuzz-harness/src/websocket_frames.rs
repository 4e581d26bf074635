//! WebSocket frames from a provider: the framing stays, and the credential in a payload goes.

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use keyward_forward::{Scrubber, fuzzing::Frames};
use keyward_secret::{BoundCredential, Destination, SecretBytes};

const SECRET: &[u8] = b"sk-0123456789";
const COMPRESSED: u8 = 0x40;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    cuts: Vec<u8>,
    frames: Vec<Frame<'a>>,
    /// What follows the frames: any bytes.
    rest: &'a [u8],
}

#[derive(Debug, Arbitrary)]
struct Frame<'a> {
    first: u8,
    before: &'a [u8],
    holds_secret: bool,
    after: &'a [u8],
}

/// Reads `data` as frames of a server and bytes that may be none, and passes them on whole, in pieces and byte by
/// byte.
///
/// # Panics
///
/// When a promise is broken.
pub fn check(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let scrubber = scrubber();
    let mut stream = Vec::new();
    let mut expected = Vec::new();
    for frame in input.frames.iter().take(16) {
        let secret = if frame.holds_secret { SECRET } else { b"" };
        let payload = [frame.before, secret, frame.after].concat();
        let head = head(frame.first, payload.len());
        stream.extend([head.clone(), payload.clone()].concat());
        let shown = match frame.first & COMPRESSED {
            0 => masked(&payload),
            _ => payload,
        };
        expected.extend([head, shown].concat());
    }
    assert_eq!(
        pass(&scrubber, &stream, &[stream.len()]),
        expected,
        "not exactly the payloads are masked"
    );

    stream.extend_from_slice(input.rest);
    let whole = pass(&scrubber, &stream, &[stream.len()]);
    assert_eq!(whole.len(), stream.len(), "a length changed");
    let cuts: Vec<_> = input.cuts.iter().map(|cut| usize::from(*cut)).collect();
    assert_eq!(
        pass(&scrubber, &stream, &cuts),
        whole,
        "the pieces decide what is found"
    );
    assert_eq!(
        pass(&scrubber, &stream, &[1]),
        whole,
        "single bytes decide what is found"
    );
}

fn scrubber() -> Arc<Scrubber> {
    let destination = Destination::parse(["https://api.example.com"]).expect("a destination");
    let name = http::header::AUTHORIZATION;
    let credential = BoundCredential::build(name, "", SecretBytes::copy_from(SECRET), destination);
    Arc::new(Scrubber::new(&credential.expect("a credential")))
}

/// RFC 6455 §5.2, without a mask: servers send none.
fn head(first: u8, length: usize) -> Vec<u8> {
    let wide = u64::try_from(length).expect("64 bits");
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..126), _) => vec![first, short],
        (_, Ok(middle)) => [&[first, 126][..], &middle.to_be_bytes()].concat(),
        _ => [&[first, 127][..], &wide.to_be_bytes()].concat(),
    }
}

fn masked(payload: &[u8]) -> Vec<u8> {
    let mut masked = payload.to_vec();
    for at in 0..(payload.len() + 1).saturating_sub(SECRET.len()) {
        if payload[at..].starts_with(SECRET) {
            masked[at..at + SECRET.len()].fill(b'*');
        }
    }
    masked
}

fn pass(scrubber: &Arc<Scrubber>, stream: &[u8], lengths: &[usize]) -> Vec<u8> {
    let mut frames = Frames::new(Arc::clone(scrubber));
    let mut out = Vec::new();
    let mut rest = stream;
    let mut lengths = lengths.iter().copied().cycle();
    let mut empty = 0;
    while !rest.is_empty() {
        let length = lengths.next().unwrap_or(rest.len()).min(rest.len());
        // Empty pieces come too, but not for ever.
        empty = if length == 0 { empty + 1 } else { 0 };
        let length = if empty > 8 { rest.len() } else { length };
        let (piece, after) = rest.split_at(length);
        out.extend_from_slice(&frames.pass(Bytes::copy_from_slice(piece)));
        rest = after;
    }
    out.extend_from_slice(&frames.finish());
    out
}
