//! The `capabilities` feature: the names that documents use, and the set that a policy leaves. Pure.

use std::collections::BTreeMap;

/// One capability: its place in [`NAMES`], which is the order in which it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capability(usize);

/// Name and bit (capabilities(7)) of each: libvirt's 37 in its order, then the four that it does not know.
const NAMES: [(&str, u8); 41] = [
    ("audit_control", 30),
    ("audit_write", 29),
    ("block_suspend", 36),
    ("chown", 0),
    ("dac_override", 1),
    ("dac_read_search", 2),
    ("fowner", 3),
    ("fsetid", 4),
    ("ipc_lock", 14),
    ("ipc_owner", 15),
    ("kill", 5),
    ("lease", 28),
    ("linux_immutable", 9),
    ("mac_admin", 33),
    ("mac_override", 32),
    ("mknod", 27),
    ("net_admin", 12),
    ("net_bind_service", 10),
    ("net_broadcast", 11),
    ("net_raw", 13),
    ("setgid", 6),
    ("setfcap", 31),
    ("setpcap", 8),
    ("setuid", 7),
    ("sys_admin", 21),
    ("sys_boot", 22),
    ("sys_chroot", 18),
    ("sys_module", 16),
    ("sys_nice", 23),
    ("sys_pacct", 20),
    ("sys_ptrace", 19),
    ("sys_rawio", 17),
    ("sys_resource", 24),
    ("sys_time", 25),
    ("sys_tty_config", 26),
    ("syslog", 34),
    ("wake_alarm", 35),
    ("audit_read", 37),
    ("bpf", 39),
    ("checkpoint_restore", 40),
    ("perfmon", 38),
];

impl Capability {
    /// Every capability, in the order in which they are printed.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..NAMES.len()).map(Self)
    }

    /// The capability that a document calls so.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|c| c.name() == name)
    }

    /// The name in documents: capabilities(7) without `CAP_`, in small letters.
    pub fn name(self) -> &'static str {
        NAMES.get(self.0).map_or("", |(name, _)| name)
    }

    /// The bit (capabilities(7)), below 64.
    pub fn bit(self) -> u8 {
        NAMES.get(self.0).map_or(0, |(_, bit)| *bit)
    }

    /// The set that holds just this one.
    pub fn mask(self) -> u64 {
        1u64.checked_shl(u32::from(self.bit())).unwrap_or(0)
    }
}

/// `capabilities@policy`: what becomes of those that are not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// `default`: they are kept, but for a list that the host's own safety or libvirt takes away.
    #[default]
    Default,
    /// `allow`: they are kept.
    Allow,
    /// `deny`: they are dropped.
    Deny,
}

impl Policy {
    /// The word in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// `features/capabilities`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// `@policy`
    pub policy: Policy,
    /// Those that are named, and whether their state is `on`.
    pub states: BTreeMap<Capability, bool>,
}

impl Capabilities {
    /// The set that is kept, by bit, where the policy `default` keeps `default` of those that are not named. `all` is the set that
    /// exists here, of which nothing more can be kept.
    pub fn kept(&self, default: u64, all: u64) -> u64 {
        let unnamed = match self.policy {
            Policy::Default => default,
            Policy::Allow => all,
            Policy::Deny => 0,
        };
        let set = |kept: u64, (capability, on): (&Capability, &bool)| {
            if *on {
                kept | capability.mask()
            } else {
                kept & !capability.mask()
            }
        };
        self.states.iter().fold(unnamed, set) & all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_up_to_40_has_one_name() {
        let mut bits: Vec<u8> = Capability::all().map(Capability::bit).collect();
        bits.sort_unstable();
        assert_eq!(bits, (0..41).collect::<Vec<u8>>());
        assert_eq!(Capability::named("checkpoint_restore").unwrap().bit(), 40);
        assert_eq!(Capability::named("CAP_CHOWN"), None);
    }

    #[test]
    fn a_policy_and_the_names_make_the_set() {
        let (chown, kill) = (Capability::named("chown").unwrap(), Capability::named("kill").unwrap());
        let states = BTreeMap::from([(chown, false), (kill, true)]);
        let kept = |policy| {
            Capabilities {
                policy,
                states: states.clone(),
            }
            .kept(0b11, 0xff)
        };
        assert_eq!(kept(Policy::Default), 0b10_0010);
        assert_eq!(kept(Policy::Allow), 0xfe);
        assert_eq!(kept(Policy::Deny), 0b10_0000);
    }
}
