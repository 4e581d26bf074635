//! The set of origins a secret may be sent to.

use std::fmt;

use crate::{
    Origin, ParseOriginError,
    origin::{Scheme, is_label},
};

/// The set of origins a secret may be sent to. Never empty.
///
/// Each entry is an exact origin or a pattern with one open label, written `https://{name}.rest`: the label
/// stands first, matches exactly one label, and names nothing by itself. Entries are kept sorted and once
/// each, so that equal sets have equal [canonical bytes](Self::to_canonical).
///
/// In clear (`http`) only loopback origins are accepted, unless the set is made by
/// [`danger_parse_plain_http`](Self::danger_parse_plain_http).
///
/// ```
/// use keyward_secret::{Destination, Origin};
///
/// let azure = Destination::parse(["https://{resource}.openai.azure.com"])?;
/// assert!(azure.contains(&Origin::parse("https://mine.openai.azure.com")?));
/// assert!(!azure.contains(&Origin::parse("https://a.b.openai.azure.com")?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Destination(Box<[Entry]>);

/// The text is not a destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot use `{entry}` as a destination")]
pub struct ParseDestinationError {
    entry: String,
    #[source]
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("it is not an origin")]
    Origin(#[source] ParseOriginError),
    #[error("an open label stands first, is named in braces, and two labels at least follow it")]
    Pattern,
    #[error("a secret goes over https; http is accepted for loopback only")]
    PlainHttp,
    #[error("a destination names at least one origin")]
    Empty,
}

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Entry {
    Exact(Origin),
    /// `{name}.suffix`. The suffix is kept as an origin, so that it is normalised like any other.
    OneLabel {
        name: Box<str>,
        suffix: Origin,
    },
}

impl Destination {
    /// The set of one origin.
    ///
    /// # Errors
    ///
    /// When `origin` is plain http outside loopback.
    pub fn exact(origin: Origin) -> Result<Self, ParseDestinationError> {
        Self::of(vec![Entry::Exact(origin)], PlainHttp::LoopbackOnly)
    }

    /// Parses a set, an entry a text.
    ///
    /// # Errors
    ///
    /// When there is no entry, or one is neither an origin nor a pattern, or is plain http outside loopback.
    pub fn parse<'a>(
        entries: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, ParseDestinationError> {
        Self::parse_with(entries, PlainHttp::LoopbackOnly)
    }

    /// Parses a set that may name plain http origins beyond loopback.
    ///
    /// Dangerous: whoever stands between here and that origin reads the secret.
    ///
    /// # Errors
    ///
    /// When there is no entry, or one is neither an origin nor a pattern.
    pub fn danger_parse_plain_http<'a>(
        entries: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, ParseDestinationError> {
        Self::parse_with(entries, PlainHttp::Anywhere)
    }

