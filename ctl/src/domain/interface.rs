//! An interface as the document describes it, with the rules that its addresses and routes obey. Pure.

use super::identity::Mac;
use core::net::IpAddr;
use wire::LinkName;
use wire::netd::{Ipvlan, Isolation};

/// `interface`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Type and source.
    pub attached: Attached,
    /// `source@portgroup` of type `network`; not empty.
    pub portgroup: Option<String>,
    /// `mac@address`, inside; [`super::complete()`] makes one.
    pub mac: Option<Mac>,
    /// `ip`, inside, in order.
    pub addresses: Vec<Address>,
    /// `route`, inside, in order.
    pub routes: Vec<Route>,
    /// `target@dev`: the name on the host, or one that is made up.
    pub target: Option<LinkName>,
    /// `guest@dev`: the name inside; see [`super::model::guest_names`].
    pub guest: Option<LinkName>,
    /// `mtu@size`, in bytes.
    pub mtu: Option<u32>,
    /// `port@isolated`; where it is said.
    pub isolated: Option<bool>,
    /// `bandwidth`
    pub bandwidth: Bandwidth,
    /// `vlan`
    pub vlan: Option<Vlan>,
    /// `link@state`. Without it the interface is up inside if it has an address; `Down` never comes with an address.
    pub link: Option<LinkState>,
}

impl Interface {
    /// Whether it has the hardware address of the link that it lies on, and none of its own.
    pub const fn is_ipvlan(&self) -> bool {
        self.attached.is_ipvlan()
    }

    /// Whether the interface is brought up inside.
    pub fn is_up(&self) -> bool {
        match self.link {
            Some(state) => state == LinkState::Up,
            None => !self.addresses.is_empty() || self.attached == Attached::User,
        }
    }
}

/// Where the host's end of an interface belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attached {
    /// `network`: a network of this host, by name; not empty.
    Network(String),
    /// `bridge`: a bridge that must be there.
    Bridge(LinkName),
    /// `ethernet`: nowhere; the host's end has these addresses (`source/ip`), and these routes lead over it (`source/route`).
    Ethernet(Vec<Address>, Vec<Route>),
    /// `direct`: on this link of the host's.
    Direct(LinkName, Mode),
    /// `user`: nowhere; `pasta` carries what it sends over sockets of an ordinary user's.
    User,
}

impl Attached {
    /// Whether it is an ipvlan, which has the hardware address of the link that it lies on.
    pub const fn is_ipvlan(&self) -> bool {
        matches!(self, Self::Direct(_, Mode::Ipvlan(..)))
    }

    /// Whether the interface has an end on the host.
    pub const fn has_end(&self) -> bool {
        !matches!(self, Self::Direct(..) | Self::User)
    }
}

/// `bandwidth`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bandwidth {
    /// Whether the element is there.
    pub said: bool,
    /// `inbound`: to the container.
    pub inbound: Option<Rate>,
    /// `outbound`: from the container.
    pub outbound: Option<Rate>,
}

/// `inbound` or `outbound`, in kilobytes a second and in kibibytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// `@average`; only one with a `floor` may lack it.
    pub average: Option<u32>,
    /// `@peak`
    pub peak: Option<u32>,
    /// `@floor`: what is kept free for it on its network.
    pub floor: Option<u32>,
    /// `@burst`
    pub burst: Option<u32>,
}

/// `vlan`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vlan {
    /// `@trunk`: its frames bear tags.
    pub trunk: bool,
    /// `tag`, in order, at least one.
    pub tags: Vec<Tag>,
}

/// `tag`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// `@id`, 0 to 4095.
    pub id: u16,
    /// `@nativeMode`: frames without a tag belong to it, and whether its own bear one.
    pub native: Option<Native>,
}

/// `tag@nativeMode`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Native {
    /// `tagged`
    Tagged,
    /// `untagged`
    Untagged,
}

/// `source@mode` of an interface of type `direct`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `vepa`, which is meant where nothing is said.
    Vepa,
    /// `bridge`
    Bridge,
    /// `private`
    Private,
    /// `passthrough`
    Passthrough,
    /// `vlan`, which is Lazaret's own: the VLAN of that link that `<vlan>` names.
    Vlan,
    /// `ipvlan-l2` and the like, which are Lazaret's own: it has the link's hardware address.
    Ipvlan(Ipvlan, Isolation),
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 14] = {
        use {
            Ipvlan::{L2, L3, L3s},
            Isolation as I,
        };
        [
            Self::Vepa,
            Self::Bridge,
            Self::Private,
            Self::Passthrough,
            Self::Vlan,
            Self::Ipvlan(L2, I::Bridge),
            Self::Ipvlan(L3, I::Bridge),
            Self::Ipvlan(L3s, I::Bridge),
            Self::Ipvlan(L2, I::Private),
            Self::Ipvlan(L3, I::Private),
            Self::Ipvlan(L3s, I::Private),
            Self::Ipvlan(L2, I::Vepa),
            Self::Ipvlan(L3, I::Vepa),
            Self::Ipvlan(L3s, I::Vepa),
        ]
    };

    /// The word that documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vepa => "vepa",
            Self::Bridge => "bridge",
            Self::Private => "private",
            Self::Passthrough => "passthrough",
            Self::Vlan => "vlan",
            Self::Ipvlan(Ipvlan::L2, Isolation::Bridge) => "ipvlan-l2",
            Self::Ipvlan(Ipvlan::L3, Isolation::Bridge) => "ipvlan-l3",
            Self::Ipvlan(Ipvlan::L3s, Isolation::Bridge) => "ipvlan-l3s",
            Self::Ipvlan(Ipvlan::L2, Isolation::Private) => "ipvlan-l2-private",
            Self::Ipvlan(Ipvlan::L3, Isolation::Private) => "ipvlan-l3-private",
            Self::Ipvlan(Ipvlan::L3s, Isolation::Private) => "ipvlan-l3s-private",
            Self::Ipvlan(Ipvlan::L2, Isolation::Vepa) => "ipvlan-l2-vepa",
            Self::Ipvlan(Ipvlan::L3, Isolation::Vepa) => "ipvlan-l3-vepa",
            Self::Ipvlan(Ipvlan::L3s, Isolation::Vepa) => "ipvlan-l3s-vepa",
        }
    }
}

