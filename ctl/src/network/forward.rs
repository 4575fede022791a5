//! `forward`: where a network leads, and over what. Pure.

use super::parse::{link, yes_or_no};
use crate::domain::error::Fault;
use crate::domain::units::number;
use crate::domain::xml::{Element, Given, Parts, Writer};
use std::net::Ipv4Addr;
use wire::LinkName;
use wire::netd::Macvlan;

/// `forward@mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// No `forward`.
    #[default]
    Isolated,
    /// `nat`
    Nat,
    /// `route`
    Route,
    /// `open`
    Open,
    /// `bridge`: a bridge of the host's, or a link of the host's on which containers reach each other.
    Bridge,
    /// `private`: a link of the host's.
    Private,
    /// `vepa`: a link of the host's.
    Vepa,
    /// `passthrough`: a link of the host's for one container.
    Passthrough,
    /// `hostdev`: functions of a device of the host's.
    Hostdev,
}

impl Mode {
    const ALL: [Self; 8] = [
        Self::Nat,
        Self::Route,
        Self::Open,
        Self::Bridge,
        Self::Private,
        Self::Vepa,
        Self::Passthrough,
        Self::Hostdev,
    ];

    /// The word that documents use.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Isolated => None,
            Self::Nat => Some("nat"),
            Self::Route => Some("route"),
            Self::Open => Some("open"),
            Self::Bridge => Some("bridge"),
            Self::Private => Some("private"),
            Self::Vepa => Some("vepa"),
            Self::Passthrough => Some("passthrough"),
            Self::Hostdev => Some("hostdev"),
        }
    }

    /// Whether the network has a bridge of Lazaret's own.
    pub const fn is_own(self) -> bool {
        matches!(self, Self::Isolated | Self::Nat | Self::Route | Self::Open)
    }

    /// Whom a container reaches that lies on a link of the host's.
    pub const fn macvlan(self) -> Option<Macvlan> {
        match self {
            Self::Bridge => Some(Macvlan::Bridge),
            Self::Private => Some(Macvlan::Private),
            Self::Vepa => Some(Macvlan::Vepa),
            Self::Passthrough => Some(Macvlan::Passthrough),
            Self::Isolated | Self::Nat | Self::Route | Self::Open | Self::Hostdev => None,
        }
    }
}

/// The ports that are chosen from anyway where addresses are translated.
pub const PORTS: (u16, u16) = (1024, 65_535);

/// `forward`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forward {
    /// `@mode`
    pub mode: Mode,
    /// `interface`, of which `@dev` is the first: links of the host's.
    pub devices: Vec<LinkName>,
    /// `nat@ipv6`
    pub v6: Option<bool>,
    /// `nat/address`
    pub addresses: Option<(Ipv4Addr, Ipv4Addr)>,
    /// `nat/port`
    pub ports: Option<(u16, u16)>,
    /// `@managed`
    pub managed: bool,
    /// `driver@name`
    pub driver: Option<String>,
    /// `pf@dev`
    pub physical: Option<LinkName>,
    /// `address`: domain, bus, slot and function.
    pub functions: Vec<[u16; 4]>,
}

/// Reads it.
pub fn read(parts: &mut Parts) -> Result<Forward, Fault> {
    let known = |word: &str| Mode::ALL.into_iter().find(|m| m.name() == Some(word));
    let mode = parts
        .attribute("mode")
        .map_or(Ok(Mode::Nat), |v| v.read("a mode of a network", known))?;
    let managed = parts.attribute("managed");
    let managed = managed.map_or(Ok(false), |v| v.read("\"yes\" or \"no\"", yes_or_no))?;
    let mut forward = Forward {
        mode,
        managed: managed && mode == Mode::Hostdev,
        ..Forward::default()
    };
    devices(parts, &mut forward)?;
    if let Some(element) = parts.child("nat")? {
        if mode != Mode::Nat {
            return Err(Fault::new(element.line, "<nat> is for <forward mode='nat'>"));
        }
        element.read(|parts| nat(parts, &mut forward))?;
    }
    if let Some(driver) = parts.child("driver")? {
        let name = driver.read(|parts| parts.required("name"))?;
        forward.driver = Some(name.read("\"kvm\", \"vfio\" or \"xen\"", |v| {
            ["kvm", "vfio", "xen"].contains(&v).then(|| v.to_owned())
        })?);
    }
    if mode.is_own() && forward.devices.len() > 1 {
        return Err(parts.fault("a network of that mode leads over one <interface>"));
    }
    Ok(forward)
}

