//! From where a token may be used.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::IpNet;

/// A network of IPv4 or IPv6 addresses, or a single address.
///
/// IPv4 addresses mapped into IPv6 (`::ffff:203.0.113.7`) count as the IPv4 addresses they are, on both
/// sides of the comparison: a listener on `::` sees IPv4 clients so. `::/0` is therefore all of IPv6 and
/// nothing of IPv4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(IpNet);

/// The text is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; a network looks like `203.0.113.0/24`, `2001:db8::/32` or `203.0.113.7`")]
pub struct ParseNetworkError {
    reason: &'static str,
}

impl Network {
    /// Parses `address/length`, or an address alone, which is a network of one.
    ///
    /// # Errors
    ///
    /// When `text` is neither, the length is out of range, or the address has bits beyond the length:
    /// `10.1.2.3/8` is as likely an address with a wrong length as a network with a wrong address.
    pub fn parse(text: &str) -> Result<Self, ParseNetworkError> {
        let refuse = |reason| ParseNetworkError { reason };
        let (address, length) = match text.split_once('/') {
            None => (text, None),
            Some((address, length)) => (address, Some(length)),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_invalid| refuse("the address is not one"))?;
        let length = match length {
            None => IpNet::from(address).prefix_len(),
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits
                .parse()
                .map_err(|_too_great| refuse("the length is out of range"))?,
            Some(_) => return Err(refuse("the length is not a number")),
        };
        let network = IpNet::new(address, length)
            .map_err(|_too_great| refuse("the length is out of range"))?;
        if network.trunc() != network {
            return Err(refuse("the address has bits beyond the length"));
        }
        Ok(Self(unmapped(network)))
    }

    /// Whether `address` is in the network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether every address of this network is in `other` too.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        other.0.contains(&self.0)
    }

    /// The addresses in both. Networks nest or are apart, so it is the smaller one or none.
    fn intersection(self, other: Self) -> Option<Self> {
        if self.is_within(&other) {
            Some(self)
        } else {
            other.is_within(&self).then_some(other)
        }
    }
}

/// `::ffff:a.b.c.d/96+n` as `a.b.c.d/n`; every other network as it is.
fn unmapped(network: IpNet) -> IpNet {
    let (IpAddr::V4(address), Some(length)) = (
        network.addr().to_canonical(),
        network.prefix_len().checked_sub(96),
    ) else {
        return network;
    };
    match network {
        IpNet::V4(_) => network,
        IpNet::V6(_) => IpNet::new(address.into(), length).unwrap_or(network),
    }
}

impl fmt::Display for Network {
    /// `address/length`, also for a single address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Network({self})")
    }
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// From which addresses a token may be used (Cloudflare's `request_ip`, wire-spec §4.10).
///
/// The default is no restriction, as it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Networks {
    /// Where the token may be used (`in`). Empty means anywhere.
    pub allow: Vec<Network>,
    /// Where it may not, whatever `allow` says (`not_in`).
    pub deny: Vec<Network>,
}

impl Networks {
    /// Whether the token may be used from `source`. Allocates nothing.
    #[must_use]
    pub fn allows(&self, source: IpAddr) -> bool {
        let holds = |networks: &[Network]| networks.iter().any(|network| network.contains(source));
        (self.allow.is_empty() || holds(&self.allow)) && !holds(&self.deny)
    }

    /// Whether these allow no address that `other` does not.
    ///
    /// Errs on the safe side: a network is compared with single networks, not with what several make up
    /// together, so 10.0.0.0/8 is not found within 10.0.0.0/9 and 10.128.0.0/9.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let denied = |network: Network| self.deny.iter().any(|deny| network.is_within(deny));
        let everywhere = everywhere();
        let effective = |networks: &Self| match networks.allow.as_slice() {
            [] => everywhere.to_vec(),
            some => some.to_vec(),
        };
        let bounds = effective(other);
        effective(self).into_iter().all(|network| {
            let bounded = bounds.iter().any(|bound| network.is_within(bound));
            (bounded || denied(network))
                && other
                    .deny
                    .iter()
                    .filter_map(|deny| network.intersection(*deny))
                    .all(denied)
        })
    }
}

