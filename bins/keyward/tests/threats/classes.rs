//! The classes of docs/threats.md and their cases.
#![expect(
    clippy::too_many_lines,
    reason = "a table of cases reads best in one piece"
)]

mod browsers;
mod credentials;
mod exhaustion;
mod framing;
mod headers;
mod operator;
mod routing;
mod stale;

use crate::{case::Case, world::World};

/// Number, name and rule of every class.
pub(crate) const CLASSES: [(u8, &str, &str); 20] = [
    (
        1,
        "the client chooses the destination",
        "the destination is sealed with the key; no field of a request moves it",
    ),
    (
        2,
        "`Connection` strips what the proxy injects",
        "strip first, inject last; nominations of credentials, framing and host are ignored",
    ),
    (
        3,
        "look-alike names",
        "names that differ from a credential's only by `_` and `-` go; what is no name is refused",
    ),
    (
        4,
        "request smuggling by framing",
        "one framing goes on, rebuilt from what was read; two lengths, odd codings and broken chunks are refused",
    ),
    (
        5,
        "HTTP/2 to HTTP/1 downgrade",
        "the target is rebuilt from its parts; what HTTP/1 could read as a line end or a name's end is refused",
    ),
    (
        6,
        "host confusion",
        "exactly one host comes in, and it is never the one that goes out",
    ),
    (
        7,
        "path normalisation",
        "nothing is decoded or folded; what a server could read as a way out is refused",
    ),
    (
        8,
        "redirects carry the key",
        "none is followed; one that leads outside is a 502",
    ),
    (
        9,
        "credentials in URLs",
        "keys go as headers; tokens in a query are cut out and are in no log",
    ),
    (
        10,
        "leaks by logs and errors",
        "no answer, log line or metric holds a secret or a token's digest",
    ),
    (
        11,
        "injection before authentication",
        "a token is parsed before it is looked up, and looked up by its digest",
    ),
    (
        12,
        "connections that cost nothing",
        "silent, half, idle and slow connections end",
    ),
    (
        13,
        "rapid reset, CONTINUATION flood",
        "streams, resets, settings, pings and header lists are limited; other clients do not notice",
    ),
    (
        14,
        "many tiny chunks or frames",
        "work is linear in pieces, and pieces without end are refused",
    ),
    (
        15,
        "decompression bombs",
        "nothing is decompressed that a client or a success sends",
    ),
    (
        16,
        "DNS rebinding",
        "the control plane answers to its own names only; the data plane uses no stored key without a token in a header",
    ),
    (
        17,
        "cross-site requests",
        "the APIs take no cookie and no write from a page, forms of the dashboard come from its own pages alone, CORS is off",
    ),
    (
        18,
        "open on bad configuration",
        "a security file that cannot be read stops the start",
    ),
    (
        19,
        "stale authorisation",
        "a revocation holds for the next request, also on an open connection",
    ),
    (
        20,
        "server-side request forgery",
        "private and special addresses are refused unless the configuration file names them",
    ),
];

/// The cases that need short limits: those that may run at the same time, and those that may not.
pub(crate) fn idle() -> (Vec<Case>, Vec<Case>) {
    (exhaustion::idle(), exhaustion::stalled())
}

/// Every other case, by class.
pub(crate) fn all(world: &World) -> Vec<Case> {
    let mut cases = routing::cases(world);
    cases.extend(headers::cases(world));
    cases.extend(framing::cases(world));
    cases.extend(credentials::cases(world));
    cases.extend(stale::cases());
    cases.extend(exhaustion::cases(world));
    cases.extend(browsers::cases(world));
    cases.extend(operator::cases());
    // A stable order: the cases of a class stay in theirs.
    cases.sort_by_key(|case| (case.class, case.plane));
    cases
}
