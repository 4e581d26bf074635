//! The body of the universal endpoint (wire-spec §1.4).

use std::{borrow::Cow, fmt};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, HOST},
};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::headers::without_framing;
use crate::{handling, loops::CDN_LOOP, request::shown};

/// How many entries a body has at most.
const MOST_ENTRIES: usize = 10;
/// How many headers an entry has at most.
const MOST_HEADERS: usize = 100;
/// How long they are together at most, in bytes.
const LONGEST_HEADERS: usize = 32 * 1024;

const TOO_MANY_HEADERS: &str = "`headers` holds more than 100";
const TOO_MANY_ENTRIES: &str = "the array has more than 10 entries, and at most 10 are taken";

/// One entry: a request to a provider. Not `Debug`: a key of the client's own may be in its headers.
pub(crate) struct Entry<'a> {
    pub(crate) provider: Cow<'a, str>,
    /// The path below the provider, without leading slash, with its query.
    pub(crate) endpoint: Cow<'a, str>,
    /// What is said of this request alone; goes before what is said of all.
    pub(crate) headers: HeaderMap,
    /// The body, byte for byte.
    pub(crate) query: &'a RawValue,
}

/// The values of an object with few members. They are read when all of them are counted.
#[derive(Default)]
struct Few<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Few<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Few<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "an object of at most {MOST_HEADERS} headers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    if members.len() >= MOST_HEADERS {
                        return Err(de::Error::custom(TOO_MANY_HEADERS));
                    }
                    members.push(member);
                }
                Ok(Few(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// The entries, of which no more are kept than may be.
struct Entries<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;

        impl<'de> Visitor<'de> for Items {
            type Value = Entries<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array of entries")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    if items.len() >= MOST_ENTRIES {
                        return Err(de::Error::custom(TOO_MANY_ENTRIES));
                    }
                    items.push(item);
                }
                Ok(Entries(items))
            }
        }

        deserializer.deserialize_seq(Items)
    }
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow)]
    provider: Cow<'a, str>,
    #[serde(borrow)]
    endpoint: Cow<'a, str>,
    #[serde(default, borrow)]
    headers: Few<'a>,
    authorization: Option<String>,
    #[serde(borrow)]
    query: &'a RawValue,
    #[serde(default, borrow)]
    config: Config<'a>,
}

/// Fields that are kept by others and change nothing here are passed over, as are those that nobody knows: what the
/// reference adds is no fault of the client's.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    #[serde(borrow)]
    request_timeout: Option<&'a RawValue>,
    #[serde(borrow)]
    max_attempts: Option<&'a RawValue>,
    #[serde(borrow)]
    retry_delay: Option<&'a RawValue>,
    #[serde(borrow)]
    backoff: Option<&'a RawValue>,
}

/// Reads the entries: an array of them, or one by itself.
///
/// # Errors
///
/// What is wrong, and with which entry: completes a sentence.
pub(crate) fn entries(body: &[u8]) -> Result<Vec<Entry<'_>>, String> {
    let is_one = body.trim_ascii_start().starts_with(b"{");
    let Entries(texts) = match is_one {
        true => serde_json::from_slice(body).map(|one| Entries(vec![one])),
        false => serde_json::from_slice(body),
    }
    .map_err(|error| {
        format!(
            "the body is no JSON array of entries, nor one entry: {}",
            plain(&error)
        )
    })?;
    if texts.is_empty() {
        return Err("the array has no entry; write one at least".to_owned());
    }
    let numbered = texts.into_iter().enumerate();
    numbered
        .map(|(at, text)| entry(text).map_err(|problem| format!("entry {at}: {problem}")))
        .collect()
}

