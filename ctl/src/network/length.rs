//! How long the prefix of a network is, as `ip` and `route` say it: in bits, as a mask, or not at all. Pure.

use super::parse::{ip, known_family};
use crate::domain::error::Fault;
use crate::domain::interface::{Address, width};
use crate::domain::units::number;
use crate::domain::xml::{Given, Parts};
use std::net::{IpAddr, Ipv4Addr};

/// What is said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Nothing: it is that of the address's class.
    Class,
    /// `@prefix`
    Bits(u8),
    /// `@netmask`, by its bits.
    Mask(u8),
}

impl Length {
    /// The bits.
    pub fn bits(self, address: IpAddr) -> u8 {
        match self {
            Self::Bits(bits) | Self::Mask(bits) => bits,
            Self::Class => {
                let prefix = None;
                Address {
                    address,
                    prefix,
                    peer: None,
                }
                .prefix()
            }
        }
    }

    /// The mask and the prefix, as they are printed: one of them, or none.
    pub fn attributes(self) -> [Option<String>; 2] {
        match self {
            Self::Class => [None, None],
            Self::Bits(bits) => [None, Some(bits.to_string())],
            Self::Mask(bits) => {
                let shift = 32u32.saturating_sub(bits.into());
                let mask = Ipv4Addr::from_bits(u32::MAX.checked_shl(shift).unwrap_or(0));
                [Some(mask.to_string()), None]
            }
        }
    }
}

/// An address with its family, where that is said, and the length of its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net {
    /// `@address`
    pub address: IpAddr,
    /// Whether `@family` is said.
    pub named: bool,
    /// `@prefix` or `@netmask`
    pub length: Length,
}

impl Net {
    /// The bits of the prefix.
    pub fn prefix(&self) -> u8 {
        self.length.bits(self.address)
    }

    /// The family, where it is said.
    pub const fn family(&self) -> Option<&'static str> {
        if self.named {
            Some(crate::domain::interface::family(self.address))
        } else {
            None
        }
    }
}

/// Reads them off an element, with the address as it was given; the shortest prefix is `least`.
pub fn read(parts: &mut Parts, least: u8) -> Result<(Net, Given), Fault> {
    let given = parts.required("address")?;
    let address = ip(&given)?;
    let named = known_family(parts, address)?;
    let most = width(address);
    let prefix = parts.attribute("prefix");
    let prefix = prefix.map(|v| v.read(&format!("a number from {least} to {most}"), |v| number(v, least, most)));
    let mask = parts.attribute("netmask");
    if let Some(mask) = mask.as_ref().filter(|_| address.is_ipv6()) {
        return Err(mask.fault("is of IPv4"));
    }
    let mask = mask.map(|v| v.read("the mask of a network", prefix_of));
    let length = match (prefix.transpose()?, mask.transpose()?) {
        (Some(_), Some(_)) => return Err(parts.fault("a network has a prefix or a netmask, not both")),
        (Some(bits), None) => Length::Bits(bits),
        (None, Some(bits)) => Length::Mask(bits),
        (None, None) => Length::Class,
    };
    let net = Net { address, named, length };
    Ok((net, given))
}

/// The prefix length of a mask.
fn prefix_of(mask: &str) -> Option<u8> {
    let bits = mask.parse::<Ipv4Addr>().ok()?.to_bits();
    let ones = bits.leading_ones();
    let whole = u32::MAX.checked_shl(32u32.checked_sub(ones)?).unwrap_or(0);
    (whole == bits && ones > 0).then_some(u8::try_from(ones).ok()?)
}
