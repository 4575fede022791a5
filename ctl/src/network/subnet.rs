//! `ip`: an address of a network's bridge, and the addresses that containers are given there. Pure.

use super::format::opened;
use super::length::{self, Net};
use super::parse::{ip, yes_no, yes_or_no};
use crate::domain::Mac;
use crate::domain::error::Fault;
use crate::domain::units::number;
use crate::domain::xml::{Element, Given, Parts, Writer};
use std::net::IpAddr;
use wire::network::within;

/// `ip`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// `@address`, the bridge's, `@family`, and `@prefix` or `@netmask`.
    pub net: Net,
    /// `@localPtr`: whether nobody else is asked who has an address of it.
    pub local: Option<bool>,
    /// `tftp@root`
    pub tftp: Option<String>,
    /// `dhcp/range`; containers are given these, in order.
    pub ranges: Vec<Range>,
    /// `dhcp/host`
    pub hosts: Vec<Fixed>,
    /// `dhcp/bootp`: `@file` and `@server`.
    pub bootp: Option<(String, Option<String>)>,
}

/// `dhcp/range`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// `@start`
    pub first: IpAddr,
    /// `@end`
    pub last: IpAddr,
    /// `lease`
    pub lease: Option<Lease>,
}

/// `dhcp/host`: an address that is one container's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// `@mac`: of its interface, as it is said.
    pub mac: Option<String>,
    /// `@id`: of a client of DHCPv6.
    pub id: Option<String>,
    /// `@name`: its own.
    pub name: Option<String>,
    /// `@ip`
    pub address: IpAddr,
    /// `lease`
    pub lease: Option<Lease>,
}

/// `lease`: `@expiry`, and `@unit` by its place in [`UNITS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease(pub u64, pub usize);

/// The units, and the seconds of each.
const UNITS: [(&str, u64); 3] = [("seconds", 1), ("minutes", 60), ("hours", 3600)];
/// The unit that is meant where none is said.
const USUAL: usize = 1;
/// The least seconds of a lease that ends.
const LEAST: u64 = 120;

/// Reads one.
pub fn read(parts: &mut Parts) -> Result<Subnet, Fault> {
    let (net, given) = length::read(parts, 1)?;
    if is_nobodys(net.address, net.prefix()) {
        return Err(given.fault("is the address of the whole network, or the one that all in it hear"));
    }
    let local = parts.attribute("localPtr");
    let tftp = parts.child("tftp")?.map(|e| e.read(|parts| parts.required("root")));
    let mut subnet = Subnet {
        net,
        local: local.map(|v| v.read("\"yes\" or \"no\"", yes_or_no)).transpose()?,
        tftp: tftp.transpose()?.map(|v| v.value).filter(|t| !t.is_empty()),
        ranges: Vec::new(),
        hosts: Vec::new(),
        bootp: None,
    };
    if let Some(dhcp) = parts.child("dhcp")? {
        dhcp.read(|parts| leased(parts, &mut subnet))?;
    }
    distinct(&subnet).map_err(|what| parts.fault(what))?;
    // Where nobody is given an address, nobody is told where to boot from.
    if subnet.ranges.is_empty() && subnet.hosts.is_empty() {
        subnet.bootp = None;
    }
    Ok(subnet)
}

/// An address of a station in the network.
fn inside(net: &Net, given: &Given) -> Result<IpAddr, Fault> {
    let (one, (address, prefix)) = (ip(given)?, (net.address, net.prefix()));
    if !within(one, address, prefix) {
        return Err(given.fault(&format!("does not lie in the network {address}/{prefix}")));
    }
    if is_nobodys(one, prefix) {
        return Err(given.fault(&format!(
            "is the address of the whole network {address}/{prefix}, or the one that all in it hear"
        )));
    }
    Ok(one)
}

/// `dhcp`
fn leased(parts: &mut Parts, subnet: &mut Subnet) -> Result<(), Fault> {
    let net = subnet.net;
    let range = |parts: &mut Parts| {
        let first = inside(&net, &parts.required("start")?)?;
        let given = parts.required("end")?;
        let last = inside(&net, &given)?;
        if last < first {
            return Err(given.fault("comes before the start of the range"));
        }
        let lease = lease(parts)?;
        Ok(Range { first, last, lease })
    };
    let ranges = parts.children("range").into_iter().map(|e| e.read(range));
    subnet.ranges = ranges.collect::<Result<_, _>>()?;
    let hosts = parts
        .children("host")
        .into_iter()
        .map(|e| e.read(|parts| fixed(parts, &net)));
    subnet.hosts = hosts.collect::<Result<_, _>>()?;
    let bootp = |e: Element| {
        e.read(|parts| {
            let server = parts.attribute("server").map(|v| v.value);
            Ok((parts.required("file")?.value, server))
        })
    };
    subnet.bootp = parts.child("bootp")?.map(bootp).transpose()?;
    Ok(())
}

