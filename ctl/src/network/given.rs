//! Which address of a network is a container's. Pure.

use super::Subnet;
use super::subnet::{Fixed, Range};
use crate::domain::Mac;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::ContainerName;

impl Subnet {
    /// The address that a container has: its own, or the one of its slot, of which no two are the same.
    pub fn address_of(&self, name: &ContainerName, mac: [u8; 6], slot: u32) -> Result<Option<IpAddr>, String> {
        let is = |said: &String| Mac::parse(said).is_some_and(|m| m.bytes() == mac);
        let its = |h: &&Fixed| h.mac.as_ref().is_some_and(is) || h.name.as_deref() == Some(name.as_str());
        if let Some(fixed) = self.hosts.iter().find(its) {
            return Ok(Some(fixed.address));
        }
        if self.ranges.is_empty() {
            return Ok(None);
        }
        let taken = |n: u128| n == number(self.net.address) || self.hosts.iter().any(|h| number(h.address) == n);
        let mut left = u128::from(slot);
        for Range { first, last, .. } in &self.ranges {
            let mut at = number(*first);
            let end = number(*last);
            let reserved = self
                .hosts
                .iter()
                .map(|h| number(h.address))
                .chain([number(self.net.address)]);
            let inside = reserved.filter(|n| (at..=end).contains(n));
            let size = end.saturating_sub(at).saturating_add(1);
            let free = size.saturating_sub(u128::try_from(inside.count()).unwrap_or(u128::MAX));
            if left >= free {
                left = left.saturating_sub(free);
                continue;
            }
            while at <= end {
                if !taken(at) {
                    if left == 0 {
                        return Ok(Some(like(self.net.address, at)));
                    }
                    left = left.saturating_sub(1);
                }
                at = at.saturating_add(1);
            }
        }
        Err(
            "has no address for this container: addresses go by the number of its block of ids, and the ranges hold fewer"
                .to_owned(),
        )
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(a.to_bits()),
        IpAddr::V6(a) => a.to_bits(),
    }
}

fn like(family: IpAddr, number: u128) -> IpAddr {
    match family {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(0))),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Network, parse};
    use super::*;

    fn subnet(text: &str) -> Subnet {
        let whole = format!("<network><name>n</name><bridge name='lzr1'/>{text}</network>");
        parse(whole.as_bytes(), "n.xml").unwrap().subnets.remove(0)
    }

    fn given(subnet: &Subnet, slot: u32) -> Result<Option<String>, String> {
        let name = ContainerName::new("web").unwrap();
        let address = subnet.address_of(&name, [2, 0, 0, 0, 0, 9], slot)?;
        Ok(address.map(|a| a.to_string()))
    }

    #[test]
    fn addresses_are_given_out_of_the_ranges_by_slot_and_none_twice() {
        let s = subnet(
            "<ip address='192.168.5.3' netmask='255.255.255.0'><dhcp><range start='192.168.5.2' end='192.168.5.5'/>\
             <range start='192.168.5.9' end='192.168.5.9'/><host mac='02:00:00:00:00:07' ip='192.168.5.4'/></dhcp></ip>",
        );
        let all: Vec<_> = (0..3).map(|slot| given(&s, slot).unwrap().unwrap()).collect();
        assert_eq!(all, ["192.168.5.2", "192.168.5.5", "192.168.5.9"]);
        assert!(given(&s, 3).is_err());
    }

    #[test]
    fn a_container_has_its_own_address_by_its_link_or_its_name() {
        let host = |attribute: &str| {
            subnet(&format!(
                "<ip address='192.168.5.1' prefix='24'><dhcp><host {attribute} ip='192.168.5.77'/></dhcp></ip>"
            ))
        };
        assert_eq!(
            given(&host("mac='02:00:00:00:00:09'"), 0),
            Ok(Some("192.168.5.77".into()))
        );
        assert_eq!(given(&host("name='web'"), 5), Ok(Some("192.168.5.77".into())));
        assert_eq!(
            given(&host("name='other'"), 5),
            Ok(None),
            "without a range nothing is given"
        );
    }

    #[test]
    fn the_built_in_network_gives_what_it_always_gave() {
        let network = Network::built_in().unwrap();
        let of = |n: usize, slot| given(&network.subnets[n], slot);
        assert_eq!(of(0, 0), Ok(Some("10.209.0.2".into())));
        assert_eq!(of(0, 254), Ok(Some("10.209.1.0".into())));
        assert_eq!(of(1, 1), Ok(Some("fd6c:7a72::3".into())));
        assert!(of(0, 65533).is_err() && of(1, 65533).is_err());
        assert_eq!(network.own_bridge(), wire::network::bridge());
    }
}
