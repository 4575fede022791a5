//! The default network: the bridge that it is, and the addresses on both of its sides. Pure.

use crate::name::LinkName;
use crate::netd::{Address, Bridge};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The bridge of the default network.
pub const BRIDGE: &str = "lzr0";
/// The bridge's IPv4 address and its prefix length.
pub const GATEWAY_V4: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 209, 0, 1), 16);
/// The bridge's IPv6 address and its prefix length.
pub const GATEWAY_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0xfd6c, 0x7a72, 0, 0, 0, 0, 0, 1), 64);

/// The bridge, with its addresses.
pub fn bridge() -> Option<Bridge> {
    let on = |address, prefix| Address {
        address,
        prefix,
        peer: None,
    };
    let (v4, v6) = (GATEWAY_V4, GATEWAY_V6);
    Some(Bridge {
        name: LinkName::new(BRIDGE).ok()?,
        addresses: vec![on(IpAddr::V4(v4.0), v4.1), on(IpAddr::V6(v6.0), v6.1)],
        mac: None,
        stp: false,
        delay: 0,
    })
}

/// Whether an address is one that a container may have there.
pub fn is_containers(address: IpAddr) -> bool {
    let (v4, v6) = (GATEWAY_V4, GATEWAY_V6);
    let inside = within(address, IpAddr::V4(v4.0), v4.1) || within(address, IpAddr::V6(v6.0), v6.1);
    inside && address != IpAddr::V4(v4.0) && address != IpAddr::V6(v6.0)
}

/// Whether an address is one that a container may have on this bridge: of one of its networks, and not the bridge's own.
pub fn is_on(bridge: &Bridge, address: IpAddr) -> bool {
    let own = bridge.addresses.iter();
    let inside = own.clone().any(|a| within(address, a.address, a.prefix));
    inside && own.clone().all(|a| a.address != address)
}

/// Whether an address lies in a network of its family.
pub fn within(address: IpAddr, network: IpAddr, prefix: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => same(u128::from(a.to_bits()) << 96, u128::from(n.to_bits()) << 96, prefix),
        (IpAddr::V6(a), IpAddr::V6(n)) => same(a.to_bits(), n.to_bits(), prefix),
        _ => false,
    }
}

fn same(a: u128, b: u128, prefix: u8) -> bool {
    let mask = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
    (a ^ b) & !mask == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_container_has_an_address_of_the_network_and_never_the_bridges() {
        for good in ["10.209.0.2", "10.209.255.255", "fd6c:7a72::2", "fd6c:7a72::ffff:ffff"] {
            assert!(is_containers(ip(good)), "{good}");
        }
        for bad in [
            "10.209.0.1",
            "10.210.0.2",
            "fd6c:7a72::1",
            "fd6c:7a72:0:1::2",
            "192.0.2.1",
        ] {
            assert!(!is_containers(ip(bad)), "{bad}");
        }
        assert_eq!(bridge().unwrap().addresses.len(), 2);
    }

    #[test]
    fn a_network_is_its_prefix() {
        assert!(within(ip("192.0.2.129"), ip("192.0.2.128"), 25) && !within(ip("192.0.2.1"), ip("192.0.2.128"), 25));
        assert!(within(ip("1.2.3.4"), ip("9.9.9.9"), 0) && !within(ip("::1"), ip("0.0.0.1"), 0));
        assert!(within(ip("192.0.2.1"), ip("192.0.2.1"), 32) && !within(ip("192.0.2.2"), ip("192.0.2.1"), 32));
        assert!(within(ip("fd00::1"), ip("fd00::"), 8) && !within(ip("fe00::1"), ip("fd00::"), 8));
    }
}
