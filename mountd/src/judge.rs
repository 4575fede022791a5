//! May these mounts be made? Pure: it pairs each mount with the descriptors that it needs, and refuses what the factory never makes.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use sys::mount::{Attr, INERT};
use wire::Failure;
use wire::devd::Rule;
use wire::frame::MAX_DESCRIPTORS;
use wire::mountd::{Device, FileSystem, Flags, Mount};

/// One mount with everything that it is made from.
#[derive(Debug)]
pub enum Order {
    /// A clone of what is mounted at this place, `O_PATH`; whether what lies below is cloned too; the flags of every mount of it; and the user
    /// namespace to translate ids by.
    Tree(OwnedFd, bool, Attr, Option<OwnedFd>),
    /// What is on a block device, with these flags and the user namespace to translate ids by.
    Disk(OwnedFd, FileSystem, Attr, OwnedFd),
    /// A clone of one device node.
    Node(Device, OwnedFd),
    /// A FUSE superblock of one file, served through this descriptor of `/dev/fuse`.
    Meminfo(OwnedFd),
    /// A new instance of this type, with these flags.
    Pseudo(&'static CStr, Attr),
}

/// Nobody executes anything in it; its device nodes can be opened, as those of the host's own mounts can.
const NODES: Attr = Attr::MOUNT_ATTR_NOSUID.union(Attr::MOUNT_ATTR_NOEXEC);
const SYSFS: Attr = NODES.union(Attr::MOUNT_ATTR_NODEV).union(Attr::MOUNT_ATTR_RDONLY);

/// Mounts that have been judged; only [`judge`] makes them.
#[derive(Debug)]
pub struct Judged(Vec<Order>);

impl Judged {
    /// The orders, in the order of the request.
    pub fn into_orders(self) -> Vec<Order> {
        self.0
    }
}

/// Judges a whole request.
pub fn judge(mounts: &[Mount], descriptors: Vec<OwnedFd>) -> Result<Judged, Failure> {
    if mounts.is_empty() || mounts.len() > MAX_DESCRIPTORS {
        let what = format!(
            "make {} mounts at once: 1 to {MAX_DESCRIPTORS} can be handed over",
            mounts.len()
        );
        return Err(Failure::caller(&what));
    }
    let mut rest = descriptors.into_iter();
    let mut next = || {
        rest.next()
            .ok_or_else(|| Failure::protocol("find the descriptor of a mount"))
    };
    let mut orders = Vec::with_capacity(mounts.len());
    for mount in mounts {
        orders.push(match mount {
            Mount::Tree { flags, .. } | Mount::Disk { flags, .. } if !flags.no_dev => {
                let what = "mount a tree through which its device nodes could be opened";
                return Err(Failure::caller(what));
            }
            Mount::Tree {
                recursive,
                flags,
                idmapped,
            } => {
                let (at, idmap) = (next()?, idmapped.then(&mut next).transpose()?);
                Order::Tree(at, *recursive, attributes(*flags), idmap)
            }
            Mount::Disk { kind, flags } => Order::Disk(next()?, *kind, attributes(*flags), next()?),
            Mount::Node(device) => Order::Node(*device, next()?),
            Mount::Meminfo => Order::Meminfo(next()?),
            // Writable, because it must be no less than what is asked for then; see `pseudo`.
            Mount::Proc => Order::Pseudo(c"proc", INERT),
            Mount::Sysfs => Order::Pseudo(c"sysfs", SYSFS),
            Mount::Nodes => Order::Pseudo(c"tmpfs", NODES),
        });
    }
    match rest.next() {
        None => Ok(Judged(orders)),
        Some(_) => Err(Failure::protocol("find the mount of a descriptor")),
    }
}

/// Device rules that have been judged, with the files that they are written to; only [`judge_rules`] makes them.
#[derive(Debug)]
pub struct Rules<'a> {
    /// The rules.
    pub rules: &'a [Rule],
    /// The `devices.deny` that is told to deny everything first.
    pub deny: Option<OwnedFd>,
    /// Where they are written.
    pub to: OwnedFd,
}

