//! `portgroup`: what interfaces of a network have in common that name it, or that name none where it is the default. Pure.

use crate::domain::error::Fault;
use crate::domain::parts::{bandwidth, read_bandwidth, read_vlan, vlan};
use crate::domain::xml::{Parts, Writer};
use crate::domain::{Bandwidth, Vlan};

/// `portgroup`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortGroup {
    /// `@name`
    pub name: String,
    /// `@default`: whether it is meant where an interface names none.
    pub default: bool,
    /// `vlan`
    pub vlan: Option<Vlan>,
    /// `bandwidth`: that of each port.
    pub bandwidth: Bandwidth,
}

/// All of a network.
pub fn read(parts: &mut Parts) -> Result<Vec<PortGroup>, Fault> {
    let mut groups: Vec<PortGroup> = Vec::new();
    for element in parts.children("portgroup") {
        let line = element.line;
        let group = element.read(one)?;
        if groups.iter().any(|g| g.name == group.name) {
            return Err(Fault::new(
                line,
                format!("a second <portgroup> is called {:?}", group.name),
            ));
        }
        if group.default && groups.iter().any(|g| g.default) {
            return Err(Fault::new(line, "a second <portgroup> is the default"));
        }
        groups.push(group);
    }
    Ok(groups)
}

fn one(parts: &mut Parts) -> Result<PortGroup, Fault> {
    if let Some(port) = parts.child("virtualport")? {
        return Err(Fault::new(
            port.line,
            "<virtualport> in <portgroup> is refused: Open vSwitch is not used",
        ));
    }
    let name = parts.required("name")?;
    if name.value.is_empty() {
        return Err(name.fault("is empty"));
    }
    let default = parts
        .attribute("default")
        .map(|v| v.read("\"yes\" or \"no\"", super::parse::yes_or_no));
    // Whether the guest may change its filters is between a hypervisor and its guest.
    if let Some(trust) = parts.attribute("trustGuestRxFilters") {
        trust.only("no")?;
    }
    Ok(PortGroup {
        name: name.value,
        default: default.transpose()?.unwrap_or(false),
        vlan: parts.child("vlan")?.map(|e| e.read(read_vlan)).transpose()?,
        bandwidth: parts
            .child("bandwidth")?
            .map_or(Ok(Bandwidth::default()), |e| e.read(read_bandwidth))?,
    })
}

/// Prints one.
pub fn write(w: &mut Writer, group: &PortGroup) {
    let attributes = [
        ("name", Some(group.name.as_str())),
        ("default", group.default.then_some("yes")),
    ];
    if group.vlan.is_none() && !group.bandwidth.said {
        return w.empty("portgroup", &attributes);
    }
    w.element("portgroup", &attributes, |w| {
        if let Some(given) = &group.vlan {
            vlan(w, given);
        }
        bandwidth(w, &group.bandwidth);
    });
}