/// `link@state`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// `up`
    Up,
    /// `down`
    Down,
}

/// `ip`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// `@address`
    pub address: IpAddr,
    /// `@prefix`, 1 to 32 or 128, where it was given.
    pub prefix: Option<u8>,
    /// `@peer`, of the same family.
    pub peer: Option<IpAddr>,
}

impl Address {
    /// The prefix length in bits: the one given, or the one of the address's class.
    pub fn prefix(&self) -> u8 {
        self.prefix.unwrap_or_else(|| class_prefix(self.address))
    }
}

/// `route`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// `@address`: a network, with no bit set beyond its prefix.
    pub destination: IpAddr,
    /// `@prefix`, 0 to 32 or 128, where it was given.
    pub prefix: Option<u8>,
    /// `@gateway`, of the same family.
    pub gateway: IpAddr,
    /// `@metric`, above 0.
    pub metric: Option<u32>,
    /// Whether `@family` is said.
    pub family: bool,
    /// Whether the prefix was given as `@netmask`, of IPv4.
    pub netmask: bool,
}

impl Route {
    /// The one that leads everywhere else through this gateway.
    pub const fn default_by(gateway: IpAddr) -> Self {
        let destination = match gateway {
            IpAddr::V4(_) => IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED),
        };
        Self {
            destination,
            prefix: Some(0),
            gateway,
            metric: None,
            family: true,
            netmask: false,
        }
    }

    /// The prefix length in bits: the one given, or the one of the address's class, 0 for the unspecified address.
    pub fn prefix(&self) -> u8 {
        self.prefix.unwrap_or_else(|| class_prefix(self.destination))
    }

    /// Whether the destination has no bit beyond its prefix.
    pub fn is_network(&self) -> bool {
        let prefix = u32::from(self.prefix());
        match self.destination {
            IpAddr::V4(v4) => v4.to_bits().checked_shl(prefix).unwrap_or(0) == 0,
            IpAddr::V6(v6) => v6.to_bits().checked_shl(prefix).unwrap_or(0) == 0,
        }
    }
}

/// The name that documents give to an address's family.
pub const fn family(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "ipv4",
        IpAddr::V6(_) => "ipv6",
    }
}

/// The most bits that a prefix of this family has.
pub const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// What libvirt takes where no prefix is given: the classes A, B and C (RFC 791), 64 for IPv6, 0 for the unspecified address.
fn class_prefix(address: IpAddr) -> u8 {
    match address {
        _ if address.is_unspecified() => 0,
        IpAddr::V6(_) => 64,
        IpAddr::V4(v4) => match v4.octets() {
            [0..=127, ..] => 8,
            [128..=191, ..] => 16,
            _ => 24,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(address: &str, prefix: Option<u8>) -> Route {
        let destination: IpAddr = address.parse().unwrap();
        Route {
            destination,
            prefix,
            gateway: destination,
            metric: None,
            family: true,
            netmask: false,
        }
    }

    #[test]
    fn a_missing_prefix_is_that_of_the_class() {
        let prefix = |text| route(text, None).prefix();
        assert_eq!(
            ["0.0.0.0", "10.0.0.0", "172.16.0.0", "192.168.7.0", "::", "fd00::"].map(prefix),
            [0, 8, 16, 24, 0, 64]
        );
    }

    #[test]
    fn a_network_has_no_bit_beyond_its_prefix() {
        for (text, prefix) in [
            ("0.0.0.0", Some(0)),
            ("10.1.2.3", Some(32)),
            ("10.1.0.0", Some(16)),
            ("fd00::", None),
            ("fd00::1", Some(128)),
        ] {
            assert!(route(text, prefix).is_network(), "{text}");
        }
        for (text, prefix) in [
            ("10.1.2.3", Some(24)),
            ("1.0.0.0", Some(0)),
            ("10.1.0.0", None),
            ("fd00::1", None),
        ] {
            assert!(!route(text, prefix).is_network(), "{text}");
        }
    }
}
