//! Sets of addresses.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

/// A set of networks. Cloning shares it.
///
/// IPv4 addresses mapped into IPv6 count as the IPv4 addresses they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Option<Arc<[IpNet]>>);

/// The text is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no network; one looks like `10.0.0.0/8`, `2001:db8::/32` or `10.1.2.3`")]
pub struct ParseNetworkError {
    text: String,
}

impl Networks {
    /// Parses networks: `address/length`, or an address alone.
    ///
    /// # Errors
    ///
    /// When a text is neither, or its address has bits beyond the length: `10.1.2.3/8` is as likely an address
    /// with a wrong length as a network with a wrong address.
    pub fn parse<T: AsRef<str>>(
        texts: impl IntoIterator<Item = T>,
    ) -> Result<Self, ParseNetworkError> {
        let networks: Arc<[IpNet]> = texts
            .into_iter()
            .map(|text| parse_one(text.as_ref()))
            .collect::<Result<_, _>>()?;
        Ok(Self((!networks.is_empty()).then_some(networks)))
    }

    /// Whether `address` is in one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let Some(networks) = &self.0 else {
            return false;
        };
        let address = address.to_canonical();
        networks.iter().any(|network| network.contains(&address))
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

fn parse_one(text: &str) -> Result<IpNet, ParseNetworkError> {
    let refuse = || ParseNetworkError {
        text: text.to_owned(),
    };
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address.to_canonical()),
        Err(_no_address) => text.parse::<IpNet>().map_err(|_invalid| refuse())?,
    };
    // A network of mapped addresses would never match.
    let is_mapped = match network {
        IpNet::V6(network) => network.addr().to_ipv4_mapped().is_some(),
        IpNet::V4(_) => false,
    };
    if is_mapped || network.trunc() != network {
        return Err(refuse());
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::Networks;

    #[track_caller]
    fn check(networks: &[&str], address: &str, expected: bool) {
        let parsed = Networks::parse(networks).unwrap();
        let contains = parsed.contains(address.parse().unwrap());
        assert_eq!(contains, expected, "{networks:?} {address}");
    }

    #[test]
    fn an_address_is_in_a_network_or_not() {
        check(&[], "10.0.0.1", false);
        check(&["10.0.0.0/8"], "10.255.0.1", true);
        check(&["10.0.0.0/8"], "::ffff:10.0.0.1", true);
        check(&["10.0.0.0/8"], "11.0.0.1", false);
        check(&["10.0.0.0/8"], "::a00:1", false);
        check(&["192.0.2.7", "2001:db8::/32"], "192.0.2.7", true);
        check(&["192.0.2.7", "2001:db8::/32"], "2001:db8::1", true);
        check(&["192.0.2.7", "2001:db8::/32"], "192.0.2.8", false);
        check(&["::ffff:192.0.2.7"], "192.0.2.7", true);
        check(&["::/0"], "192.0.2.7", false);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.1.2.3/8",
            "host",
            "10.0.0",
            "::ffff:10.0.0.0/104",
        ] {
            assert!(Networks::parse([text]).is_err(), "{text}");
        }
        assert!(Networks::parse([""; 0]).unwrap().is_empty());
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::ParseNetworkError;

        keyward_testing::assert_texts!("ParseNetworkError", [
            "a name" => ParseNetworkError { text: "example.com".to_owned() },
        ]);
    }
}
