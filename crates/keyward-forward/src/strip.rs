//! Names of headers that one provider's requests lose.

use std::fmt;

/// Headers that some API takes a credential in, in lower case.
pub(crate) const COMMON_CREDENTIALS: [&str; 4] =
    ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

/// Names and name prefixes of headers that never reach one provider: the credential headers of that
/// provider and of all others, and whatever else its operator lists.
///
/// Built once per provider. Matching takes `_` for `-`: some servers read `X_Api_Key` as `X-Api-Key`. It
/// allocates nothing.
#[derive(Clone, Default)]
pub struct StripList {
    names: Box<[Box<[u8]>]>,
    prefixes: Box<[Box<[u8]>]>,
    /// Bit n is set if a name of n bytes is listed (63 stands for every longer one): most headers are
    /// turned away by it.
    lengths: u64,
    /// The same for the first byte, modulo 64.
    firsts: u64,
}

impl StripList {
    /// A list of whole names and of name prefixes, in any case, with `_` or `-`.
    ///
    /// `cf-aig-` and the headers every proxy removes need not be listed: they always go
    /// ([`headers`](crate::headers)).
    pub fn new<'a>(
        names: impl IntoIterator<Item = &'a str>,
        prefixes: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let names: Box<[Box<[u8]>]> = names.into_iter().map(fold).collect();
        let lengths = names
            .iter()
            .fold(0, |lengths, name| lengths | length_bit(name.len()));
        let firsts = names
            .iter()
            .fold(0, |firsts, name| firsts | first_bit(name));
        Self {
            names,
            prefixes: prefixes.into_iter().map(fold).collect(),
            lengths,
            firsts,
        }
    }

    /// The headers that APIs commonly take a credential in: `Authorization`, `X-Api-Key`, `Api-Key` and
    /// `X-Goog-Api-Key`.
    #[must_use]
    pub fn credentials() -> Self {
        Self::new(COMMON_CREDENTIALS, [])
    }

    /// Whether a header of this name, in lower case, is listed.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name = name.as_bytes();
        (self.lengths & length_bit(name.len()) != 0
            && self.firsts & first_bit(name) != 0
            && self.names.iter().any(|listed| looks_like(name, listed)))
            || self.prefixes.iter().any(|prefix| begins_like(name, prefix))
    }
}

impl fmt::Debug for StripList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = |list: &[Box<[u8]>]| -> Vec<String> {
            list.iter()
                .map(|text| String::from_utf8_lossy(text).into_owned())
                .collect()
        };
        f.debug_struct("StripList")
            .field("names", &texts(&self.names))
            .field("prefixes", &texts(&self.prefixes))
            .finish_non_exhaustive()
    }
}

/// Whether `name`, in lower case, is `listed` or differs from it only by `_` for `-`, or `-` for `_`.
pub(crate) fn looks_like(name: &[u8], listed: &[u8]) -> bool {
    name.len() == listed.len() && begins_like(name, listed)
}

/// Whether `name`, in lower case, begins with `prefix` or with a look-alike of it.
pub(crate) fn begins_like(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len()).is_some_and(|front| {
        front.iter().zip(prefix).all(|(found, listed)| {
            found == listed || matches!((found, listed), (b'_', b'-') | (b'-', b'_'))
        })
    })
}

fn fold(name: &str) -> Box<[u8]> {
    name.bytes()
        .map(|byte| match byte {
            b'_' => b'-',
            byte => byte.to_ascii_lowercase(),
        })
        .collect()
}

/// Takes `_` for `-`.
fn first_bit(name: &[u8]) -> u64 {
    let first = match name.first() {
        Some(b'_') => b'-',
        Some(byte) => *byte,
        None => return 0,
    };
    1 << (first % 64)
}

fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}

#[cfg(test)]
mod tests {
    use super::StripList;

    #[test]
    fn names_prefixes_and_look_alikes_match() {
        let long = "x-".repeat(40);
        let list = StripList::new(["X-Api-Key", "api_key", "_Key", &long], ["x-stainless-"]);
        for name in [
            "x-api-key",
            "x_api_key",
            "x-api_key",
            "api-key",
            "api_key",
            "x-stainless-os",
            "x_stainless_os",
            "-key",
            "_key",
            &long,
        ] {
            assert!(list.matches(name), "{name}");
        }
        for name in [
            "x-api-keys",
            "xapikey",
            "x-api",
            "x-stainless",
            "authorization",
            "",
            &"y-".repeat(40),
        ] {
            assert!(!list.matches(name), "{name}");
        }
    }
}
