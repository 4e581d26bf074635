//! A whole upstream URL in a request header, as fal's SDK sends it in proxy mode.

use http::{HeaderMap, HeaderName, uri::PathAndQuery};
use keyward_secret::Origin;

/// Reads the one value of `header`: an origin, and a path and query that no reader resolves to another one.
pub(crate) fn parse<'a>(
    headers: &'a HeaderMap,
    header: &HeaderName,
) -> Result<(Origin, &'a str), &'static str> {
    let mut values = headers.get_all(header).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err("the header stands more than once");
    };
    let url = value.to_str().map_err(|_bytes| "it is not plain text")?;
    let (scheme, after) = url.split_once("://").ok_or("the scheme is missing")?;
    let end = after.find(['/', '?', '#', '\\']).unwrap_or(after.len());
    let (origin, path) = url
        .split_at_checked(scheme.len() + 3 + end)
        .ok_or("it is not a URL")?;
    let origin = Origin::parse(origin).map_err(|_error| "it names no origin")?;
    let path = if path.is_empty() { "/" } else { path };
    if !is_plain(path) {
        return Err("its path is not one that every reader understands alike");
    }
    Ok((origin, path))
}

/// Whether `path_and_query` goes into a request line unchanged, and holds no segment `.` or `..`, also after one
/// or two decodings.
pub(crate) fn is_plain(path_and_query: &str) -> bool {
    let unchanged = path_and_query.starts_with('/')
        && !path_and_query.contains('\\')
        && PathAndQuery::try_from(path_and_query)
            .is_ok_and(|parsed| parsed.as_str() == path_and_query);
    if !unchanged {
        return false;
    }
    let path = path_and_query.split('?').next().unwrap_or(path_and_query);
    let raw = path.as_bytes();
    let Some(once) = decode(raw) else {
        return false;
    };
    // Decoded text may hold a lone `%`: then nobody decodes it again.
    let twice = decode(&once).unwrap_or_default();
    [raw, &once, &twice].into_iter().all(has_no_dot_segment)
}

fn has_no_dot_segment(path: &[u8]) -> bool {
    path.split(|byte| matches!(byte, b'/' | b'\\'))
        .all(|segment| {
            let name = segment
                .split(|byte| *byte == b';')
                .next()
                .unwrap_or(segment);
            name != b"." && name != b".."
        })
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
        decoded.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{is_plain, parse};

    fn target(values: &[&str]) -> Result<(String, String), &'static str> {
        let name = HeaderName::from_static("x-target");
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_str(value).unwrap());
        }
        parse(&headers, &name).map(|(origin, path)| (origin.to_string(), path.to_owned()))
    }

    #[test]
    fn a_url_is_split_into_origin_and_path() {
        let expected = Ok(("https://a.example".to_owned(), "/x/y?z=/1".to_owned()));
        assert_eq!(target(&["https://A.example:443/x/y?z=/1"]), expected);
        let bare = Ok(("https://a.example".to_owned(), "/".to_owned()));
        assert_eq!(target(&["https://a.example"]), bare);
    }

    #[test]
    fn what_another_reader_may_understand_otherwise_is_refused() {
        for value in [
            "",
            "/x",
            "//a.example/x",
            "https:a.example/x",
            "https://user@a.example/x",
            "https://a.example\\@b.example/x",
            "https://a.example#@b.example/x",
            "https://a.example?x",
            "https://a.example/x#y",
            "https://a.example/x/../y",
            "https://a.example/x/%2e%2E/y",
            "https://a.example/x/%252e%252e/y",
            "https://a.example/x%2f..%2fy",
            "https://a.example/x/..;a/y",
            "https://a.example/x/%",
            "https://a.example/x y",
        ] {
            assert!(target(&[value]).is_err(), "{value:?}");
        }
        assert!(target(&["https://a.example/x", "https://a.example/x"]).is_err());
    }

    #[test]
    fn dots_that_are_no_segment_are_plain() {
        for path in ["/a.b/..c/...", "/x?y=..", "/x?y=/../", "/50%25"] {
            assert!(is_plain(path), "{path}");
        }
    }
}
