//! Which network a container of `run` is on, as the option says it. Pure.

use crate::domain::{Attached, Mode, Tag, Vlan};
use std::net::IpAddr;
use std::str::FromStr;
use wire::{ContainerName, LinkName};

/// Which network a container is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// The bridge with NAT.
    Default,
    /// Another network of Lazaret's, by name.
    Named(ContainerName),
    /// A loopback only.
    None,
    /// The host's own.
    Host,
    /// An ordinary user's, in user space.
    User,
    /// A bridge or a link of the host's.
    On(Box<(Attached, Option<Vlan>)>),
}

const WRONG: &str = "a network is default or another by its name, none, host, user, bridge:BRIDGE, macvlan:LINK[:MODE], ipvlan:LINK[:MODE] or vlan:LINK:ID";

impl FromStr for Network {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let on = |attached, vlan| Ok(Self::On(Box::new((attached, vlan))));
        match text {
            "default" => return Ok(Self::Default),
            "none" => return Ok(Self::None),
            "host" => return Ok(Self::Host),
            "user" => return Ok(Self::User),
            _ => {}
        }
        let Some((kind, rest)) = text.split_once(':') else {
            return ContainerName::new(text)
                .map(Self::Named)
                .map_err(|e| format!("{WRONG}: {e}"));
        };
        let (name, more) = rest.split_once(':').map_or((rest, None), |(n, m)| (n, Some(m)));
        let name = LinkName::new(name).map_err(|e| format!("it names no link: {e}"))?;
        let mode = |word: &str| {
            Mode::ALL
                .into_iter()
                .find(|m| m.name() == word)
                .ok_or_else(|| WRONG.to_owned())
        };
        match (kind, more) {
            ("bridge", None) => on(Attached::Bridge(name), None),
            ("macvlan", Some("vlan")) => Err(WRONG.into()),
            ("macvlan", word) if !word.is_some_and(|w| w.starts_with("ipvlan")) => {
                on(Attached::Direct(name, mode(word.unwrap_or("bridge"))?), None)
            }
            ("ipvlan", word) => {
                let whole = format!("ipvlan-{}", word.unwrap_or("l3"));
                on(Attached::Direct(name, mode(&whole)?), None)
            }
            ("vlan", Some(id)) => {
                let id = id.parse().ok().filter(|id| (1..4095).contains(id));
                let id = id.ok_or("a VLAN has a number from 1 to 4094")?;
                let tags = vec![Tag { id, native: None }];
                on(Attached::Direct(name, Mode::Vlan), Some(Vlan { trunk: false, tags }))
            }
            _ => Err(WRONG.into()),
        }
    }
}

/// An address inside, with its network's prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inside(pub IpAddr, pub u8);

impl FromStr for Inside {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "it is not an address with its prefix, such as 192.0.2.7/24".to_owned();
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        (1..=most)
            .contains(&prefix)
            .then_some(Self(address, prefix))
            .ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_one_of_these() {
        let on = |text: &str| match text.parse() {
            Ok(Network::On(on)) => *on,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!("host".parse(), Ok(Network::Host));
        assert_eq!("user".parse(), Ok(Network::User));
        let link = || LinkName::new("wan").unwrap();
        assert_eq!(on("bridge:wan"), (Attached::Bridge(link()), None));
        assert_eq!(on("macvlan:wan").0, Attached::Direct(link(), Mode::Bridge));
        assert_eq!(on("macvlan:wan:private").0, Attached::Direct(link(), Mode::Private));
        let (vlan, tag) = on("vlan:wan:7");
        assert_eq!(
            (vlan, tag.unwrap().tags[0].id),
            (Attached::Direct(link(), Mode::Vlan), 7)
        );
        for (text, name) in [
            ("ipvlan:wan", "ipvlan-l3"),
            ("ipvlan:wan:l3s-private", "ipvlan-l3s-private"),
        ] {
            assert!(
                matches!(on(text).0, Attached::Direct(_, mode) if mode.name() == name),
                "{text}"
            );
        }
        for bad in [
            "",
            "a/b",
            "bridge:",
            "bridge:a/b",
            "bridge:wan:1",
            "macvlan:wan:vlan",
            "macvlan:wan:ipvlan-l2",
            "vlan:wan",
            "vlan:wan:0",
            "vlan:wan:4095",
            "ipvlan:wan:l4",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_has_its_prefix() {
        assert_eq!("192.0.2.7/24".parse(), Ok(Inside("192.0.2.7".parse().unwrap(), 24)));
        for bad in ["192.0.2.7", "192.0.2.7/33", "192.0.2.7/0", "::1/129", "x/8", ""] {
            assert!(bad.parse::<Inside>().is_err(), "{bad}");
        }
    }
}
