//! A request's path → account, gateway, provider, rest. Pure; allocates only where a `%` stands in the rest.
//!
//! The first segments are compared by exact grammar, and nothing in them is decoded. The rest is passed on
//! byte for byte: real paths hold `@cf/…`, `arn%3A…%2F…` and `models/x:generateContent`. It is refused only
//! for what a server behind us could read as a way out of the provider's base path.

use keyward_secret::AccountId;

/// Where a request goes: `/v1/{account}/{gateway}/{provider}/{rest…}`.
///
/// ```
/// use keyward_gateway::GatewayAddress;
///
/// let path = "/v1/0123456789abcdef0123456789abcdef/prod/openai/chat/completions";
/// let address = GatewayAddress::parse(path)?;
/// assert_eq!((address.gateway, address.provider), ("prod", "openai"));
/// assert_eq!(address.rest, "chat/completions");
/// # Ok::<(), keyward_gateway::AddressError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayAddress<'a> {
    /// The account.
    pub account: AccountId,
    /// The gateway's name, as it stands in the path.
    pub gateway: &'a str,
    /// The provider's slug, as it stands in the path.
    pub provider: &'a str,
    /// What follows the provider, without the `/` between them; byte for byte.
    pub rest: &'a str,
}

/// A path that addresses no provider, or whose rest is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error(
        "the path is not `/v1/ACCOUNT/GATEWAY/PROVIDER/…`, where ACCOUNT is 32 lower-case hexadecimal digits; correct the base URL"
    )]
    Shape,
    #[error(
        "a segment between the slashes before the provider's path is empty; name account, gateway and provider there"
    )]
    EmptySegment,
    #[error("the path holds a `.` or `..` segment, plain or encoded; write it without")]
    DotSegment,
    #[error("the path holds a backslash; write `/`, or leave it out")]
    Backslash,
    #[error("the path holds a control character, plain or encoded; leave it out")]
    Control,
    #[error("the target holds a character that is not ASCII; percent-encode it")]
    NotAscii,
    #[error(
        "a `%` in the path is not followed by two hexadecimal digits; the sign itself is written `%25`"
    )]
    BrokenPercent,
}

impl<'a> GatewayAddress<'a> {
    /// Parses the path of a request target, without its query.
    ///
    /// # Errors
    ///
    /// When the path has another shape, or its rest holds a segment `.` or `..` (also before a `;`, also
    /// after one or two decodings, in which `%2f` and `%5c` count as separators), a backslash, a control
    /// character, one that is not ASCII, or a broken `%`.
    pub fn parse(path: &'a str) -> Result<Self, AddressError> {
        let refuse = |kind| Err(AddressError(kind));
        let Some(below) = path.strip_prefix("/v1/") else {
            return refuse(Kind::Shape);
        };
        let Some((account, below)) = cut(below) else {
            return refuse(Kind::Shape);
        };
        let Some((gateway, below)) = cut(below) else {
            return refuse(Kind::Shape);
        };
        let (provider, rest) = cut(below).unwrap_or((below, ""));
        if account.is_empty() || gateway.is_empty() || provider.is_empty() {
            return refuse(Kind::EmptySegment);
        }
        let Ok(account) = AccountId::parse(account) else {
            return refuse(Kind::Shape);
        };
        check(rest.as_bytes())?;
        Ok(Self {
            account,
            gateway,
            provider,
            rest,
        })
    }
}

/// What stands before the first `/` and behind it. Costs less than `split_once` (docs/performance.md).
fn cut(path: &str) -> Option<(&str, &str)> {
    let (front, back) = path.split_at_checked(memchr::memchr(b'/', path.as_bytes())?)?;
    Some((front, back.get(1..)?))
}

/// Refuses a query that holds what no URL may hold (RFC 3986 §2).
pub(crate) fn check_query(query: Option<&str>) -> Result<(), AddressError> {
    check_ascii(query.unwrap_or_default().as_bytes())
}

/// hyper takes raw UTF-8 in a target. Other servers refuse it, or read it in another encoding.
fn check_ascii(bytes: &[u8]) -> Result<(), AddressError> {
    match bytes.is_ascii() {
        true => Ok(()),
        false => Err(AddressError(Kind::NotAscii)),
    }
}

fn check(rest: &[u8]) -> Result<(), AddressError> {
    check_ascii(rest)?;
    // Encoded backslashes are separators for the test below, and pass otherwise.
    if memchr::memchr(b'\\', rest).is_some() {
        return Err(AddressError(Kind::Backslash));
    }
    check_segments(rest)?;
    if memchr::memchr(b'%', rest).is_none() {
        return Ok(());
    }
    let once = decode(rest, Strict::Yes)?;
    check_segments(&once)?;
    if memchr::memchr(b'%', &once).is_none() {
        return Ok(());
    }
    // A literal `%` is what a first decoding of `%25` leaves, so a broken one is no fault here.
    check_segments(&decode(&once, Strict::No)?)
}

