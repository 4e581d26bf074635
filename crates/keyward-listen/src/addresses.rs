//! How many connections each address has open.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// Counts connections by address, up to a limit.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    limit: usize,
}

/// One connection of one address; counted until it is dropped.
#[derive(Debug)]
pub(crate) struct AddressSlot {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Addresses {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            open: Arc::default(),
            limit,
        }
    }

    /// A slot for a connection from `address`, unless it has as many as it may.
    pub(crate) fn take(&self, address: IpAddr) -> Option<AddressSlot> {
        let address = counted(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= self.limit {
            if *count == 0 {
                open.remove(&address);
            }
            return None;
        }
        *count += 1;
        Some(AddressSlot {
            open: Arc::clone(&self.open),
            address,
        })
    }
}

impl Drop for AddressSlot {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// What counts as one: an IPv4 address, also one mapped into IPv6; of IPv6 the first 64 bits, since whoever has
/// one address there has all of that network.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            Ipv6Addr::from_bits(network).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Addresses;

    #[track_caller]
    fn check(first: &str, second: &str, is_one: bool) {
        let addresses = Addresses::new(1);
        let held = addresses.take(first.parse().unwrap());
        assert!(held.is_some());
        let other = addresses.take(second.parse().unwrap());
        assert_eq!(other.is_none(), is_one, "{first} {second}");
        drop((held, other));
        assert!(addresses.open.lock().unwrap().is_empty());
        assert!(addresses.take(second.parse().unwrap()).is_some());
    }

    #[test]
    fn an_ipv4_address_counts_alone_and_an_ipv6_address_with_its_network() {
        check("192.0.2.1", "192.0.2.1", true);
        check("192.0.2.1", "::ffff:192.0.2.1", true);
        check("192.0.2.1", "192.0.2.2", false);
        check("2001:db8::1", "2001:db8::ffff:1", true);
        check("2001:db8:0:1::1", "2001:db8:0:2::1", false);
    }

    #[test]
    fn a_limit_of_none_lets_nobody_in_and_remembers_nobody() {
        let addresses = Addresses::new(0);
        assert!(addresses.take("192.0.2.1".parse().unwrap()).is_none());
        assert!(addresses.open.lock().unwrap().is_empty());
    }
}
