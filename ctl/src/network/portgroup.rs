//! `portgroup`: what interfaces of a network have in common that name it, or that name none where it is the default. Pure.

use super::format::opened;
use super::parse::{shared, yes_no, yes_or_no};
use super::virtualport;
use crate::domain::error::Fault;
use crate::domain::parts::{bandwidth, read_vlan, vlan};
use crate::domain::xml::{Parts, Tree, Writer};
use crate::domain::{Bandwidth, Vlan};

/// `portgroup`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortGroup {
    /// `@name`
    pub name: String,
    /// `@default`: whether it is meant where an interface names none.
    pub default: bool,
    /// `@trustGuestRxFilters`: between a hypervisor and its guest.
    pub filters: Option<bool>,
    /// `vlan`
    pub vlan: Option<Vlan>,
    /// `virtualport`, as it is printed.
    pub virtualport: Option<Tree>,
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
    let name = parts.required("name")?;
    if name.value.is_empty() {
        return Err(name.fault("is empty"));
    }
    let mut said = |name: &str| {
        let given = parts.attribute(name);
        given.map(|v| v.read("\"yes\" or \"no\"", yes_or_no)).transpose()
    };
    let (default, filters) = (said("default")?, said("trustGuestRxFilters")?);
    Ok(PortGroup {
        name: name.value,
        default: default.unwrap_or(false),
        filters,
        vlan: parts.child("vlan")?.map(|e| e.read(read_vlan)).transpose()?,
        virtualport: parts
            .child("virtualport")?
            .map(|e| e.read(virtualport::read))
            .transpose()?,
        bandwidth: parts
            .child("bandwidth")?
            .map_or(Ok(Bandwidth::default()), |e| e.read(shared))?,
    })
}

/// Prints one.
pub fn write(w: &mut Writer, group: &PortGroup) {
    let attributes = [
        ("name", Some(group.name.as_str())),
        ("default", group.default.then_some("yes")),
        ("trustGuestRxFilters", group.filters.map(yes_no)),
    ];
    opened(w, "portgroup", &attributes, |w| {
        if let Some(given) = &group.vlan {
            vlan(w, given);
        }
        if let Some(port) = &group.virtualport {
            w.tree(port);
        }
        bandwidth(w, &group.bandwidth);
    });
}
