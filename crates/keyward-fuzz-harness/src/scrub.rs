//! The credential in what comes back: found in any chunking, and in all its forms.

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use keyward_forward::{Forms, ScrubStream, Scrubber};
use keyward_secret::{BoundCredential, Destination, SecretBytes};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    secret: &'a [u8],
    is_error: bool,
    cuts: Vec<u8>,
    pieces: Vec<Piece<'a>>,
}

#[derive(Debug, Arbitrary)]
enum Piece<'a> {
    Text(&'a [u8]),
    Raw,
    /// The first bytes of the secret alone.
    Front(u8),
    Json {
        slashes: bool,
    },
    Percent {
        lower: bool,
    },
    Base64 {
        before: u8,
        url: bool,
        after: &'a [u8],
    },
}

/// Reads `data` as a secret and a body that holds it here and there, and scrubs it whole, in the pieces that
/// `data` says, and byte by byte.
///
/// # Panics
///
/// When a promise is broken.
pub fn check(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let mut secret = input.secret.to_vec();
    secret.retain(|byte| *byte >= 0x20 && *byte != 0x7f);
    secret.truncate(64);
    let Some(scrubber) = scrubber(&secret) else {
        return;
    };
    let text = text(&input.pieces, &secret);
    let forms = match input.is_error {
        true => Forms::All,
        false => Forms::Raw,
    };
    let whole = stream(&scrubber, forms, &text, &[text.len()]);
    let cuts: Vec<_> = input.cuts.iter().map(|cut| usize::from(*cut)).collect();
    assert_eq!(
        stream(&scrubber, forms, &text, &cuts),
        whole,
        "the pieces decide what is found"
    );
    assert_eq!(
        stream(&scrubber, forms, &text, &[1]),
        whole,
        "single bytes decide what is found"
    );
    assert_eq!(whole.len(), text.len(), "a length changed");
    if let Forms::All = forms {
        assert_eq!(scrubber.scrub_text(&text), whole);
    }
    if secret.len() < 8 {
        assert_eq!(whole, text, "a word is no credential");
        return;
    }
    let mask = whole
        .iter()
        .zip(&text)
        .find(|(new, old)| new != old)
        .map(|(new, _)| *new);
    if let Forms::Raw = forms {
        assert_eq!(
            whole,
            masked(&text, &secret, mask),
            "not exactly the credential was masked"
        );
    }
    let wanted = match forms {
        Forms::All => all_forms(&secret),
        _ => vec![secret],
    };
    for form in wanted.iter().filter(|form| form.len() >= 8) {
        // A mask that stands in a form may complete another occurrence of it; the raw one never holds it.
        if mask.is_none_or(|mask| !form.contains(&mask)) {
            assert!(
                !whole.windows(form.len()).any(|part| part == form),
                "a form is left"
            );
        }
    }
}

fn scrubber(secret: &[u8]) -> Option<Arc<Scrubber>> {
    let destination = Destination::parse(["https://api.example.com"]).expect("a destination");
    let secret = SecretBytes::copy_from(secret);
    let name = http::header::AUTHORIZATION;
    let credential = BoundCredential::build(name, "", secret, destination).ok()?;
    Some(Arc::new(Scrubber::new(&credential)))
}

fn text(pieces: &[Piece<'_>], secret: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for piece in pieces.iter().take(32) {
        match piece {
            Piece::Text(bytes) => text.extend_from_slice(bytes),
            Piece::Raw => text.extend_from_slice(secret),
            Piece::Front(length) => {
                text.extend_from_slice(&secret[..usize::from(*length).min(secret.len())]);
            }
            Piece::Json { slashes } => text.extend(json(secret, *slashes)),
            Piece::Percent { lower } => text.extend(percent(secret, *lower)),
            Piece::Base64 { before, url, after } => {
                let bytes = [&[7; 3][..usize::from(*before % 3)], secret, after].concat();
                text.extend(base64(&bytes, *url).into_bytes());
            }
        }
    }
    text
}

/// What comes out when `text` comes in pieces of these lengths, over and over.
fn stream(scrubber: &Arc<Scrubber>, forms: Forms, text: &[u8], lengths: &[usize]) -> Vec<u8> {
    let mut stream = ScrubStream::new(Arc::clone(scrubber), forms);
    let mut out = Vec::new();
    let mut rest = text;
    let mut lengths = lengths.iter().copied().cycle();
    let mut empty = 0;
    while !rest.is_empty() {
        let length = lengths.next().unwrap_or(rest.len()).min(rest.len());
        // Empty frames come too, but not for ever.
        empty = if length == 0 { empty + 1 } else { 0 };
        let length = if empty > 8 { rest.len() } else { length };
        let (piece, after) = rest.split_at(length);
        out.extend_from_slice(&stream.push(Bytes::copy_from_slice(piece)));
        rest = after;
    }
    out.extend_from_slice(&stream.finish());
    out
}

/// `text` with every byte of every occurrence of `secret` masked, found the slow way.
fn masked(text: &[u8], secret: &[u8], mask: Option<u8>) -> Vec<u8> {
    let mut masked = text.to_vec();
    for at in 0..(text.len() + 1).saturating_sub(secret.len()) {
        if text[at..].starts_with(secret) {
            masked[at..at + secret.len()].fill(mask.unwrap_or(b'*'));
        }
    }
    masked
}

fn all_forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![secret.to_vec()];
    forms.extend([false, true].map(|slashes| json(secret, slashes)));
    forms.extend([false, true].map(|lower| percent(secret, lower)));
    for before in 0..3 {
        for url in [false, true] {
            // What stands before and behind decides the outer characters: two contexts agree on the inner.
            let inner = |filler: u8| {
                let bytes = [&vec![filler; before], secret, &[filler; 2]].concat();
                base64(&bytes, url).into_bytes()
            };
            let (one, two) = (inner(0), inner(0xff));
            let same = |at: &usize| one[*at] == two[*at];
            let first = (0..one.len()).find(same).unwrap_or(0);
            let count = (first..one.len()).take_while(same).count();
            forms.push(one[first..first + count].to_vec());
        }
    }
    forms
}

fn json(secret: &[u8], slashes: bool) -> Vec<u8> {
    let mut text = Vec::new();
    for byte in secret {
        if *byte == b'"' || *byte == b'\\' || (*byte == b'/' && slashes) {
            text.push(b'\\');
        }
        text.push(*byte);
    }
    text
}

fn percent(secret: &[u8], lower: bool) -> Vec<u8> {
    let mut text = String::new();
    for byte in secret {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(*byte));
            }
            byte if lower => text.push_str(&format!("%{byte:02x}")),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text.into_bytes()
}

fn base64(bytes: &[u8], url: bool) -> String {
    match url {
        true => URL_SAFE_NO_PAD.encode(bytes),
        false => STANDARD_NO_PAD.encode(bytes),
    }
}
