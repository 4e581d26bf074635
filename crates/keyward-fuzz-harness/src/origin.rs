//! Origins and destinations: the host that is meant is the host that is dialled.

use keyward_secret::{Destination, Origin};
use url::{Host, Url};

/// Reads `data` as the text of an origin or of a destination's entries, one a line.
///
/// # Panics
///
/// When a promise is broken.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Ok(origin) = Origin::parse(text) {
        check_origin(text, &origin);
    }
    if let Ok(destination) = Destination::danger_parse_plain_http(text.lines()) {
        check_destination(&destination);
    }
    if let Ok(destination) = Destination::parse(text.lines()) {
        for entry in destination.entries() {
            let plain = entry
                .strip_prefix("http://")
                .and_then(|rest| Origin::parse(&format!("http://{rest}")).ok());
            assert!(
                !entry.starts_with("http://") || plain.is_some_and(|origin| origin.is_loopback())
            );
        }
    }
}

fn check_origin(text: &str, origin: &Origin) {
    let written = origin.to_string();
    assert_eq!(
        Origin::parse(&written).as_ref(),
        Ok(origin),
        "{written} reads differently"
    );
    // What another reader makes of the same text is the same host and port, or nothing at all.
    let Ok(url) = Url::parse(text) else { return };
    assert_eq!(url.scheme(), origin.scheme().as_str());
    assert_eq!(
        url.port_or_known_default(),
        Some(origin.port()),
        "{text} has two ports"
    );
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(ip)) => ip.to_string(),
        Some(Host::Ipv6(ip)) => ip.to_string(),
        None => panic!("{text} has no host"),
    };
    assert_eq!(host, origin.host(), "{text} names two hosts");
}

fn check_destination(destination: &Destination) {
    let entries: Vec<_> = destination.entries().collect();
    let again = Destination::danger_parse_plain_http(entries.iter().map(String::as_str));
    assert_eq!(again.as_ref(), Ok(destination));
    let bytes = destination.to_canonical();
    assert_eq!(
        Destination::from_canonical(&bytes).as_ref(),
        Ok(destination)
    );
    assert!(destination.covers(destination));
    for entry in &entries {
        if let Ok(origin) = Origin::parse(entry) {
            assert!(destination.contains(&origin));
            let deeper = entry.replacen("://", "://evil.", 1);
            let one = Destination::danger_parse_plain_http([entry.as_str()]).expect("an entry");
            if let Ok(deeper) = Origin::parse(&deeper) {
                assert!(!one.contains(&deeper), "{entry} holds {deeper}");
            }
        }
    }
}
