//! `domain` and `dns`: what a network calls things, and who is asked for other names. Pure.

use super::parse::{ip, yes_no, yes_or_no};
use crate::domain::error::Fault;
use crate::domain::units::number;
use crate::domain::xml::{Given, Parts, Writer};
use std::net::IpAddr;

/// `domain`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// `@name`
    pub name: String,
    /// `@localOnly`: whether nobody else is asked for names in it.
    pub local: Option<bool>,
    /// `@register`: whether the host's resolver is told of it.
    pub register: Option<bool>,
}

/// `dns`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dns {
    /// `@enable`
    pub enable: Option<bool>,
    /// `@forwardPlainNames`: whether others are asked for names without a dot.
    pub plain: Option<bool>,
    /// `forwarder`: for which domain, and who is asked.
    pub forwarders: Vec<(Option<String>, Option<IpAddr>)>,
    /// `txt`: name and value.
    pub texts: Vec<(String, String)>,
    /// `srv`
    pub services: Vec<Service>,
    /// `host`: its address and its names.
    pub hosts: Vec<(IpAddr, Vec<String>)>,
}

/// `srv`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `@service` and `@protocol`
    pub what: [String; 2],
    /// `@domain`
    pub domain: Option<String>,
    /// `@target`
    pub target: Option<String>,
    /// `@port`, `@priority` and `@weight`; 0 is none.
    pub numbers: [u16; 3],
}

/// Reads `domain`.
pub fn read_domain(parts: &mut Parts) -> Result<Named, Fault> {
    let mut said = |name: &str| {
        let given = parts.attribute(name);
        given.map(|v| v.read("\"yes\" or \"no\"", yes_or_no)).transpose()
    };
    let (local, register) = (said("localOnly")?, said("register")?);
    Ok(Named {
        name: name(&parts.required("name")?)?,
        local,
        register,
    })
}

/// A name that files and answers can hold.
fn name(given: &Given) -> Result<String, Fault> {
    let is = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    given.read("a name of letters, digits, - and .", |v| {
        (!v.is_empty() && v.len() < 256 && v.chars().all(is)).then(|| v.to_owned())
    })
}

/// Reads `dns`.
pub fn read(parts: &mut Parts) -> Result<Dns, Fault> {
    let mut said = |name: &str| {
        let given = parts.attribute(name);
        given.map(|v| v.read("\"yes\" or \"no\"", yes_or_no)).transpose()
    };
    let (enable, plain) = (said("enable")?, said("forwardPlainNames")?);
    let forwarders = parts.children("forwarder").into_iter().map(|e| e.read(forwarder));
    let forwarders = forwarders.collect::<Result<_, _>>()?;
    let texts = parts.children("txt").into_iter().map(|e| e.read(text));
    let texts = texts.collect::<Result<_, _>>()?;
    let services = parts.children("srv").into_iter().map(|e| e.read(service));
    let services = services.collect::<Result<_, _>>()?;
    let hosts = parts.children("host").into_iter().map(|e| e.read(host));
    Ok(Dns {
        enable,
        plain,
        forwarders,
        texts,
        services,
        hosts: hosts.collect::<Result<_, _>>()?,
    })
}

fn forwarder(parts: &mut Parts) -> Result<(Option<String>, Option<IpAddr>), Fault> {
    let domain = parts.attribute("domain").as_ref().map(name).transpose()?;
    let address = parts.attribute("addr").as_ref().map(ip).transpose()?;
    if domain.is_none() && address.is_none() {
        return Err(parts.fault("a <forwarder> has an addr or a domain"));
    }
    Ok((domain, address))
}

fn text(parts: &mut Parts) -> Result<(String, String), Fault> {
    let name = parts.required("name")?;
    if name.value.is_empty() || name.value.contains(' ') {
        return Err(name.fault("is empty, or has a space"));
    }
    Ok((name.value, parts.required("value")?.value))
}

fn service(parts: &mut Parts) -> Result<Service, Fault> {
    let (service, protocol) = (parts.required("service")?, parts.required("protocol")?);
    let protocol = protocol.read("\"tcp\" or \"udp\"", |v| {
        ["tcp", "udp"].contains(&v).then(|| v.to_owned())
    })?;
    if service.value.is_empty() || service.value.len() > 63 {
        return Err(service.fault("is no name of a service"));
    }
    let mut count = |name: &str, least: u16| {
        let Some(given) = parts.attribute(name) else {
            return Ok(0);
        };
        let wanted = format!("a number from {least} to 65535");
        given.read(&wanted, |v| number(v, least, u16::MAX))
    };
    let numbers = [count("port", 1)?, count("priority", 0)?, count("weight", 0)?];
    Ok(Service {
        what: [service.value, protocol],
        domain: parts.attribute("domain").map(|v| v.value),
        target: parts.attribute("target").map(|v| v.value),
        numbers,
    })
}

fn host(parts: &mut Parts) -> Result<(IpAddr, Vec<String>), Fault> {
    let address = ip(&parts.required("ip")?)?;
    let names = parts.children("hostname").into_iter().map(|e| name(&e.leaf()?));
    let names: Vec<String> = names.collect::<Result<_, _>>()?;
    if names.is_empty() {
        return Err(parts.lacks("hostname"));
    }
    Ok((address, names))
}

/// Prints `domain`.
pub fn write_domain(w: &mut Writer, domain: &Named) {
    let attributes = [
        ("name", Some(domain.name.as_str())),
        ("localOnly", domain.local.map(yes_no)),
        ("register", domain.register.map(yes_no)),
    ];
    w.empty("domain", &attributes);
}

/// Prints `dns`, where it says something.
pub fn write(w: &mut Writer, dns: &Dns) {
    let attributes = [
        ("enable", dns.enable.map(yes_no)),
        ("forwardPlainNames", dns.plain.map(yes_no)),
    ];
    let bare = Dns {
        enable: dns.enable,
        plain: dns.plain,
        ..Dns::default()
    };
    if *dns == Dns::default() {
        return;
    }
    if *dns == bare {
        return w.empty("dns", &attributes);
    }
    w.element("dns", &attributes, |w| {
        for (domain, address) in &dns.forwarders {
            let address = address.map(|a| a.to_string());
            w.empty(
                "forwarder",
                &[("domain", domain.as_deref()), ("addr", address.as_deref())],
            );
        }
        for (name, value) in &dns.texts {
            w.empty("txt", &[("name", Some(name)), ("value", Some(value))]);
        }
        dns.services.iter().for_each(|s| write_service(w, s));
        for (address, names) in &dns.hosts {
            w.element("host", &[("ip", Some(&address.to_string()))], |w| {
                names.iter().for_each(|n| w.leaf("hostname", &[], n));
            });
        }
    });
}

fn write_service(w: &mut Writer, service: &Service) {
    let [what, protocol] = &service.what;
    let [port, priority, weight] = service.numbers.map(|n| (n > 0).then(|| n.to_string()));
    let attributes = [
        ("service", Some(what.as_str())),
        ("protocol", Some(protocol.as_str())),
        ("domain", service.domain.as_deref()),
        ("target", service.target.as_deref()),
        ("port", port.as_deref()),
        ("priority", priority.as_deref()),
        ("weight", weight.as_deref()),
    ];
    w.empty("srv", &attributes);
}
