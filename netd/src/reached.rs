//! Does the host reach a network already, by another link than the bridge that it would be on? Then what is another machine's would go to
//! containers. May touch: nothing; it asks for the host's routes.

use crate::decode::{self, Route};
use crate::netlink::{Denied, Netlink};
use crate::request;
use nix::errno::Errno;
use wire::Failure;
use wire::netd::{Address, Bridge};
use wire::network::within;

/// Whether a route leads to this network or to a part of it, or is one of a link's own in which it lies. A wider one through a router is what a
/// default route is, however it is cut: the network is taken out of it, as that of any link is.
fn meets(route: &Route, of: &Address, bridge: u32) -> bool {
    let part = route.prefix >= of.prefix && within(route.network, of.address, of.prefix);
    let around = route.prefix > 1 && !route.through && within(of.address, route.network, route.prefix);
    (part || around) && route.link != Some(bridge)
}

/// Refuses a bridge of this number that is to be given these addresses, in networks which the host reaches otherwise.
pub fn refuse<'a>(
    host: &mut Netlink,
    bridge: &Bridge,
    addresses: impl Iterator<Item = &'a Address>,
    index: u32,
) -> Result<(), Failure> {
    for of in addresses {
        let what = || format!("look whether the host reaches {}/{} already", of.address, of.prefix);
        let wanted =
            |body: &[u8]| decode::route(body).map_or(true, |route| route.is_some_and(|route| meets(&route, of, index)));
        let bodies = match host.list(&request::get_routes(of.address.is_ipv4()), wanted) {
            Ok(bodies) => bodies,
            // A host without IPv6 reaches nothing by it.
            Err(Denied::Kernel(Errno::EAFNOSUPPORT | Errno::EOPNOTSUPP)) => continue,
            Err(denied) => return Err(denied.during(&what())),
        };
        let Some(body) = bodies.first() else { continue };
        let garbled = || Denied::Garbled.during(&what());
        let route = decode::route(body).ok().flatten().ok_or_else(garbled)?;
        return Err(Failure::caller(&format!(
            "use {}/{} for the bridge {}: this host reaches {}/{} otherwise already (ip route)",
            of.address, of.prefix, bridge.name, route.network, route.prefix
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_not_laid_over_what_a_link_of_the_hosts_leads_to() {
        let of = Address {
            address: "10.9.0.1".parse().unwrap(),
            prefix: 16,
            peer: None,
        };
        let met = |network: &str, prefix, through| {
            let route = Route {
                network: network.parse().unwrap(),
                prefix,
                link: Some(3),
                through,
            };
            assert!(!meets(&route, &of, 3), "its own");
            meets(&route, &of, 4)
        };
        for (network, prefix, through) in [
            ("10.9.0.0", 16, false),
            ("10.9.7.0", 24, true),
            ("10.9.0.1", 32, true),
            ("10.0.0.0", 8, false),
        ] {
            assert!(met(network, prefix, through), "{network}/{prefix}");
        }
        for (network, prefix, through) in [
            ("10.0.0.0", 8, true),
            ("0.0.0.0", 0, false),
            ("0.0.0.0", 1, false),
            ("10.8.0.0", 16, false),
            ("fd00::", 8, false),
        ] {
            assert!(!met(network, prefix, through), "{network}/{prefix}");
        }
    }
}