fn everywhere() -> [Network; 2] {
    [
        IpNet::new_assert(Ipv4Addr::UNSPECIFIED.into(), 0),
        IpNet::new_assert(Ipv6Addr::UNSPECIFIED.into(), 0),
    ]
    .map(Network)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::{Network, Networks};

    fn network(text: &str) -> Network {
        Network::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[track_caller]
    fn check(allow: &[&str], deny: &[&str], source: &str, expected: bool) {
        let networks = Networks {
            allow: allow.iter().copied().map(network).collect(),
            deny: deny.iter().copied().map(network).collect(),
        };
        assert_eq!(
            networks.allows(source.parse().unwrap()),
            expected,
            "{source}"
        );
    }

    #[test]
    fn denied_beats_allowed_and_an_empty_list_allows_all() {
        check(&[], &[], "203.0.113.7", true);
        check(&["203.0.113.0/24"], &[], "203.0.113.7", true);
        check(&["203.0.113.0/24"], &[], "203.0.114.7", false);
        check(&["203.0.113.0/24"], &["203.0.113.7"], "203.0.113.7", false);
        check(&[], &["2001:db8::/32"], "2001:db8::1", false);
        check(&[], &["2001:db8::/32"], "2001:db9::1", true);
    }

    #[test]
    fn mapped_addresses_count_as_ipv4() {
        check(&["203.0.113.0/24"], &[], "::ffff:203.0.113.7", true);
        check(&[], &["203.0.113.0/24"], "::ffff:203.0.113.7", false);
        check(&["::ffff:203.0.113.0/120"], &[], "203.0.113.7", true);
        check(&["::ffff:203.0.113.0/120"], &[], "203.0.114.7", false);
        check(&["::/0"], &[], "::ffff:203.0.113.7", false);
        check(&["0.0.0.0/0"], &[], "::1", false);
    }

    #[test]
    fn the_printed_form_is_the_normal_one() {
        for (text, printed) in [
            ("203.0.113.7", "203.0.113.7/32"),
            ("2001:0DB8::/32", "2001:db8::/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(network(text).to_string(), printed);
            assert_eq!(network(printed), network(text));
        }
    }

    #[test]
    fn what_is_not_a_network_is_refused() {
        for text in [
            "",
            "/",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "10.0.0.1/8",
            "010.0.0.0/8",
            "10.0.0/8",
            "10.0.0.0 /8",
            "example.com",
            "2001:db8::/129",
            "2001:db8::1/32",
            "fe80::1%eth0",
        ] {
            assert!(Network::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn everywhere_is_not_within_somewhere() {
        let any = Networks::default();
        let some = Networks {
            allow: vec![network("10.0.0.0/8")],
            deny: vec![],
        };
        let all_but_one = Networks {
            allow: vec![],
            deny: vec![network("10.0.0.1")],
        };
        assert!(some.is_within(&any) && any.is_within(&any) && all_but_one.is_within(&any));
        assert!(!any.is_within(&some));
        assert!(!any.is_within(&all_but_one) && !some.is_within(&all_but_one));
    }

    /// Addresses and networks from a world of 16 addresses of each family, so that they meet.
    fn addresses() -> impl Strategy<Value = IpAddr> {
        (0_u8..16, 0_u8..3).prop_map(|(low, family)| match family {
            0 => Ipv4Addr::new(10, 0, 0, low).into(),
            1 => Ipv4Addr::new(10, 0, 0, low).to_ipv6_mapped().into(),
            _ => Ipv6Addr::from(u128::from(low) << 32).into(),
        })
    }

    fn networks() -> impl Strategy<Value = Networks> {
        let one = (addresses(), 0_u8..=5).prop_map(|(address, up)| {
            let address = address.to_canonical();
            let length = match address {
                IpAddr::V4(_) => [32, 31, 30, 29, 28, 0],
                IpAddr::V6(_) => [128, 96, 95, 94, 93, 0],
            }[usize::from(up)];
            Network(ipnet::IpNet::new(address, length).unwrap().trunc())
        });
        let list = proptest::collection::vec(one, 0..4).boxed();
        (list.clone(), list).prop_map(|(allow, deny)| Networks { allow, deny })
    }

    proptest! {
        #[test]
        fn within_means_never_more(one in networks(), two in networks(), sources in proptest::collection::vec(addresses(), 32)) {
            if one.is_within(&two) {
                for source in sources {
                    prop_assert!(!one.allows(source) || two.allows(source), "{source}");
                }
            }
            prop_assert!(one.is_within(&one) && one.is_within(&Networks::default()));
        }

        #[test]
        fn more_denied_or_less_allowed_is_within(wide in networks(), extra in networks()) {
            let mut narrow = wide.clone();
            narrow.deny.extend(extra.deny);
            if narrow.allow.len() > 1 {
                narrow.allow.pop();
            }
            prop_assert!(narrow.is_within(&wide));
        }

        #[test]
        fn nothing_makes_the_parser_panic(text in "[0-9a-f:./]{0,24}|.{0,24}") {
            if let Ok(network) = Network::parse(&text) {
                prop_assert_eq!(Network::parse(&network.to_string()), Ok(network));
            }
        }
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::Network;

        keyward_testing::assert_texts!("ParseNetworkError", [
            "no address" => Network::parse("example.com").unwrap_err(),
            "a long prefix" => Network::parse("10.0.0.0/33").unwrap_err(),
            "host bits" => Network::parse("10.0.0.1/8").unwrap_err(),
        ]);
    }
}
