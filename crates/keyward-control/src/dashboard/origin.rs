//! Whether a form was sent from a page of ours.

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::{HOST, ORIGIN},
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether the page that sends a form is of this very origin: `Origin` names the host that the request is for, and
/// `Sec-Fetch-Site`, where the browser sends it, says the same.
///
/// Without `Origin` the answer is no: every browser sends it with a form.
pub(crate) fn is_own(headers: &HeaderMap, uri: &Uri, has_tls: bool) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return false;
    };
    let Some(own) = of_request(headers, uri, has_tls) else {
        return false;
    };
    let is_same = |value: &HeaderValue| value == "same-origin";
    origin
        .to_str()
        .is_ok_and(|named| named.eq_ignore_ascii_case(&own))
        && headers.get_all(SEC_FETCH_SITE).iter().all(is_same)
}

/// The origin that a request was sent to, by the host it names.
pub(crate) fn of_request(headers: &HeaderMap, uri: &Uri, has_tls: bool) -> Option<String> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    // HTTP/2 may name the host in the request's target alone.
    let host = host.or(uri.authority().map(http::uri::Authority::as_str));
    let scheme = if has_tls { "https" } else { "http" };
    Some(format!("{scheme}://{}", host?))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::is_own;

    #[track_caller]
    fn check(fields: &[(&'static str, &'static str)], has_tls: bool, expected: bool) {
        let fields = fields.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        let headers = HeaderMap::from_iter(fields);
        let uri = "/keys/new".parse().unwrap();
        assert_eq!(is_own(&headers, &uri, has_tls), expected, "{headers:?}");
    }

    const HOST: (&str, &str) = ("host", "127.0.0.1:8788");
    const OWN: (&str, &str) = ("origin", "http://127.0.0.1:8788");

    #[test]
    fn a_form_of_our_own_page_is_ours() {
        check(&[HOST, OWN], false, true);
        check(&[HOST, OWN, ("sec-fetch-site", "same-origin")], false, true);
        let tls = [("host", "keys.example"), ("origin", "https://keys.example")];
        check(&tls, true, true);
    }

    #[test]
    fn other_pages_are_not() {
        for origin in [
            "null",
            "https://127.0.0.1:8788",
            "http://127.0.0.1",
            "http://127.0.0.1:8787",
            "http://localhost:8788",
            "http://evil.example",
            "http://127.0.0.1:8788.evil.example",
            "",
        ] {
            check(&[HOST, ("origin", origin)], false, false);
        }
        check(&[HOST], false, false);
        check(&[OWN], false, false);
        check(&[HOST, OWN], true, false);
        for site in ["cross-site", "same-site", "none"] {
            check(&[HOST, OWN, ("sec-fetch-site", site)], false, false);
        }
    }
}
