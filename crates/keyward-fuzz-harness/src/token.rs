//! Tokens: parsed strictly, recognised by prefix.

use keyward_auth::{Kind, Network, TokenId, TokenText, is_ours};
use sha2::{Digest, Sha256};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Reads `data` as what a client presents, and as the randomness of a token that is then written by another
/// implementation, parsed, and damaged.
///
/// # Panics
///
/// When a promise is broken.
pub fn check(data: &[u8]) {
    check_presented(data);
    if let Ok(text) = str::from_utf8(data) {
        check_small(text);
    }
    check_round_trip(data);
}

fn check_presented(data: &[u8]) {
    let start = data.get(..3).map(<[u8]>::to_ascii_lowercase);
    assert_eq!(is_ours(data), start.as_deref() == Some(b"kw_"));
    let Ok(token) = TokenText::parse(data) else {
        return;
    };
    assert!(is_ours(data), "a token that is not recognised");
    assert!(data.starts_with(token.kind().prefix().as_bytes()));
    let text = str::from_utf8(data).expect("a token is text");
    assert!(text.contains(token.id().as_str()));
    assert_eq!(token.digest().as_bytes(), Sha256::digest(data).as_slice());
    let printed = format!("{token:?}");
    assert!(
        !printed.contains(&text[text.len() - 20..]),
        "a token prints its secret"
    );
}

fn check_small(text: &str) {
    if let Ok(id) = text.parse::<TokenId>() {
        assert_eq!(id.as_str(), text);
    }
    if let Ok(network) = text.parse::<Network>() {
        let again = network.to_string().parse::<Network>();
        assert_eq!(again.as_ref(), Ok(&network), "a network does not read back");
    }
}

/// Bytes 0 to 31 are the random part, 32 to 43 choose the id, then kind, and where and how to damage it.
fn check_round_trip(data: &[u8]) {
    let Some((random, rest)) = data.split_first_chunk::<32>() else {
        return;
    };
    let Some((id, [kind, at, by, ..])) = rest.split_first_chunk::<12>() else {
        return;
    };
    let kind = match kind % 2 {
        0 => Kind::Gateway,
        _ => Kind::Api,
    };
    let id: String = id
        .iter()
        .map(|byte| char::from(DIGITS[usize::from(*byte) % 62]))
        .collect();
    let front = format!("{}{id}_", kind.prefix());
    let crc = crc32fast::hash(&[front.as_bytes(), random].concat());
    let text = format!(
        "{front}{}",
        base62(&[random.as_slice(), &crc.to_be_bytes()].concat())
    );
    let token = TokenText::parse(text.as_bytes()).expect("a good token is parsed");
    assert_eq!((token.kind(), token.id().as_str()), (kind, id.as_str()));

    let mut damaged = text.clone().into_bytes();
    let at = usize::from(*at) % damaged.len();
    damaged[at] ^= by;
    assert_eq!(
        TokenText::parse(&damaged).is_ok(),
        *by == 0,
        "a damaged token is parsed"
    );
    assert!(
        TokenText::parse(&text.as_bytes()[..at]).is_err(),
        "a cut token is parsed"
    );
}

/// 49 digits, by long division.
fn base62(bytes: &[u8]) -> String {
    let mut number = bytes.to_vec();
    let mut digits = Vec::new();
    for _digit in 0..49 {
        let mut remainder = 0_u32;
        for byte in &mut number {
            let part = remainder * 256 + u32::from(*byte);
            *byte = u8::try_from(part / 62).expect("less than 256");
            remainder = part % 62;
        }
        digits.push(char::from(
            DIGITS[usize::try_from(remainder).expect("less than 62")],
        ));
    }
    digits.iter().rev().collect()
}
