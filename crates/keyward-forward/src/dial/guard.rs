//! Which addresses an upstream may have. Pure.
//!
//! A gateway reaches hosts that its clients cannot, so an origin that somebody else can choose, or whose
//! name somebody else can point elsewhere, must not lead into the private network, to the machine itself or
//! to a cloud's metadata service. Only globally reachable unicast addresses are [`Reach::Public`]; ranges by
//! IANA's special-purpose registries (RFC 6890 and its updates, read 2026-11).

mod range;

use std::{collections::HashSet, fmt, net::IpAddr};

use keyward_secret::Origin;

pub use self::range::Reach;

/// Says which addresses an origin may lead to. By default public ones only.
///
/// An origin that is [allowed by name](Self::allow) may also be private: this machine, the private network.
/// Addresses that no upstream has by accident (metadata services, link-local, multicast and the like) are
/// refused even then, unless the origin *is* the address.
///
/// ```
/// use keyward_forward::dial::Guard;
/// use keyward_secret::Origin;
///
/// let internal = Origin::parse("https://llm.internal.example")?;
/// let guard = Guard::new().allow([internal.clone()]);
/// assert!(guard.check(&internal, "10.0.0.7".parse()?).is_ok());
/// assert!(guard.check(&internal, "169.254.169.254".parse()?).is_err());
/// let other = Origin::parse("https://api.example.com")?;
/// assert!(guard.check(&other, "10.0.0.7".parse()?).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allowed: HashSet<Origin>,
}

/// An address was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forbidden {
    host: String,
    address: IpAddr,
    reach: Reach,
}

impl Guard {
    /// Public addresses only, for every origin.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows `origins` to be private: those that whoever runs this named, never what a client or an API
    /// call named.
    #[must_use]
    pub fn allow(mut self, origins: impl IntoIterator<Item = Origin>) -> Self {
        self.allowed.extend(origins);
        self
    }

    /// Whether requests for `origin` may go to `address`. Does no I/O.
    ///
    /// # Errors
    ///
    /// When they may not.
    pub fn check(&self, origin: &Origin, address: IpAddr) -> Result<(), Forbidden> {
        let reach = Reach::of(address);
        let may = match reach {
            Reach::Public => true,
            Reach::Private => self.allowed.contains(origin),
            Reach::Special => {
                let is_named = origin
                    .ip()
                    .is_some_and(|own| own.to_canonical() == address.to_canonical());
                is_named && self.allowed.contains(origin)
            }
        };
        if may {
            return Ok(());
        }
        Err(Forbidden {
            host: origin.host().to_owned(),
            address,
            reach,
        })
    }
}

impl Forbidden {
    /// The address that was refused.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// What kind of address it is.
    #[must_use]
    pub const fn reach(&self) -> Reach {
        self.reach
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, address, .. } = self;
        match self.reach {
            Reach::Public => write!(f, "{host} may not lead to {address}"),
            Reach::Private => write!(
                f,
                "{host} leads to {address}, which is not a public address; allow {host} by name if it is meant"
            ),
            Reach::Special => write!(
                f,
                "{host} leads to {address}, which no upstream has; only an origin that is this very address can be allowed"
            ),
        }
    }
}

impl std::error::Error for Forbidden {}

#[cfg(test)]
mod tests {
    use keyward_secret::Origin;

    use super::Guard;

    #[track_caller]
    fn check(allowed: &str, origin: &str, address: &str, expected: bool) {
        let guard = Guard::new().allow([Origin::parse(allowed).unwrap()]);
        let found = guard.check(&Origin::parse(origin).unwrap(), address.parse().unwrap());
        assert_eq!(
            found.is_ok(),
            expected,
            "{origin} → {address}, allowed {allowed}: {found:?}"
        );
    }

    #[test]
    fn a_public_address_needs_no_leave() {
        for address in ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"] {
            check("https://a.example", "https://b.example", address, true);
        }
    }

    #[test]
    fn a_private_address_needs_the_very_origin_to_be_allowed() {
        for address in ["127.0.0.1", "10.0.0.1", "100.64.0.1", "::1", "fd00::1"] {
            check("https://a.example", "https://a.example", address, true);
            for other in [
                "https://b.example",
                "http://a.example",
                "https://a.example:444",
                "https://x.a.example",
            ] {
                check("https://a.example", other, address, false);
            }
        }
    }

    #[test]
    fn the_name_of_this_machine_is_no_leave() {
        for origin in ["http://localhost", "http://x.localhost", "http://127.0.0.1"] {
            check("https://a.example", origin, "127.0.0.1", false);
            check(origin, origin, "127.0.0.1", true);
        }
    }

    #[test]
    fn a_special_address_is_reached_under_its_own_name_only() {
        for address in [
            "169.254.169.254",
            "100.100.100.200",
            "169.254.1.1",
            "224.0.0.1",
        ] {
            check("https://a.example", "https://a.example", address, false);
            let own = format!("http://{address}");
            check("https://a.example", &own, address, false);
            check(&own, &own, address, true);
            check(&own, &own, &format!("::ffff:{address}"), true);
        }
        check(
            "http://169.254.1.1",
            "http://169.254.1.1",
            "169.254.169.254",
            false,
        );
    }

    #[test]
    fn a_refusal_says_what_to_do_and_names_the_address() {
        let origin = Origin::parse("https://rebound.example").unwrap();
        let error = Guard::new().check(&origin, "10.0.0.1".parse().unwrap());
        assert_eq!(
            error.unwrap_err().to_string(),
            "rebound.example leads to 10.0.0.1, which is not a public address; \
             allow rebound.example by name if it is meant"
        );
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::{Forbidden, Reach};

        keyward_testing::assert_texts!("Forbidden", Reach {
            Reach::Public => Reach::Public,
            Reach::Private => Reach::Private,
            Reach::Special => Reach::Special,
        }, |reach| keyward_testing::told(&Forbidden {
            host: "a.example".to_owned(),
            address: [10, 0, 0, 1].into(),
            reach,
        }));
    }
}
