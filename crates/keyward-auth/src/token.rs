//! The text of a token: made once, parsed strictly, never stored.
//!
//! ```text
//! kw_gw_ 0V2kQ9xTz3Ab _ <49 base62 digits>
//! prefix public id      256 random bits, then the CRC-32 of all before it
//! ```
//!
//! The CRC covers prefix, id, separator and the random bits. It lets a scanner tell a real token from a
//! look-alike, and a typing error from a revoked token. It is no protection: the digest is.

use std::{error::Error, fmt};

use keyward_secret::SecretBytes;
use zeroize::Zeroizing;

use crate::{
    Permission, Permissions, TokenDigest, TokenId,
    base62::{self, SECRET_BYTES, SECRET_DIGITS},
};

/// What every token of ours begins with, and what recognition goes by.
const MARK: &[u8; 3] = b"kw_";

/// Which of the two planes a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every caller must decide for both planes"
)]
pub enum Kind {
    /// A gateway token, `kw_gw_…`: what a client presents to the data plane.
    Gateway,
    /// An API token, `kw_api_…`: what an operator presents to the control plane.
    Api,
}

impl Kind {
    /// `kw_gw_` or `kw_api_`.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Gateway => "kw_gw_",
            Self::Api => "kw_api_",
        }
    }

    /// `gateway` or `api`, for a store and for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Api => "api",
        }
    }

    /// The kind that [`as_str`](Self::as_str) names so.
    #[must_use]
    pub fn find_by_name(name: &str) -> Option<Self> {
        [Self::Gateway, Self::Api]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }

    /// The kind of token that holds `permissions`: [`AiGatewayRun`](Permission::AiGatewayRun) alone makes a
    /// gateway token, any others an API token; both together and none at all make no token (wire-spec §4.10).
    #[must_use]
    pub fn of(permissions: &Permissions) -> Option<Self> {
        let run = Permissions::from_iter([Permission::AiGatewayRun]);
        if *permissions == run {
            Some(Self::Gateway)
        } else if permissions.is_empty() || permissions.contains(Permission::AiGatewayRun) {
            None
        } else {
            Some(Self::Api)
        }
    }
}

/// Whether `bytes` begin like a token of ours: with `kw_`, in any case.
///
/// Recognition goes by prefix and not by validity. What is ours by this test never goes upstream and must
/// verify, or the request is refused; a token with a damaged end or in capitals is still ours.
#[must_use]
pub fn is_ours(bytes: &[u8]) -> bool {
    bytes
        .first_chunk()
        .is_some_and(|start: &[u8; MARK.len()]| start.eq_ignore_ascii_case(MARK))
}

/// The text of a token as presented, its form checked; it may be unknown all the same.
///
/// Borrows the text, allocates nothing, prints the id only.
#[derive(Clone, Copy)]
pub struct TokenText<'a> {
    text: &'a [u8],
    kind: Kind,
    id: TokenId,
}

/// The bytes are not the text of a token.
///
/// Holds and prints nothing of them: they may be a token with a typing error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a token: {kind}")]
pub struct ParseTokenError {
    kind: ParseErrorKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum ParseErrorKind {
    #[error("the prefix is neither kw_gw_ nor kw_api_")]
    Prefix,
    #[error("the length or a character is wrong; copy it again, whole")]
    Shape,
    #[error("the checksum is wrong, so a character is missing or mistyped; copy it again, whole")]
    Checksum,
}

impl ParseTokenError {
    /// Whether the form is right and only the checksum is not: most likely a typing error.
    #[must_use]
    pub const fn is_checksum(&self) -> bool {
        matches!(self.kind, ParseErrorKind::Checksum)
    }
}

impl<'a> TokenText<'a> {
    /// Checks prefix, length, characters and checksum. `text` is the token alone: no scheme, no blanks.
    ///
    /// # Errors
    ///
    /// When any of them is wrong.
    pub fn parse(text: &'a [u8]) -> Result<Self, ParseTokenError> {
        let refuse = |kind| ParseTokenError { kind };
        let (kind, rest) = [Kind::Gateway, Kind::Api]
            .into_iter()
            .find_map(|kind| Some((kind, text.strip_prefix(kind.prefix().as_bytes())?)))
            .ok_or_else(|| refuse(ParseErrorKind::Prefix))?;
        let (id, secret) = split(rest).ok_or_else(|| refuse(ParseErrorKind::Shape))?;
        let (random, written) = secret
            .split_last_chunk::<4>()
            .ok_or_else(|| refuse(ParseErrorKind::Shape))?;
        if checksum(kind, id, random).to_be_bytes() != *written {
            return Err(refuse(ParseErrorKind::Checksum));
        }
        Ok(Self { text, kind, id })
    }

    /// The kind that the prefix names.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The public id that stands in the text. Whether such a token exists, only the digest tells.
    #[must_use]
    pub const fn id(&self) -> TokenId {
        self.id
    }