fn fixed(parts: &mut Parts, net: &Net) -> Result<Fixed, Fault> {
    let mac = parts.attribute("mac");
    let mac = mac.map(|v| {
        let is = |v: &str| Mac::parse(v).map(|_| v.to_owned());
        v.read("the hardware address of one station", is)
    });
    let id = parts.attribute("id");
    if let Some(id) = id.as_ref().filter(|_| net.address.is_ipv4()) {
        return Err(id.fault("is of IPv6"));
    }
    let id = id.map(|v| {
        let is = |v: &str| v.split(':').all(|b| u8::from_str_radix(b, 16).is_ok() && b.len() < 3);
        v.read("bytes in hexadecimal digits with colons between them", |v| {
            is(v).then(|| v.to_owned())
        })
    });
    let name = parts.attribute("name").map(|v| v.value);
    let (mac, id) = (mac.transpose()?, id.transpose()?);
    if mac.is_none() && id.is_none() && name.is_none() {
        return Err(parts.fault("a <host> has a mac or a name"));
    }
    let given = parts.required("ip")?;
    let address = inside(net, &given)?;
    if address == net.address {
        return Err(given.fault("is the network's own"));
    }
    Ok(Fixed {
        mac,
        id,
        name,
        address,
        lease: lease(parts)?,
    })
}

fn lease(parts: &mut Parts) -> Result<Option<Lease>, Fault> {
    let Some(element) = parts.child("lease")? else {
        return Ok(None);
    };
    element.read(|parts| {
        let unit = |word: &str| UNITS.iter().position(|(name, _)| *name == word);
        let said = parts.attribute("unit");
        let unit = said.map_or(Ok(USUAL), |v| v.read("\"seconds\", \"minutes\" or \"hours\"", unit))?;
        let given = parts.required("expiry")?;
        let expiry = given.read("a number", |v| number(v, 0, u64::from(u32::MAX)))?;
        let seconds = UNITS.get(unit).map_or(0, |(_, s)| expiry.saturating_mul(*s));
        if expiry > 0 && seconds < LEAST {
            return Err(given.fault("is less than two minutes"));
        }
        Ok(Some(Lease(expiry, unit)))
    })
}

/// Refuses addresses that two would be given.
fn distinct(subnet: &Subnet) -> Result<(), &'static str> {
    let mut ranges: Vec<_> = subnet.ranges.iter().map(|r| (r.first, r.last)).collect();
    ranges.sort_unstable();
    if ranges
        .windows(2)
        .any(|pair| matches!(pair, [(_, end), (start, _)] if start <= end))
    {
        return Err("two <range> have an address in common");
    }
    let mut fixed: Vec<IpAddr> = subnet.hosts.iter().map(|h| h.address).collect();
    fixed.sort_unstable();
    if fixed.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err("two <host> have one address");
    }
    Ok(())
}

/// Whether an address is that of the whole network, or, with IPv4, the one that all in it hear.
fn is_nobodys(address: IpAddr, prefix: u8) -> bool {
    match address {
        IpAddr::V4(a) => {
            let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            prefix < 31 && [0, hosts].contains(&(a.to_bits() & hosts))
        }
        IpAddr::V6(a) => {
            let hosts = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
            prefix < 127 && a.to_bits() & hosts == 0
        }
    }
}

/// Prints one.
pub fn write(w: &mut Writer, subnet: &Subnet) {
    let [mask, prefix] = subnet.net.length.attributes();
    let address = subnet.net.address.to_string();
    let attributes = [
        ("family", subnet.net.family()),
        ("address", Some(address.as_str())),
        ("netmask", mask.as_deref()),
        ("prefix", prefix.as_deref()),
        ("localPtr", subnet.local.map(yes_no)),
    ];
    opened(w, "ip", &attributes, |w| {
        if let Some(root) = &subnet.tftp {
            w.empty("tftp", &[("root", Some(root))]);
        }
        if !subnet.ranges.is_empty() || !subnet.hosts.is_empty() {
            w.element("dhcp", &[], |w| write_leased(w, subnet));
        }
    });
}

fn write_leased(w: &mut Writer, subnet: &Subnet) {
    let put = |w: &mut Writer, name: &str, attributes: &[(&str, Option<&str>)], lease: Option<Lease>| {
        let Some(Lease(expiry, unit)) = lease else {
            return w.empty(name, attributes);
        };
        let unit = UNITS.get(unit).map(|(name, _)| *name).filter(|_| expiry > 0);
        let said = [("expiry", Some(expiry.to_string())), ("unit", unit.map(str::to_owned))];
        let said = said.each_ref().map(|(n, v)| (*n, v.as_deref()));
        w.element(name, attributes, |w| w.empty("lease", &said));
    };
    for Range { first, last, lease } in &subnet.ranges {
        let [first, last] = [first, last].map(ToString::to_string);
        put(w, "range", &[("start", Some(&first)), ("end", Some(&last))], *lease);
    }
    for host in &subnet.hosts {
        let attributes = [
            ("mac", host.mac.as_deref()),
            ("id", host.id.as_deref()),
            ("name", host.name.as_deref()),
            ("ip", Some(&*host.address.to_string())),
        ]
        .map(|(name, value)| (name, value.map(str::to_owned)));
        let attributes = attributes.each_ref().map(|(n, v)| (*n, v.as_deref()));
        put(w, "host", &attributes, host.lease);
    }
    if let Some((file, server)) = &subnet.bootp {
        w.empty("bootp", &[("file", Some(file)), ("server", server.as_deref())]);
    }
}