/// The links and functions of the host's.
fn devices(parts: &mut Parts, forward: &mut Forward) -> Result<(), Fault> {
    let first = parts.attribute("dev").as_ref().map(link).transpose()?;
    let named = |e: Element| {
        e.read(|parts| {
            // How many use it is libvirt's to count.
            parts.attribute("connections");
            link(&parts.required("dev")?)
        })
    };
    let devices = parts.children("interface").into_iter().map(named);
    forward.devices = devices.collect::<Result<_, _>>()?;
    match (first, forward.devices.first()) {
        (Some(first), Some(other)) if first != *other => {
            return Err(parts.fault(format!("dev='{first}' is not the first <interface>, {other}")));
        }
        (Some(first), None) => forward.devices.push(first),
        _ => {}
    }
    let physical = parts.child("pf")?.map(|e| e.read(|parts| parts.required("dev")));
    forward.physical = physical.transpose()?.as_ref().map(link).transpose()?;
    let functions = parts.children("address").into_iter().map(|e| e.read(function));
    forward.functions = functions.collect::<Result<_, _>>()?;
    let kinds = [
        !forward.devices.is_empty(),
        !forward.functions.is_empty(),
        forward.physical.is_some(),
    ];
    if kinds.iter().filter(|is| **is).count() > 1 {
        return Err(parts.fault("<forward> has <interface>, <address> or <pf>"));
    }
    if forward.mode != Mode::Hostdev && !forward.functions.is_empty() {
        return Err(parts.fault("<address> is for <forward mode='hostdev'>"));
    }
    Ok(())
}

fn nat(parts: &mut Parts, forward: &mut Forward) -> Result<(), Fault> {
    let v6 = parts.attribute("ipv6");
    forward.v6 = v6.map(|v| v.read("\"yes\" or \"no\"", yes_or_no)).transpose()?;
    let from_to = |e: Element| e.read(|parts| Ok((parts.required("start")?, parts.required("end")?)));
    if let Some((start, end)) = parts.child("address")?.map(from_to).transpose()? {
        let v4 = |given: &Given| given.read("an IPv4 address", |v| v.parse::<Ipv4Addr>().ok());
        let (first, last) = (v4(&start)?, v4(&end)?);
        if last < first {
            return Err(end.fault("comes before the start"));
        }
        forward.addresses = Some((first, last));
    }
    if let Some((start, end)) = parts.child("port")?.map(from_to).transpose()? {
        let port = |given: &Given| given.read("a number from 1 to 65535", |v| number(v, 1, u16::MAX));
        let (first, last) = (port(&start)?, port(&end)?);
        if last < first {
            return Err(end.fault("comes before the start"));
        }
        forward.ports = Some((first, last));
    }
    Ok(())
}

/// The address of a function of a device, in hexadecimal digits or others as in C.
fn function(parts: &mut Parts) -> Result<[u16; 4], Fault> {
    parts.attribute("connections");
    parts.required("type")?.only("pci")?;
    let mut part = |name: &str, most: u16| {
        let Some(given) = parts.attribute(name) else {
            return Ok(0);
        };
        let read = |v: &str| match v.strip_prefix("0x") {
            Some(digits) => u16::from_str_radix(digits, 16).ok().filter(|n| *n <= most),
            None => number(v, 0, most),
        };
        given.read("a number of that part of an address", read)
    };
    Ok([
        part("domain", u16::MAX)?,
        part("bus", 0xff)?,
        part("slot", 0x1f)?,
        part("function", 7)?,
    ])
}

/// Prints it, where there is one; links of the host's with how many containers are on each, where that is told.
pub fn write(w: &mut Writer, forward: &Forward) {
    let Some(mode) = forward.mode.name() else { return };
    let device = forward.devices.first().map(|d| d.as_str());
    let managed = (forward.mode == Mode::Hostdev).then_some(if forward.managed { "yes" } else { "no" });
    let attributes = [("dev", device), ("mode", Some(mode)), ("managed", managed)];
    let short = forward.devices.is_empty()
        && forward.physical.is_none()
        && forward.functions.is_empty()
        && forward.driver.is_none()
        && !has_nat(forward);
    if short {
        return w.empty("forward", &attributes);
    }
    w.element("forward", &attributes, |w| {
        if let Some(driver) = &forward.driver {
            w.empty("driver", &[("name", Some(driver))]);
        }
        if has_nat(forward) {
            write_nat(w, forward);
        }
        if let Some(physical) = &forward.physical {
            w.empty("pf", &[("dev", Some(physical.as_str()))]);
        }
        for device in &forward.devices {
            w.empty("interface", &[("dev", Some(device.as_str()))]);
        }
        for [domain, bus, slot, function] in &forward.functions {
            let parts = [
                format!("0x{domain:04x}"),
                format!("0x{bus:02x}"),
                format!("0x{slot:02x}"),
                format!("0x{function:x}"),
            ];
            let [domain, bus, slot, function] = parts.each_ref().map(|p| Some(p.as_str()));
            let attributes = [
                ("type", Some("pci")),
                ("domain", domain),
                ("bus", bus),
                ("slot", slot),
                ("function", function),
            ];
            w.empty("address", &attributes);
        }
    });
}

const fn has_nat(forward: &Forward) -> bool {
    forward.v6.is_some() || forward.addresses.is_some() || forward.ports.is_some()
}

fn write_nat(w: &mut Writer, forward: &Forward) {
    let v6 = [("ipv6", forward.v6.map(|yes| if yes { "yes" } else { "no" }))];
    if forward.addresses.is_none() && forward.ports.is_none() {
        return w.empty("nat", &v6);
    }
    w.element("nat", &v6, |w| {
        let mut from_to = |name: &str, start: String, end: String| {
            w.empty(name, &[("start", Some(&start)), ("end", Some(&end))]);
        };
        if let Some((first, last)) = forward.addresses {
            from_to("address", first.to_string(), last.to_string());
        }
        if let Some((first, last)) = forward.ports {
            from_to("port", first.to_string(), last.to_string());
        }
    });
}
