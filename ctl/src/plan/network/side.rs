//! Where a link ends on the host, and what it is a member of there. Pure.

use super::address;
use crate::domain::{self, Attached, Interface, Mode};
use crate::error::{Error, Outcome};
use crate::network::Network;
use wire::LinkName;
use wire::netd::{HostSide, Macvlan, Membership};

/// Where the link of an interface ends.
pub fn side(interface: &Interface, network: Option<&Network>) -> Outcome<HostSide> {
    match &interface.attached {
        Attached::Network(_) => {
            let nameless = || Error::Bug("a network has no bridge".into());
            let network = network.ok_or_else(nameless)?;
            match network.own_bridge() {
                Some(bridge) => Ok(HostSide::Network(bridge)),
                None => match (network.parent(), network.forward.mode.macvlan()) {
                    (Some(parent), Some(mode)) => Ok(HostSide::Direct {
                        parent: parent.clone(),
                        mode,
                    }),
                    _ => network.bridge.clone().map(HostSide::Bridge).ok_or_else(nameless),
                },
            }
        }
        Attached::Bridge(name) => Ok(HostSide::Bridge(name.clone())),
        Attached::Ethernet(addresses, _) => Ok(HostSide::Alone(addresses.iter().map(address).collect())),
        Attached::Direct(parent, mode) => on_link(parent.clone(), *mode, interface.vlan.as_ref()),
        Attached::User => Err(Error::caller(
            "an interface of type user comes with a start alone: pasta leads a container out as long as that lives",
        )),
    }
}

fn on_link(parent: LinkName, mode: Mode, vlan: Option<&domain::Vlan>) -> Outcome<HostSide> {
    let mode = match mode {
        Mode::Vepa => Macvlan::Vepa,
        Mode::Bridge => Macvlan::Bridge,
        Mode::Private => Macvlan::Private,
        Mode::Passthrough => Macvlan::Passthrough,
        Mode::Ipvlan(mode, isolation) => {
            return Ok(HostSide::Ipvlan {
                parent,
                mode,
                isolation,
            });
        }
        Mode::Vlan => {
            let one = vlan.filter(|v| !v.trunk).and_then(|v| v.tags.first());
            let one = one.filter(|tag| (1..4095).contains(&tag.id));
            let id = one.map(|tag| tag.id).ok_or_else(|| {
                Error::caller(format!(
                    "an interface of mode vlan on {parent} needs a <vlan> with one <tag> from 1 to 4094"
                ))
            })?;
            return Ok(HostSide::Vlan { parent, id });
        }
    };
    Ok(HostSide::Direct { parent, mode })
}

/// What a port is a member of: one VLAN without tags, or several with tags, of which one may be native.
pub fn memberships(side: &HostSide, vlan: Option<&domain::Vlan>) -> Outcome<Vec<Membership>> {
    let Some(vlan) = vlan else { return Ok(Vec::new()) };
    if let Some(parent) = side.parent() {
        return Err(Error::caller(format!(
            "<vlan> of an interface on {parent} takes mode='vlan' in <source>, or a link of the host's that is that VLAN of it"
        )));
    }
    if !matches!(side, HostSide::Bridge(_)) {
        return Err(Error::caller(
            "<vlan> is for an interface of type bridge, and for one of type direct with mode='vlan'",
        ));
    }
    let member = |tag: &domain::Tag| {
        let native = !vlan.trunk || tag.native.is_some();
        let untagged = !vlan.trunk || tag.native == Some(domain::Native::Untagged);
        let there = (1..4095).contains(&tag.id);
        there
            .then_some(Membership {
                id: tag.id,
                native,
                untagged,
            })
            .ok_or_else(|| {
                Error::caller(format!(
                    "a port can be a member of VLAN 1 to 4094, and <tag> says {}",
                    tag.id
                ))
            })
    };
    vlan.tags.iter().map(member).collect()
}