    /// The digest of the whole text, to look the token up by.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(self.text)
    }
}

impl fmt::Debug for TokenText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenText")
            .field("kind", &self.kind)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The id and the decoded secret part of what follows the prefix.
fn split(rest: &[u8]) -> Option<(TokenId, Zeroizing<[u8; SECRET_BYTES]>)> {
    let (id, rest) = rest.split_first_chunk()?;
    let secret: &[u8; SECRET_DIGITS] = rest.strip_prefix(b"_")?.try_into().ok()?;
    Some((TokenId::from_digits(id)?, base62::decode(secret)?))
}

fn checksum(kind: Kind, id: TokenId, random: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(kind.prefix().as_bytes());
    crc.update(id.as_str().as_bytes());
    crc.update(b"_");
    crc.update(random);
    crc.finalize()
}

/// A token just made. The text exists here and nowhere else: it is shown once.
pub struct NewToken {
    /// The public id.
    pub id: TokenId,
    /// What is stored.
    pub digest: TokenDigest,
    /// What the client presents.
    pub text: SecretBytes,
}

/// The operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a token: the operating system gives no random bytes")]
pub struct RandomError(#[source] Box<dyn Error + Send + Sync>);

impl NewToken {
    /// Makes a token with a new id, out of the operating system's randomness (a system call).
    ///
    /// # Errors
    ///
    /// When the operating system gives no randomness.
    pub fn generate(kind: Kind) -> Result<Self, RandomError> {
        let mut random = [0; 16];
        fill(&mut random)?;
        Self::roll(kind, TokenId::from_random(random))
    }

    /// Makes a new text for the token `id`: its record keeps the id and takes the new digest.
    ///
    /// # Errors
    ///
    /// When the operating system gives no randomness.
    pub fn roll(kind: Kind, id: TokenId) -> Result<Self, RandomError> {
        let mut random = Zeroizing::new([0; 32]);
        fill(random.as_mut_slice())?;
        Ok(Self::mint(kind, id, &random))
    }

    fn mint(kind: Kind, id: TokenId, random: &[u8; 32]) -> Self {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        let crc = checksum(kind, id, random).to_be_bytes();
        for (slot, byte) in secret.iter_mut().zip(random.iter().chain(&crc)) {
            *slot = *byte;
        }
        let digits = base62::encode(&secret);
        let prefix = kind.prefix().as_bytes();
        // Reserved in full first: a vector that grows leaves a copy behind.
        let mut text = Vec::with_capacity(prefix.len() + TokenId::LENGTH + 1 + SECRET_DIGITS);
        text.extend_from_slice(prefix);
        text.extend_from_slice(id.as_str().as_bytes());
        text.push(b'_');
        text.extend_from_slice(digits.as_slice());
        Self {
            id,
            digest: TokenDigest::of(&text),
            text: SecretBytes::new(text),
        }
    }
}

fn fill(bytes: &mut [u8]) -> Result<(), RandomError> {
    getrandom::fill(bytes).map_err(|error| RandomError(Box::new(error)))
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewToken")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Kind, NewToken, TokenId, TokenText, is_ours};
    use crate::{Permission, Permissions};

    fn kinds() -> impl Strategy<Value = Kind> {
        prop_oneof![Just(Kind::Gateway), Just(Kind::Api)]
    }

    fn tokens() -> impl Strategy<Value = (Kind, NewTokenText)> {
        (kinds(), any::<[u8; 16]>(), any::<[u8; 32]>()).prop_map(|(kind, id, random)| {
            let token = NewToken::mint(kind, TokenId::from_random(id), &random);
            (kind, NewTokenText(token.text.expose().to_vec()))
        })
    }

    #[derive(Debug, Clone)]
    struct NewTokenText(Vec<u8>);

    #[test]
    fn the_text_has_the_documented_form() {
        // Fixed for good: tokens in use depend on it. The checksum is that of zlib's crc32.
        let id = TokenId::parse("0V2kQ9xTz3Ab").unwrap();
        let token = NewToken::mint(Kind::Gateway, id, &[7; 32]);
        let text = std::str::from_utf8(token.text.expose()).unwrap();
        assert_eq!(text, FIXED);
        assert_eq!(text.len(), 6 + 12 + 1 + 49);
    }

    const FIXED: &str = "kw_gw_0V2kQ9xTz3Ab_07oN3NpWzIAFS58bdE7hEdq72WQzpkkLhUcKC9KTeXLXHmR53";

    #[test]
    fn generated_tokens_are_valid_and_differ() {
        for kind in [Kind::Gateway, Kind::Api] {
            let (one, two) = (
                NewToken::generate(kind).unwrap(),
                NewToken::generate(kind).unwrap(),
            );
            let parsed = TokenText::parse(one.text.expose()).unwrap();
            assert_eq!(
                (parsed.kind(), parsed.id(), parsed.digest()),
                (kind, one.id, one.digest)
            );
            assert!(one.id != two.id && one.digest != two.digest);
        }
    }

    #[test]
    fn a_rolled_token_keeps_its_id_and_nothing_else() {
        let old = NewToken::generate(Kind::Api).unwrap();
        let new = NewToken::roll(Kind::Api, old.id).unwrap();
        assert_eq!(new.id, old.id);
        assert!(new.digest != old.digest);
        assert_eq!(TokenText::parse(new.text.expose()).unwrap().id(), old.id);
    }

    #[test]
    fn recognition_goes_by_prefix_in_any_case() {
        for text in ["kw_", "KW_gw_", "Kw_whatever", "kw_gw_\0"] {
            assert!(is_ours(text.as_bytes()), "{text:?}");
        }
        for text in [
            "",
            "k",
            "kw",
            "kw-gw-",
            " kw_gw_",
            "sk-kw_",
            "Bearer kw_gw_",
        ] {
            assert!(!is_ours(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn run_alone_is_a_gateway_token_and_never_mixes() {
        let of = |permissions: &[Permission]| {
            Kind::of(&permissions.iter().copied().collect::<Permissions>())
        };
        use Permission::{AiGatewayRead, AiGatewayRun};
        assert_eq!(of(&[AiGatewayRun]), Some(Kind::Gateway));
        assert_eq!(of(&[AiGatewayRead]), Some(Kind::Api));
        assert_eq!(of(&[AiGatewayRun, AiGatewayRead]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn printed_forms_hold_the_id_only() {
        let token = NewToken::generate(Kind::Gateway).unwrap();
        let text = std::str::from_utf8(token.text.expose()).unwrap();
        let (_, secret) = text.rsplit_once('_').unwrap();
        let parsed = TokenText::parse(text.as_bytes()).unwrap();
        let printed = format!("{token:?} {parsed:?}");
        assert!(printed.contains(token.id.as_str()));
        assert!(!printed.contains(&secret[..6]) && !printed.contains(&secret[40..]));
    }

    proptest! {
        #[test]
        fn what_is_minted_parses((kind, NewTokenText(text)) in tokens()) {
            let parsed = TokenText::parse(&text).unwrap();
            prop_assert_eq!(parsed.kind(), kind);
            prop_assert!(is_ours(&text));
        }

        #[test]
        fn every_changed_byte_is_noticed((_, NewTokenText(text)) in tokens(), at: prop::sample::Index, to: u8) {
            let at = at.index(text.len());
            prop_assume!(text[at] != to);
            let mut changed = text.clone();
            changed[at] = to;
            prop_assert!(TokenText::parse(&changed).is_err());
        }

        #[test]
        fn every_cut_and_every_addition_is_noticed((_, NewTokenText(text)) in tokens(), at: prop::sample::Index, byte: u8) {
            let at = at.index(text.len());
            let mut longer = text.clone();
            longer.insert(at, byte);
            prop_assert!(TokenText::parse(&longer).is_err());
            longer.remove(at);
            longer.push(byte);
            prop_assert!(TokenText::parse(&longer).is_err());
            let mut shorter = text;
            shorter.remove(at);
            prop_assert!(TokenText::parse(&shorter).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(start in "(kw_(gw_|api_)?)?", rest: Vec<u8>) {
            let text = [start.as_bytes(), &rest].concat();
            let _may_be_refused = TokenText::parse(&text);
            prop_assert_eq!(is_ours(&text), text.to_ascii_lowercase().starts_with(b"kw_"));
        }

        #[test]
        fn what_has_the_shape_and_no_checksum_is_refused(text in "kw_(gw|api)_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}") {
            prop_assert!(TokenText::parse(text.as_bytes()).is_err());
        }
    }

    /// Exhaustive for one token: not one typing error of a single character passes.
    #[test]
    fn all_single_character_errors_of_a_token_are_caught() {
        let token = NewToken::mint(Kind::Api, TokenId::from_random([3; 16]), &[9; 32]);
        let text = token.text.expose().to_vec();
        for at in 0..text.len() {
            for to in (0..=255).filter(|to| *to != text[at]) {
                let mut changed = text.clone();
                changed[at] = to;
                assert!(TokenText::parse(&changed).is_err(), "byte {at} as {to}");
            }
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{ParseErrorKind, ParseTokenError, RandomError};

        keyward_testing::assert_texts!("ParseTokenError", ParseErrorKind {
            ParseErrorKind::Prefix => ParseErrorKind::Prefix,
            ParseErrorKind::Shape => ParseErrorKind::Shape,
            ParseErrorKind::Checksum => ParseErrorKind::Checksum,
        }, |kind| keyward_testing::told(&ParseTokenError { kind }));
        keyward_testing::assert_texts!("RandomError", [
            "no randomness" => RandomError("the device is gone".into()),
        ]);
    }
}
