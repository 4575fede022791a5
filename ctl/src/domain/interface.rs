//! An interface as the document describes it, with the rules that its addresses and routes obey. Pure.

use super::identity::Mac;
use core::net::IpAddr;
use wire::LinkName;

/// `interface`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Type and source.
    pub attached: Attached,
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
    /// `link@state`. Without it the interface is up inside if it has an address; `Down` never comes with an address.
    pub link: Option<LinkState>,
}

impl Interface {
    /// Whether the interface is brought up inside.
    pub fn is_up(&self) -> bool {
        match self.link {
            Some(state) => state == LinkState::Up,
            None => !self.addresses.is_empty(),
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
    /// `ethernet`: nowhere; the host's end has these addresses (`source/ip`).
    Ethernet(Vec<Address>),
    /// `direct`: on this link of the host's.
    Direct(LinkName, Mode),
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
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 4] = [Self::Vepa, Self::Bridge, Self::Private, Self::Passthrough];

    /// The word that documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vepa => "vepa",
            Self::Bridge => "bridge",
            Self::Private => "private",
            Self::Passthrough => "passthrough",
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
}

impl Route {
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
