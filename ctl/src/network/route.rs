//! `route`: a network that the host reaches by way of somebody on this one. Pure.

use super::length::{self, Length, Net};
use super::parse::ip;
use crate::domain::Route;
use crate::domain::error::Fault;
use crate::domain::units::number;
use crate::domain::xml::{Parts, Writer};
use std::net::IpAddr;

/// `route`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Static {
    /// `@address`, `@family`, and `@prefix` or `@netmask`
    pub net: Net,
    /// `@gateway`
    pub gateway: IpAddr,
    /// `@metric`
    pub metric: Option<u32>,
}

/// Reads one.
pub fn read(parts: &mut Parts) -> Result<Static, Fault> {
    let (net, given) = length::read(parts, 0)?;
    let said = parts.required("gateway")?;
    let gateway = ip(&said)?;
    let metric = parts.attribute("metric");
    let metric = metric.map(|v| v.read("a number above 0", |v| number(v, 1, u32::MAX)));
    let read = Static {
        net,
        gateway,
        metric: metric.transpose()?,
    };
    if gateway.is_ipv4() != net.address.is_ipv4() {
        return Err(said.fault("is of another family than the route"));
    }
    // A route's network is said whole, as libvirt has it: of what class its address is means nothing.
    let unsaid = net.length == Length::Class && !net.address.is_unspecified();
    if unsaid || !read.whole().is_network() {
        return Err(given.fault("is not that of a network"));
    }
    Ok(read)
}

impl Static {
    fn whole(&self) -> Route {
        Route {
            destination: self.net.address,
            prefix: Some(self.net.prefix()),
            gateway: self.gateway,
            metric: self.metric,
            family: true,
            netmask: false,
        }
    }
}

/// Prints one.
pub fn write(w: &mut Writer, route: &Static) {
    let [mask, prefix] = route.net.length.attributes();
    let (address, gateway) = (route.net.address.to_string(), route.gateway.to_string());
    let metric = route.metric.map(|m| m.to_string());
    let attributes = [
        ("family", route.net.family()),
        ("address", Some(address.as_str())),
        ("netmask", mask.as_deref()),
        ("prefix", prefix.as_deref()),
        ("gateway", Some(gateway.as_str())),
        ("metric", metric.as_deref()),
    ];
    w.empty("route", &attributes);
}