    fn parse_with<'a>(
        entries: impl IntoIterator<Item = &'a str>,
        plain: PlainHttp,
    ) -> Result<Self, ParseDestinationError> {
        let entries = entries.into_iter().map(Entry::parse);
        Self::of(entries.collect::<Result<_, _>>()?, plain)
    }

    fn of(mut entries: Vec<Entry>, plain: PlainHttp) -> Result<Self, ParseDestinationError> {
        let refuse = |entry: String, kind| Err(ParseDestinationError { entry, kind });
        if entries.is_empty() {
            return refuse(String::new(), Kind::Empty);
        }
        if let PlainHttp::LoopbackOnly = plain
            && let Some(entry) = entries
                .iter()
                .find(|entry| entry.is_plain_beyond_loopback())
        {
            return refuse(entry.to_string(), Kind::PlainHttp);
        }
        entries.sort();
        entries.dedup();
        Ok(Self(entries.into()))
    }

    /// Whether a secret bound here may be sent to `origin`. Allocates nothing.
    #[must_use]
    pub fn contains(&self, origin: &Origin) -> bool {
        self.0.iter().any(|entry| entry.matches(origin))
    }

    /// Whether every origin of `other` is in this set too. Allocates nothing.
    ///
    /// A pattern is covered by an equal pattern alone, whatever its label is called.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|wanted| match wanted {
            Entry::Exact(origin) => self.contains(origin),
            Entry::OneLabel { suffix, .. } => self.0.iter().any(|entry| match entry {
                Entry::Exact(_) => false,
                Entry::OneLabel { suffix: own, .. } => own == suffix,
            }),
        })
    }

    /// The only origin of the set, where it is a single exact one.
    #[must_use]
    pub fn single(&self) -> Option<&Origin> {
        match self.0.as_ref() {
            [Entry::Exact(origin)] => Some(origin),
            _ => None,
        }
    }

    /// The entries as texts, sorted: what [`parse`](Self::parse) takes.
    pub fn entries(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(ToString::to_string)
    }

    /// One byte string per set: the entries' texts, each after its length as four big-endian bytes.
    ///
    /// Meant for associated data: two sets have the same bytes exactly if they are equal.
    #[must_use]
    pub fn to_canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in self.entries() {
            let length = u32::try_from(entry.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(entry.as_bytes());
        }
        bytes
    }

    /// Reads the bytes that [`to_canonical`](Self::to_canonical) wrote.
    ///
    /// Plain http is taken as it stands: the bytes come from a sealed record, which was checked when it was
    /// written.
    ///
    /// # Errors
    ///
    /// When the bytes are cut, name no origin, or are not in canonical order.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self, ParseDestinationError> {
        let cut = || ParseDestinationError {
            entry: "canonical bytes".to_owned(),
            kind: Kind::Empty,
        };
        let mut texts = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
            let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_wide| cut())?;
            let (text, after) = after.split_at_checked(length).ok_or_else(cut)?;
            texts.push(str::from_utf8(text).map_err(|_not_text| cut())?);
            rest = after;
        }
        let destination = Self::parse_with(texts, PlainHttp::Anywhere)?;
        if destination.to_canonical() == bytes {
            Ok(destination)
        } else {
            Err(cut())
        }
    }
}

#[derive(Clone, Copy)]
enum PlainHttp {
    LoopbackOnly,
    Anywhere,
}

impl Entry {
    fn parse(text: &str) -> Result<Self, ParseDestinationError> {
        let refuse = |kind| ParseDestinationError {
            entry: text.to_owned(),
            kind,
        };
        let origin = |text: &str| Origin::parse(text).map_err(|error| refuse(Kind::Origin(error)));
        let Some((scheme, rest)) = text.split_once("://{") else {
            return Ok(Self::Exact(origin(text)?));
        };
        let (name, suffix) = rest.split_once("}.").ok_or_else(|| refuse(Kind::Pattern))?;
        let suffix = origin(&format!("{scheme}://{suffix}"))?;
        // Two labels at least, so that no pattern covers a whole top-level domain.
        if !is_label(name) || suffix.ip().is_some() || !suffix.host().contains('.') {
            return Err(refuse(Kind::Pattern));
        }
        Ok(Self::OneLabel {
            name: name.into(),
            suffix,
        })
    }

    fn matches(&self, origin: &Origin) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::OneLabel { suffix, .. } => {
                origin.scheme() == suffix.scheme()
                    && origin.port() == suffix.port()
                    && origin
                        .host()
                        .strip_suffix(suffix.host())
                        .and_then(|front| front.strip_suffix('.'))
                        .is_some_and(is_label)
            }
        }
    }

    fn is_plain_beyond_loopback(&self) -> bool {
        let (Self::Exact(origin) | Self::OneLabel { suffix: origin, .. }) = self;
        origin.scheme() == Scheme::Http && !origin.is_loopback()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(origin) => origin.fmt(f),
            Self::OneLabel { name, suffix } => {
                let scheme = suffix.scheme().as_str();
                write!(f, "{scheme}://{{{name}}}.{}", suffix.authority())
            }
        }
    }
}

impl fmt::Display for Destination {
    /// The entries, with a comma and a blank between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            entry.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Destination({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Destination;
    use crate::Origin;