fn entry(text: &RawValue) -> Result<Entry<'_>, String> {
    let text: Text<'_> = serde_json::from_str(text.get()).map_err(|error| plain(&error))?;
    let mut headers = HeaderMap::new();
    let mut length = 0_usize;
    for (name, value) in &text.headers.0 {
        let name = HeaderName::try_from(name.as_ref())
            .map_err(|_invalid| "a name in `headers` is no name of a header".to_owned())?;
        let told = shown(name.as_str());
        let value = scalar(value).and_then(|value| HeaderValue::from_str(&value).ok());
        let value = value.ok_or_else(|| format!("`headers.{told}` is no value of a header"))?;
        length = length.saturating_add(name.as_str().len() + value.len());
        if length > LONGEST_HEADERS {
            return Err(format!("`headers` are longer than {LONGEST_HEADERS} bytes"));
        }
        // Names that differ in case alone are one.
        if headers.insert(name, value).is_some() {
            return Err(format!("`headers.{told}` stands there twice"));
        }
    }
    if let Some(authorization) = &text.authorization {
        let value = HeaderValue::from_str(authorization)
            .map_err(|_invalid| "`authorization` is no value of a header".to_owned())?;
        if headers.insert(AUTHORIZATION, value).is_some() {
            return Err("`authorization` stands there twice".to_owned());
        }
    }
    let config = [
        (handling::TIMEOUT, text.config.request_timeout),
        (handling::ATTEMPTS, text.config.max_attempts),
        (handling::DELAY, text.config.retry_delay),
        (handling::BACKOFF, text.config.backoff),
    ];
    for (name, value) in config {
        let Some(value) = value.filter(|value| value.get() != "null") else {
            continue;
        };
        let value = scalar(value).and_then(|value| HeaderValue::from_str(&value).ok());
        let value = value.ok_or_else(|| "`config` holds a value that is none".to_owned())?;
        // What the entry's own headers say goes before.
        headers.entry(name).or_insert(value);
    }
    // Where a request is from, and by what it came, is not an entry's to say.
    headers.remove(HOST);
    headers.remove(CDN_LOOP);
    Ok(Entry {
        endpoint: endpoint(text.endpoint)?,
        provider: text.provider,
        headers: without_framing(headers),
        query: text.query,
    })
}

/// A text, a number, `true` or `false`, as a header has it.
fn scalar(value: &RawValue) -> Option<Cow<'_, str>> {
    let text = value.get();
    match text.as_bytes().first()? {
        b'"' if text.len() <= LONGEST_HEADERS => serde_json::from_str(text).ok(),
        b'"' | b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(text)),
    }
}

/// A path, and not an address. What else it must be is decided where every path is.
fn endpoint(text: Cow<'_, str>) -> Result<Cow<'_, str>, String> {
    let is_address = text.contains("://") || text.starts_with("//") || text.contains('#');
    if is_address {
        return Err(
            "`endpoint` is a path below the provider, such as `v1/chat/completions`; write no address"
                .to_owned(),
        );
    }
    Ok(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix('/').unwrap_or(text)),
        Cow::Owned(text) => Cow::Owned(text.strip_prefix('/').unwrap_or(&text).to_owned()),
    })
}

