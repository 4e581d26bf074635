//! What the gateway says it would do with a request is what it does.

#[cfg(test)]
mod framing;
#[cfg(test)]
mod handshake;
#[cfg(test)]
mod random;
#[cfg(test)]
mod told;

use std::{collections::BTreeSet, net::Ipv4Addr};

use http::{HeaderName, HeaderValue, Request};
use keyward_gateway::explain::{Explanation, Forwarded, Outcome, Refused};
use keyward_testing::Recorded;

use crate::support::{CHAT, Running, now};

/// A request as a client sends it.
#[derive(Clone, Debug)]
struct Asked {
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    fn has_body(&self) -> bool {
        self.method == "POST"
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut bytes = (text + "\r\n").into_bytes();
        if self.has_body() {
            bytes.extend_from_slice(CHAT);
        }
        bytes
    }

    fn request(&self) -> Request<()> {
        let mut request = Request::builder()
            .method(self.method)
            .uri(&self.target)
            .body(())
            .unwrap();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            let value = HeaderValue::from_str(value).unwrap();
            request.headers_mut().append(name, value);
        }
        request
    }

    /// The values of a header, as they are sent.
    fn values(&self, name: &str) -> Vec<&[u8]> {
        let named = self
            .headers
            .iter()
            .filter(|(given, _)| given.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_bytes()).collect()
    }
}

fn explain(running: &Running, asked: &Asked) -> Explanation {
    let source = Ipv4Addr::LOCALHOST.into();
    running.gateway.explain(asked.request(), source, now())
}

#[track_caller]
fn forwarded(explained: Explanation) -> Forwarded {
    match explained.outcome {
        Outcome::Forwarded(forwarded) => *forwarded,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(explained: Explanation) -> Refused {
    match explained.outcome {
        Outcome::Refused(refused) => refused,
        other => panic!("{other:?}"),
    }
}

fn chat(running: &Running, headers: &[(&str, &str)]) -> Asked {
    let host = running.addr.to_string();
    let given = [("host", host.as_str())];
    let headers = given.iter().chain(headers);
    Asked {
        method: "POST",
        target: running.path("openai/chat/completions"),
        headers: headers
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

/// What came to the provider is what was explained.
#[track_caller]
fn check_forwarded(asked: &Asked, said: &Forwarded, seen: &Recorded, origin: &str) {
    assert_eq!(said.origin.to_string(), origin, "{asked:?}");
    assert_eq!(seen.method, asked.method);
    if !said.target.contains("***") {
        assert_eq!(said.target, seen.target, "{asked:?}");
    }
    let came: BTreeSet<String> = seen
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    let set = said.set.iter().map(|header| header.name.clone());
    let expected: BTreeSet<String> = said.kept.iter().cloned().chain(set).collect();
    assert_eq!(came, expected, "{asked:?} {said:?}");
    for name in &said.kept {
        assert_eq!(
            seen.header_all(name),
            asked.values(name),
            "{name} of {asked:?}"
        );
    }
    for header in &said.set {
        let last = seen.header_all(&header.name);
        let last = last.last().unwrap();
        match &header.value {
            Some(value) => assert_eq!(value.as_bytes(), *last, "{asked:?}"),
            None => assert!(!asked.values(&header.name).contains(last), "{asked:?}"),
        }
    }
    for name in &said.dropped {
        let came = seen.header_all(name);
        assert!(
            asked.values(name).iter().all(|value| !came.contains(value)),
            "{name} of {asked:?}"
        );
    }
    let given: BTreeSet<_> = asked
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    let told: BTreeSet<_> = said.dropped.iter().cloned().chain(came).collect();
    assert!(given.is_subset(&told), "{asked:?} {said:?}");
}
