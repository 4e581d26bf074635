//! Framing: the length that a head announces is the length of the body that goes with it.
//!
//! What the other side announced stays only where it is a single number and equal to what is known of the
//! body; that saves writing it anew. Anything else goes, and hyper frames the body by its size hint.

use http::{
    HeaderMap, HeaderValue, Method,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use http_body::Body;

/// Frames a request, after [`prepare_request`](super::prepare_request): what it announces is what is known of `body`.
/// Where it then announces nothing, HTTP/1.1 sends a `body` of unknown length in chunks.
pub fn frame_request(headers: &mut HeaderMap, method: &Method, body: &impl Body) {
    if body.is_end_stream() {
        // A method that defines a body says so even when there is none (RFC 9110 §8.6).
        let expected = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
        if expected || headers.contains_key(CONTENT_LENGTH) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        return;
    }
    let length = body.size_hint().exact();
    keep_only(headers, length);
    if length.is_none() && matches!(*method, Method::GET | Method::HEAD) {
        // Without this hyper would send such a request without its body.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Frames an answer whose `Transfer-Encoding` is removed already. `bodiless` is an answer to `HEAD` or a 304,
/// whose length describes what another answer would hold.
pub(crate) fn frame_response(headers: &mut HeaderMap, bodiless: bool, body: &impl Body) {
    if bodiless {
        keep_only_number(headers);
    } else {
        keep_only(headers, body.size_hint().exact());
    }
}

fn keep_only(headers: &mut HeaderMap, length: Option<u64>) {
    let mut announced = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = announced.next() else {
        return;
    };
    let equal = length.is_some() && parse(first) == length;
    if !equal || announced.next().is_some() {
        headers.remove(CONTENT_LENGTH);
    }
}

fn keep_only_number(headers: &mut HeaderMap) {
    let announced = headers.get(CONTENT_LENGTH).and_then(parse);
    keep_only(headers, announced);
}

/// The number, where the value is digits and nothing else.
fn parse(value: &HeaderValue) -> Option<u64> {
    let digits = value.as_bytes();
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        Some(number * 10 + u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{
        HeaderMap, HeaderValue, Method,
        header::{CONTENT_LENGTH, TRANSFER_ENCODING},
    };
    use http_body_util::{Empty, Full, StreamBody};

    use super::{frame_request, frame_response};

    fn announced(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_LENGTH, HeaderValue::from_static(value));
        }
        headers
    }

    #[track_caller]
    fn check(values: &[&'static str], expected: Option<&str>) {
        let mut headers = announced(values);
        frame_request(
            &mut headers,
            &Method::POST,
            &Full::new(Bytes::from("12345")),
        );
        let found: Vec<_> = headers.get_all(CONTENT_LENGTH).iter().collect();
        assert_eq!(found, Vec::from_iter(expected), "{values:?}");
    }

    #[test]
    fn a_length_stays_only_if_it_is_single_and_true() {
        check(&["5"], Some("5"));
        check(&["05"], Some("05"));
        check(&[], None);
        for wrong in ["6", "+5", "5, 5", "5 ", "", "-5", "18446744073709551621"] {
            check(&[wrong], None);
        }
        check(&["5", "5"], None);
    }

    #[test]
    fn a_body_of_unknown_length_loses_the_announced_one() {
        let body = StreamBody::new(futures_util::stream::pending::<
            Result<http_body::Frame<Bytes>, std::convert::Infallible>,
        >());
        let mut headers = announced(&["5"]);
        frame_request(&mut headers, &Method::POST, &body);
        assert!(headers.is_empty());
        frame_request(&mut headers, &Method::GET, &body);
        assert_eq!(headers[TRANSFER_ENCODING], "chunked");
    }

    #[test]
    fn no_body_is_said_where_a_body_is_usual() {
        for (method, values, expected) in [
            (Method::POST, &[][..], Some("0")),
            (Method::GET, &[], None),
            (Method::DELETE, &["7"], Some("0")),
        ] {
            let mut headers = announced(values);
            frame_request(&mut headers, &method, &Empty::<Bytes>::new());
            let found = headers
                .get(CONTENT_LENGTH)
                .map(|value| value.to_str().unwrap());
            assert_eq!(found, expected, "{method}");
        }
    }

    #[test]
    fn an_answer_without_body_keeps_the_length_it_describes() {
        let mut headers = announced(&["12"]);
        frame_response(&mut headers, true, &Empty::<Bytes>::new());
        assert_eq!(headers[CONTENT_LENGTH], "12");
        frame_response(&mut headers, false, &Empty::<Bytes>::new());
        assert!(headers.is_empty());
    }
}