/// What serde says, without what it quotes: that may be a key.
fn plain(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => {
            let text = error.to_string();
            let is_ours = [
                "missing field",
                "duplicate field",
                TOO_MANY_HEADERS,
                TOO_MANY_ENTRIES,
            ]
            .iter()
            .any(|known| text.starts_with(known));
            match is_ours {
                true => text,
                false => "a field is of another type than it has to be".to_owned(),
            }
        }
        _ => format!(
            "it breaks off or is malformed at line {}, column {}",
            error.line(),
            error.column()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::entries;

    #[test]
    fn entries_are_read_and_their_bodies_left_as_they_are() {
        let body = br#" [
            {"endpoint": "/v1/chat/completions?x=1", "provider": "openai",
             "headers": {"Authorization": "Bearer a", "cf-aig-max-attempts": 2},
             "config": {"maxAttempts": 5, "retryDelay": 10, "cacheTtl": 60, "metadata": {"a": 1}},
             "query": {"model":"gpt-5",  "model2": 1.0}, "later": []},
            {"provider": "groq", "endpoint": "chat/completions", "authorization": "Bearer b", "query": null}
        ]"#;
        let read = entries(body).unwrap();
        assert_eq!(read.len(), 2);
        let first = &read[0];
        assert_eq!(
            (&*first.provider, &*first.endpoint),
            ("openai", "v1/chat/completions?x=1")
        );
        assert_eq!(first.query.get(), r#"{"model":"gpt-5",  "model2": 1.0}"#);
        assert_eq!(first.headers["authorization"], "Bearer a");
        assert_eq!(first.headers["cf-aig-max-attempts"], "2");
        assert_eq!(first.headers["cf-aig-retry-delay"], "10");
        assert_eq!(read[1].headers["authorization"], "Bearer b");
        let one = entries(br#"{"provider":"a","endpoint":"b","query":{}}"#).unwrap();
        assert_eq!(one.len(), 1);
    }

    #[test]
    fn an_entry_frames_no_request() {
        let body = br#"[{"provider":"a","endpoint":"b","query":{},"headers":
            {"content-length":"5","transfer-encoding":"chunked","connection":"x","upgrade":"websocket"}}]"#;
        assert!(entries(body).unwrap()[0].headers.is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_and_not_repeated() {
        for (body, expected) in [
            ("", "no JSON array"),
            ("[]", "no entry"),
            ("[1]", "entry 0"),
            ("{}", "missing field `provider`"),
            (
                r#"[{"provider":"a","endpoint":"b"}]"#,
                "missing field `query`",
            ),
            (
                r#"[{"provider":"a","provider":"b","endpoint":"b","query":1}]"#,
                "duplicate field",
            ),
            (
                r#"[{"provider":"a","endpoint":"https://x.example/","query":1}]"#,
                "below the provider",
            ),
            (
                r#"[{"provider":"a","endpoint":"//x.example/","query":1}]"#,
                "below the provider",
            ),
            (
                r#"[{"provider":"a","endpoint":"b","query":1,"headers":{"a b":"c"}}]"#,
                "no name",
            ),
            (
                r#"[{"provider":"a","endpoint":"b","query":1,"headers":{"a":["sk-secret"]}}]"#,
                "no value",
            ),
            (
                r#"[{"provider":"a","endpoint":"b","query":1,"headers":{"a":"1","A":"2"}}]"#,
                "twice",
            ),
            (
                r#"[{"provider":"a","endpoint":"b","query":1,"authorization":["sk-secret"]}]"#,
                "another type",
            ),
            (
                r#"[{"provider":"a","endpoint":"b","query":1},"#,
                "malformed",
            ),
        ] {
            let told = entries(body.as_bytes()).err().unwrap();
            assert!(told.contains(expected), "{body}: {told}");
            assert!(!told.contains("secret"), "{told}");
        }
        let entry = r#"{"provider":"a","endpoint":"b","query":1}"#;
        assert!(entries(format!("[{}]", [entry; 10].join(",")).as_bytes()).is_ok());
        let headers = |count: usize, length: usize| {
            let value = "x".repeat(length);
            let headers: serde_json::Map<_, _> = (0..count)
                .map(|number| (format!("x-{number}"), serde_json::json!(value)))
                .collect();
            serde_json::json!({"provider": "a", "endpoint": "b", "query": 1, "headers": headers})
                .to_string()
        };
        assert!(entries(headers(100, 10).as_bytes()).is_ok());
        let told = entries(headers(40_000, 1).as_bytes()).err().unwrap();
        assert!(told.contains("more than 100"), "{told}");
        let told = entries(headers(4, 10_000).as_bytes()).err().unwrap();
        assert!(told.contains("longer than"), "{told}");
        let many = format!("[{}]", [entry; 11].join(","));
        assert!(
            entries(many.as_bytes())
                .err()
                .unwrap()
                .contains("at most 10")
        );
    }
}