/// Looks at `bytes` as a server would that splits them at `/`, and at `\` where it is lax.
fn check_segments(bytes: &[u8]) -> Result<(), AddressError> {
    let refuse = |kind| Err(AddressError(kind));
    if bytes.iter().any(u8::is_ascii_control) {
        return refuse(Kind::Control);
    }
    // Hardly a path has a dot, and none has such a segment without one.
    let dots = memchr::memchr(b'.', bytes).is_some()
        && bytes
            .split(|byte| matches!(byte, b'/' | b'\\'))
            .any(|segment| {
                let name = segment
                    .split(|byte| *byte == b';')
                    .next()
                    .unwrap_or_default();
                matches!(name, b"." | b"..")
            });
    if dots {
        return refuse(Kind::DotSegment);
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strict {
    Yes,
    No,
}

fn decode(bytes: &[u8], strict: Strict) -> Result<Vec<u8>, AddressError> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        let escaped = match (byte, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                decoded.push((high << 4) | low);
                rest = after.get(2..).unwrap_or_default();
            }
            None if *byte == b'%' && strict == Strict::Yes => {
                return Err(AddressError(Kind::BrokenPercent));
            }
            None => {
                decoded.push(*byte);
                rest = after;
            }
        }
    }
    Ok(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{GatewayAddress, check_query};

    const BASE: &str = "/v1/0123456789abcdef0123456789abcdef/prod/openai/";

    #[test]
    fn the_rest_is_byte_for_byte() {
        for rest in [
            "",
            "chat/completions",
            "v1/chat/completions",
            "@cf/meta/llama-3.1-8b-instruct",
            "model/arn%3Aaws%3Abedrock%2Fx/invoke",
            "v1beta/models/gemini-2.5-pro:generateContent",
            "a//b/",
            "a;b=c/...;x",
            "100%25",
            "%252",
            "files/a.b..c",
            "%E2%82%AC",
        ] {
            let path = format!("{BASE}{rest}");
            assert_eq!(GatewayAddress::parse(&path).expect(rest).rest, rest);
        }
    }

    #[test]
    fn a_path_without_a_rest_addresses_the_provider_itself() {
        let path = BASE.trim_end_matches('/');
        let address = GatewayAddress::parse(path).unwrap();
        assert_eq!((address.provider, address.rest), ("openai", ""));
    }

    #[test]
    fn what_no_url_may_hold_is_refused() {
        for rest in ["caf\u{e9}", "a\\b", "a%", "a%0", "a%00", "a%0ab", "%250a"] {
            let path = format!("{BASE}{rest}");
            assert!(GatewayAddress::parse(&path).is_err(), "{rest}");
        }
        assert!(check_query(Some("a=%E2%82%AC")).is_ok());
        assert!(check_query(Some("a=\u{20ac}")).is_err());
    }

    #[test]
    fn other_shapes_are_refused() {
        for path in [
            "",
            "/",
            "/v1",
            "/v1/",
            "/v1/0123456789abcdef0123456789abcdef/prod",
            "/v1//prod/openai/x",
            "/v1/0123456789abcdef0123456789abcdef//openai/x",
            "/v1/0123456789abcdef0123456789abcdef/prod//x",
            "/v1/0123456789ABCDEF0123456789abcdef/prod/openai/x",
            "/v2/0123456789abcdef0123456789abcdef/prod/openai/x",
            "//v1/0123456789abcdef0123456789abcdef/prod/openai/x",
        ] {
            assert!(GatewayAddress::parse(path).is_err(), "{path}");
        }
    }

    proptest! {
        /// Whatever a lax server decodes, once or twice, no accepted rest leads out of the base path.
        #[test]
        fn no_accepted_rest_climbs(
            rest in proptest::collection::vec(
                prop_oneof![
                    Just("."), Just(".."), Just("/"), Just("%2e"), Just("%2E"), Just("%252e"), Just("%2f"),
                    Just("%5c"), Just("%252F"), Just("%255c"), Just(";"), Just("a"), Just("%25"), Just("%3b"),
                ],
                0..8,
            )
        ) {
            let rest = rest.concat();
            let path = format!("{BASE}{rest}");
            if GatewayAddress::parse(&path).is_ok() {
                let mut text = rest;
                for _decoding in 0..3 {
                    let climbs = text
                        .split(['/', '\\'])
                        .map(|segment| segment.split(';').next().unwrap())
                        .any(|segment| segment == "." || segment == "..");
                    prop_assert!(!climbs, "{text}");
                    text = lax_decode(&text);
                }
            }
        }

        #[test]
        fn nothing_makes_the_parser_panic(rest in ".{0,40}") {
            let path = format!("{BASE}{rest}");
            let _may_be_refused = GatewayAddress::parse(&path);
        }
    }

    /// An independent decoder: replaces the escapes that the generator makes.
    fn lax_decode(text: &str) -> String {
        let mut decoded = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            decoded.push_str(&rest[..at]);
            match rest
                .get(at + 1..at + 3)
                .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            {
                Some(byte) => {
                    decoded.push(char::from(byte));
                    rest = &rest[at + 3..];
                }
                None => {
                    decoded.push('%');
                    rest = &rest[at + 1..];
                }
            }
        }
        decoded + rest
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{AddressError, Kind};

        keyward_testing::assert_texts!("AddressError", Kind {
            Kind::Shape => Kind::Shape,
            Kind::EmptySegment => Kind::EmptySegment,
            Kind::DotSegment => Kind::DotSegment,
            Kind::Backslash => Kind::Backslash,
            Kind::Control => Kind::Control,
            Kind::NotAscii => Kind::NotAscii,
            Kind::BrokenPercent => Kind::BrokenPercent,
        }, |kind| keyward_testing::told(&AddressError(kind)));
    }
}
