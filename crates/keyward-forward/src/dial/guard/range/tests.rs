use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::Reach::{self, Private, Public, Special};

#[track_caller]
fn check(expected: Reach, addresses: &[&str]) {
    for address in addresses {
        let parsed: IpAddr = address.parse().unwrap();
        assert_eq!(Reach::of(parsed), expected, "{address}");
    }
}

#[test]
fn addresses_of_the_internet_are_public() {
    check(
        Public,
        &[
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "128.0.0.1",
            "168.63.129.15",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.1",
            "192.0.3.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
            "2001:200::1",
            "2a00:1450:4001:81b::200e",
            "3ffe::1",
        ],
    );
}

#[test]
fn this_machine_and_private_networks_are_private() {
    check(
        Private,
        &[
            "127.0.0.1",
            "127.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.0.0",
            "192.168.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "::1",
            "fc00::",
            "fd12:3456:789a::1",
            "fdff:ffff::1",
            "fec0::1",
            "feff::1",
        ],
    );
}

#[test]
fn ranges_that_are_not_routed_are_private() {
    check(
        Private,
        &[
            "192.0.0.1",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "240.0.0.1",
            "255.255.255.254",
            "2001:db8::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff::1",
            "3fff::1",
            "3fff:fff::1",
            "100::1",
            "5f00::1",
            "4000::1",
            "e000::1",
            "1fff::1",
        ],
    );
}

#[test]
fn what_no_upstream_has_is_special() {
    check(
        Special,
        &[
            "0.0.0.0",
            "0.255.255.255",
            "169.254.0.0",
            "169.254.169.254",
            "169.254.170.2",
            "169.254.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "::",
            "fe80::1",
            "fe80::a9fe:a9fe",
            "febf::1",
            "ff02::1",
            "ff0e::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
        ],
    );
}

#[test]
fn an_ipv4_address_in_ipv6_clothes_is_what_it_is() {
    check(Public, &["::ffff:1.1.1.1", "64:ff9b::8.8.8.8"]);
    check(
        Private,
        &[
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::10.1.2.3",
            "::1.1.1.1",
            "::ffff:0:127.0.0.1",
            "::ffff:0:1.1.1.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::192.168.0.1",
            "64:ff9b:1::10.0.0.1",
            "64:ff9b:1::8.8.8.8",
            "2002:a00:1::1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "2001:0:a00:1::1",
            "2001:0:808:808:0:0:f5ff:fffe",
            "2606:4700::5efe:10.0.0.1",
            "2606:4700::200:5efe:10.0.0.1",
        ],
    );
    check(
        Special,
        &[
            "::ffff:169.254.169.254",
            "::ffff:0.0.0.0",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b::100.100.100.200",
            "64:ff9b:1::169.254.169.254",
            "64:ff9b:1:a9fe:00a9:fe00::",
            "64:ff9b:1:a9:fe:a9fe::",
            "64:ff9b:1:0:a9:fea9:fe00::",
            "2002:a9fe:a9fe::1",
            "2001:0:a9fe:a9fe::1",
            "2001:0:808:808:0:0:5601:5601",
            "2001:0:808:808::",
            "2606:4700::5efe:169.254.169.254",
        ],
    );
}

fn embedded(address: Ipv4Addr) -> [Ipv6Addr; 6] {
    let [a, b, c, d] = address.octets().map(u16::from);
    let (high, low) = (a << 8 | b, c << 8 | d);
    [
        address.to_ipv6_mapped(),
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0x2001, 0, 0x808, 0x808, 0, 0, !high, !low),
    ]
}

proptest! {
    /// No way of writing an IPv4 address into an IPv6 one makes it reach further.
    #[test]
    fn clothes_never_widen(bits: u32) {
        let address = Ipv4Addr::from_bits(bits);
        let bare = Reach::of(address.into());
        for dressed in embedded(address) {
            // In the local NAT64 range, zeros in front are no address.
            let floor = if address.octets()[0] == 0 { bare.min(Private) } else { bare };
            prop_assert!(Reach::of(dressed.into()) >= floor, "{dressed} of {address}");
        }
    }

    /// What the standard library knows to be local is never public.
    #[test]
    fn the_standard_library_does_not_know_better(bits: u32, wide: u128, prefix in 0_u8..8) {
        let v4 = Ipv4Addr::from_bits(bits);
        if v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_broadcast()
            || v4.is_documentation() || v4.is_unspecified() || v4.is_multicast()
        {
            prop_assert_ne!(Reach::of(v4.into()), Public);
        }
        // Half of all draws fall into the ranges that matter.
        let heads = [0_u128, 0xfc, 0xfd, 0xfe, 0xff, 0x20, 0x3f, 0x00];
        let v6 = Ipv6Addr::from_bits((wide >> 8) | (heads[usize::from(prefix)] << 120));
        if v6.is_loopback() || v6.is_multicast() || v6.is_unique_local()
            || v6.is_unicast_link_local() || v6.is_unspecified()
        {
            prop_assert_ne!(Reach::of(v6.into()), Public);
        }
    }
}