/// Judges device rules, to be put `whole` in the place of all that are in force, or beside them. None is fine: it denies every device.
pub fn judge_rules(rules: &[Rule], whole: bool, mut descriptors: Vec<OwnedFd>) -> Result<Rules<'_>, Failure> {
    let sound = rules.iter().all(Rule::is_sound);
    match (descriptors.pop(), descriptors.pop(), descriptors.is_empty()) {
        (Some(to), deny, true) if sound && deny.is_some() == whole => Ok(Rules { rules, deny, to }),
        _ => Err(Failure::caller("put device rules in force that are not sound")),
    }
}

fn attributes(flags: Flags) -> Attr {
    let one = |wanted, flag| if wanted { flag } else { Attr::empty() };
    one(flags.read_only, Attr::MOUNT_ATTR_RDONLY)
        | one(flags.no_suid, Attr::MOUNT_ATTR_NOSUID)
        | one(flags.no_dev, Attr::MOUNT_ATTR_NODEV)
        | one(flags.no_exec, Attr::MOUNT_ATTR_NOEXEC)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_DEV: Flags = Flags {
        read_only: false,
        no_suid: false,
        no_dev: true,
        no_exec: false,
    };

    const fn tree(flags: Flags, idmapped: bool) -> Mount {
        Mount::Tree {
            recursive: false,
            flags,
            idmapped,
        }
    }

    fn descriptors(n: usize) -> Vec<OwnedFd> {
        (0..n)
            .map(|_| std::fs::File::open("/dev/null").unwrap().into())
            .collect()
    }

    #[test]
    fn refuses_no_mount_and_more_than_can_be_handed_over() {
        assert!(judge(&[], vec![]).is_err());
        assert!(judge(&vec![Mount::Proc; MAX_DESCRIPTORS], vec![]).is_ok());
        assert!(judge(&vec![Mount::Proc; MAX_DESCRIPTORS + 1], vec![]).is_err());
    }

    #[test]
    fn refuses_rules_that_allow_nothing_or_have_impossible_numbers_and_other_files() {
        let sound = Rule {
            block: false,
            major: Some(1),
            minor: None,
            read: true,
            write: false,
            make: false,
        };
        for (whole, number) in [(true, 2), (false, 1)] {
            assert!(judge_rules(&[], whole, descriptors(number)).is_ok_and(|r| r.deny.is_some() == whole));
            assert!(judge_rules(&[sound], whole, descriptors(number)).is_ok());
        }
        let nothing = Rule { read: false, ..sound };
        let major = Some(1 << 12);
        let minor = Some(1 << 20);
        for wrong in [nothing, Rule { major, ..sound }, Rule { minor, ..sound }] {
            assert!(judge_rules(&[sound, wrong], true, descriptors(2)).is_err(), "{wrong:?}");
            assert!(
                judge_rules(&[sound, wrong], false, descriptors(1)).is_err(),
                "{wrong:?}"
            );
        }
        for (whole, number) in [(true, 0), (true, 1), (true, 3), (false, 0), (false, 2), (false, 3)] {
            assert!(judge_rules(&[sound], whole, descriptors(number)).is_err());
        }
    }

    #[test]
    fn refuses_a_tree_with_working_device_nodes() {
        assert!(judge(&[tree(Flags::default(), false)], descriptors(1)).is_err());
        let disk = |flags| Mount::Disk {
            kind: FileSystem::Ext4,
            flags,
        };
        assert!(judge(&[disk(Flags::default())], descriptors(2)).is_err());
        assert!(judge(&[disk(NO_DEV)], descriptors(2)).is_ok());
        assert!(judge(&[disk(NO_DEV)], descriptors(1)).is_err());
    }

    #[test]
    fn refuses_another_number_of_descriptors() {
        let mounts = [
            tree(NO_DEV, true),
            Mount::Node(Device::Null),
            Mount::Meminfo,
            Mount::Proc,
            Mount::Sysfs,
            Mount::Nodes,
        ];
        assert!(judge(&mounts, descriptors(3)).is_err());
        assert!(judge(&mounts, descriptors(4)).is_ok());
        assert!(judge(&mounts, descriptors(5)).is_err());
    }

    #[test]
    fn flags_are_those_asked_for() {
        let flags = Flags {
            read_only: true,
            no_suid: true,
            no_dev: true,
            no_exec: true,
        };
        let attr = attributes(flags);
        assert_eq!(attr.bits(), 0xf);
        assert_eq!(attributes(NO_DEV), Attr::MOUNT_ATTR_NODEV);
    }
}
