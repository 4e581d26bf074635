//! What kind of address an address is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far an address reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a guard decides for each of these, and a new one must not pass by default"
)]
pub enum Reach {
    /// Globally reachable unicast.
    Public,
    /// This machine, the private network, or a range that is not routed globally.
    Private,
    /// No upstream has such an address: metadata services, link-local, unspecified, multicast, broadcast.
    Special,
}

/// Addresses that answer with credentials or machine configuration, beside those in link-local ranges.
const METADATA_V4: [Ipv4Addr; 3] = [
    // Alibaba Cloud.
    Ipv4Addr::new(100, 100, 100, 200),
    // Azure's WireServer: a public address by its range, and never meant as an upstream.
    Ipv4Addr::new(168, 63, 129, 16),
    // Oracle Cloud Classic.
    Ipv4Addr::new(192, 0, 0, 192),
];

/// As above. `fe80::a9fe:a9fe` (OpenStack) is link-local.
const METADATA_V6: [Ipv6Addr; 3] = [
    // AWS: instance metadata, and EKS Pod Identity.
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    // Google Cloud.
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

impl Reach {
    /// What kind of address `address` is. Addresses that stand for an IPv4 address are of its kind at least.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

fn of_v4(address: Ipv4Addr) -> Reach {
    if METADATA_V4.contains(&address) {
        return Reach::Special;
    }
    match address.octets() {
        // "This network", of which the unspecified address reaches this machine.
        [0, ..] => Reach::Special,
        [169, 254, ..] => Reach::Special,
        // Multicast, and the limited broadcast.
        [224..=239, ..] | [255, 255, 255, 255] => Reach::Special,
        [127, ..] | [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Reach::Private,
        // Carrier-grade NAT.
        [100, 64..=127, ..] => Reach::Private,
        // Protocol assignments; documentation; 6to4 relays (deprecated); benchmarks.
        [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Reach::Private,
        [192, 88, 99, _] | [198, 18..=19, ..] => Reach::Private,
        // Reserved.
        [240..=255, ..] => Reach::Private,
        _ => Reach::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Reach {
    if METADATA_V6.contains(&address) || address.is_unspecified() || address.is_multicast() {
        return Reach::Special;
    }
    let [a, b, c, d, e, f, g, h] = address.segments();
    let last = v4(g, h);
    match [a, b, c, d, e, f] {
        // IPv4-mapped: connecting to it connects to the IPv4 address.
        [0, 0, 0, 0, 0, 0xffff] => of_v4(last),
        // Loopback; IPv4-compatible, which nothing routes.
        [0, 0, 0, 0, 0, 0] if (g, h) == (0, 1) => Reach::Private,
        [0, 0, 0, 0, 0, 0] => of_v4(last).max(Reach::Private),
        // IPv4-translated (RFC 2765).
        [0, 0, 0, 0, 0xffff, 0] => of_v4(last).max(Reach::Private),
        // NAT64 (RFC 6052): on networks without IPv4 every IPv4 upstream is reached by it.
        [0x64, 0xff9b, 0, 0, 0, 0] => of_v4(last),
        // Local NAT64 (RFC 8215): the translator is the network's own, wherever it puts the IPv4 address.
        [0x64, 0xff9b, 1, ..] => of_local_nat64(address),
        // Unique local, site-local (deprecated), link-local.
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Reach::Private,
        [0xfe80..=0xfebf, ..] => Reach::Special,
        // Teredo: the server's address, and the client's, inverted. Deprecated like 6to4.
        [0x2001, 0, ..] => of_v4(v4(c, d)).max(of_v4(v4(!g, !h))).max(Reach::Private),
        // 6to4.
        [0x2002, ..] => of_v4(v4(b, c)).max(Reach::Private),
        // Protocol assignments below 2001::/23; documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Reach::Private,
        // ISATAP (RFC 5214): the interface identifier holds an IPv4 address.
        [0x2000..=0x3fff, _, _, _, 0 | 0x200, 0x5efe] => of_v4(last),
        // The global unicast range.
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Private,
    }
}

/// The IPv4 address in `64:ff9b:1::/48`, at each place where a prefix of /48, /56, /64 or /96 puts it (RFC 6052
/// §2.2): the strictest counts, because which one it is only the translator knows.
fn of_local_nat64(address: Ipv6Addr) -> Reach {
    let o = address.octets();
    let places = [
        [o[6], o[7], o[9], o[10]],
        [o[7], o[9], o[10], o[11]],
        [o[9], o[10], o[11], o[12]],
        [o[12], o[13], o[14], o[15]],
    ];
    // Zeros in front mean that the address stands elsewhere.
    let is_special = |octets: &[u8; 4]| {
        octets.first() != Some(&0) && of_v4(Ipv4Addr::from(*octets)) == Reach::Special
    };
    if places.iter().any(is_special) {
        Reach::Special
    } else {
        Reach::Private
    }
}

const fn v4(high: u16, low: u16) -> Ipv4Addr {
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests;
