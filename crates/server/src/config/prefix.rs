//! A block of IP addresses: `192.0.2.0/24`, `2001:db8::/32`, or a single address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

impl Prefix {
    /// `None` when the family's addresses have fewer bits. IPv4 addresses that are written as IPv6 are IPv4 addresses.
    #[must_use]
    pub const fn new(address: IpAddr, bits: u8) -> Option<Self> {
        let (address, bits) = match (address, bits) {
            (IpAddr::V6(v6), 96..=128) => match v6.to_ipv4_mapped() {
                Some(v4) => (IpAddr::V4(v4), bits - 96),
                None => (address, bits),
            },
            _ => (address, bits),
        };
        let address = match (address, bits) {
            (IpAddr::V4(v4), 0..=32) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & high_u32(bits))),
            (IpAddr::V6(v6), 0..=128) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & high_u128(bits))),
            _ => return None,
        };
        Some(Self { address, bits })
    }

    /// Its lowest address.
    #[must_use]
    pub const fn network(&self) -> IpAddr {
        self.address
    }

    /// How many bits its addresses have in common.
    #[must_use]
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// Both families' loopback.
    #[must_use]
    pub fn loopback() -> Vec<Self> {
        let v4 = Self { address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), bits: 8 };
        vec![v4, Self { address: IpAddr::V6(Ipv6Addr::LOCALHOST), bits: 128 }]
    }

    /// Whether `address` is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = u32::from(own) ^ u32::from(other);
                differ.leading_zeros() >= self.bits.into()
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = u128::from(own) ^ u128::from(other);
                differ.leading_zeros() >= self.bits.into()
            }
            _ => false,
        }
    }
}

/// So many high bits, 32 at most.
const fn high_u32(bits: u8) -> u32 {
    match u32::MAX.checked_shr(bits as u32) {
        Some(low) => !low,
        None => u32::MAX,
    }
}

/// So many high bits, 128 at most.
const fn high_u128(bits: u8) -> u128 {
    match u128::MAX.checked_shr(bits as u32) {
        Some(low) => !low,
        None => u128::MAX,
    }
}

impl FromStr for Prefix {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address.parse().map_err(drop)?, bits.parse().map_err(drop)?),
            None => {
                let address: IpAddr = text.parse().map_err(drop)?;
                (address, if address.is_ipv4() { 32 } else { 128 })
            }
        };
        Self::new(address, bits).ok_or(())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_written_as_ipv6_is_an_ipv4_address() {
        let mapped: Prefix = "::ffff:192.0.2.5/120".parse().expect("a prefix");
        assert_eq!(mapped.to_string(), "192.0.2.0/24");
        assert!(mapped.contains(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 77))));
        assert!("::ffff:192.0.2.5".parse::<Prefix>().expect("one").contains("::ffff:192.0.2.5".parse().expect("one")));
    }

    #[test]
    fn a_prefix_contains_what_begins_with_its_bits() {
        let contains = |prefix: &str, address: &str| {
            let prefix: Prefix = prefix.parse().expect("a prefix");
            prefix.contains(address.parse().expect("an address"))
        };
        assert!(contains("127.0.0.0/8", "127.255.3.4"));
        assert!(!contains("127.0.0.0/8", "128.0.0.1"));
        assert!(contains("127.0.0.0/8", "::ffff:127.0.0.1"), "as a dual-stack socket reports it");
        assert!(contains("::1", "::1"));
        assert!(!contains("::1", "::2"));
        assert!(contains("2001:db8::/32", "2001:db8:1::7"));
        assert!(contains("0.0.0.0/0", "8.8.8.8"));
        assert!(!contains("0.0.0.0/0", "::1"));
    }

    #[test]
    fn prefixes_are_the_same_however_they_are_written() {
        let text = |prefix: &str| prefix.parse::<Prefix>().expect("a prefix").to_string();
        assert_eq!(text("192.0.2.77/24"), "192.0.2.0/24");
        assert_eq!(text("192.0.2.77"), "192.0.2.77/32");
        assert_eq!((text("1.2.3.4/0"), text("::1/0")), ("0.0.0.0/0".to_owned(), "::/0".to_owned()));
        assert_eq!(text("2001:db8:1:2::3/48"), "2001:db8:1::/48");
        assert_eq!(text("2001:db8::1"), "2001:db8::1/128");
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in ["", "127.0.0.0/33", "::1/129", "localhost", "10.0.0.0/", "10.0.0.0/-1"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }
}