    #[track_caller]
    fn check(entries: &[&str], origin: &str, expected: bool) {
        let destination = Destination::parse(entries.iter().copied()).unwrap();
        assert_eq!(
            destination.contains(&Origin::parse(origin).unwrap()),
            expected
        );
    }

    #[test]
    fn an_exact_origin_matches_itself_alone() {
        let entries = ["https://api.openai.com"];
        check(&entries, "https://api.openai.com:443", true);
        check(&entries, "http://api.openai.com:443", false);
        check(&entries, "https://api.openai.com:8443", false);
        check(&entries, "https://x.api.openai.com", false);
    }

    #[test]
    fn an_open_label_matches_exactly_one_label() {
        let entries = ["https://{region}.api.example.com:8443"];
        check(&entries, "https://eu.api.example.com:8443", true);
        check(&entries, "https://eu.api.example.com", false);
        check(&entries, "https://api.example.com:8443", false);
        check(&entries, "https://a.b.api.example.com:8443", false);
        check(
            &entries,
            "https://eu.api.example.com.evil.example:8443",
            false,
        );
    }

    #[test]
    fn a_set_covers_its_parts_and_nothing_wider() {
        let set = |entries: &[&str]| Destination::parse(entries.iter().copied()).unwrap();
        let both = set(&["https://a.example", "https://{x}.b.example"]);
        assert!(both.covers(&both));
        assert!(both.covers(&set(&["https://one.b.example"])));
        assert!(both.covers(&set(&["https://{y}.b.example"])));
        assert!(!set(&["https://one.b.example"]).covers(&both));
        assert!(!both.covers(&set(&["https://a.example", "https://c.example"])));
    }

    #[test]
    fn what_is_no_destination_is_refused() {
        for text in [
            "",
            "http://api.example.com",
            "https://{a}",
            "https://{a}.com",
            "https://{}.example.com",
            "https://{a.example.com",
            "https://x{a}.example.com",
            "https://b.{a}.example.com",
            "https://{a}.{b}.example.com",
            "https://{a}.10.0.0.1",
        ] {
            assert!(Destination::parse([text]).is_err(), "{text:?}");
        }
        assert!(Destination::parse([]).is_err());
        assert!(Destination::danger_parse_plain_http(["http://api.example.com"]).is_ok());
    }

    #[test]
    fn order_and_repeats_do_not_matter() {
        let one = Destination::parse(["https://b.example", "https://a.example"]).unwrap();
        let two = Destination::parse([
            "https://a.example",
            "https://b.example",
            "https://a.example:443",
        ]);
        assert_eq!(Ok(one.clone()), two);
        assert_eq!(one.to_canonical(), two.unwrap().to_canonical());
    }

    proptest! {
        #[test]
        fn canonical_bytes_round_trip(hosts in proptest::collection::vec("[a-z]{1,5}\\.[a-z]{2}", 1..5)) {
            let texts: Vec<_> = hosts.iter().map(|host| format!("https://{host}")).collect();
            let destination = Destination::parse(texts.iter().map(String::as_str)).unwrap();
            let bytes = destination.to_canonical();
            prop_assert_eq!(Destination::from_canonical(&bytes), Ok(destination));
        }

        #[test]
        fn foreign_bytes_do_not_panic(bytes: Vec<u8>) {
            if let Ok(destination) = Destination::from_canonical(&bytes) {
                prop_assert_eq!(destination.to_canonical(), bytes);
            }
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{Kind, ParseDestinationError};

        keyward_testing::assert_texts!("ParseDestinationError", Kind {
            Kind::Origin(_) => Kind::Origin(Origin::parse("api.example.com").unwrap_err()),
            Kind::Pattern => Kind::Pattern,
            Kind::PlainHttp => Kind::PlainHttp,
            Kind::Empty => Kind::Empty,
        }, |kind| keyward_testing::told(&ParseDestinationError {
            entry: "api.example.com".to_owned(),
            kind,
        }));
    }
}
